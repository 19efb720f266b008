"""From a real Kafka to an emulator of BigQuery (bqemulator, PyPI), which knows SQL, partitions and types, and no faults:
what BigQuery's own client finds in tables and views is what the generator has meant to send, and every named query
answers as on SQLite.

    RUNLEDGER_EMULATOR_EVENTS how many events the emulator gets (default 10000)
"""

import collections
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import harness

TOOLS = harness.HERE.parent / "bigquery"
EVENTS = int(os.environ.get("RUNLEDGER_EMULATOR_EVENTS", "10000"))
PARTITIONS = 4
EVENTS_TABLE = "`test-project.runledger.events`"
RUN_VIEWS = {"processor_run_history": "processor_name", "scraper_execution_log": "scraper_name",
             "prediction_worker_runs": "job_name"}  # with their columns for the job
# Their rows are made at a time of their own in each warehouse.
MADE_AT = {"ingested_at", "ingest_date"}


class BigQueryLedger(harness.SystemTest):
    """One log, written once into each warehouse; the tests look at what is there."""
    own_events = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(super().tearDownClass)
        place = pathlib.Path(tempfile.mkdtemp(prefix="runledger-bigquery-"))
        cls.addClassCleanup(shutil.rmtree, place, ignore_errors=True)
        started = subprocess.run([sys.executable, TOOLS / "emulator", "start", "--dir", place, "--owner", str(os.getpid())],
                                 capture_output=True, text=True)
        if started.returncode == 3:
            raise unittest.SkipTest(started.stderr.strip())
        if started.returncode != 0:
            raise AssertionError(started.stderr)
        cls.addClassCleanup(subprocess.run, [sys.executable, TOOLS / "emulator", "stop", "--dir", place], capture_output=True)
        cls.rest, cls.grpc = started.stdout.split()
        python = subprocess.run([sys.executable, TOOLS / "emulator", "fetch"], capture_output=True, text=True, check=True)
        cls.client = subprocess.Popen([python.stdout.strip(), TOOLS / "client", cls.rest], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.close_client)
        fill = cls("fill")
        fill.setUp()
        cls.addClassCleanup(shutil.rmtree, fill.directory, ignore_errors=True)
        try:
            fill.fill()
        except BaseException:
            for instance in fill.instances:
                print(instance.text()[-3000:], file=sys.stderr)
            raise
        finally:
            for instance in fill.instances:
                instance.kill()
                instance.log.close()

    @classmethod
    def tearDownClass(cls):  # by its cleanups, the last first
        pass

    @classmethod
    def close_client(cls):
        cls.client.stdin.close()
        cls.client.stdout.close()
        cls.client.wait()

    @classmethod
    def ask(cls, sql):
        """Rows, as the client has them."""
        cls.client.stdin.write(json.dumps(sql) + "\n")
        cls.client.stdin.flush()
        answer = json.loads(cls.client.stdout.readline())
        if isinstance(answer, dict):
            raise AssertionError(f"{answer['error']}\n{sql}")
        return answer

    def fill(self):
        """Not a test: sends the events, and has them written into both warehouses by the real writers."""
        cls = type(self)
        bigquery = self.config(warehouse={"kind": "bigquery", "project": "test-project", "dataset": "runledger",
                                          "endpoint": "http://" + self.grpc,
                                          "rest_endpoint": self.rest, "batch_rows": 2_000})
        sqlite = self.config()
        sqlite["log"].update(group=self.topic + ".sqlite", dead_letter_topic=self.dead_letters + ".sqlite")
        for config in (bigquery, sqlite):
            self.make_topics(config, PARTITIONS)
        writer = self.serve(bigquery, "bigquery")
        writer.start()
        # Without its table it does not read an event, and says which command makes it.
        self.assertNotEqual(writer.process.wait(60), 0)
        self.assertIn("schema apply", writer.text())
        harness.runledger("schema", "apply", "--config", writer.config_path)
        ledger = self.directory / "ledger.json"
        # No history: the ledger does not say in which state runs ended of which an event was history.
        harness.runledger("generate", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--ledger", ledger,
                          "--events", EVENTS, "--jobs", 200, "--partitions", PARTITIONS, "--bad", 0.01, "--refused", 0.005,
                          "--duplicates", 0.05, "--disorder", 0.1, "--backfill", 0)
        cls.ledger = json.loads(ledger.read_text())
        began = time.monotonic()
        writer.start().wait_ready()
        writer.wait_caught_up(patience=300 + EVENTS / 200)
        cls.seconds = time.monotonic() - began
        cls.metrics = writer.metrics()
        self.assertEqual(writer.stop(), 0)
        writer.start().wait_ready()  # another owner of every partition: nothing comes twice
        writer.wait_caught_up()
        self.assertEqual(writer.stop(), 0)
        other = self.serve(sqlite, "sqlite").start().wait_ready()
        other.wait_caught_up()
        self.assertEqual(other.stop(), 0)
        cls.bigquery_config = writer.config_path
        cls.sqlite = self.directory / "history.db"
        cls.now, cls.later = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + hours * 3600)) for hours in (0, 5))
        print(f"{self.ledger['good']} rows, {self.ledger['refused_rows']} of them cores, {self.ledger['dead_letter_identities']} "
              f"dead letters: in the table after {cls.seconds:.1f} s", flush=True)

    def look(self, sql, *parameters):
        return harness.rows(self.sqlite, sql, *parameters)

    def test_the_table_is_the_ledger(self):
        counted = self.ask(f"""SELECT COUNT(*) AS n, COUNTIF(refused IS NOT NULL) AS cores,
            COUNT(DISTINCT CONCAT(topic, '/', `partition`, '/', log_epoch, '/', `offset`, '/', batch_index)) AS places
            FROM {EVENTS_TABLE}""")[0]
        self.assertEqual(counted, {"n": self.ledger["good"], "cores": self.ledger["refused_rows"], "places": self.ledger["good"]})
        kinds = {row["kind"]: row["n"] for row in self.ask(f"SELECT kind, COUNT(*) AS n FROM {EVENTS_TABLE} GROUP BY kind")}
        self.assertEqual(kinds, {kind: n for kind, n in self.ledger["rows_by_kind"].items() if n > 0})
        letters = collections.Counter()
        for labels, count in self.metrics.all("runledger_dead_letters_total").items():
            letters[dict(labels)["category"]] += int(count)
        self.assertEqual(+letters, collections.Counter(self.ledger["dead_letters"]))
        # What the log was made for: all of it happened.
        self.assertGreater(self.ledger["refused_rows"], 0)
        self.assertGreater(len(self.ledger["dead_letters"]), 1)
        repeated = self.ask(f"""SELECT COUNT(*) - COUNT(DISTINCT event_id) AS n FROM {EVENTS_TABLE}""")[0]["n"]
        self.assertGreater(repeated, 0)

    def test_the_views_are_the_ledger(self):
        self.assertTrue(self.ledger["covers_runs"])
        wanted = {(job, status): n for job, of in self.ledger["jobs"].items() for status, n in of["final"].items() if n > 0}
        found = {}
        for view, job in RUN_VIEWS.items():
            for row in self.ask(f"SELECT {job} AS job, status, COUNT(*) AS n FROM `test-project.runledger.{view}` GROUP BY 1, 2"):
                found[row["job"], row["status"]] = found.get((row["job"], row["status"]), 0) + row["n"]
        self.assertEqual(found, wanted)
        print(f"{sum(wanted.values())} runs of {len(self.ledger['jobs'])} jobs")

    def test_whole_rows_are_those_on_sqlite(self):
        columns = [row["name"] for row in self.look("SELECT name FROM pragma_table_info('events')") if row["name"] not in MADE_AT]
        names = ", ".join(f"`{name}`" for name in columns)
        order = "ORDER BY `partition`, `offset`, batch_index"
        # Times as numbers, dates and JSON as texts.
        types = {row["column_name"]: row["data_type"] for row in self.ask(
            "SELECT column_name, data_type FROM `test-project.runledger.INFORMATION_SCHEMA.COLUMNS` WHERE table_name = 'events'")}
        casts = {"TIMESTAMP": "UNIX_MICROS(`{}`)", "DATE": "CAST(`{}` AS STRING)", "JSON": "TO_JSON_STRING(`{}`)"}
        selected = ", ".join(f"{casts.get(types[name], '`{}`').format(name)} AS `{name}`" for name in columns)
        rows = 0
        # Some thousands at a time: a record has up to 200 events.
        for some in self.look('SELECT DISTINCT "partition", "offset" / 100 AS hundred FROM events'):
            partition, first = some["partition"], some["hundred"] * 100
            where = f"WHERE `partition` = {partition} AND `offset` BETWEEN {first} AND {first} + 99"
            there = self.ask(f"SELECT {selected} FROM {EVENTS_TABLE} {where} {order}")
            here = self.look(f"SELECT {names} FROM events {where} {order}")
            self.assertEqual(len(there), len(here))
            rows += len(here)
            for a, b in zip(here, there):
                for name in columns:
                    if not same(a[name], b[name], types[name] == "JSON"):
                        self.fail(f"{name} of {partition} {a['offset']} {a['batch_index']}: SQLite {a[name]!r}, BigQuery {b[name]!r}")
        self.assertEqual(rows, self.ledger["good"])

    def most(self, expression, where="TRUE"):
        """The value that most rows have."""
        found = self.look(f"SELECT {expression} AS value FROM events WHERE ({where}) AND {expression} IS NOT NULL "
                          "GROUP BY 1 ORDER BY COUNT(*) DESC, 1 LIMIT 1")
        self.assertTrue(found, expression)
        return str(found[0]["value"])

    def query(self, name, where, *parameters):
        """(exit status, rows) of `runledger query`."""
        done = subprocess.run([harness.BINARY, "query", name, "--json", *map(str, where), *parameters,
                               *(() if "--now" in parameters else ("--now", self.now))],
                              capture_output=True, text=True, timeout=600)
        self.assertIn(done.returncode, (0, 1), f"{name} {parameters}: {done.stderr}")
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def test_every_named_query_answers_as_on_sqlite(self):
        listed = harness.runledger("query", "--list").stdout.splitlines()[1:]
        names = [line.split()[0] for line in listed if re.match(r"[a-z]", line)]
        self.assertGreater(len(names), 20)
        day = self.most("data_date", "status = 'failed'")
        utc = "date(event_time / 1000000, 'unixepoch')"  # generated events are of the hours before, maybe of yesterday
        of = {kind: ["--date", self.most(utc, f"kind = '{kind}'"), "--zone", "UTC"] for kind in ("scraper", "decision", "expected")}
        scraper = self.most("job_name", "kind = 'scraper'")
        skipped = self.most("workflow", "kind = 'decision' AND action = 'SKIP'")
        given = {
            "trace_run": [["--run-id", self.most("substr(run_id, 1, 6)")]],
            "run_graph": [["--run-id", self.most("run_id", "kind = 'processor'")]],
            "failed_runs": [[], ["--date", day]],
            "same_trigger": [["--message-id", self.most("trigger_message_id")]],
            "processor_runs": [["--processor", self.most("job_name", "kind = 'processor'"), "--limit", "100000"]],
            "latest_attempt": [["--scraper", scraper], ["--scraper", scraper, *of["scraper"]]],
            "discovery_attempts": [["--scraper", scraper], ["--scraper", scraper, *of["scraper"]]],
            "todays_scraper_summary": [[], of["scraper"]],
            "expected_vs_actual": [[], of["expected"]],
            "why_skipped": [["--workflow", skipped, *of["decision"]]],
            "stale_by_date": [[], ["--hours", "1", "--limit", "1000"]],
            "stale_by_processor": [[], ["--hours", "1"]],
            "high_failure_rate": [[], ["--percent", "1.5"]],
            "critical_workflow_not_run": [[], [*of["decision"], "--now", self.later]],
        }
        answers, empty = 0, []
        for name in names:
            rows = 0
            for parameters in given.get(name, [[]]):
                with self.subTest(query=name, parameters=parameters):
                    here = self.query(name, ["--warehouse", self.sqlite], *parameters)
                    there = self.query(name, ["--config", self.bigquery_config], *parameters)
                    self.assertEqual(here[0], there[0])
                    self.assertEqual(len(here[1]), len(there[1]))
                    for number, (a, b) in enumerate(zip(here[1], there[1])):
                        if not same(a, b):
                            self.fail(f"row {number}\nSQLite   {a}\nBigQuery {b}")
                    rows += len(here[1])
            answers += rows
            if rows == 0:
                empty.append(name)
        print(f"{len(names)} queries, {answers} rows of answers, no row from: {', '.join(empty) or 'none'}")
        latest = self.look("SELECT missing_files FROM cleanup_operations ORDER BY cleanup_time DESC, event_id LIMIT 1")
        if "missing_files" in empty and json.loads(latest[0]["missing_files"] or "[]") == []:
            empty.remove("missing_files")  # the latest cleanup of this log has found none missing
        if EVENTS >= 5_000:
            self.assertEqual(empty, [], "nothing was compared")


def same(a, b, is_json=False):
    """Equal, sums of the same numbers in another order too."""
    if is_json and isinstance(a, str) and isinstance(b, str):
        return same(json.loads(a), json.loads(b))
    if isinstance(a, (bool, int)) and isinstance(b, (bool, int)):
        return a == b
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


if __name__ == "__main__":
    harness.main()
