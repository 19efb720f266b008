"""Several instances of one group that come and go, and are scraped all the time; what they work on, and what feeds them."""

import heapq
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import harness

TEXT = "text/plain; version=0.0.4"


class Member(threading.Thread):
    """One place of a fleet: the instance that runs there, if any, and the thread that scrapes it.

    Bodies that show jobs are kept; `samples` are (seconds when asked, seconds when answered, file).
    """

    def __init__(self, name, instance, static, state_dir, scrapes, pause_s):
        super().__init__(daemon=True)
        self.name_, self.instance, self.static = name, instance, static
        self.state_dir, self.scrapes, self.pause_s = pathlib.Path(state_dir), scrapes, pause_s
        self.samples, self.hidden = [], 0
        self.up = False  # it is meant to run
        self.paused = False
        self.starts = 0
        self.ending = threading.Event()
        self.scrape_now = threading.Event()
        self.start()

    # ---- The instance: the test's thread alone.

    def begin(self):
        self.instance.url = None
        self.instance.start()
        self.up, self.paused = True, False
        self.starts += 1

    def kill(self):
        """SIGKILL, also where it is stopped."""
        self.up = self.paused = False
        self.instance.kill()

    def pause(self):
        self.paused = True
        self.instance.send_signal(signal.SIGSTOP)

    def resume(self):
        self.paused = False
        self.instance.send_signal(signal.SIGCONT)

    def forget_state(self):
        shutil.rmtree(self.state_dir, ignore_errors=True)

    def running(self):
        return self.up and not self.paused

    def text(self):
        """All that it has logged, over its lives."""
        return self.instance.log_path.read_text(errors="replace")

    # ---- The scrapes.

    def address(self):
        if self.instance.url is None and self.instance.process is not None:
            found = re.search(r"listens on (https?://[^\s,]+)", self.instance.text())
            if found:
                self.instance.url = found.group(1)
        return self.instance.url

    def scrape(self):
        """(when asked, when answered, body), or None if there is no answer. A stopped instance is waited for."""
        url = self.address()
        if url is None:
            return None
        asked = time.monotonic()
        try:
            request = urllib.request.Request(url + "/metrics", headers={"Accept": TEXT})
            with urllib.request.urlopen(request, timeout=60) as answer:
                return asked, time.monotonic(), answer.read().decode()
        except (OSError, urllib.error.URLError, ValueError):  # it is not there, or has just gone
            return None
        except Exception as error:  # an answer that was cut off: http.client says so with exceptions of its own
            if type(error).__module__ != "http.client":
                raise
            return None

    def keep(self, found):
        asked, answered, body = found
        if "\nrunledger_runs_started_total{" not in body:
            self.hidden += 1
            return
        path = self.scrapes / f"{asked:017.6f}-{self.name_}.txt"
        path.write_text(body)
        self.samples.append((asked, answered, path))

    def run(self):
        while not self.ending.is_set():
            found = self.scrape()
            if found is not None:
                self.keep(found)
            self.scrape_now.wait(self.pause_s)
            self.scrape_now.clear()

    def stop(self):
        self.ending.set()
        self.scrape_now.set()
        self.join()


