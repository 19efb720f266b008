"""Producers without a log: what exec and emit could not send waits in their spool, and is sent later, once or counted once."""

import json
import os
import shutil
import signal
import subprocess

import harness
from harness import wait_until


class Spool(harness.SystemTest):
    is_away = False

    def setUp(self):
        super().setUp()
        self.spool = self.directory / "spool"

    def take_away(self):
        self.is_away = True
        self.addCleanup(self.bring_back)  # for the tests after one that fails
        self.broker.do("stop")

    def bring_back(self):
        if self.is_away:
            self.broker.do("restart")
        self.is_away = False

    def spool_config(self, **sections):
        return self.config(spool={"dir": str(self.spool)}, **sections)

    def command(self, name, *flags, topic=None, brokers=None):
        return [harness.BINARY, name, "--brokers", brokers or self.broker.bootstrap, "--topic", topic or self.topic, "--spool-dir", self.spool, *flags]

    def emit_one(self, job, run, status, *flags, topic=None):
        return subprocess.run(self.command("emit", "--job", job, "--run-id", run, "--status", status, *flags, topic=topic),
                              capture_output=True, text=True, timeout=harness.PATIENCE_S)

    def exec(self, job, *command, flags=()):
        process = subprocess.Popen(self.command("exec", "--job", job, "--run-id", job, *flags, "--", *command),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.addCleanup(self.end, process)
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def files(self):
        return sorted(path.name for path in self.spool.glob("*") if path.name != "lock") if self.spool.exists() else []

    def rows(self):
        """(job, run, status) in the order of the log, of a job."""
        return self.history("SELECT job_name AS job, run_id AS run, status, event_id, heartbeat FROM events ORDER BY partition, offset, batch_index")

    def statuses(self, job):
        return [row["status"] for row in self.rows() if row["job"] == job and not row["heartbeat"]]

    def test_the_next_emit_sends_what_waits(self):
        config = self.spool_config()
        self.make_topics(config)
        self.take_away()
        started = self.emit_one("orders", "orders-1", "running", "--flush-timeout", "10s", "--json")
        self.assertEqual(started.returncode, 0, started.stderr)
        self.assertEqual(json.loads(started.stdout)["spooled"], 1)
        self.assertRegex(started.stderr, f"1 of 1 event waits in {self.spool} for the next exec, emit or serve: .*onnect")
        run = self.exec("load", "sh", "-c", "echo mine; exit 7", flags=["--flush-timeout", "1s"])
        self.assertEqual(run.communicate()[0], "mine\n")
        self.assertEqual(run.returncode, 7)
        ended = subprocess.run(self.command("emit", "--flush-timeout", "1s"), capture_output=True, text=True,
                               input=json.dumps({"run": {"job_name": "orders", "run_id": "orders-1", "status": "SUCCESS"}}) + "\n")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertEqual(len(self.files()), 3)
        for path in self.spool.iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o600)

        self.bring_back()
        last = self.emit_one("orders", "orders-2", "success", "--flush-timeout", "60s")
        self.assertEqual((last.returncode, last.stderr), (0, ""))
        self.assertEqual(self.files(), [])

        instance = self.serve(config).start().wait_ready()
        instance.wait_caught_up()
        wait_until(lambda: len(self.rows()) == 5, "all are rows", instance.text)
        self.assertEqual(self.statuses("orders"), ["running", "success", "success"])
        self.assertEqual(self.statuses("load"), ["running", "failed"])
        self.assertEqual(instance.metrics().sum("runledger_runs_started_total", processor="orders"), 2)
        self.assertEqual(instance.metrics().sum("runledger_runs_finished_total", processor="load", status="failed"), 1)
        self.assertEqual(instance.metrics().value("runledger_spool_events"), 0)

    def test_exec_sends_what_others_left(self):
        config = self.spool_config()
        self.make_topics(config)
        self.take_away()
        self.assertEqual(self.emit_one("orders", "orders-1", "success", "--flush-timeout", "1s").returncode, 0)
        self.bring_back()
        # While its command runs.
        run = self.exec("load", "sh", "-c", f"while ls {self.spool} | grep -qv lock; do sleep 0.1; done", flags=["--flush-timeout", "60s"])
        self.assertEqual(run.communicate(timeout=harness.PATIENCE_S), ("", ""))
        self.assertEqual(self.files(), [])
        instance = self.serve(config).start().wait_ready()
        wait_until(lambda: len(self.rows()) == 3, "all are rows", instance.text)
        self.assertEqual(self.statuses("orders"), ["success"])

    def test_what_waits_for_a_topic_that_is_not_there_holds_up_nobody(self):
        config = self.spool_config()
        self.make_topics(config)
        slip = self.topic + ".slip"
        done = self.emit_one("orders", "orders-1", "success", "--flush-timeout", "1s", topic=slip)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 of 1 event waits in ", done.stderr)
        waits = self.files()
        self.assertEqual(len(waits), 1)
        done = self.emit_one("orders", "orders-2", "success", "--flush-timeout", "1h")  # which ends long before
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(self.files(), waits)
        self.make_topics(self.config(log={"topics": [slip], "dead_letter_topic": slip + ".dead-letters"}))

        def sent():
            self.assertEqual(self.emit_one("orders", "orders-3", "success", "--flush-timeout", "60s").returncode, 0)
            return self.files() == []
        wait_until(sent, "it is sent")

    def test_serve_sends_and_a_second_sending_counts_once(self):
        config = self.spool_config()
        self.make_topics(config)
        instance = self.serve(config).start().wait_ready()
        self.take_away()
        lines = [{"event_id": f"e{i}", "run": {"job_name": "orders", "run_id": f"orders-{i}", "status": "SUCCESS"}} for i in range(50)]
        done = subprocess.run(self.command("emit", "--flush-timeout", "1s"), capture_output=True, text=True,
                              input="".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: instance.metrics().value("runledger_spool_events") == 50, "serve sees them", instance.text)
        self.assertGreater(instance.metrics().value("runledger_spool_bytes"), 0)
        copies = {name: (self.spool / name).read_bytes() for name in self.files()}
        self.bring_back()
        wait_until(lambda: instance.metrics().value("runledger_spool_sent_total") == 50, "serve sends them", instance.text)
        wait_until(lambda: self.files() == [] and instance.metrics().value("runledger_spool_events") == 0, "none waits", instance.text)

        # As a process that was killed after the log's answer and before it removed the file.
        for name, content in copies.items():
            beside = self.directory / name
            beside.write_bytes(content)
            beside.rename(self.spool / name)  # whole at once: half a file would be taken for one that was cut short
        wait_until(lambda: instance.metrics().value("runledger_spool_sent_total") == 100, "and again", instance.text)
        wait_until(lambda: len(self.rows()) == 100, "every record is a row", instance.text)
        self.assertEqual(instance.metrics().sum("runledger_runs_started_total"), 50)
        self.assertEqual(instance.metrics().sum("runledger_runs_finished_total"), 50)
        self.assertEqual(self.history("SELECT count(*) AS n FROM processor_run_history")[0]["n"], 50)
        self.assertEqual(instance.stop(), 0, instance.text())

    def test_a_killed_exec_leaves_what_it_could_not_send(self):
        config = self.spool_config()
        self.make_topics(config)
        self.take_away()
        run = self.exec("long", "sleep", "1000", flags=["--heartbeat", "0"])
        # Though no beat and no end makes it look: what waits for too long is made durable.
        wait_until(lambda: any(b"long" in (self.spool / name).read_bytes() for name in self.files()), "the start is in the spool")
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        self.bring_back()
        instance = self.serve(config).start().wait_ready()
        wait_until(lambda: instance.metrics().sum("runledger_runs_running", processor="long") == 1, "the run is known", instance.text)
        wait_until(lambda: self.files() == [], "it is sent", instance.text)
        wait_until(lambda: self.statuses("long") == ["running"], "it is a row, once", instance.text)

    def test_an_exec_that_lives_sends_its_own_when_the_log_is_back(self):
        config = self.spool_config()
        self.make_topics(config)
        gate = self.directory / "gate"
        self.take_away()
        run = self.exec("long", "sh", "-c", f"until test -e {gate}; do sleep 0.1; done", flags=["--heartbeat", "500ms", "--flush-timeout", "60s"])
        wait_until(lambda: self.files(), "the start is in the spool")
        self.bring_back()
        wait_until(lambda: self.files() == [], "it is sent, and taken out")
        self.assertIsNone(run.poll())
        gate.touch()
        self.assertEqual(run.communicate(), ("", ""))
        self.assertEqual(run.returncode, 0)
        instance = self.serve(config).start().wait_ready()
        wait_until(lambda: self.statuses("long") == ["running", "success"], "start and end", instance.text)
        ids = [row["event_id"] for row in self.rows()]
        self.assertEqual(len(ids), len(set(ids)))
        times = [row["event_time"] for row in self.history("SELECT event_time FROM events ORDER BY partition, offset, batch_index")]
        self.assertEqual(times, sorted(times))

    def test_a_spool_that_cannot_be_used_does_not_keep_a_command_from_running(self):
        self.spool.mkdir()
        self.spool.chmod(0o777)
        config = self.spool_config()
        self.take_away()
        run = self.exec("load", "sh", "-c", "exit 3", flags=["--flush-timeout", "500ms"])
        _, error = run.communicate()
        self.assertEqual(run.returncode, 3)
        self.assertRegex(error, "2 events of run load could not be delivered: .*not kept either: .*others may write there")
        emitted = self.emit_one("orders", "orders-1", "success", "--flush-timeout", "500ms")
        self.assertEqual(emitted.returncode, 1)
        self.assertIn("others may write there", emitted.stderr)
        instance = self.serve(config).start().wait_listening()
        wait_until(lambda: "others may write there" in str(instance.api("/readyz")), "serve says so", instance.text)
        shutil.rmtree(self.spool)
        self.bring_back()

    def test_a_limit_on_the_size_of_files_ends_no_command(self):
        """What a spool file gets from the beginning is more."""
        def limited(name, *flags):
            command = self.command(name, "--job", "load", "--flush-timeout", "500ms", *flags, brokers="127.0.0.1:1")
            return subprocess.run(["prlimit", "--fsize=16384", *command], capture_output=True, text=True, timeout=harness.PATIENCE_S)
        done = limited("exec", "--", "sh", "-c", "exit 3")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("could not be delivered", done.stderr)
        done = limited("emit", "--run-id", "r", "--status", "success")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("File too large", done.stderr)

    def test_what_waits_for_another_cluster_is_told(self):
        """And for long: a minute goes by."""
        config = self.spool_config()
        self.make_topics(config)
        command = self.command("emit", "--job", "j", "--status", "success", "--flush-timeout", "500ms", brokers="127.0.0.1:1")
        done = subprocess.run(command, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        instance = self.serve(config).start().wait_ready()
        wait_until(lambda: instance.metrics().value("runledger_spool_events") == 1, "serve counts it", instance.text)
        wait_until(lambda: "are for 127.0.0.1:1, which log.brokers does not name" in str(instance.api("/readyz")["problems"]),
                   "serve says so", instance.text)
        self.assertEqual(len(self.files()), 1)

    def test_a_relative_directory_is_refused(self):
        done = subprocess.run([harness.BINARY, "emit", "--brokers", "127.0.0.1:1", "--spool-dir", "spool", "--job", "j",
                               "--status", "success"], capture_output=True, text=True, cwd=self.directory)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn('--spool-dir "spool" is no absolute path', done.stderr)


if __name__ == "__main__":
    harness.main()
