"""The warehouse is away for long while events go on: the state stays live and true, memory stays within its bound, and
afterwards every row is written, once.

    RUNLEDGER_OUTAGE_SECONDS  how long events come while it is away (default 40)
    RUNLEDGER_OUTAGE_RATE     events a second (default 5000)
    RUNLEDGER_OUTAGE_HELD     warehouse.held_bytes in MiB (default 1)
    RUNLEDGER_OUTAGE_SCRAPES  how many scrapes are kept and compared (default 40)
"""

import contextlib
import json
import os
import sqlite3
import subprocess
import threading
import time

import harness
from harness import wait_until

SECONDS = float(os.environ.get("RUNLEDGER_OUTAGE_SECONDS", 40))
RATE = int(os.environ.get("RUNLEDGER_OUTAGE_RATE", 5_000))
HELD_MIB = int(os.environ.get("RUNLEDGER_OUTAGE_HELD", 1))
SCRAPES = int(os.environ.get("RUNLEDGER_OUTAGE_SCRAPES", 40))
PARTITIONS = 8
JOBS = 200
WARM_UP_S = 10  # of events while the warehouse is well: state and buffers get the size that they have under this load
CACHE_MIB = 64  # of the warehouse file's pages
CLOSED_RUNS = 2_000  # of a partition: reached in the warm-up, so that what grows later is not the state
FETCH_MIB = 4  # what a reader has fetched ahead of one partition, all taken together; at most it is 8
MIB = 1 << 20

# What may come on top of the memory that the load takes while the warehouse is well. A partition holds rows and dead
# letters up to held_bytes; the buffers that they are in double when they are full, so up to twice that is taken. Two readers
# fetch ahead, the fold's and, once rows are read a second time, that of the rows. A file that grows large fills the page
# cache, as it does not in the warm-up. And something for what does grow: runs that never end (a hundredth of all, about 300
# bytes each), and the allocator's own: one thread takes the memory of rows, another gives it back.
ROOM_BYTES = (PARTITIONS * (2 * HELD_MIB + 2 * FETCH_MIB) + CACHE_MIB) * MIB + int(SECONDS * RATE / 3 * 0.01 * 300) + 64 * MIB


class Memory(threading.Thread):
    """Looks at the resident memory of an instance all the time."""

    def __init__(self, instance):
        super().__init__(daemon=True)
        self.instance = instance
        self.samples = []  # (seconds, bytes)
        self.ending = threading.Event()
        self.start()

    def run(self):
        began = told = time.monotonic()
        while not self.ending.wait(0.2):
            with contextlib.suppress(OSError, AttributeError):  # it has ended
                self.samples.append((time.monotonic(), self.instance.memory_bytes()))
            if time.monotonic() - told > 60:
                told = time.monotonic()
                least, most = self.between(told - 60, told)
                print(f"  {told - began:5.0f} s  resident {least / MIB:.0f} to {most / MIB:.0f} MiB", flush=True)

    def between(self, began, ended):
        found = [size for at, size in self.samples if began <= at <= ended]
        return min(found), max(found)

    def stop(self):
        self.ending.set()
        self.join()


