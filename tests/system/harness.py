"""What tests of the whole program share: a broker, running instances, and looks at what they say.

Each test file is a program of `unittest` that ctest runs with

    RUNLEDGER           the runledger binary
    RUNLEDGER_AUDIT     the program that compares what it left with an independent reading of the log

No test waits a fixed time where there is something to wait for: see wait_until.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BROKER = HERE.parent / "kafka" / "broker"
BUILD = HERE.parent.parent / "build" / "release"  # for a test that is started by hand
BINARY = os.environ.get("RUNLEDGER", BUILD / "tools/runledger/runledger")
AUDIT = os.environ.get("RUNLEDGER_AUDIT", BUILD / "tests/audit/runledger_audit")
PATIENCE_S = 90  # longest wait for something that must happen

_SERIES = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Broker:
    """A real broker in a directory of its own. Raises unittest.SkipTest where it cannot be had."""

    def __init__(self, properties=()):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="runledger-kafka-"))
        arguments = [sys.executable, BROKER, "start", "--dir", self.directory, "--owner", str(os.getpid())]
        if properties:
            arguments += ["--properties", *properties]
        done = subprocess.run(arguments, capture_output=True, text=True)
        if done.returncode == 3:
            shutil.rmtree(self.directory, ignore_errors=True)
            raise unittest.SkipTest(done.stderr.strip())
        if done.returncode != 0:
            raise RuntimeError(f"the broker did not start: {done.stderr}")
        self.bootstrap = done.stdout.strip().splitlines()[-1]

    def do(self, verb):
        """stop, kill, pause, resume, restart."""
        subprocess.run([sys.executable, BROKER, verb, "--dir", self.directory], check=True, capture_output=True, text=True)

    def configure_topic(self, topic, **settings):
        """Settings of a topic; an underscore stands for a full stop."""
        values = [f"{name.replace('_', '.')}={value}" for name, value in settings.items()]
        subprocess.run([sys.executable, BROKER, "configure", "--dir", self.directory, "--topic", topic, *values],
                       check=True, capture_output=True, text=True)

    def grow_topic(self, topic, partitions):
        """Gives it more partitions."""
        subprocess.run([sys.executable, BROKER, "grow", "--dir", self.directory, "--topic", topic, "--partitions", str(partitions)],
                       check=True, capture_output=True, text=True)

    def close(self):
        subprocess.run([sys.executable, BROKER, "kill", "--dir", self.directory], capture_output=True)
        shutil.rmtree(self.directory, ignore_errors=True)


class Instance:
    """`runledger serve`, in a directory of its own, with its log in `log_path`."""

    def __init__(self, directory, config, wrapper=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_path = self.directory / "runledger.yaml"
        self.config_path.write_text(json.dumps(config))  # JSON is YAML
        self.log_path = self.directory / "serve.log"
        self.log = open(self.log_path, "ab")
        self.wrapper = list(wrapper)
        self.process = None
        self.url = None

    def start(self):
        """Starts the process and returns at once."""
        self.log_start = self.log_path.stat().st_size
        self.process = subprocess.Popen(
            [*self.wrapper, BINARY, "serve", "--config", self.config_path], stdout=self.log, stderr=self.log, cwd=self.directory)
        return self

    def wait_listening(self):
        """Until it has named its address."""
        def address():
            if self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}:\n{self.text()}")
            found = re.search(r"listens on (https?://[^\s,]+)", self.text())
            return found and found.group(1)
        self.url = wait_until(address, "serve names its address", self.text)
        return self

    def wait_ready(self):
        self.wait_listening()
        wait_until(lambda: self.status("/readyz") == 200, "serve is ready", self.text)
        return self

    def text(self):
        """Its log since the last start."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_start)
            return log.read().decode(errors="replace")

    def get(self, path, accept=None):
        """(status, body)."""
        request = urllib.request.Request(self.url + path, headers={"Accept": accept} if accept else {})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as answer:
            return answer.code, answer.read().decode()

    def status(self, path):
        return self.get(path)[0]

    def api(self, path):
        return json.loads(self.get(path)[1])

    def metrics(self):
        return Metrics(self.get("/metrics")[1])

    def memory_bytes(self):
        """Resident memory."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", text).group(1)) * 1024

    def send_signal(self, number):
        """Asks it to end only once it can be asked: a process that has not come as far as its own code simply ends by SIGTERM."""
        if number == signal.SIGTERM:
            wait_until(lambda: self.process.poll() is not None or self.takes_signals(), "serve takes signals", self.text)
        self.process.send_signal(number)

    def takes_signals(self):
        """Told by SIGPIPE, which it ignores from then on. (A signal that a thread waits for is not shown as blocked.)"""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"SigIgn:\s+(\w+)", text).group(1), 16) >> (signal.SIGPIPE - 1) & 1

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns its exit status."""
        if self.process is None or self.process.poll() is not None:
            return self.process and self.process.returncode
        self.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"serve did not end within {PATIENCE_S} s after signal {number}:\n{self.text()}")

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def wait_applied(self, topic, offsets):
        """Until the fold has passed `offsets` ({partition: offset}) and rows and dead letters below them are durable."""
        def there():
            metrics = self.metrics()
            return all(metrics.value("runledger_log_acked_offset", topic=topic, partition=str(p)) >= end and
                       metrics.value("runledger_log_applied_offset", topic=topic, partition=str(p)) >= end
                       for p, end in offsets.items())
        wait_until(there, f"{offsets} of {topic} are applied and acked", self.text, patience=300)

    def wait_caught_up(self, patience=300, records=0):
        """Until every partition is caught up and what was read is durable. Of what has just been sent the instance may not know
        yet: `records` says how many there are in its partitions, at least."""
        wait_caught_up([self], patience=patience, records=records)


