"""One event through everything: from the command line into the log, the metrics, the API, the rows, and the questions."""

import http.server
import os
import subprocess
import threading

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
        # Neither said when it began, or of which date it is.
        for query, words in ((("processor_runs", "--processor", "nightly"), "nightly_1"), (("performance_by_phase",), "hourly")):
            self.assertIn(words, runledger("query", *query, "--warehouse", self.directory / "history.db").stdout)
        for limit, more in ((1, True), (2, False)):
            cut = runledger("runs", "--limit", limit, "--warehouse", self.directory / "history.db").stdout
            self.assertEqual("there are more; raise --limit" in cut, more, cut)
            self.assertEqual(cut.count("_1"), limit, cut)
        for wrong in (("--status", "bogus"), ("--date", "2026-99-99")):
            refused = runledger("runs", *wrong, "--warehouse", self.directory / "history.db", check=False)
            self.assertEqual(refused.returncode, 2, "a word that nobody knows is no good news")
        self.assertEqual(runledger("bogus", check=False).returncode, 2)
        self.assertIn("hourly", runledger("status", "--url", instance.url).stdout)
        # Its configuration says where it is; here the port is any, so that has to be said.
        asked = runledger("status", "--config", instance.config_path, check=False)
        self.assertEqual(asked.returncode, 2, asked.stdout)
        self.assertIn("http.listen", asked.stderr)
        told = self.directory / "told.yaml"
        told.write_text("http: { listen: '0.0.0.0:%s' }\n" % instance.url.rsplit(":", 1)[1])
        for question in (["status"], ["runs", "hourly"], ["trace", "ourly_1"]):
            self.assertIn("hourly", runledger(*question, "--config", told).stdout)
            env = {**os.environ, "RUNLEDGER_CONFIG": str(told)}
            env.pop("RUNLEDGER_URL", None)
            done = subprocess.run([harness.BINARY, *question], capture_output=True, text=True, env=env)
            self.assertIn("hourly", done.stdout, "RUNLEDGER_CONFIG does: " + done.stderr)
        # What is given goes before the environment, whichever command has the flag; without a flag the environment does.
        env = {**os.environ, "RUNLEDGER_URL": "http://127.0.0.1:1/"}
        for question in (["status"], ["runs", "hourly"], ["trace", "ourly_1"], ["check"], ["upstream", "hourly"], ["workflows"]):
            given = subprocess.run([harness.BINARY, *question, "--url", instance.url + "/"], capture_output=True, text=True, env=env)
            self.assertNotIn("no running instance", given.stderr)
            self.assertEqual(given.returncode, runledger(*question, "--url", instance.url, check=False).returncode, given.stdout)
            alone = subprocess.run([harness.BINARY, *question], capture_output=True, text=True, env=env)
            self.assertIn("no running instance answers at http://127.0.0.1:1:", alone.stderr)
        # What stands behind "--" is asked for, not left out: then all jobs would be shown.
        for job in ("--hourly", ".", ".."):
            nobody = runledger("status", "--url", instance.url, "--", job, check=False)
            self.assertEqual(nobody.returncode, 1, nobody.stdout)
            self.assertIn(f"no job '{job}'", nobody.stderr)
        # A name with a comma is not taken for two others.
        for question in ("upstream", "gaps"):
            both = runledger(question, "--url", instance.url, "hourly,nightly", check=False)
            self.assertEqual(both.returncode, 2, both.stdout)
            self.assertIn("'hourly,nightly' has a comma", both.stderr)
        self.assertEqual(instance.stop(), 0, instance.text())

        # Another process goes on where this one ended: nothing twice, and the state is the same.
        again = self.serve(config, "b").start().wait_ready()
        again.wait_caught_up()
        self.assertEqual(self.history("SELECT count(*) AS n FROM events")[0]["n"], 3)
        self.assertEqual(again.metrics().value("runledger_runs_finished_total", processor="nightly", status="success"), 1)

    def test_another_programs_answer_is_no_answer(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"jobs": 5}')

            def log_message(self, *_):
                pass

        with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            for question in (["status"], ["status", "nightly"], ["runs", "nightly"], ["trace", "nightly"]):
                asked = runledger(*question, "--url", f"http://127.0.0.1:{server.server_port}", check=False)
                self.assertEqual(asked.returncode, 2, asked.stderr)
                self.assertIn("no answer of runledger", asked.stderr)
            server.shutdown()


if __name__ == "__main__":
    harness.main()
