"""Three instances without disk, their snapshots in a Kafka topic, behind a real Prometheus that drops the label
`instance`: they are restarted one after the other while events come, and one is killed. Every raw sample that Prometheus
has is right at its own position, no counter ever falls, and what it grew by is what happened.

    RUNLEDGER_ROLLING_EVENTS   how many events (default 32000)
    RUNLEDGER_ROLLING_RATE     events a second (default 400)
"""

import collections
import json
import os
import re
import signal
import subprocess
import time

import harness
import prometheus
import raw

PARTITIONS = 6
EVENTS = int(os.environ.get("RUNLEDGER_ROLLING_EVENTS", 32_000))
RATE = float(os.environ.get("RUNLEDGER_ROLLING_RATE", 400))
JOBS = 24
BAD = 0.001
WINDOW = "60m"  # longer than the test

COUNTER = re.compile(r"_(total|sum|count|bucket)$")


def escaped(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


class RollingRestart(harness.SystemTest):
    def prepare(self):
        self.snapshots = self.topic + ".snapshots"
        config = self.config(
            state={"kafka_topic": self.snapshots, "snapshot_interval": "2s"},
            # A little longer than the events' times lie behind at first: verdicts come and go within the test.
            jobs={"defaults": {"stale_after": "130s"}})
        # A busy machine is not to look like an instance that hangs.
        config["log"]["librdkafka"] = {"session.timeout.ms": "10000", "heartbeat.interval.ms": "1000"}
        self.make_topics(config, PARTITIONS)
        self.fleet = []
        for name in "abc":
            own = json.loads(json.dumps(config))
            own["http"]["listen"] = f"127.0.0.1:{prometheus.free_port()}"
            self.fleet.append(self.serve(own, name))
        self.prometheus = prometheus.Prometheus([i_config(i)["http"]["listen"] for i in self.fleet])
        self.addCleanup(self.prometheus.close)

    def generate(self):
        log = open(self.directory / "generate.log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [harness.BINARY, "generate", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--ledger",
             self.directory / "ledger.json", "--events", str(EVENTS), "--jobs", str(JOBS), "--partitions", str(PARTITIONS),
             "--rate", str(RATE), "--bad", str(BAD), "--span", "2m"], stdout=log, stderr=log)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        return process

    def logs(self):
        return "\n".join(f"---- {i.directory.name}\n{i.log_path.read_text(errors='replace')}" for i in self.fleet)

    def owners(self):
        """{partition: name of the instance that shows it}, of those that run."""
        owners = {}
        for instance in self.fleet:
            if instance.process.poll() is not None:
                continue
            for labels in instance.metrics().all("runledger_log_applied_offset"):
                owners[dict(labels)["partition"]] = instance.directory.name
        return owners

    def wait_settled(self, instance):
        """Until the instance has joined, all partitions are shown, and Prometheus has seen it so."""
        def settled():
            shown = instance.metrics().all("runledger_log_applied_offset")
            restoring = sum(i.metrics().sum("runledger_restoring") for i in self.fleet if i.process.poll() is None)
            return shown and restoring == 0 and len(self.owners()) == PARTITIONS
        harness.wait_until(settled, f"{instance.directory.name} has its share and all is shown", self.logs)
        now = time.time()

        def scraped():
            up = self.prometheus.query(f'timestamp(up{{instance="{i_config(instance)["http"]["listen"]}"}} == 1)')
            return up and float(up[0]["value"][1]) > now
        harness.wait_until(scraped, "Prometheus has scraped it since", self.logs)

    def restart(self, instance, number, at_once):
        """Ends it and starts it again: at once, or when Prometheus has seen all partitions with the others."""
        status = instance.stop(number)
        self.assertEqual(status, 0 if number == signal.SIGTERM else -number, instance.text())
        if not at_once:
            self.wait_settled(next(other for other in self.fleet if other is not instance))
        instance.start().wait_ready()
        self.wait_settled(instance)
        print(f"{instance.directory.name} ended by {signal.Signals(number).name} and started "
              f"{'at once' if at_once else 'when its partitions had moved'}", flush=True)

    def wait_finished(self, generator):
        """Until everything is folded and durable, and Prometheus has a sample of that."""
        harness.wait_until(lambda: generator.poll() is not None, "generate ends", self.logs, patience=300)
        self.assertEqual(generator.returncode, 0, (self.directory / "generate.log").read_text())
        records = json.loads((self.directory / "ledger.json").read_text())["records"]

        def everywhere(name):
            return sum(i.metrics().sum(name) for i in self.fleet)

        def scraped(name):
            return sum(float(s["value"][1]) for s in self.prometheus.query(f'runledger_{name}{{topic="{self.topic}"}}'))
        harness.wait_until(lambda: everywhere("runledger_log_acked_offset") == everywhere("runledger_log_applied_offset")
                           == records, f"all {records} records are folded and durable", self.logs)
        harness.wait_until(lambda: scraped("log_applied_offset") == scraped("log_acked_offset") == records,
                           "Prometheus has seen the end", self.logs)

    # ---- What Prometheus has.

    def samples(self):
        """[(labels with __name__, [(time, text of the value)])] of all series of partitions."""
        found = []
        for series in self.prometheus.query(f'{{topic="{self.topic}",partition!=""}}[{WINDOW}]'):
            labels = series["metric"]
            self.assertNotIn("instance", labels)
            found.append((labels, [(time, text) for time, text in series["values"]]))
        self.assertTrue(found)
        return found

    def check_never_falls(self, samples):
        counters = 0
        moments = 0
        for labels, values in samples:
            if not COUNTER.search(labels["__name__"]):
                continue
            counters += 1
            moments += len(values)
            for (t0, before), (t1, after) in zip(values, values[1:]):
                self.assertGreaterEqual(float(after), float(before), f"{labels} at {t0} and {t1}\n{self.logs()}")
        print(f"{counters} series of counters with {moments} samples: none ever falls", flush=True)

    def check_growth(self, samples):
        """First and last sample of each run counter against the generator's ledger, by job."""
        ledger = json.loads((self.directory / "ledger.json").read_text())["jobs"]
        grown = collections.defaultdict(float)
        last_of = collections.defaultdict(float)
        for labels, values in samples:
            key = {"runledger_runs_started_total": "started",
                   "runledger_runs_finished_total": labels.get("status")}.get(labels["__name__"])
            if key is None:
                continue
            grown[labels["processor"], key] += float(values[-1][1]) - float(values[0][1])
            last_of[labels["processor"], key] += float(values[-1][1])
        self.assertEqual({job for job, _ in last_of}, set(ledger))
        for job, truth in ledger.items():
            for key, count in [("started", truth["started"]), *truth["finished"].items()]:
                self.assertEqual(last_of[job, key], count, f"{job} {key}")
        started = sum(truth["started"] for truth in ledger.values())
        share = sum(v for (_, key), v in grown.items() if key == "started") / started
        print(f"{len(ledger)} jobs, {started} runs started, {share:.0%} of them between the first and the last sample", flush=True)
        self.assertGreater(share, 0.5, "most of it has to happen while Prometheus looks")

    def save_as_scrapes(self, samples):
        """Every moment at which jobs of a partition were shown as a scrape of its own, for the audit, which looks at every
        value, verdicts among them. From one to the next no partition goes back, whoever shows it."""
        moments = collections.defaultdict(list)
        for labels, values in samples:
            text = ",".join(f'{k}="{escaped(v)}"' for k, v in labels.items() if k not in ("__name__", "job"))
            for moment, value in values:
                moments[labels["partition"], moment].append((labels["__name__"], f"{labels['__name__']}{{{text}}} {value}\n"))
        directory = self.directory / "scrapes"
        directory.mkdir()
        shown = {}
        saved = hidden = 0
        for (partition, moment), lines in sorted(moments.items(), key=lambda item: item[0][1]):
            if not any(name == "runledger_runs_started_total" for name, _ in lines):
                hidden += 1  # being restored, or nothing has come yet
                continue
            saved += 1
            position = next(float(line.rsplit(" ", 1)[1]) for name, line in lines if name == "runledger_log_applied_offset")
            self.assertGreaterEqual(position, shown.get(partition, 0), f"partition {partition} at {moment}")
            shown[partition] = position
            (directory / f"{moment:017.3f}-{partition}.txt").write_text("".join(line for _, line in lines))
        print(f"{saved} samples of partitions as scrapes, {hidden} while hidden", flush=True)
        return directory

    def check_stale_verdicts_come_and_go(self, samples):
        stale = [float(v) for labels, values in samples if labels["__name__"] == "runledger_runs_stale" for _, v in values]
        self.assertGreater(max(stale), 0, "runs that never end have to be found, for the verdicts to be worth a check")
        self.assertEqual(min(stale), 0)
        print(f"{sum(v > 0 for v in stale)} of {len(stale)} samples of runs_stale are above 0", flush=True)

    def check_snapshots(self, restarted):
        """State came from the topic, and what is not needed there is deleted."""
        for instance in restarted:
            log = instance.text()  # since its last start
            self.assertNotIn("is passed over", log)
            starts = [int(offset) for offset in re.findall(r"taken, reading from offset (-?\d+)", log)]
            self.assertTrue(starts, log)
            self.assertTrue(all(offset > 0 for offset in starts), f"{instance.directory.name} began at {starts}")
        self.assertNotIn("built anew", self.logs())
        # Nobody hung, so whoever was alive keeps its partitions, but for a commit that crossed a rebalance (docs/delivery.md).
        lost = self.logs().count("lost to another member")
        print(f"{lost} partitions were lost by a commit that crossed a rebalance", flush=True)
        self.assertLessEqual(lost, PARTITIONS, "more than one instance lost what it had")

        def live():
            chunks = {}
            for record in raw.read(self.broker, self.snapshots):
                _, _, partition, snapshot, chunk = json.loads(record.key)
                chunks.setdefault((partition, snapshot), set())
                (chunks[partition, snapshot].add if record.value is not None else chunks[partition, snapshot].discard)(chunk)
            return collections.Counter(partition for (partition, _), left in chunks.items() if left)
        found = live()
        self.assertEqual(set(found), set(range(PARTITIONS)))
        # One each, and perhaps what the one that was killed left: that goes half a minute after its partitions moved.
        self.assertLessEqual(max(found.values()), 2, found)

    def audit(self, scrapes):
        done = subprocess.run(
            [harness.AUDIT, "--brokers", self.broker.bootstrap, "--topic", self.topic, "--dead-letters", self.dead_letters,
             "--scrapes", scrapes, "--sqlite", self.directory / "history.db", "--ledger", self.directory / "ledger.json",
             "--config", self.fleet[0].config_path], capture_output=True, text=True)
        print(done.stdout, flush=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr + self.logs())

    def test_series_go_on(self):
        self.prepare()
        for instance in self.fleet:
            instance.start()
        for instance in self.fleet:
            instance.wait_ready()
        self.wait_settled(self.fleet[0])
        generator = self.generate()
        harness.wait_until(lambda: len(self.prometheus.query("runledger_runs_started_total")) >= JOBS / 2,
                           "Prometheus sees jobs", self.logs)
        a, b, c = self.fleet
        self.restart(a, signal.SIGTERM, at_once=False)
        self.restart(b, signal.SIGTERM, at_once=False)
        self.restart(c, signal.SIGTERM, at_once=True)
        self.restart(b, signal.SIGKILL, at_once=False)
        self.assertIsNone(generator.poll(), "events have to come until the last restart is done: send more of them")
        self.wait_finished(generator)
        samples = self.samples()
        self.check_never_falls(samples)
        self.check_growth(samples)
        self.check_stale_verdicts_come_and_go(samples)
        scrapes = self.save_as_scrapes(samples)
        for instance in self.fleet:
            self.assertEqual(instance.stop(), 0, instance.text())
        self.check_snapshots(self.fleet)
        self.audit(scrapes)


class SnapshotTopic(harness.SystemTest):
    def test_one_that_is_not_compacted_is_named_until_it_is(self):
        snapshots = self.topic + ".snapshots"
        config = self.config(state={"kafka_topic": snapshots})
        self.make_topics(config, 1)
        self.broker.configure_topic(snapshots, cleanup_policy="delete")
        instance = self.serve(config).start().wait_ready()
        harness.wait_until(lambda: "cleanup.policy=delete" in instance.get("/readyz")[1], "the topic is a problem", instance.text)
        self.broker.configure_topic(snapshots, cleanup_policy="compact")
        harness.wait_until(lambda: "cleanup.policy" not in instance.get("/readyz")[1], "it is well again", instance.text)
        self.assertEqual(instance.text().count("cleanup.policy=delete"), 1, "said once")
        self.assertEqual(instance.stop(), 0, instance.text())


def i_config(instance):
    return json.loads(instance.config_path.read_text())


if __name__ == "__main__":
    harness.main()