class Metrics:
    """One answer of /metrics in the text format."""

    def __init__(self, text):
        self.text = text
        self.values = {}  # name -> {sorted labels -> number}
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            name, labels, value = _SERIES.match(line).groups()
            self.values.setdefault(name, {})[tuple(sorted(_LABEL.findall(labels or "")))] = float(value)

    def all(self, name, **labels):
        """{labels: number} of the series of that name which carry these labels."""
        wanted = set(labels.items())
        return {key: value for key, value in self.values.get(name, {}).items() if wanted <= set(key)}

    def sum(self, name, **labels):
        return sum(self.all(name, **labels).values())

    def value(self, name, **labels):
        """Of the one series with these labels; NaN if there is none."""
        found = self.all(name, **labels)
        if not found:
            return float("nan")
        if len(found) > 1:
            raise AssertionError(f"{name} {labels}: {len(found)} series")
        return next(iter(found.values()))


def wait_until(condition, what, explain=None, patience=PATIENCE_S, pause_s=0.05):
    """The first true value of `condition`, which is asked for with pauses between."""
    end = time.monotonic() + patience
    while True:
        try:
            value = condition()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain: {what}" + (f"\n{explain()}" if explain else ""))
        time.sleep(pause_s)


def wait_caught_up(instances, partitions=1, patience=300, records=0):
    """Until these instances have that many partitions between them, at least, each of which is caught up and durable as far as
    it was read."""
    def there():
        looks = [instance.metrics() for instance in instances]
        gauges = {name: {} for name in ("caught_up", "end_offset", "acked_offset", "applied_offset")}
        for name, found in gauges.items():
            for look in looks:
                found.update(look.all("runledger_log_" + name))
        up, ends, acked, applied = gauges.values()  # what is applied may be ahead of the end that the leader named last
        return (len(up) >= partitions and all(v == 1 for v in up.values()) and up.keys() == ends.keys() == acked.keys() and
                sum(applied.values()) >= records and
                all(acked[labels] >= max(end, applied[labels]) for labels, end in ends.items()))
    wait_until(there, "all is read and durable", lambda: "\n".join(instance.text() for instance in instances), patience)


