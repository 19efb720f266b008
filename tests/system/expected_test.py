"""Expected versus actual on a real broker: verdicts are written to the log once they stand, and counted once."""

import datetime
import json

import harness
from harness import runledger

MINUTE = datetime.timedelta(minutes=1)


def iso(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Expected(harness.SystemTest):
    def test_verdicts_go_through_the_log_and_are_counted_once(self):
        config = self.config(state={"dir": str(self.directory / "state")},
                             workflows={"late_one": {"late_after": "5m"}, "nobody_decides": {"evaluation_overdue_after": "1s"}})
        self.make_topics(config)
        now = datetime.datetime.now(datetime.timezone.utc)
        tick = now - 70 * MINUTE

        def expect(subject, of="workflow"):
            return {"event_time": iso(now - 80 * MINUTE), "expected": {of: subject, "expected_run_time": iso(tick)}}

        def decide(workflow, action, time, reason=""):
            return {"event_time": iso(now), "decision": {"decision_id": workflow + action, "workflow": workflow, "action": action,
                                                        "decision_time": iso(time), "reason": reason}}

        first = self.serve(config).start().wait_ready()
        self.emit([
            decide("early_one", "RUN", tick - 10 * MINUTE), decide("punctual_one", "RUN", tick + 1 * MINUTE),
            decide("late_one", "RUN", tick + 6 * MINUTE), decide("missing_one", "SKIP", tick, "no games today"),
            {"event_time": iso(tick), "run": {"job_name": "job_one", "run_id": "j1", "status": "RUNNING"}},
            {"event_time": iso(now), "cleanup": {"cleanup_id": "c1", "missing_files":
                                                 json.dumps([{"scraper_name": "s", "gcs_path": "gs://x", "age_minutes": 241}])}},
            # Last: a decision that comes after the verdict on its row stands has come too late.
            expect("early_one"), expect("punctual_one"), expect("late_one"), expect("missing_one"), expect("job_one", "job_name"),
        ])

        def counted():
            metrics = first.metrics()
            series = metrics.all("runledger_expected_runs_total").items()
            return {dict(labels)["workflow"]: dict(labels)["verdict"] for labels, value in series if value > 0}

        wanted = {"early_one": "early", "punctual_one": "on_time", "late_one": "late", "job_one": "on_time"}
        harness.wait_until(lambda: counted() == wanted, "the verdicts that stand are counted", lambda: f"{counted()}\n{first.text()}")
        # The log begins after what could have been a start: nobody knows whether that one is missing.
        answer = first.api("/api/v1/schedule?workflow=missing_one&date=" + tick.strftime("%Y-%m-%d"))
        self.assertEqual([run["verdict"] for run in answer["expected_runs"]], ["unknown"])

        day = runledger("schedule", "--date", tick.strftime("%Y-%m-%d"), "--url", first.url, check=False)
        self.assertEqual(day.returncode, 3, "one is unknown: " + day.stdout)
        self.assertRegex(day.stdout, r"late_one +late +\+6 minutes +late_oneRUN")
        one = runledger("schedule", "--date", tick.strftime("%Y-%m-%d"), "--workflow", "late_one", "--url", first.url)
        self.assertNotIn("punctual_one", one.stdout)
        # A name that is written wrong and a day that is still to come are no good news.
        for question, answer in ((["--workflow", "punktual_one"], "nothing is known of 'punktual_one'"),
                                 (["--date", "2099-01-01"], "the log has not come to 2099-01-01"),
                                 (["--date", "2020-01-01"], "what is known of the log begins at ")):
            asked = runledger("schedule", *question, "--url", first.url, check=False)
            self.assertEqual(asked.returncode, 3, asked.stdout)
            self.assertIn("UNKNOWN: " + answer, asked.stdout)
        why = runledger("workflows", "missing_one", "--url", first.url)
        self.assertIn("no games today", why.stdout)
        harness.wait_until(
            lambda: runledger("workflows", "nobody_decides", "--url", first.url, check=False).returncode == 1,
            "a workflow that only the configuration names is missed", first.text)
        files = runledger("missing-files", "--url", first.url, check=False)
        self.assertEqual(files.returncode, 1, files.stdout)
        self.assertIn("critical", files.stdout)

        # Whoever takes over, with a snapshot or without one, counts and writes nothing a second time.
        first.kill()
        first = self.serve(config, "b").start().wait_ready()
        first.wait_caught_up()
        harness.wait_until(lambda: counted() == wanted, "it goes on", lambda: f"{counted()}\n{first.text()}")
        self.assertEqual(first.metrics().sum("runledger_expected_runs_total"), 4)
        harness.wait_until(lambda: self.history("SELECT count(*) AS n FROM run_verdicts")[0]["n"] == 4, "each verdict is a row", first.text)
        verdicts = self.history("SELECT verdict_subject, verdict, matched_run_id, delay_seconds FROM run_verdicts ORDER BY verdict_subject")
        self.assertEqual([tuple(row.values()) for row in verdicts], [
            ("early_one", "early", "early_oneRUN", -600.0), ("job_one", "on_time", "j1", 0.0), ("late_one", "late", "late_oneRUN", 360.0),
            ("punctual_one", "on_time", "punctual_oneRUN", 60.0)])


if __name__ == "__main__":
    harness.main()
