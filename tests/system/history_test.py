"""`runledger schema`, `query` and `export` as a person or cron meets them, on SQLite and on an emulator of BigQuery."""

import contextlib
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
RUNLEDGER = os.environ.get("RUNLEDGER", str(ROOT / "build/release/tools/runledger/runledger"))
EMULATOR = ROOT / "tests" / "bigquery" / "emulator"


def run(*arguments):
    done = subprocess.run([RUNLEDGER, *arguments], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout, done.stderr


class Commands:
    """What both warehouses must do alike; `self.flags` says which is meant."""

    def test_schema_then_questions(self):
        status, out, err = run("schema", "diff", *self.flags)
        self.assertEqual((status, err), (1, ""))
        self.assertIn("events", out)
        status, out, err = run("schema", "apply", *self.flags)
        self.assertEqual(status, 0, err)
        self.assertRegex(out, r"\n[0-9]+ change\(s\) made\n$")
        self.assertEqual(run("schema", "diff", *self.flags),
                         (0, "nothing to do: the warehouse is as it should be\n", ""))
        self.assertEqual(run("query", "failed_runs", *self.flags), (0, "no row\n", ""))
        status, out, err = run("query", "discovery_attempts", "--scraper=x", "--json", *self.flags)
        self.assertEqual(status, 0, err)
        self.assertEqual(json.loads(out), {"attempts_today": 0, "found_data": 0, "no_data_yet": 0, "failures": 0})
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "day.json"
            status, _, err = run("export", "--date", "2026-01-12", "--output", str(path), *self.flags)
            self.assertEqual((status, err), (0, "0 rows of 2026-01-12\n"))
            self.assertEqual(path.read_bytes(), b"")
        status, _, err = run("export", "--date", "2026-01-12", "--output", "/nonexistent/day.json", *self.flags)
        self.assertEqual(status, 2)
        self.assertIn("--output: /nonexistent/day.json", err)

    def test_wrong_use(self):
        for arguments, text in (
                (["query"], "which query?"),
                (["query", "nope"], "no query nope"),
                (["query", "trace_run"], "needs --run_id"),
                (["query", "success_rates", "--dayz", "3"], "has no --dayz"),
                (["query", "success_rates", "--days"], "--days needs a value"),
                (["query", "success_rates", "--days", "1", "--days", "2"], "twice"),
                (["query", "success_rates", "stray"], "'stray' is neither"),
                (["export", "--date", "yesterday"], "--date 'yesterday' is no date")):
            with self.subTest(arguments=arguments):
                status, _, err = run(*arguments, *self.flags)
                self.assertEqual(status, 2)
                self.assertIn(text, err)

    def test_an_answer_that_is_cut_short_is_none(self):
        for arguments in (["query", "--list"], ["schema", "print"], ["config", "reference"]):
            with self.subTest(arguments=arguments), open("/dev/full", "w", encoding="utf-8") as full:
                done = subprocess.run([RUNLEDGER, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120)
                self.assertEqual(done.returncode, 3, done.stderr)
                self.assertIn("standard output could not be written", done.stderr)

    def test_help_says_what_the_exit_status_means(self):
        for command in (["query"], ["export"], ["schema", "print"], ["schema", "diff"], ["schema", "apply"], ["status"]):
            with self.subTest(command=command):
                self.assertIn("Exit status: 0", run(*command, "--help")[1])

    def expect_unreadable(self, flags, text, commands=(["query", "failed_runs"], ["export", "--date", "2026-01-12"])):
        """Not 1: nothing was found, because nothing could be looked at."""
        for command in commands:
            with self.subTest(command=command):
                status, out, err = run(*command, *flags)
                self.assertEqual((status, out), (3, ""), err)
                self.assertIn(text, err)
                self.assertEqual([line for line in err.splitlines() if not line.startswith("runledger: ")], [])

    def test_list(self):
        status, out, _ = run("query", "--list")
        self.assertEqual(status, 0)
        self.assertIn("stale_by_processor", out)
        status, lines, _ = run("query", "--list", "--json")
        self.assertEqual(status, 0)
        listed = {line["query"]: line for line in map(json.loads, lines.splitlines())}
        self.assertEqual(list(listed), [line.split()[0] for line in out.splitlines()[1:]])
        self.assertIn("--", listed["latest_attempt"]["needs"])


class Sqlite(Commands, unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = str(pathlib.Path(directory.name) / "warehouse.db")
        self.flags = ["--warehouse", self.path]

    def test_no_file(self):
        status, _, err = run("query", "failed_runs", *self.flags)
        self.assertEqual(status, 3)
        self.assertIn("is it the path of a warehouse?", err)
        self.assertFalse(os.path.exists(self.path))

    def test_what_cannot_be_read(self):
        pathlib.Path(self.path).write_text("no database, " * 1000)
        self.expect_unreadable(self.flags, self.path)
        self.expect_unreadable(["--warehouse", "/"], "/", [["schema", "diff"], ["schema", "apply"], ["query", "failed_runs"]])

    def test_what_is_missing_is_named_with_the_command_that_makes_it(self):
        run("schema", "apply", *self.flags)
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            database.execute("DROP VIEW processor_run_history_failures")
            database.execute("DROP VIEW processor_run_history")
        for text in ("processor_run_history", "runledger schema apply"):
            self.expect_unreadable(self.flags, text, [["query", "processor_runs", "--processor", "x"]])

    def test_a_difference(self):
        run("schema", "apply", *self.flags)
        with contextlib.closing(sqlite3.connect(self.path)) as database:
            database.execute("ALTER TABLE events ADD COLUMN more TEXT NOT NULL DEFAULT 'x'")
            database.execute("PRAGMA user_version = 999")
        for command in ("diff", "apply"):
            status, _, err = run("schema", command, *self.flags)
            self.assertEqual(status, 1, err)
            self.assertIn("999", err)

    def test_pasted_sql_runs(self):
        run("schema", "apply", *self.flags)
        for name, given in (("expected_vs_actual", []), ("trace_run", ["--run-id", "o'clock"])):
            status, sql, err = run("query", name, *given, "--sql", *self.flags)
            self.assertEqual(status, 0, err)
            done = subprocess.run(["sqlite3", self.path], input=sql, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))


class BigQuery(Commands, unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        started = subprocess.run([EMULATOR, "start", "--dir", cls.directory.name, "--owner", str(os.getpid())],
                                 capture_output=True, text=True, check=False)
        if started.returncode == 3 and os.environ.get("CI") != "true":
            reason = started.stderr.strip().replace("\n", " ")
            print(f"SKIPPED: BigQuery: {reason}", flush=True)
            raise unittest.SkipTest(reason)
        if started.returncode != 0:
            raise AssertionError(started.stderr)
        cls.addClassCleanup(subprocess.run, [EMULATOR, "stop", "--dir", cls.directory.name], check=False)
        cls.rest, grpc = started.stdout.split()
        cls.grpc = "http://" + grpc

    def setUp(self):
        self.flags = ["--config", self.config("ledger", self.rest)]

    def config(self, dataset, endpoint, storage="https://bigquerystorage.googleapis.com"):
        path = pathlib.Path(self.directory.name) / f"{dataset}.yaml"
        path.write_text(f"""warehouse:
  kind: bigquery
  project: test-project
  dataset: {dataset}
  rest_endpoint: {endpoint}
  endpoint: {storage}
  views: {{ processor_run_history: nba_reference }}
""")
        return str(path)

    def test_no_schema_yet(self):
        status, _, err = run("query", "failed_runs", "--config", self.config("nothing_here", self.rest))
        self.assertEqual(status, 3)
        self.assertIn("nothing_here", err)
        self.assertIn("runledger schema apply", err)

    def test_a_table_and_a_function_that_are_missing(self):
        flags = ["--config", self.config("half", self.rest)]
        self.assertEqual(run("schema", "apply", *flags)[0], 0)
        place = f"{self.rest}/bigquery/v2/projects/test-project/datasets/half"
        for gone, command in (("routines/processor_run_history_between", ["query", "failed_runs", "--date", "2026-01-12"]),
                              ("tables/events", ["export", "--date", "2026-01-12"])):
            urllib.request.urlopen(urllib.request.Request(f"{place}/{gone}", method="DELETE"), timeout=60).close()
            self.expect_unreadable(flags, "runledger schema apply", [command])

    def test_a_difference_that_apply_refuses_is_an_answer(self):
        flags = ["--config", self.config("other", self.rest)]
        self.assertEqual(run("schema", "apply", *flags)[0], 0)
        place = f"{self.rest}/bigquery/v2/projects/test-project/datasets/other/tables"
        urllib.request.urlopen(urllib.request.Request(f"{place}/events", method="DELETE"), timeout=60).close()
        table = {"tableReference": {"projectId": "test-project", "datasetId": "other", "tableId": "events"},
                 "schema": {"fields": [{"name": "topic", "type": "INT64"}]}}
        urllib.request.urlopen(urllib.request.Request(place, json.dumps(table).encode(), {"content-type": "application/json"}),
                               timeout=60).close()
        for command in ("diff", "apply"):
            status, _, err = run("schema", command, *flags)
            self.assertEqual(status, 1, err)
            self.assertGreater(len(err.splitlines()), 3)
            self.assertEqual([line for line in err.splitlines() if not line.startswith("runledger: table ")], [])

    def test_the_configuration_check_looks_at_the_files(self):
        directory = pathlib.Path(self.directory.name)
        (directory / "no.json").write_text("not JSON")
        path = directory / "files.yaml"
        for credentials, why in (("/nonexistent/key.json", "No such file"), (str(directory), "directory"),
                                 (str(directory / "no.json"), "not a JSON object")):
            path.write_text("warehouse: { kind: bigquery, project: p, dataset: d, ca_file: /nonexistent/ca.pem, "
                            f"credentials: {credentials} }}\n")
            status, out, err = run("config", "check", "--config", str(path))
            self.assertEqual((status, out), (2, ""), err)
            for text in (credentials, why, "warehouse.credentials", "warehouse.ca_file /nonexistent/ca.pem"):
                self.assertIn(text, err)
        # An emulator needs none.
        self.assertEqual(run("config", "check", "--config", self.config("ledger", self.rest, self.rest))[0], 0)

    def test_addresses_that_are_swapped(self):
        path = pathlib.Path(self.directory.name) / "swapped.yaml"
        path.write_text("warehouse: { kind: bigquery, project: p, dataset: d, endpoint: 'https://bigquery.googleapis.com', "
                        "rest_endpoint: 'https://bigquerystorage.googleapis.com' }\n")
        status, _, err = run("config", "check", "--config", str(path))
        self.assertEqual(status, 2)
        self.assertIn("look swapped", err)
        status, _, err = run("schema", "diff", "--config", self.config("away", self.grpc))
        self.assertEqual(status, 3)
        self.assertIn("warehouse.rest_endpoint", err)

    def test_credentials_that_are_none(self):
        path = pathlib.Path(self.directory.name) / "credentials.yaml"
        path.write_text("warehouse: { kind: bigquery, project: p, dataset: d, credentials: /nonexistent/key.json }\n")
        for command in (["query", "failed_runs"], ["export", "--date", "2026-01-12"], ["schema", "diff"]):
            status, _, err = run(*command, "--config", str(path))
            self.assertEqual(status, 2, err)
            self.assertIn("/nonexistent/key.json", err)

    def test_nobody_answers(self):
        status, _, err = run("schema", "diff", "--config", self.config("away", "http://127.0.0.1:1"))
        self.assertEqual(status, 3)
        self.assertIn("127.0.0.1:1", err)
        self.expect_unreadable(["--config", self.config("away", "http://127.0.0.1:1")], "127.0.0.1:1")

    def test_pasted_sql_names_the_dataset(self):
        status, sql, err = run("query", "success_rates", "--sql", *self.flags)
        self.assertEqual(status, 0, err)
        self.assertIn("`test-project.ledger.scraper_execution_log_between`(", sql)
        self.assertIn("CURRENT_TIMESTAMP()", sql)

    def test_configuration(self):
        path = pathlib.Path(self.directory.name) / "wrong.yaml"
        path.write_text("""warehouse:
  kind: bigquery
  dataset: no-dashes
  endpoint: bigquery.googleapis.com
  views: { processor_run_histori: x }
""")
        status, _, err = run("config", "check", "--config", str(path))
        self.assertEqual(status, 2)
        for text in ("warehouse.project is empty", "warehouse.dataset \"no-dashes\"", "warehouse.endpoint",
                     "did you mean warehouse.views.processor_run_history?"):
            self.assertIn(text, err)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=2))
