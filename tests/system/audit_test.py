"""A generated log of every framing, with duplicates, disorder and bad input, while the instance reads it: rows, dead
letters, counters and every scrape agree with an independent reading of the log and with the generator's ledger.

    RUNLEDGER_AUDIT_EVENTS   how many events (default 200000)
    RUNLEDGER_AUDIT_RATE     events a second, 0 for as fast as they are taken (default: events / 30)
    RUNLEDGER_AUDIT_JOBS     how many jobs (default 500)
    RUNLEDGER_AUDIT_SCRAPES  how many scrapes, spread over the run (default 100)
"""

import json
import os
import re
import signal
import subprocess
import time

import harness

PARTITIONS = 12
EVENTS = int(os.environ.get("RUNLEDGER_AUDIT_EVENTS", 200_000))
RATE = float(os.environ.get("RUNLEDGER_AUDIT_RATE", EVENTS / 30))
JOBS = int(os.environ.get("RUNLEDGER_AUDIT_JOBS", 500))
SCRAPES = int(os.environ.get("RUNLEDGER_AUDIT_SCRAPES", 100))
BAD = 0.001  # share of events that must be refused

TEXT = "text/plain; version=0.0.4"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


def total(body, name):
    """Sum of all series of that name; of a body of either format, and quicker than reading all of it."""
    return sum(map(float, re.findall(rf"^{name}(?:{{.*?}})? (\S+)", body, re.MULTILINE)))


def values(body, name):
    """{partition: number} of the series of that name."""
    return {p: float(v) for p, v in re.findall(rf'^{name}{{[^}}]*?partition="(\d+)"[^}}]*}} (\S+)', body, re.MULTILINE)}