def runledger(*arguments, check=True, **options):
    """Runs the binary to its end."""
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise AssertionError(f"runledger {' '.join(map(str, arguments))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def rows(path, sql, *parameters):
    """Of the SQLite warehouse."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as db:
        db.row_factory = sqlite3.Row
        return [dict(row) for row in db.execute(sql, parameters)]


class SystemTest(unittest.TestCase):
    """Base of tests against a real broker: one broker a class, topics of its own a test."""

    broker_properties = ()
    timestamps = "LogAppendTime"
    own_events = True  # False: instances write no verdicts into the log, which then holds what was sent and nothing else

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(cls.broker_properties)

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="runledger-system-"))
        self.instances = []
        os.environ["RUNLEDGER_SPOOL_DIR"] = str(self.directory / "spool")  # not that of the user who tests
        self.topic = re.sub(r"\W", ".", self.id().split(".", 1)[-1])
        self.dead_letters = self.topic + ".dead-letters"

    def tearDown(self):
        for instance in self.instances:
            instance.kill()
            instance.log.close()
        failed = self._outcome.errors if hasattr(self._outcome, "errors") else self._outcome.result.errors + self._outcome.result.failures
        if any(e for t, e in failed if e and t is self):
            print(f"left for a look: {self.directory}", file=sys.stderr)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def config(self, **sections):
        """A configuration for this test; `sections` are laid over it, key by key."""
        config = {
            "log": {"brokers": self.broker.bootstrap, "group": self.topic, "dead_letter_topic": self.dead_letters,
                    "topics": [self.topic if self.own_events else {"name": self.topic, "own": False}], "contact_timeout": "15s",
                    # An instance or a broker that is kept waiting for some seconds is still there.
                    "librdkafka": {"session.timeout.ms": "15000", "heartbeat.interval.ms": "1000"}},
            "warehouse": {"path": str(self.directory / "history.db"), "batch_age": "100ms"},
            "http": {"listen": "127.0.0.1:0"},
        }
        for name, section in sections.items():
            if isinstance(section, dict):
                config.setdefault(name, {}).update(section)
            else:
                config[name] = section
        return config

    def make_topics(self, config, partitions=4):
        path = self.directory / "setup.yaml"
        log = dict(config["log"])
        if not self.own_events:
            log["topics"] = [self.topic]  # those of others are not made
        path.write_text(json.dumps({**config, "log": log}))
        runledger("setup", "--config", path, "--partitions", partitions)

    def serve(self, config, name="a", wrapper=()):
        """A new instance, not started."""
        instance = Instance(self.directory / name, config, wrapper)
        self.instances.append(instance)
        return instance

    def emit(self, lines):
        """Sends events as JSON lines (dicts), in order."""
        done = subprocess.run([BINARY, "emit", "--brokers", self.broker.bootstrap, "--topic", self.topic],
                              input="".join(json.dumps(line) + "\n" for line in lines), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def history(self, sql, *parameters):
        return rows(self.directory / "history.db", sql, *parameters)


def main():
    """Runs the tests of the calling file; a skipped class is named as tools/test wants it."""
    program = unittest.main(verbosity=2, exit=False)
    suite = pathlib.Path(sys.argv[0]).stem
    for _, reason in program.result.skipped:
        print(f"SKIPPED: {suite}: {reason}")
    unwell = {test.id().split(" ")[0] for test, _ in program.result.failures + program.result.errors + program.result.skipped}
    passed = max(0, program.result.testsRun - len(unwell))
    sys.stderr.flush()
    print(f"[  PASSED  ] {passed} tests.")
    skipped_in_ci = program.result.skipped and os.environ.get("CI") == "true"
    sys.exit(0 if program.result.wasSuccessful() and not skipped_in_ci else 1)
