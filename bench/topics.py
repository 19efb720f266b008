"""What the benchmarks against a real broker share: the broker, topics full of events, one reading of a topic, medians, results.

RUNLEDGER_BENCH_PROGRAMS: where the C++ programs of bench/ are (default: build/release/bench); RUNLEDGER: the binary;
RUNLEDGER_BENCH_RESULTS: the file that figures for the table are added to.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PROGRAMS = pathlib.Path(os.environ.get("RUNLEDGER_BENCH_PROGRAMS", ROOT / "build/release/bench"))
RUNLEDGER = os.environ.get("RUNLEDGER", ROOT / "build/release/tools/runledger/runledger")
BROKER = ROOT / "tests/kafka/broker"


def run(arguments, **options):
    """Runs it to its end and returns what it printed; a failure ends this program."""
    done = subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, text=True, check=False, **options)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} ended with {done.returncode}\n{done.stdout}")
    return done.stdout


class Broker:
    """A real broker, as a context."""

    def __enter__(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="runledger-bench-")
        self.directory = pathlib.Path(self.scratch.name)
        # Deletes nothing and compacts nothing while it is measured.
        self.address = run([sys.executable, BROKER, "start", "--dir", self.directory / "kafka", "--heap", "1g", "--owner", os.getpid(),
                            "--properties", "log.cleaner.enable=false", "log.retention.ms=-1"]).strip().splitlines()[-1]
        return self

    def __exit__(self, *_):
        subprocess.run([sys.executable, BROKER, "kill", "--dir", self.directory / "kafka"], check=False, capture_output=True)
        self.scratch.cleanup()

    def configure(self, topic):
        """A configuration file for that topic."""
        path = self.directory / f"{topic}.yaml"
        path.write_text(f'log: {{ brokers: "{self.address}", topics: [{topic}] }}\nspool: {{ dir: "" }}\n')
        return path

    def make_topic(self, topic, partitions):
        run([RUNLEDGER, "setup", "--config", self.configure(topic), "--partitions", partitions])

    def fill(self, events, partitions, plain=None, batches=None):
        """Events of bench_fill_topic: one a record into `plain`, the same in zstd batches of 100 into `batches`. Returns what it says."""
        arguments = [PROGRAMS / "bench_fill_topic", "--brokers", self.address, "--events", events, "--partitions", partitions]
        for option, topic in (("--plain", plain), ("--batches", batches)):
            if topic:
                self.make_topic(topic, partitions)
                arguments += [option, topic]
        return parse(run(arguments))

    def read(self, reader, topic, threads, *more):
        """One reading of the topic by bench_read_topic."""
        return Reading(run([PROGRAMS / "bench_read_topic", reader, "--brokers", self.address, "--topic", topic, "--threads", threads, *more]))


def parse(line):
    """{name: number} of "name number name number"."""
    words = line.split()
    return {name: float(value) for name, value in zip(words[::2], words[1::2])}


class Reading:
    def __init__(self, line):
        values = parse(line)
        self.events = values["events"]
        self.cpu_seconds = values["cpu_seconds"]
        self.wall_seconds = values["wall_seconds"]

    @property
    def rate(self):
        return self.events / self.wall_seconds

    @property
    def cpu_ns(self):
        """Processor time an event."""
        return self.cpu_seconds * 1e9 / self.events


def spread(values, form="{:.2f}"):
    """Median (least to greatest)."""
    return f"{form.format(statistics.median(values))} ({form.format(min(values))} to {form.format(max(values))})"


def record(name, values):
    """The median, for the table."""
    if path := os.environ.get("RUNLEDGER_BENCH_RESULTS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{name} {statistics.median(values):.9g}\n")
