"""Rows in BigQuery, against a fake service that is as strict as the real one and fails in every way that it may: each
event of a real Kafka's log is one row of the table itself, whoever is killed when.

    RUNLEDGER_FAKE_BIGQUERY   the fake service
    RUNLEDGER_BIGQUERY_KILLS  how many instances are killed (default 12)
    RUNLEDGER_OUTAGE_S        how long the service is away (default 15)
"""

import collections
import json
import os
import random
import re
import signal
import subprocess
import time
import urllib.request

import harness

FAKE = os.environ.get("RUNLEDGER_FAKE_BIGQUERY", harness.BUILD / "tests/fakes/bigquery/fake_bigquery_server")
KILLS = int(os.environ.get("RUNLEDGER_BIGQUERY_KILLS", "12"))
OUTAGE_S = float(os.environ.get("RUNLEDGER_OUTAGE_S", "15"))
PARTITIONS = 4
# Every one of them now and then.
FAULTS = {"lost_ack": 0.02, "lost_request": 0.02, "internal": 0.02, "internal_lie": 0.02, "aborted": 0.02, "throttled": 0.03,
          "drain": 0.02, "restart": 0.02, "slow": 0.05, "slow_ms": 300, "unary": 0.2, "row_errors": 1, "bad_text": "7",
          "request_limit": 400_000, "idle_ms": 1500}


