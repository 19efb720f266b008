"""What the tests of verdicts share: looks at an instance that are kept, and an independent word on each of them.

A verdict is right or wrong at the watermark of the answer that gives it, so nothing here depends on when a look is taken.
"""

import json
import pathlib
import subprocess

import harness

VERDICTS = ("stale", "silent", "timed_out", "job_stale")


def micros(seconds):
    return round(seconds * 1_000_000)


class Look:
    """What an instance said: API, metrics, and then whether it was ready."""

    def __init__(self, instance, runs_query):
        self.jobs = json.loads(instance.get("/api/v1/jobs")[1])
        self.runs_status, text = instance.get("/api/v1/runs?" + runs_query)
        self.runs = json.loads(text)
        self.metrics = instance.metrics()
        self.ready = instance.status("/readyz")

    def positions(self):
        """{(topic, partition): its own gauges}"""
        found = {}
        for name in ("restoring", "log_applied_offset", "log_watermark_timestamp_seconds", "log_caught_up"):
            for labels, value in self.metrics.all("runledger_" + name).items():
                labels = dict(labels)
                found.setdefault((labels["topic"], int(labels["partition"])), {})[name] = value
        return found

    def partitions(self):
        """Those that are not being restored."""
        return {key: gauges for key, gauges in self.positions().items() if gauges["restoring"] == 0}

    def watermarks(self):
        """{partition number: microseconds}"""
        name = "log_watermark_timestamp_seconds"
        return {key[1]: micros(gauges[name]) for key, gauges in self.partitions().items() if name in gauges}

    def caught_up(self):
        """In each of its answers: verdicts are known."""
        positions = self.positions()
        return (self.jobs["caught_up"] and self.runs.get("caught_up", False) and
                all(gauges["restoring"] == 0 and gauges["log_caught_up"] == 1 for gauges in positions.values()))

    def stale(self):
        """Jobs with a stale run, as the metrics have it."""
        gauges = self.metrics.all("runledger_runs_stale")
        return {dict(labels)["processor"] for labels, value in gauges.items() if value}

    def verdicts(self):
        """{job: verdict of its open runs}, as the API has it."""
        found = {}
        for run in self.runs.get("runs", []):
            if "verdict" in run:
                found.setdefault(run["job"], set()).add(run["verdict"])
        return found


