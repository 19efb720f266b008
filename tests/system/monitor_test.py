"""Did it run, and may downstream go on: days of January 2026 played on a real broker, asked as users ask."""

import json
import os
import pathlib
import subprocess

import harness
import played
from played import at, date

SCRIPT = pathlib.Path(__file__).resolve().parent / "go_on_if_upstream_is_safe.sh"


class AsAUserWould(played.Played):
    """A shell script in front of a downstream job, and `check`, in each state that there is."""

    jobs = {"box_scores": {"schedule": "daily"}, "odds": {"schedule": "daily"},
            # The entry of a configuration of old, under a name of its own.
            "roster_processor": {"expected_frequency": "daily", "lookback_days": 3, "processor_filter": "processor_name = 'roster'"},
            "cache": {"schedule": "daily", "upstream": ["box_scores", "odds"]}}

    def script(self, *jobs):
        environment = {**os.environ, "RUNLEDGER": str(harness.BINARY), "RUNLEDGER_URL": self.instance.url, "DATE": "2026-01-11"}
        done = subprocess.run(["sh", SCRIPT, *jobs], capture_output=True, text=True, env=environment)
        return done.returncode, done.stdout + done.stderr

    def check(self, *arguments):
        return self.ask("check", "--lookback-days", "3", "--date", "2026-01-11", *arguments)

    def play(self):
        self.start()
        self.quiet_past()
        for day in ("09", "10", "11"):
            for job in ("box_scores", "odds", "roster", "cache"):
                self.run_of(at(f"{int(day) + 1:02} 06:00:00"), job, "SUCCESS", date(day))
        self.pass_to(at("12 09:00:00"))

    def test_each_state(self):
        self.play()
        status, said = self.check()
        self.assertEqual(status, 0, said)
        self.assertIn("INFO: all 5 jobs are healthy", said)
        self.assertEqual(self.script("box_scores", "odds"), (0, "going on\n"))
        self.assertEqual(self.ask("upstream", "--of", "cache", "--date", "2026-01-11")[0], 0)
        self.assertEqual(self.ask("gaps", "--date", "2026-01-11", "--lookback-days", "3")[0], 0)

        with self.subTest("one failed"):
            self.run_of(at("13 06:00:00"), "odds", "FAILED", date("12"))
            for job in ("box_scores", "roster", "cache"):
                self.run_of(at("13 06:00:00"), job, "SUCCESS", date("12"))
            self.pass_to(at("13 09:00:00"))
            status, said = self.ask("check", "--lookback-days", "3", "--date", "2026-01-12")
            self.assertEqual(status, 1, said)
            self.assertIn("[FAIL] odds: ERROR 1 of 3 dates without success: 2026-01-12", said)
            self.assertIn("[FAIL] odds: ERROR failed: 2026-01-12", said)
            status, said = self.ask("upstream", "box_scores", "odds", "--date", "2026-01-12")
            self.assertEqual(status, 1)
            self.assertIn("odds 2026-01-12: Status: failed, safe_to_process: False", said)

        with self.subTest("a dry run says the same and sends nothing, as does one in earnest"):
            wet = self.ask("check", "--lookback-days", "3", "--date", "2026-01-12")
            self.assertEqual(self.ask("check", "--dry-run", "--lookback-days", "3", "--date", "2026-01-12"), wet)
            self.assertEqual(wet[0], 1)
            self.assertEqual(self.ask("check", "--dry-run", "--processors", "roster", "--lookback-days", "1", "--date", "2026-01-12")[0], 0)

        with self.subTest("by the entry's own name"):
            both = [self.ask("check", "--processors", name, "--lookback-days", "3", "--date", "2026-01-12")
                    for name in ("roster", "roster_processor")]
            self.assertEqual(both[0], both[1])
            self.assertEqual(both[0][0], 0)
            self.assertIn("[ OK ] roster: ", both[1][1])
            self.assertNotIn("odds", both[1][1])
            self.assertEqual(self.ask("check", "--processors", "roster_processor,odds", "--lookback-days", "3", "--date", "2026-01-12")[0], 1)

        with self.subTest("one missing"):
            self.pass_to(at("14 00:00:01"))
            for job in ("box_scores", "odds", "cache"):
                self.run_of(at("14 06:00:00"), job, "SUCCESS", date("13"))
            self.pass_to(at("14 09:00:00"))
            status, said = self.ask("upstream", "roster", "--date", "2026-01-13")
            self.assertEqual(status, 1)
            self.assertIn("roster 2026-01-13: Status: missing, safe_to_process: False", said)
            status, said = self.ask("gaps", "roster", "--date", "2026-01-13", "--lookback-days", "3")
            self.assertEqual(status, 1)
            self.assertIn("roster: 1 of 3 expected dates are gaps, 2026-01-11 to 2026-01-13", said)
            self.assertEqual(self.instance.metrics().value("runledger_job_missing_dates", processor="roster"), 1)

        with self.subTest("one stale"):
            self.pass_to(at("15 09:00:00"))
            self.pass_to(at("15 09:00:01"))
            status, said = self.ask("check", "--date", "2026-01-14", "--lookback-days", "1", "--processors", "roster")
            self.assertEqual(status, 1)
            self.assertIn("[FAIL] roster: CRITICAL no success for 2.1 days (threshold: 2.0 days)", said)
            answer = json.loads(harness.runledger("check", "--json-output", "--date", "2026-01-14", "--url", self.instance.url,
                                                  check=False).stdout)
            self.assertEqual(answer["level"], "CRITICAL")

        with self.subTest("wrong use"):
            self.assertEqual(self.ask("check", "--processors", "nobody")[0], 2)
            self.assertEqual(self.ask("check", "--date", "tomorrow")[0], 2)
            self.assertEqual(self.ask("upstream")[0], 2)
            self.assertEqual(self.script()[0], 2)

        with self.subTest("behind"):
            self.broker.do("pause")
            try:
                harness.wait_until(lambda: not self.instance.api("/api/v1/jobs")["caught_up"], "it notices that nobody answers",
                                   self.instance.text)
                for question in (["check"], ["upstream", "box_scores", "--date", "2026-01-11"], ["gaps"], ["discovery", "odds"]):
                    status, said = self.ask(*question)
                    self.assertEqual(status, 3, f"{question}: {said}")
                self.assertEqual(self.script("box_scores"), (3, "not known: waiting\n"))
            finally:
                self.broker.do("resume")

        with self.subTest("gone"):
            self.instance.stop()
            for question in (["check"], ["upstream", "box_scores", "--date", "2026-01-11"], ["gaps"], ["discovery", "odds"]):
                self.assertEqual(self.ask(*question)[0], 3, question)
            self.assertEqual(self.script("box_scores"), (3, "not known: waiting\n"))

    def test_verdicts_survive_a_restart(self):
        self.play()
        before = self.instance.api("/api/v1/check?date=2026-01-11&lookback_days=3")
        config = json.loads(self.instance.config_path.read_text())
        self.assertEqual(self.instance.stop(), 0, self.instance.text())
        self.instance.start().wait_ready()
        self.instance.wait_caught_up()
        def same():
            after = self.instance.api("/api/v1/check?date=2026-01-11&lookback_days=3")
            return after["caught_up"] and [job["status"] for job in after["jobs"]] == [job["status"] for job in before["jobs"]]
        harness.wait_until(same, "it says the same", self.instance.text)
        self.assertEqual(self.check()[0], 0, self.check()[1])
        self.assertEqual(self.upstream("box_scores", "11")["status"], "success")
        self.assertIn("jobs", config)


if __name__ == "__main__":
    harness.main()
