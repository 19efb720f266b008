"""Real commands under `runledger exec`: how they ended, or that nobody knows, is what history, metrics and API say."""

import datetime
import json
import os
import pathlib
import signal
import subprocess

import harness
import verdicts

STALE_S = 3


class Exec(harness.SystemTest):
    def exec(self, job, *command, heartbeat=None):
        """Starts a command under `runledger exec`, in a process group of its own."""
        flags = ["--date", datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "--flush-timeout", "60s"]
        if heartbeat:
            flags += ["--heartbeat", heartbeat]
        process = subprocess.Popen(
            [harness.BINARY, "exec", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--job", job, *flags,
             "--", *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=self.directory)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def doomed(self, job, looks, heartbeat=None):
        """A run whose wrapper and command are killed together."""
        pid_file = self.directory / f"{job}.pid"
        script = f"echo $$ > {pid_file}.new && mv {pid_file}.new {pid_file} && exec sleep 1000"
        process = self.exec(job, "sh", "-c", script, heartbeat=heartbeat)
        looks.until(lambda look: look.metrics.sum("runledger_runs_running", processor=job) == 1, f"{job} is running")
        child = int(harness.wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the command has started"))
        if heartbeat:
            looks.until(lambda look: self.beats(job) > 0, f"a heartbeat of {job}")
        os.killpg(process.pid, signal.SIGKILL)
        self.assertEqual(process.wait(), -signal.SIGKILL)
        harness.wait_until(lambda: state_of(child) in ("", "Z"), "the command is gone too")

    def beats(self, job):
        return self.history("SELECT count(*) AS n FROM events WHERE job_name = ? AND heartbeat = 1", job)[0]["n"]

    def test_every_end_is_told_truthfully(self):
        config = self.config(jobs={"defaults": {"stale_after": f"{STALE_S}s"}})
        self.make_topics(config)
        instance = self.serve(config).start().wait_ready()
        looks = verdicts.Looks(self, instance)

        good = self.exec("good", "sh", "-c", "echo to stdout; echo to stderr >&2")
        seven = self.exec("seven", "sh", "-c", "echo reading >&2; echo 'disk full: /data' >&2; exit 7")
        shot = self.exec("shot", "sh", "-c", "echo last words >&2; kill -9 $$")
        self.assertEqual(good.communicate(), ("to stdout\n", "to stderr\n"))
        self.assertEqual(seven.communicate()[1], "reading\ndisk full: /data\n")
        self.assertEqual(shot.communicate()[1], "last words\n")
        self.assertEqual([good.returncode, seven.returncode, shot.returncode], [0, 7, 128 + signal.SIGKILL])

        gate = self.directory / "gate"
        steady = self.exec("steady", "sh", "-c", f"until test -e {gate}; do sleep 0.1; done", heartbeat="200ms")
        self.doomed("doomed", looks)
        self.doomed("doomed.beating", looks, heartbeat="200ms")
        looks.until(lambda look: look.stale() >= {"doomed", "doomed.beating"}, "the killed ones are stale")

        # The one that beats has been running for longer than that too.
        started = harness.wait_until(
            lambda: self.history("SELECT min(started_at) AS t FROM events WHERE job_name = 'steady'")[0]["t"], "its start is a row")
        enough = started + verdicts.micros(STALE_S + 1)
        looks.until(lambda look: min(look.watermarks().values()) > enough, "steady has run for longer")
        self.assertIsNone(steady.poll())
        self.check_while_running(instance, looks.until(lambda look: look.caught_up(), "verdicts are known"))

        gate.touch()
        self.assertEqual(steady.wait(harness.PATIENCE_S), 0, steady.stderr)
        looks.until(lambda look: look.metrics.sum("runledger_runs_finished_total", processor="steady", status="success") == 1,
                    "steady has ended")
        instance.wait_caught_up()
        self.check_at_the_end(instance, looks)

    def check_while_running(self, instance, look):
        runs = {run["job"]: run for run in look.runs["runs"]}
        self.assertEqual({job: run["status"] for job, run in runs.items()},
                         {"good": "success", "seven": "failed", "shot": "failed", "steady": "running", "doomed": "running",
                          "doomed.beating": "running"})
        self.assertEqual(runs["doomed"]["verdict"], "stale")
        self.assertEqual(runs["doomed.beating"]["verdict"], "stale")
        self.assertNotIn("verdict", runs["shot"])
        stale = {run["job"] for run in instance.api("/api/v1/runs?stale=true")["runs"]}
        self.assertEqual(stale - {"steady"}, {"doomed", "doomed.beating"})
        history = {row["processor_name"]: row for row in self.history("SELECT * FROM processor_run_history")}
        self.assertEqual(history["doomed"]["status"], "running", "nobody has said how it ended")
        self.assertIsNone(history["doomed"]["processed_at"])

    def check_at_the_end(self, instance, looks):
        history = {row["processor_name"]: row for row in self.history("SELECT * FROM processor_run_history")}
        self.assertEqual({job: row["status"] for job, row in history.items()},
                         {"good": "success", "seven": "failed", "shot": "failed", "steady": "success", "doomed": "running",
                          "doomed.beating": "running"})
        for job, kind, words in (("seven", "exit_status", "exit status 7: reading\ndisk full: /data"),
                                 ("shot", "signal", "killed by SIGKILL: last words")):
            errors = [(error["error_type"], error["error_message"].rstrip("\n")) for error in json.loads(history[job]["errors"])]
            self.assertEqual(errors, [(kind, words)])
        self.assertIsNone(history["good"]["errors"])
        for job in ("good", "seven", "shot", "steady"):
            self.assertGreaterEqual(history[job]["processed_at"], history[job]["started_at"])
            self.assertGreaterEqual(history[job]["duration_seconds"], 0)
        failures = self.history("SELECT processor_name FROM processor_run_history_failures")
        self.assertEqual({row["processor_name"] for row in failures}, {"seven", "shot"})

        metrics = instance.metrics()
        for job in history:
            self.assertEqual(metrics.value("runledger_runs_started_total", processor=job), 1, job)
            for status in ("success", "no_data", "partial", "skipped", "failed", "aborted"):
                self.assertEqual(metrics.value("runledger_runs_finished_total", processor=job, status=status),
                                 int(history[job]["status"] == status), f"{job} {status}")
            self.assertEqual(metrics.value("runledger_runs_running", processor=job), int(history[job]["status"] == "running"), job)
            self.assertEqual(metrics.value("runledger_consecutive_failures", processor=job), int(job in ("seven", "shot")), job)

        status, text = verdicts.ask_until_known(instance, "status")
        self.assertEqual(status, 1, text)
        for job in history:
            self.assertEqual(f"STALE RUNNING DETECTED: {job} " in text, job.startswith("doomed"), text)
        self.assertEqual(verdicts.ask_until_known(instance, "status", "good")[0], 0)
        self.assertEqual(verdicts.ask_until_known(instance, "status", "doomed")[0], 1)

        # Never before, and as soon as it is true; each look against the log up to where that look stood.
        stale = looks.check_against_rows({job: STALE_S for job in history})
        self.assertLessEqual({"doomed", "doomed.beating"}, stale)
        if self.longest_silence("steady") <= verdicts.micros(STALE_S):  # else it was held up, and said to be
            self.assertNotIn("steady", stale)
        self.assertGreater(self.beats("steady"), 0)
        looks.audit("--dead-letters", self.dead_letters)

    def longest_silence(self, job):
        """From one sign of life to the moment at which the next one stood in the log, at most."""
        rows = self.history("SELECT event_time, log_time FROM events WHERE job_name = ? ORDER BY offset, batch_index", job)
        return max(after["log_time"] + 1000 - before["event_time"] for before, after in zip(rows, rows[1:]))


def state_of(pid):
    """As the kernel has it; empty: there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


if __name__ == "__main__":
    harness.main()