class Looks:
    """Looks at an instance, and holds each answer to what an instance may say that does not know everything."""

    def __init__(self, test, instance, runs_query="limit=1000"):
        self.test = test
        self.instance = instance
        self.runs_query = runs_query
        self.all = []
        self.directory = pathlib.Path(test.directory / f"scrapes-{instance.directory.name}")
        self.directory.mkdir()

    def take(self):
        look = Look(self.instance, self.runs_query)
        self._check_honest(look)
        if look.metrics.all("runledger_runs_started_total"):  # those that say something
            (self.directory / f"{len(self.all):06}").write_text(look.metrics.text)
        self.all.append(look)
        return look

    def until(self, condition, what, patience=300):
        """Looks again and again until `condition` holds for a look; returns it."""
        found = []

        def there():
            look = self.take()
            found[:] = [look] if condition(look) else []
            return found
        return harness.wait_until(there, what, self.instance.text, patience=patience)[0]

    def _check_honest(self, look):
        test = self.test
        for labels in look.metrics.all("runledger_runs_started_total"):
            labels = dict(labels)
            test.assertIn((labels["topic"], int(labels["partition"])), look.partitions(), "series while it is restored")
        if look.runs_status == 200:
            if not look.runs["caught_up"]:
                open_runs = [run for run in look.runs["runs"] if "verdict" in run]
                places = [{run["partition"] for run in open_runs if (run["verdict"] == "unknown") == unknown}
                          for unknown in (False, True)]
                test.assertFalse(places[0] & places[1], "a partition is known or it is not")
            else:
                test.assertNotIn("unknown", {verdict for verdicts in look.verdicts().values() for verdict in verdicts})
        for job in look.jobs["jobs"]:
            for name in VERDICTS:
                test.assertEqual(job[name] is not None, job["caught_up"], f"{name} of {job}")
        if look.ready != 200:  # nor was it before: it is not ready only until it is
            test.assertEqual(look.ready, 503)
            test.assertFalse(look.jobs["caught_up"])
            test.assertFalse(look.runs.get("caught_up", False))
        elif self.all and self.all[-1].ready == 200 and not look.metrics.all("runledger_log_applied_offset"):
            test.fail("ready, and it has no partition")

    def check_against_rows(self, thresholds_s):
        """Compares the stale runs of each look with the rows of its own prefix of the log, judged at its own watermark.

        thresholds_s: {job: stale_after in seconds}. Returns the jobs that were found stale.
        """
        test = self.test
        applied = {key[1]: gauges["log_applied_offset"] for key, gauges in self.all[-1].partitions().items()}
        self.instance.wait_applied(test.topic, applied)  # and the rows below are durable
        names = ",".join("?" * len(thresholds_s))
        rows = test.history("SELECT partition, offset, job_name, run_id, status, event_time, started_at FROM events "
                            f"WHERE job_name IN ({names}) ORDER BY partition, offset, batch_index", *thresholds_s)
        test.assertEqual({row["job_name"] for row in rows}, set(thresholds_s), "every job has rows")
        homes = {row["job_name"]: row["partition"] for row in rows}
        found = set()
        judged = 0
        for number, look in enumerate(self.all):
            partitions = {key[1]: gauges for key, gauges in look.partitions().items()}
            watermarks = look.watermarks()
            for job, threshold_s in thresholds_s.items():
                home = homes[job]
                applied = partitions.get(home, {}).get("log_applied_offset", 0)
                signs = {}  # of open runs
                ended = set()
                for row in rows:
                    if row["job_name"] != job or row["offset"] >= applied:
                        continue
                    run = row["run_id"]
                    if row["status"] != "running":
                        ended.add(run)
                    signs[run] = max(signs.get(run, 0), row["event_time"], row["started_at"] or 0)
                shown = look.metrics.all("runledger_runs_stale", processor=job)
                if not signs or home not in watermarks:
                    test.assertFalse(shown, f"look {number}: a verdict on {job}, without watermark or before it was seen")
                    continue
                stale = [run for run, sign in signs.items()
                         if run not in ended and watermarks[home] - sign > micros(threshold_s)]
                test.assertEqual(list(shown.values()), [len(stale)],
                                 f"look {number}: stale runs of {job} at {watermarks[home]}, signs {signs}, ended {ended}")
                judged += 1
                if stale:
                    found.add(job)
        test.assertGreater(judged, 0)
        return found

    def check_watermarks(self, time_us, ends):
        """What stood in the log at a time, {partition: end}, has been folded where the watermark is at or past that time."""
        for number, look in enumerate(self.all):
            for (_, partition), gauges in look.positions().items():
                if micros(gauges.get("log_watermark_timestamp_seconds", 0)) >= time_us:
                    self.test.assertGreaterEqual(gauges["log_applied_offset"], ends.get(partition, 0),
                                                 f"look {number}: the watermark of partition {partition} is ahead of the fold")

    def check_never_less_than(self, earlier):
        """No counter of a job is below what `earlier` (Metrics) showed, and none of its series is gone for good."""
        for name in ("runledger_runs_started_total", "runledger_runs_finished_total", "runledger_late_events_total"):
            before = earlier.all(name)
            for number, look in enumerate(self.all):
                now = look.metrics.all(name)
                for labels, value in before.items():
                    self.test.assertGreaterEqual(now.get(labels, value), value, f"look {number}: {name} {labels}")
            self.test.assertLessEqual(set(before), set(self.all[-1].metrics.all(name)))

    def audit(self, *arguments):
        """An independent fold of the log must give what each scrape showed."""
        test = self.test
        done = subprocess.run(
            [harness.AUDIT, "--brokers", test.broker.bootstrap, "--topic", test.topic, "--scrapes", self.directory,
             "--sqlite", test.directory / "history.db", "--config", self.instance.config_path, *arguments],
            capture_output=True, text=True)
        test.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def ask(instance, *words):
    """A question on the command line: (exit status, what it printed)."""
    done = harness.runledger(*words, "--url", instance.url, check=False)
    return done.returncode, done.stdout + done.stderr


def ask_until_known(instance, *words):
    """The same, again and again while the answer is that it is not known."""
    return harness.wait_until(lambda: [answer for answer in [ask(instance, *words)] if answer[0] != 3], "it is known", instance.text)[0]
