"""Topics that get more partitions, and jobs that are given up, while runledger runs."""

import collections
import threading
import time

import harness
import raw
from harness import wait_until

STALE_S = 20
JOBS = [f"job-{number}" for number in range(24)]


class Growth(harness.SystemTest):
    sending = threading.Lock()

    def event(self, job, run, status):
        return {"event_time_us": int(time.time() * 1e6), "run": {"job_name": job, "run_id": run, "status": status}}

    def series(self, metrics, name):
        """{job: partitions} of the series of that name."""
        where = collections.defaultdict(set)
        for labels in metrics.all(name):
            where[dict(labels)["processor"]].add(int(dict(labels)["partition"]))
        return where

    def setUp(self):
        super().setUp()
        self.sent = 0

    def emit(self, lines):
        super().emit(lines)
        with self.sending:
            self.sent += len(lines)

    def load(self, stopping):
        number = 0
        while not stopping.is_set():
            number += 1
            self.emit([self.event(f"load-{number % 7}", f"load-{number}-{i}", status)
                       for i in range(50) for status in ("RUNNING", "SUCCESS")])

    def wait_no_stale_until(self, instance, us):
        """Scrapes until every partition is judged at a later time; none may tell of a stale run."""
        def judged():
            metrics = instance.metrics()
            self.assertEqual({k: v for k, v in metrics.all("runledger_runs_stale").items() if v > 0}, {})
            marks = metrics.all("runledger_log_watermark_timestamp_seconds")
            return len(marks) == 4 and all(mark * 1e6 > us for mark in marks.values()) and metrics
        return wait_until(judged, "all is judged at a later time", instance.text)

    def check(self, instance):
        """What is shown of jobs that have moved."""
        instance.wait_caught_up(records=self.sent)
        metrics = instance.metrics()
        started = self.series(metrics, "runledger_runs_started_total")
        moved = {job for job in JOBS if len(started[job]) == 2}
        self.assertGreater(len(moved), 3, started)
        for name in ("runledger_runs_stale", "runledger_job_stale", "runledger_job_info", "runledger_consecutive_failures",
                     "runledger_last_success_timestamp_seconds"):
            where = self.series(metrics, name)
            self.assertEqual({job: parts for job, parts in where.items() if len(parts) != 1}, {}, name)
            for job in moved:
                self.assertTrue(where[job] & {2, 3}, f"{name} of {job} is shown by its new home")
        # Counters are what the fold of each partition makes them.
        once = "SELECT count(*) AS n FROM (SELECT DISTINCT partition, job_name, run_id FROM events WHERE kind = 'processor'{})"
        self.assertEqual(metrics.sum("runledger_runs_started_total"), self.history(once.format(""))[0]["n"])
        self.assertEqual(metrics.sum("runledger_runs_finished_total"),
                         self.history(once.format(" AND status = 'success'"))[0]["n"])
        self.assertEqual(metrics.sum("runledger_partition_violations_total"), 0)
        for job in moved:
            left = instance.api(f"/api/v1/runs?job={job}&status=running")["runs"]
            self.assertEqual([run["verdict"] for run in left], ["unknown"], left)
            answer = instance.api(f"/api/v1/jobs/{job}")["job"]
            self.assertEqual((answer["stale"], answer["job_stale"]), (0, False))
        return moved

    def test_a_topic_gets_more_partitions_under_load(self):
        config = self.config(jobs={"defaults": {"stale_after": f"{STALE_S}s"}}, log={"start": "latest"})
        self.make_topics(config, 2)
        instance = self.serve(config).start().wait_ready()
        self.emit([self.event(job, "open", "RUNNING") for job in JOBS])
        wait_until(lambda: instance.metrics().sum("runledger_runs_running") == len(JOBS), "the runs are seen", instance.text)

        stopping = threading.Event()
        load = threading.Thread(target=self.load, args=(stopping,))
        load.start()
        try:
            raw.grow_topic(self.broker, self.topic, 4)
            # The ends of these runs go to where the jobs have their homes from now on.
            self.emit([self.event(job, run, status) for job in JOBS
                       for run, status in (("open", "SUCCESS"), ("next", "RUNNING"), ("next", "SUCCESS"))])
            ended_us = int(time.time() * 1e6)
            metrics = self.wait_no_stale_until(instance, ended_us + (STALE_S + 2) * 1_000_000)
        finally:
            stopping.set()
            load.join()
        self.assertEqual(metrics.sum("runledger_state_lost_total"), 0)
        moved = self.check(instance)

        # Whoever comes after knows it from the commits, with a snapshot or without.
        self.assertEqual(instance.stop(), 0)
        for name in ("a", "b"):
            after = self.serve(config, name).start().wait_ready()
            self.wait_no_stale_until(after, ended_us)
            if name == "a":
                self.assertEqual(self.check(after), moved)
            after.kill()


class Retired(harness.SystemTest):
    def event(self, job, run, status):
        return {"event_time_us": int(time.time() * 1e6), "run": {"job_name": job, "run_id": run, "status": status}}

    def test_a_disabled_job_does_not_come_back_from_the_snapshot(self):
        config = self.config()
        self.make_topics(config)
        instance = self.serve(config).start().wait_ready()
        self.emit([self.event(job, run, "RUNNING") for job in ("kept", "gone") for run in ("1", "2")] +
                  [self.event(job, "1", "FAILED") for job in ("kept", "gone")])
        wait_until(lambda: instance.metrics().sum("runledger_runs_finished_total") == 2, "all is seen", instance.text)
        self.assertEqual(instance.metrics().sum("runledger_runs_running", processor="gone"), 1)
        self.assertEqual(instance.stop(), 0)
        self.assertTrue(list((self.directory / "a" / "runledger-state").rglob("*")), "there is a snapshot")

        config["jobs"] = {"gone": {"enabled": False}}
        after = self.serve(config, "a").start().wait_ready()
        after.wait_caught_up()
        self.emit([self.event(job, "3", "RUNNING") for job in ("kept", "gone")])
        wait_until(lambda: after.metrics().sum("runledger_runs_started_total", processor="kept") == 3, "the new run is counted",
                   after.text)
        wait_until(lambda: self.history("SELECT count(*) AS n FROM events WHERE job_name = 'gone'")[0]["n"] == 4, "rows go on",
                   after.text)
        self.assertNotIn("gone", after.get("/metrics")[1])
        self.assertEqual([job["name"] for job in after.api("/api/v1/jobs")["jobs"]], ["kept"])
        self.assertEqual(after.api("/api/v1/runs?job=gone")["runs"], [])


if __name__ == "__main__":
    harness.main()
