"""One event through everything: from the command line into the log, the metrics, the API, the rows, and the questions."""

import harness
from harness import runledger


class EmitToAnswers(harness.SystemTest):
    def test_a_run_is_seen_everywhere(self):
        config = self.config()
        self.make_topics(config)
        instance = self.serve(config).start().wait_ready()
        self.emit([
            {"run": {"job_name": "nightly", "run_id": "nightly_1", "status": "RUNNING", "phase": "p1"}},
            {"run": {"job_name": "nightly", "run_id": "nightly_1", "status": "SUCCESS", "records_processed": 42}},
            {"run": {"job_name": "hourly", "run_id": "hourly_1", "status": "RUNNING"}},
        ])
        harness.wait_until(lambda: instance.metrics().sum("runledger_runs_started_total") == 2, "two runs are counted", instance.text)
        instance.wait_caught_up()

        metrics = instance.metrics()
        self.assertEqual(metrics.value("runledger_runs_finished_total", processor="nightly", status="success"), 1)
        self.assertEqual(metrics.value("runledger_runs_running", processor="hourly"), 1)
        self.assertEqual(metrics.value("runledger_runs_running", processor="nightly"), 0)

        history = self.history("SELECT processor_name, status, records_processed FROM processor_run_history ORDER BY processor_name")
        self.assertEqual([tuple(row.values()) for row in history], [("hourly", "running", None), ("nightly", "success", 42)])
        self.assertEqual(self.history("SELECT count(*) AS n FROM events")[0]["n"], 3)

        answer = instance.api("/api/v1/runs?job=nightly")
        self.assertEqual([run["run_id"] for run in answer["runs"]], ["nightly_1"])
        self.assertIn("nightly_1", runledger("trace", "ightly_1", "--url", instance.url).stdout)
        nobody = runledger("trace", "nobody", "--url", instance.url, check=False)
        self.assertEqual(nobody.returncode, 1, "no such run is bad news: " + nobody.stdout)
        self.assertIn("hourly_1", runledger("runs", "hourly", "--url", instance.url).stdout)
        self.assertIn("nightly_1", runledger("runs", "nightly", "--warehouse", self.directory / "history.db").stdout)
        self.assertIn("hourly", runledger("status", "--url", instance.url).stdout)
        self.assertEqual(instance.stop(), 0, instance.text())

        # Another process goes on where this one ended: nothing twice, and the state is the same.
        again = self.serve(config, "b").start().wait_ready()
        again.wait_caught_up()
        self.assertEqual(self.history("SELECT count(*) AS n FROM events")[0]["n"], 3)
        self.assertEqual(again.metrics().value("runledger_runs_finished_total", processor="nightly", status="success"), 1)


if __name__ == "__main__":
    harness.main()