class FakeBigQuery:
    """The fake service in a process of its own."""

    def __init__(self, test):
        self.process = subprocess.Popen([FAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        test.addCleanup(self.close)
        grpc, http = self.process.stdout.readline().split()
        self.endpoint, self.http = f"http://127.0.0.1:{grpc}", f"http://127.0.0.1:{http}"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def post(self, path, **body):
        request = urllib.request.Request(self.http + path, data=json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()

    def stats(self):
        with urllib.request.urlopen(self.http + "/stats", timeout=60) as answer:
            return json.loads(answer.read())

    def rows(self):
        """[(topic, partition, offset, index, epoch, event id, refused)], as they were appended."""
        with urllib.request.urlopen(self.http + "/rows", timeout=120) as answer:
            text = answer.read().decode()
        found = []
        for line in text.splitlines():
            topic, partition, offset, index, epoch, event_id, refused, _ = line.split("\t")
            found.append((topic, int(partition), int(offset), int(index), int(epoch), event_id, refused == "1"))
        return found

    def warehouse(self):
        return {"kind": "bigquery", "project": "test-project", "dataset": "runledger", "endpoint": self.endpoint,
                "rest_endpoint": self.http}


class BigQueryRows(harness.SystemTest):
    own_events = False

    def setUp(self):
        super().setUp()
        self.fake = FakeBigQuery(self)

    def bigquery(self, **sections):
        config = self.config(warehouse=self.fake.warehouse(), **sections)
        config["warehouse"].update({"batch_rows": 500, "refused_percent": 100})
        return config

    def generate(self, events, rate, bad=0.01):
        ledger = self.directory / f"ledger-{len(list(self.directory.glob('ledger-*')))}.json"
        log = open(self.directory / "generate.log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [harness.BINARY, "generate", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--ledger", ledger,
             "--events", str(events), "--jobs", "200", "--partitions", str(PARTITIONS), "--rate", str(rate), "--bad", str(bad)],
            stdout=log, stderr=log)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def expect_each_once(self, explain):
        """The table holds what an instance of another group writes into SQLite, row by row, and nothing twice."""
        config = self.config(warehouse={"path": str(self.directory / "oracle.db"), "kind": "sqlite"})
        config["log"]["group"] = self.topic + ".oracle"
        config["state"] = {"dir": str(self.directory / "oracle-state")}
        config["log"]["dead_letter_topic"] = self.dead_letters + ".oracle"
        self.make_topics(config, PARTITIONS)
        oracle = self.serve(config, "oracle")
        oracle.start().wait_ready()
        oracle.wait_caught_up()
        oracle.stop()
        wanted = {(r["topic"], r["partition"], r["offset"], r["batch_index"], r["log_epoch"], r["event_id"])
                  for r in harness.rows(self.directory / "oracle.db",
                                        'SELECT topic, "partition", "offset", batch_index, log_epoch, event_id FROM events')}
        rows = self.fake.rows()
        counts = collections.Counter(row[:6] for row in rows)
        twice = [row for row, count in counts.items() if count > 1]
        self.assertEqual(twice, [], f"{len(twice)} rows are there more than once\n{explain()}")
        missing, foreign = wanted - counts.keys(), counts.keys() - wanted
        self.assertFalse(bool(missing or foreign),  # the sets themselves are too long to be shown
                         f"{len(missing)} rows are missing, {len(foreign)} are of no event: "
                         f"{sorted(missing)[:3]} {sorted(foreign)[:3]}\n{explain()}")
        stats = self.fake.stats()
        self.assertEqual(stats["violations"], [])
        return rows, stats

    def test_each_event_is_one_row(self):
        config = self.bigquery()
        self.make_topics(config, PARTITIONS)
        self.assertEqual(self.generate(20_000, 0).wait(120), 0)
        a = self.serve(config).start().wait_ready()
        a.wait_caught_up()
        rows, stats = self.expect_each_once(a.text)
        metrics = a.metrics()
        self.assertEqual(metrics.value("runledger_warehouse_rows_total", table="events"), len(rows))
        self.assertEqual(metrics.value("runledger_warehouse_rows_in_flight", table="events"), 0)
        self.assertEqual(stats["streams"], PARTITIONS)
        # A restart begins new streams and writes nothing twice.
        self.assertEqual(a.stop(), 0)
        a.start().wait_ready()
        a.wait_caught_up()
        self.assertEqual(self.fake.stats()["rows"], len(rows))

    def test_killed_and_taken_over_with_every_fault(self):
        choice = random.Random(int(os.environ.get("RUNLEDGER_SEED", "0")) or time.time_ns())
        config = self.bigquery(state={"dir": "state", "snapshot_interval": "2s"})
        self.make_topics(config, PARTITIONS)
        self.fake.post("/faults", **FAULTS)
        events = 4_000 * (KILLS + 2)
        generator = self.generate(events, 800)
        members = [self.serve(config, name).start() for name in ("a", "b")]
        for kill in range(KILLS):
            member = members[kill % 2]
            seen = self.fake.stats()["rows"]
            harness.wait_until(lambda: self.fake.stats()["rows"] > seen + choice.randrange(2_000) or generator.poll() is not None,
                               "rows come", lambda: members[0].text() + members[1].text())
            if kill % 5 == 4:
                self.assertEqual(member.stop(signal.SIGTERM), 0, member.text())
            else:
                member.kill()
            if kill % 4 == 3:
                self.fake.post("/expire")
            if kill % 6 == 5:
                self.fake.post("/stop")
                self.fake.post("/start")
            member.start()
        harness.wait_until(lambda: generator.poll() is not None, "generate ends", patience=600)
        for member in members:
            member.wait_ready()
        self.fake.post("/faults", bad_text="7", row_errors=1)
        harness.wait_caught_up(members, PARTITIONS)  # also those that the one that was killed last had
        explain = lambda: members[0].text()[-5000:] + members[1].text()[-5000:]
        rows, stats = self.expect_each_once(explain)
        print(f"{len(rows)} rows, {sum(row[6] for row in rows)} of them cores; {KILLS} instances ended; {stats}")
        self.assertGreater(stats["errors"].get("6", 0), 0, "no acknowledgement was lost")
        self.assertGreater(stats["errors"].get("3", 0), 0, "no row was bad")

    def test_columns_that_the_table_lacks_end_the_start_and_are_all_named(self):
        missing = ["refused", "phase", "duration_seconds", "errors", "error_type", "opts", "trigger_source", "alert_sent",
                   "batch_id", "completed_at", "subject", "missing_files"]
        config = self.bigquery()
        self.make_topics(config, PARTITIONS)
        self.assertEqual(self.generate(100, 0).wait(120), 0)
        self.fake.post("/faults", missing_columns=missing)
        a = self.serve(config).start()
        self.assertNotEqual(a.process.wait(60), 0)
        named = set(re.findall(r"\w+", a.text()))
        self.assertEqual([column for column in missing if column not in named], [], a.text())
        self.assertIn("schema apply", a.text())
        stats = self.fake.stats()
        self.assertEqual((stats["rows"], stats["streams"]), (0, 0), "it began all the same")
        self.fake.post("/faults")
        a.start().wait_ready()
        a.wait_caught_up()
        self.expect_each_once(a.text)

    def emit(self, run):
        done = subprocess.run([harness.BINARY, "emit", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--job", "j",
                               "--run-id", run, "--status", "success"], capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_table_that_is_dropped_and_made_again_gets_every_row_behind_it(self):
        """While there is no table a row waits, and it is told; the table made again has it, and those behind it."""
        config = self.bigquery()
        self.make_topics(config, 1)
        a = self.serve(config).start().wait_ready()
        self.emit("before")
        harness.wait_until(lambda: self.fake.stats()["rows"] == 1, "the row before", a.text)
        a.wait_caught_up()
        self.fake.post("/faults", table_missing=True)
        self.emit("without a table")
        harness.wait_until(lambda: "Not found" in a.text() or "not found" in a.text(), "it is told", a.text)
        harness.wait_until(lambda: a.metrics().value("runledger_warehouse_circuit_open", table="events") == 1, "the circuit", a.text)
        self.fake.post("/recreate")
        self.fake.post("/faults")
        self.emit("behind")
        harness.wait_until(lambda: self.fake.stats()["rows"] >= 2, "both rows", a.text)
        a.wait_caught_up()
        rows = sorted(row[2] for row in self.fake.rows())
        self.assertEqual(rows, [1, 2], f"offsets of the rows that came behind the drop\n{a.text()}")
        # Between two rows, so that the first that notices is the next row.
        self.fake.post("/recreate")
        self.emit("behind another one")
        harness.wait_until(lambda: [3] == [row[2] for row in self.fake.rows() if row[2] > 2], "the row behind it", a.text)
        self.assertEqual(self.fake.stats()["violations"], [])

    def test_the_service_is_away(self):
        config = self.bigquery()
        config["warehouse"].update({"held_bytes": "2MiB", "batch_bytes": "256KiB"})
        self.make_topics(config, PARTITIONS)
        a = self.serve(config).start().wait_ready()
        generator = self.generate(int(1_500 * (OUTAGE_S + 15)), 1_500)
        harness.wait_until(lambda: self.fake.stats()["rows"] > 5_000, "rows come", a.text)
        before = a.memory_bytes()
        self.fake.post("/stop")
        harness.wait_until(lambda: a.metrics().value("runledger_warehouse_circuit_open", table="events") == 1, "it is told", a.text)
        applied, acked, most = 0, 0, 0
        end = time.monotonic() + OUTAGE_S
        while time.monotonic() < end:
            metrics = a.metrics()
            shown = metrics.all("runledger_log_applied_offset")
            if len(shown) == PARTITIONS:  # none while it does not know whether they still are its own
                self.assertGreaterEqual(sum(shown.values()), applied)  # the gauges live
                applied = sum(shown.values())
                acked = metrics.sum("runledger_log_acked_offset")
            most = max(most, a.memory_bytes())
            time.sleep(0.5)  # an outage lasts as long as it lasts
        self.assertGreater(applied, acked)
        self.fake.post("/start")
        harness.wait_until(lambda: generator.poll() is not None, "generate ends", patience=600)
        a.wait_caught_up()
        harness.wait_until(lambda: a.metrics().value("runledger_warehouse_circuit_open", table="events") == 0, "it is well", a.text)
        self.assertLess(most - before, 64 << 20, f"memory grew from {before} to {most}")
        self.expect_each_once(a.text)
        print(f"away for {OUTAGE_S} s: memory {before >> 20} MiB before, at most {most >> 20} MiB during")


if __name__ == "__main__":
    harness.main()