class OutageTest(harness.SystemTest):
    own_events = False

    def generate(self, name, seconds, seed):
        log = open(self.directory / f"{name}.log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [harness.BINARY, "generate", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--seed", str(seed),
             "--events", str(int(RATE * seconds)), "--rate", str(RATE), "--jobs", str(JOBS), "--partitions", str(PARTITIONS),
             "--ledger", self.directory / f"{name}.json"], stdout=log, stderr=log)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def finished(self, name, process):
        """True once it has sent everything."""
        status = process.poll()
        self.assertIn(status, (None, 0), (self.directory / f"{name}.log").read_text())
        return status == 0

    def records(self, *names):
        return sum(json.loads((self.directory / f"{name}.json").read_text())["records"] for name in names)

    def save(self, instance):
        """A scrape to be compared; returns what it says."""
        body = instance.get("/metrics", accept="text/plain; version=0.0.4")[1]
        self.saved += 1
        (self.scrapes / f"{self.saved:05}.txt").write_text(body)
        return harness.Metrics(body)

    def offsets(self, metrics, which):
        return sum(metrics.all(f"runledger_log_{which}_offset").values())

    def watermarks(self, metrics):
        return {dict(labels)["partition"]: value for labels, value in metrics.all("runledger_log_watermark_timestamp_seconds").items()}

    def outage(self, instance):
        """While the file is locked: scrapes all the time, until all that was sent is folded."""
        generator = self.generate("outage", SECONDS, seed=2)
        began, next_save, lag = time.monotonic(), 0, 0
        marks = {}
        while not self.finished("outage", generator):
            if time.monotonic() - began >= next_save:
                next_save += SECONDS / SCRAPES
                metrics = self.save(instance)
                lag = max(lag, self.offsets(metrics, "end") - self.offsets(metrics, "applied"))
                for partition, mark in self.watermarks(metrics).items():
                    self.assertGreaterEqual(mark, marks.get(partition, 0), "the watermark goes back")
                    marks[partition] = mark
            time.sleep(0.05)
        took, sent_at = time.monotonic() - began, time.time()
        everything = self.records("warm-up", "outage")

        def folded():
            metrics = instance.metrics()
            known = self.watermarks(metrics)
            return (self.offsets(metrics, "applied") == everything and len(known) == PARTITIONS and
                    min(known.values()) >= sent_at)
        wait_until(folded, "all is folded and known while the warehouse is away", instance.text, patience=300, pause_s=0.5)
        self.save(instance)
        print(f"{RATE * SECONDS:.0f} events in {took:.1f} s ({RATE * SECONDS / took:.0f} a second) without a warehouse; "
              f"the fold was at most {lag:.0f} records behind the end", flush=True)

    def test_away_for_long(self):
        self.scrapes = self.directory / "scrapes"
        self.scrapes.mkdir()
        self.saved = 0
        config = self.config(warehouse={"held_bytes": f"{HELD_MIB}MiB"}, state={"closed_runs": CLOSED_RUNS})
        config["log"]["librdkafka"] = {"session.timeout.ms": "15000", "heartbeat.interval.ms": "1000"}
        self.make_topics(config, PARTITIONS)
        instance = self.serve(config).start().wait_ready()
        memory = Memory(instance)
        self.addCleanup(memory.stop)
        began = time.monotonic()
        warm_up = self.generate("warm-up", WARM_UP_S, seed=1)
        wait_until(lambda: self.finished("warm-up", warm_up), "the first events are sent", patience=600)
        before = self.records("warm-up")
        wait_until(lambda: self.offsets(instance.metrics(), "acked") == before, "the first rows are written", instance.text, patience=300)
        well = memory.between(began, time.monotonic())
        rows_before = self.history("SELECT count(*) AS n FROM events")[0]["n"]

        locked_at = time.monotonic()
        with contextlib.closing(sqlite3.connect(self.directory / "history.db", isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN EXCLUSIVE")
            self.outage(instance)
            self.assertIn("another process has held the file's lock",
                          " | ".join(p["text"] for p in instance.api("/readyz")["problems"]))
            self.assertEqual(instance.status("/readyz"), 200)
            self.assertEqual(self.history("SELECT count(*) AS n FROM events")[0]["n"], rows_before)
            metrics = instance.metrics()
            self.assertEqual(metrics.value("runledger_warehouse_circuit_open", table="events"), 1)
            held = self.offsets(metrics, "applied") - self.offsets(metrics, "acked")
            self.assertGreater(held, 0)
            released_at = time.monotonic()
            other.execute("ROLLBACK")
        everything = self.records("warm-up", "outage")
        wait_until(lambda: self.offsets(instance.metrics(), "acked") == everything, "all rows are written",
                   lambda: instance.text()[-5000:], patience=7200, pause_s=0.5)
        caught_up_at = time.monotonic()
        self.save(instance)
        rows = self.history("SELECT count(*) AS n FROM events")[0]["n"]
        print(f"{rows - rows_before} rows of {held:.0f} records written in {caught_up_at - released_at:.1f} s after it came back", flush=True)

        limit = well[1] + ROOM_BYTES
        during, after = memory.between(locked_at, released_at), memory.between(released_at, caught_up_at)
        for name, (least, most) in {"warehouse well": well, "away": during, "catching up": after}.items():
            print(f"resident memory, {name}: {least / MIB:.0f} to {most / MIB:.0f} MiB (limit {limit / MIB:.0f})", flush=True)
        self.assertLess(during[1], limit)
        self.assertLess(after[1], limit)
        done = subprocess.run(
            [harness.AUDIT, "--brokers", self.broker.bootstrap, "--topic", self.topic, "--dead-letters", self.dead_letters,
             "--scrapes", self.scrapes, "--sqlite", self.directory / "history.db", "--config", instance.config_path],
            capture_output=True, text=True)
        print(done.stdout, flush=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(instance.metrics().value("runledger_warehouse_circuit_open", table="events"), 0)
        self.assertEqual(instance.stop(), 0, instance.text())


if __name__ == "__main__":
    harness.main()