class Disk:
    """What warehouse and snapshots are on. A file system of its own that can be full; where none may be mounted, a limit on
    the size of files does instead."""

    def __init__(self, test, size):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="runledger-disk-"))
        test.addCleanup(shutil.rmtree, self.path, ignore_errors=True)
        self.size = size
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", self.path], capture_output=True, text=True)
        self.mounted = mount.returncode == 0
        if self.mounted:
            test.addCleanup(subprocess.run, ["umount", "--lazy", self.path], check=True)
        else:
            print(f"no file system of its own ({mount.stderr.strip()}): a limit on the size of files stands for a full disk")

    def fill(self, members):
        if self.mounted:
            def full():  # refused where more has been written since it was asked
                used = shutil.disk_usage(self.path).used
                return subprocess.run(["mount", "-o", f"remount,size={used}", self.path], capture_output=True).returncode == 0
            harness.wait_until(full, "the disk is full")
        else:
            self.limit(members, 4 << 10)

    def make_room(self, members):
        if self.mounted:
            subprocess.run(["mount", "-o", f"remount,size={self.size}", self.path], check=True)
        else:
            self.limit(members, resource.RLIM_INFINITY)

    def limit(self, members, size):
        for member in members:
            if member.up:
                resource.prlimit(member.instance.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class Producers:
    """Processes that send events, one after the other."""

    def __init__(self, test, random_seed, rate):
        self.test, self.random_seed, self.rate = test, random_seed, rate
        self.names, self.process, self.sent, self.records = [], None, 0, 0

    def start(self, events, partitions, jobs):
        name = f"generate-{len(self.names)}"
        self.names.append(name)
        self.events = events
        log = open(self.test.directory / f"{name}.log", "ab")
        self.test.addCleanup(log.close)
        self.command = [harness.BINARY, "generate", "--brokers", self.test.broker.bootstrap, "--topic", self.test.topic,
             "--ledger", self.test.directory / f"{name}.json", "--seed", str(self.random_seed + len(self.names)), "--events", str(events),
             "--jobs", str(jobs), "--partitions", str(partitions), "--rate", str(self.rate)]
        self.log = log
        self.launch()

    def launch(self):
        self.process = subprocess.Popen(self.command, stdout=self.log, stderr=self.log)
        self.test.addCleanup(self.end, self.process)

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def idle(self):
        """True if the last one has sent everything."""
        if self.process is None:
            return True
        status = self.process.poll()
        if status is None:
            return False
        name = self.names[-1]
        text = (self.test.directory / f"{name}.log").read_text()
        if status != 0 and text.strip().endswith("are to be written"):  # what a topic has grown by is not known everywhere at once
            os.truncate(self.test.directory / f"{name}.log", 0)
            self.launch()
            return False
        self.test.assertEqual(status, 0, text)
        self.records += json.loads((self.test.directory / f"{name}.json").read_text())["records"]
        self.sent += self.events
        self.process = None
        return True


def counters_of(body):
    """{name with labels: number} of the counters that a partition's state shows, and of the offsets that it is at."""
    kinds = {}
    for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", body, re.MULTILINE):
        if kind == "counter":
            kinds[name] = True
        elif kind in ("summary", "histogram"):
            kinds.update(dict.fromkeys((name + "_sum", name + "_count", name + "_bucket"), True))
    found, restoring, offsets = {}, set(), {}
    for line in body.splitlines():
        name, brace, rest = line.partition("{")
        if not brace or line[0] == "#":
            continue
        labels, _, value = rest.rpartition("} ")
        if name in kinds:
            if "partition=" in labels and ("processor=" in labels or "workflow=" in labels):
                found[line[:len(line) - len(value) - 1]] = float(value)
        elif name == "runledger_restoring" and float(value) != 0:
            restoring.add(labels)
        elif name == "runledger_log_applied_offset":
            offsets[labels] = float(value)
    for labels, offset in offsets.items():
        if labels not in restoring:
            found["runledger_log_applied_offset{" + labels + "}"] = offset
    return found


def falls(samples):
    """What goes back, over all instances: for each series of a scrape, anything greater that an earlier one showed.

    Scrapes that overlap in time are in no order. Two sums of fractions may differ in their last digits.
    """
    high, found = {}, []
    answered = []  # scrapes whose answer is not before the one that is looked at: (answered, number, counters, name)
    for number, (asked, done, path) in enumerate(sorted(samples)):
        while answered and answered[0][0] < asked:
            _, _, counters, name = heapq.heappop(answered)
            for key, value in counters.items():
                if value > high.get(key, (-1,))[0]:
                    high[key] = (value, name)
        counters = counters_of(path.read_text())
        for key, value in counters.items():
            before, where = high.get(key, (0, ""))
            if value < before and before - value > 1e-9 * before:
                found.append(f"{path.name}: {key} is {value}, was {before} in {where}")
        heapq.heappush(answered, (done, number, counters, path.name))
    return found