class Audit(harness.SystemTest):
    own_events = False

    def prepare(self, timestamps):
        self.looks = self.saved = 0
        self.scrapes = self.directory / "scrapes"
        self.scrapes.mkdir()
        self.ledger = self.directory / "ledger.json"
        # Contact with the group that is older than the session hides all jobs, and this may be a busy machine.
        config = self.config()
        config["log"]["librdkafka"] = {"session.timeout.ms": "15000", "heartbeat.interval.ms": "1000"}
        self.make_topics(config, PARTITIONS)
        self.broker.configure_topic(self.topic, message_timestamp_type=timestamps)
        return config

    def generate(self):
        """Starts sending; the ledger is there when it ends."""
        log = open(self.directory / "generate.log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [harness.BINARY, "generate", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--ledger", self.ledger,
             "--events", str(EVENTS), "--jobs", str(JOBS), "--partitions", str(PARTITIONS), "--rate", str(RATE),
             "--bad", str(BAD)], stdout=log, stderr=log)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def alive(self, instance, generator):
        self.assertIsNone(instance.process.poll(), instance.text())
        self.assertIn(generator.poll(), (None, 0), (self.directory / "generate.log").read_text())

    def look(self, instance):
        """One scrape: its body if it shows jobs, and how many good events have been folded. The formats take turns."""
        self.looks += 1
        status, body = instance.get("/metrics", accept=TEXT if self.looks % 2 else OPEN_METRICS)
        self.assertEqual(status, 200, body)
        if total(body, "runledger_runs_started_total") == 0:
            # Jobs are hidden while partitions are being restored or are not here yet; and at first there is none. The
            # own counters tell nothing here: they are read after the partitions and may be ahead of them.
            hidden = total(body, "runledger_restoring") > 0 or body.count("\nrunledger_log_applied_offset{") < PARTITIONS
            self.assertTrue(hidden or total(body, "runledger_log_applied_offset") < 2 * PARTITIONS, body)
            body = None
        return body, total(body or "", "runledger_events_total")

    def save(self, body):
        self.saved += 1
        (self.scrapes / f"{self.saved:04}.txt").write_text(body)

    def scrape(self, instance, generator, share, count):
        """Saves `count` scrapes, evenly over what is left to be folded of this share of the events.

        Where folding is quicker than scraping, the generator waits for each scrape, and is stopped for good at the end of
        a share that is not the last. The last scrapes come when all is folded: while rows are being written and the
        watermark moves on.
        """
        many = count
        end = share * EVENTS * (1 - BAD) * 0.999
        last = None  # events folded at the last scrape that was saved
        changed = (0, time.monotonic())  # what was folded, since when
        while count > 0:
            self.alive(instance, generator)
            late = last is not None and last > begin + (end - begin) * (many - count + 1) / many
            if late:
                generator.send_signal(signal.SIGSTOP)
            body, folded = self.look(instance)
            if late and (share == 1 or folded < end):
                generator.send_signal(signal.SIGCONT)
            if body is not None and (last is None or folded >= last + (end - last) / count):
                self.save(body)
                count -= 1
                if last is None:
                    begin = folded
                last = folded
            if folded != changed[0]:
                changed = (folded, time.monotonic())
            elif folded < end and time.monotonic() > changed[1] + harness.PATIENCE_S:
                self.fail(f"nothing was folded for {harness.PATIENCE_S} s, at {folded} of {end} events\n{instance.text()}")
            time.sleep(0.02)

    def finish(self, instance, generator):
        """Until everything is folded and durable; the last scrape."""
        harness.wait_until(lambda: generator.poll() is not None, "generate ends", patience=600)
        self.assertEqual(generator.returncode, 0, (self.directory / "generate.log").read_text())
        records = json.loads(self.ledger.read_text())["records"]

        def done():
            body = instance.get("/metrics", accept=TEXT)[1]
            return all(total(body, name) == records for name in ("runledger_log_applied_offset", "runledger_log_acked_offset"))
        harness.wait_until(done, f"all {records} records are folded and durable", instance.text, patience=600)
        self.save(self.look(instance)[0])

    def check_positions(self):
        """The scrapes are of different moments, and no partition goes back, whichever process shows it."""
        shown = {}
        moments = set()
        for path in sorted(self.scrapes.iterdir()):
            body = path.read_text()
            restoring = values(body, "runledger_restoring")
            with_jobs = set(re.findall(r'^runledger_runs_started_total{.*?partition="(\d+)"', body, re.MULTILINE))
            for partition, offset in values(body, "runledger_log_applied_offset").items():
                if partition not in with_jobs:
                    continue
                self.assertEqual(restoring[partition], 0, f"{path.name} partition {partition}")
                self.assertGreaterEqual(offset, shown.get(partition, 0), f"{path.name} partition {partition}")
                shown[partition] = offset
            moments.add(tuple(sorted(shown.items())))
        self.assertEqual(len(shown), PARTITIONS)
        print(f"{self.saved} scrapes of {len(moments)} positions", flush=True)
        self.assertGreater(len(moments), self.saved / 2)

    def audit(self, instance, *more):
        done = subprocess.run(
            [harness.AUDIT, "--brokers", self.broker.bootstrap, "--topic", self.topic, "--dead-letters", self.dead_letters,
             "--scrapes", self.scrapes, "--sqlite", self.directory / "history.db", "--ledger", self.ledger,
             "--config", instance.config_path, *more], capture_output=True, text=True)
        print(done.stdout, flush=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def run_once(self, timestamps):
        began = time.monotonic()
        config = self.prepare(timestamps)
        instance = self.serve(config).start().wait_ready()
        generator = self.generate()
        self.scrape(instance, generator, 1, SCRAPES - 1)
        self.finish(instance, generator)
        took = time.monotonic() - began
        self.assertEqual(self.saved, SCRAPES)
        self.check_positions()
        print(f"{timestamps}: {EVENTS} events sent, folded and written in {took:.1f} s", flush=True)
        self.audit(instance, "--fresh")
        print(f"{timestamps}: audited in {time.monotonic() - began - took:.1f} s", flush=True)
        self.assertEqual(instance.stop(), 0, instance.text())

    def test_restarts_in_the_middle(self):
        config = self.prepare("LogAppendTime")
        instance = self.serve(config, "a").start().wait_ready()
        generator = self.generate()
        good = EVENTS * (1 - BAD)
        share = max(SCRAPES // 3, 1)
        for third, (name, ending) in enumerate([("b", signal.SIGTERM), ("c", signal.SIGKILL)], start=1):
            self.scrape(instance, generator, third / 3, share)
            generator.send_signal(signal.SIGSTOP)  # what it still has to send comes after the restart
            status = instance.stop(ending)
            self.assertEqual(status, 0 if ending == signal.SIGTERM else -ending, instance.text())
            written = self.history("SELECT count(*) AS n FROM events")[0]["n"]
            self.assertGreater(written, 0)
            self.assertLess(written, good)
            print(f"ended by {ending.name} with {written} rows written", flush=True)
            instance = self.serve(config, name).start().wait_ready()
            generator.send_signal(signal.SIGCONT)
        self.scrape(instance, generator, 1, share)
        self.finish(instance, generator)
        self.check_positions()
        self.audit(instance)
        self.assertEqual(instance.stop(), 0, instance.text())

    def test_stamped_by_the_broker(self):
        self.run_once("LogAppendTime")

    def test_stamped_by_the_producer(self):
        self.run_once("CreateTime")


if __name__ == "__main__":
    harness.main()
