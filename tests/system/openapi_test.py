"""Answers of a running instance are what its own description of the API says, member by member."""

import datetime
import json
import time
import unittest
import urllib.parse

import harness

try:
    import jsonschema
except ImportError:
    jsonschema = None


class OpenApi(harness.SystemTest):
    def setUp(self):
        if jsonschema is None:
            raise unittest.SkipTest("python3-jsonschema is not installed")
        super().setUp()

    def judge(self, path, pattern, status):
        """Asks, and holds the answer against what is described for it."""
        answered, body = self.instance.get(path)
        self.assertEqual(answered, status, f"{path}: {body}")
        responses = self.described["paths"][pattern]["get"]["responses"]
        self.assertIn(str(status), responses, path)
        response = responses[str(status)]
        if "$ref" in response:
            response = self.described["components"]["responses"][response["$ref"].rsplit("/", 1)[1]]
        (schema,) = [media["schema"] for media in response["content"].values()]
        answer = json.loads(body)
        # The schema's references are to the whole document.
        document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "components": self.described["components"]}
        validator = jsonschema.Draft202012Validator(document, format_checker=jsonschema.FormatChecker())
        self.assertEqual([f"{path}: {'/'.join(map(str, e.absolute_path))}: {e.message}" for e in validator.iter_errors(answer)], [])
        self.judged.add((pattern, str(status)))
        return answer

    def test_answers_are_as_described(self):
        config = self.config(jobs={"defaults": {"stale_after": "1s", "priority": "high"},
                                   "a/b": {"schedule": "daily", "display_name": "A or B", "upstream": ["crashed", "never"]},
                                   "never": {"schedule": "daily", "revenue_impact": "true"}})
        # So that it knows that it is behind while its partitions still are its own.
        config["log"]["librdkafka"]["session.timeout.ms"] = "120000"
        self.make_topics(config)
        self.instance = self.serve(config).start().wait_ready()
        self.described = self.instance.api("/api/v1/openapi.json")
        jsonschema.Draft202012Validator.check_schema({"$defs": self.described["components"]["schemas"]})
        self.judged = set()
        due_us = int(time.time()) * 1_000_000
        self.emit([
            {"run": {"job_name": "crashed", "run_id": "crashed_1", "status": "RUNNING", "data_date": "2026-01-12"}},
            {"run": {"job_name": "a/b", "run_id": "good_1", "status": "RUNNING", "phase": "phase_2_raw"}},
            {"run": {"job_name": "a/b", "run_id": "good_1", "status": "SUCCESS", "duration_seconds": 3.5}},
            {"expected": {"workflow": "betting_lines", "expected_run_time_us": due_us, "priority": "CRITICAL"}},
            {"expected": {"workflow": "betting_lines", "expected_run_time_us": due_us + 1}},
            {"decision": {"decision_id": "d1", "workflow": "betting_lines", "action": "SKIP", "reason": "no games"}},
            {"cleanup": {"cleanup_id": "c1", "missing_files_found": 2, "missing_files": json.dumps([
                {"scraper_name": "s", "gcs_path": "gs://a", "age_minutes": 241}, {"scraper_name": "t", "age_minutes": 3}])}},
            {"run": {"job_name": "a/b", "run_id": "bad_1", "status": "FAILED", "attempt": 2}},
        ])
        harness.wait_until(lambda: self.instance.metrics().sum("runledger_runs_stale", processor="crashed") == 1 and
                           self.instance.metrics().sum("runledger_runs_finished_total", processor="a/b") == 2,
                           "the runs are seen", self.instance.text)
        self.instance.wait_caught_up(records=8)

        self.assertEqual(len(self.judge("/api/v1/jobs", "/api/v1/jobs", 200)["jobs"]), 2)
        self.judge("/api/v1/jobs?x=1", "/api/v1/jobs", 400)
        self.judge("/api/v1/jobs/" + urllib.parse.quote("a/b", safe=""), "/api/v1/jobs/{job}", 200)
        self.judge("/api/v1/jobs/nobody", "/api/v1/jobs/{job}", 404)
        self.assertEqual(len(self.judge("/api/v1/partitions", "/api/v1/partitions", 200)["partitions"]), 4)
        self.assertEqual(len(self.judge("/api/v1/runs", "/api/v1/runs", 200)["runs"]), 3)
        self.judge("/api/v1/runs?stale=true&status=running&limit=1", "/api/v1/runs", 200)
        self.judge("/api/v1/runs?status=dead", "/api/v1/runs", 400)
        self.judge("/api/v1/runs/good_1", "/api/v1/runs/{run_id}", 200)
        self.judge("/api/v1/runs/none", "/api/v1/runs/{run_id}", 404)
        self.judge("/api/v1/trace?id=ed_1", "/api/v1/trace", 200)
        self.judge("/api/v1/trace", "/api/v1/trace", 400)
        ab = "/api/v1/jobs/" + urllib.parse.quote("a/b", safe="")
        self.judge(ab + "/upstream?lookback_days=3", "/api/v1/jobs/{job}/upstream", 200)
        self.judge(ab + "/upstream?date=tomorrow", "/api/v1/jobs/{job}/upstream", 400)
        stale = self.judge("/api/v1/jobs/crashed/upstream?date=2026-01-12", "/api/v1/jobs/{job}/upstream", 200)["upstream"]
        self.assertIn(stale["status"], ("stale_running", "unknown"))  # of that date perhaps nothing is kept any more
        self.judge(ab + "/discovery", "/api/v1/jobs/{job}/discovery", 200)
        self.judge(ab + "/discovery?date=x", "/api/v1/jobs/{job}/discovery", 400)
        self.assertEqual(len(self.judge("/api/v1/upstream?of=a/b&lookback_days=2", "/api/v1/upstream", 200)["upstream"]), 2)
        self.judge("/api/v1/upstream", "/api/v1/upstream", 400)
        self.assertEqual(len(self.judge("/api/v1/gaps", "/api/v1/gaps", 200)["jobs"]), 2)
        self.judge("/api/v1/gaps?job=nobody", "/api/v1/gaps", 404)
        self.judge("/api/v1/gaps?lookback_days=0", "/api/v1/gaps", 400)
        self.assertEqual(len(self.judge("/api/v1/check", "/api/v1/check", 200)["jobs"]), 3)
        self.judge("/api/v1/check?processors=nobody", "/api/v1/check", 400)
        today = datetime.datetime.fromtimestamp(due_us // 1_000_000, datetime.timezone.utc).date()
        self.assertEqual(len(self.judge(f"/api/v1/schedule?date={today}", "/api/v1/schedule", 200)["expected_runs"]), 2)
        self.judge("/api/v1/schedule?date=x", "/api/v1/schedule", 400)
        decided = self.judge("/api/v1/workflows?workflow=betting_lines", "/api/v1/workflows", 200)["workflows"][0]["decisions"]
        self.assertEqual([d["action"] for d in decided], ["SKIP"])
        self.judge("/api/v1/workflows?limit=0", "/api/v1/workflows", 400)
        self.judge("/api/v1/workflows?workflow=none", "/api/v1/workflows", 404)
        files = self.judge("/api/v1/missing-files", "/api/v1/missing-files", 200)["cleanup"]["files"]
        self.assertEqual([f["urgency"] for f in files], ["critical", "recent"])
        for of, route in (("nobody", "/api/v1/jobs/{job}"), ("good_1", "/api/v1/runs/{run_id}"), (None, "/api/v1/partitions"),
                          (None, "/api/v1/missing-files")):
            self.judge((route.rsplit("/", 1)[0] + "/" + of if of else route) + "?x=1", route, 400)
        self.judge("/api/v1/openapi.json", "/api/v1/openapi.json", 200)

        # Behind its log: verdicts are null or unknown, and that is described too.
        self.broker.do("pause")
        try:
            unknown = lambda: {job["stale"] for job in self.judge("/api/v1/jobs", "/api/v1/jobs", 200)["jobs"]} == {None}
            harness.wait_until(unknown, "the broker is missed, of every partition", self.instance.text)
            self.judge("/api/v1/runs?status=running", "/api/v1/runs", 200)
            self.judge("/api/v1/jobs/nobody", "/api/v1/jobs/{job}", 503)
            self.judge("/api/v1/runs/none", "/api/v1/runs/{run_id}", 503)
            self.judge("/api/v1/check", "/api/v1/check", 200)
            self.judge("/api/v1/gaps", "/api/v1/gaps", 200)
            self.judge("/api/v1/upstream?of=a/b", "/api/v1/upstream", 200)
            self.judge(ab + "/discovery", "/api/v1/jobs/{job}/discovery", 200)
        finally:
            self.broker.do("resume")

        described = {(path, status) for path, methods in self.described["paths"].items() for status in methods["get"]["responses"]}
        rare = {"503", "421"}  # of a fleet, or of an instance that is too busy
        self.assertEqual({(p, s) for p, s in described - self.judged if s not in rare}, set())


if __name__ == "__main__":
    harness.main()
