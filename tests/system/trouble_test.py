"""What an operator meets on a bad day: wrong settings, things that are away or full, processes that die. Nothing is lost, nothing twice.

With RUNLEDGER_LONG_OUTAGES set the broker stays away for a minute, else only until the group has given the instance up.
"""

import collections
import contextlib
import http.client
import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import types

import harness
import raw
from harness import wait_until

PARTITIONS = 4
LONG_OUTAGES = bool(os.environ.get("RUNLEDGER_LONG_OUTAGES"))
DISK_BYTES = 24 << 20
LEFT_BYTES = 3 << 20  # of them, for the warehouse


class Feed:
    """Writes good and bad records, and knows what must come of them."""

    def __init__(self, broker, topic):
        self.broker, self.topic = broker, topic
        self.runs = []
        self.bad = set()  # (partition, offset)
        self.ends = collections.Counter()
        self.stopping = threading.Event()
        self.thread = None
        self.error = None

    def write(self, events, partition=0, padding=0):
        """So many good ones, a bad one among every hundred records. `padding`: bytes that make a row larger."""
        more = raw.text(24, "x" * padding) if padding else b""
        records = []
        for _ in range(events):
            if len(records) % 100 == 50:
                self.bad.add((partition, self.ends[partition] + len(records)))
                records.append(raw.Record(b"\xff\xff", (raw.PROTOBUF,)))
            self.runs.append(f"run-{len(self.runs)}")
            body = raw.run(f"job-{partition}", self.runs[-1], raw.SUCCESS, more)
            records.append(raw.Record(raw.event(body, int(time.time() * 1e6)), (raw.PROTOBUF,)))
        raw.produce(self.broker, self.topic, records, partition)
        self.ends[partition] += len(records)

    def write_all(self, events, padding=0):
        for partition in range(PARTITIONS):
            self.write(events, partition, padding)

    def start(self):
        """Goes on writing until it is told to stop."""
        def go():
            try:
                while not self.stopping.is_set():
                    self.write_all(200)
            except Exception as error:  # told by stop()
                self.error = error
        self.thread = threading.Thread(target=go, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping.set()
        self.thread.join()
        if self.error:
            raise self.error


class TroubleTest(harness.SystemTest):
    def setUp(self):
        super().setUp()
        self.feed = Feed(self.broker, self.topic)

    def tearDown(self):
        self.feed.stopping.set()
        if self.feed.thread:
            self.feed.thread.join()
        super().tearDown()

    def problems(self, instance):
        return " | ".join(f"{p['subject']}: {p['text']}" for p in instance.api("/readyz")["problems"])

    def wait_durable(self, *instances):
        """Until all that was fed is folded and durable, over these instances together."""
        def there():
            acked = {}
            for instance in instances:
                metrics = instance.metrics()
                for name in ("runledger_log_acked_offset", "runledger_log_applied_offset"):
                    for labels, offset in metrics.all(name).items():
                        acked[name, int(dict(labels)["partition"])] = offset
            return len(acked) == 2 * PARTITIONS and all(
                offset >= self.feed.ends[partition] for (_, partition), offset in acked.items())
        wait_until(there, "all is durable", lambda: "\n".join(i.text()[-5000:] for i in instances), patience=300)

    def check_once(self, *instances, letters_twice=False, history=None):
        """Each good event is one row and was counted once, each bad record has its letter."""
        self.wait_durable(*instances)
        rows = harness.rows(history or self.directory / "history.db", "SELECT run_id FROM events")
        times = collections.Counter(row["run_id"] for row in rows)
        self.assertEqual([run for run, count in times.items() if count > 1], [], "twice")
        self.assertEqual([run for run in self.feed.runs if run not in times], [], "lost")
        self.assertEqual(len(times), len(self.feed.runs))
        counted = sum(i.metrics().sum("runledger_runs_finished_total") for i in instances)
        self.assertEqual(counted, len(self.feed.runs))
        letters = collections.Counter()
        for letter in raw.read(self.broker, self.dead_letters):
            headers = dict(letter.headers)
            letters[int(headers[b"runledger-partition"]), int(headers[b"runledger-offset"])] += 1
        self.assertEqual(set(letters), self.feed.bad)
        if not letters_twice:
            self.assertEqual({count for count in letters.values()}, {1})


class Refusals(harness.SystemTest):
    """What ends `serve` at once, with a sentence. No broker is needed to say so."""

    @classmethod
    def setUpClass(cls):
        cls.broker = types.SimpleNamespace(bootstrap="127.0.0.1:1")

    @classmethod
    def tearDownClass(cls):
        pass

    def refused(self, config, status, *words, wrapper=()):
        instance = self.serve(config, f"i{len(self.instances)}", wrapper).start()
        self.assertEqual(instance.process.wait(harness.PATIENCE_S), status, instance.text())
        for word in words:
            self.assertIn(word, instance.text())
        self.assertNotIn("listens on", instance.text())
        return instance

    def test_unknown_configuration_key(self):
        config = self.config(warehouse={"batch_rowz": 5}, logg={"brokers": "x"})
        instance = self.refused(config, 2, "batch_rowz", "batch_rows", "logg")
        self.assertRegex(instance.text(), r"runledger\.yaml:\d+")
        check = harness.runledger("config", "check", "--config", instance.config_path, check=False)
        self.assertEqual(check.returncode, 2)
        self.assertIn("batch_rowz", check.stdout + check.stderr)

    def test_key_of_another_certificate(self):
        for name in ("ours", "theirs"):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                            "-subj", f"/CN={name}", "-keyout", self.directory / f"{name}.key", "-out", self.directory / f"{name}.pem"],
                           check=True, capture_output=True)
        tls = {"cert": str(self.directory / "ours.pem"), "key": str(self.directory / "theirs.key")}
        words = "http.tls: the certificate and key cannot be used"
        instance = self.refused(self.config(http={"tls": tls}), 2, words)
        check = harness.runledger("config", "check", "--config", instance.config_path, check=False)
        self.assertEqual(check.returncode, 2)
        self.assertIn(words, check.stderr)
        tls["key"] = str(self.directory / "ours.key")
        instance.config_path.write_text(json.dumps(self.config(http={"tls": tls})))
        harness.runledger("config", "check", "--config", instance.config_path)

    def test_unknown_setting_of_the_client(self):
        self.refused(self.config(log={"librdkafka": {"session.timeout.mss": "6000"}}), 2, "session.timeout.mss")

    def test_more_workers_than_there_are_descriptors(self):
        instance = self.serve(self.config(workers=1024), "a", ["prlimit", "--nofile=200"]).start()
        self.assertEqual(instance.process.wait(harness.PATIENCE_S), 1, instance.text())
        self.assertRegex(instance.text(), r"workers: \d+ of 1024 could be started: .*Set fewer, or raise the limit")

    def test_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            self.refused(self.config(http={"listen": address}), 1, "http.listen", address, "another process listens there")

    def test_no_directory_for_the_warehouse(self):
        path = self.directory / "nowhere" / "history.db"
        self.refused(self.config(warehouse={"path": str(path)}), 1, str(path), "the directory must exist")

    def test_a_directory_that_is_not_writable(self):
        directory = self.directory / "closed"
        directory.mkdir()
        directory.chmod(0o555)
        # Root may write anywhere unless that right is taken away.
        wrapper = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
        path = directory / "history.db"
        self.refused(self.config(warehouse={"path": str(path)}), 1, str(path), "writable for this user", wrapper=wrapper)

    def test_a_warehouse_that_is_no_database(self):
        path = self.directory / "history.db"
        content = b"this is a letter to the editor, not a database\n" * 100
        path.write_bytes(content)
        self.refused(self.config(warehouse={"path": str(path)}), 1, str(path), "no SQLite database", "move it away")
        self.assertEqual(path.read_bytes(), content)


class BrokerAway(TroubleTest):
    is_away = False

    def take_away(self, how="stop", back="restart"):
        self.is_away = True
        self.addCleanup(self.bring_back, back)  # for the tests after one that fails
        self.broker.do(how)

    def bring_back(self, how="restart"):
        if self.is_away:
            self.broker.do(how)
        self.is_away = False

    def test_not_there_at_start(self):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        self.feed.write_all(100)
        self.take_away()
        instance = self.serve(config).start().wait_listening()
        wait_until(lambda: "onnect" in instance.api("/readyz")["detail"], "/readyz names the reason", lambda: instance.get("/readyz")[1])
        self.assertEqual(instance.status("/readyz"), 503)
        self.assertIn(self.broker.bootstrap, instance.api("/readyz")["detail"])
        self.assertEqual(instance.status("/healthz"), 200)
        self.assertEqual(instance.metrics().value("runledger_ready"), 0)
        for line in instance.text().splitlines():  # nothing of the client's goes past the log
            self.assertTrue(line.startswith('{"time"'), line)
        self.bring_back()
        instance.wait_ready()
        self.assertEqual(self.problems(instance), "")
        self.check_once(instance)

    def test_no_topic_yet(self):
        config = self.config()
        instance = self.serve(config).start().wait_listening()
        wait_until(lambda: self.topic in instance.api("/readyz")["detail"], "/readyz names the topic", lambda: instance.get("/readyz")[1])
        wait_until(lambda: "`runledger setup` makes it" in instance.text(), "the log names the command", instance.text)
        self.make_topics(config, PARTITIONS)
        instance.wait_ready()
        self.feed.write_all(100)
        self.check_once(instance)

    def test_no_topic_for_dead_letters_yet(self):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        self.dead_letters = config["log"]["dead_letter_topic"] = self.dead_letters + ".missing"
        instance = self.serve(config).start().wait_ready()
        wait_until(lambda: f"topic {self.dead_letters}: it does not exist" in instance.text(), "it is told at start", instance.text)
        self.feed.write_all(100)
        wait_until(lambda: "dead letters: " in self.problems(instance), "/readyz names the problem", instance.text)
        self.assertIn("`runledger setup` makes the topic " + self.dead_letters, self.problems(instance))
        wait_until(lambda: instance.metrics().sum("runledger_runs_finished_total") == len(self.feed.runs), "all is folded", instance.text)
        self.make_topics(config, PARTITIONS)
        self.check_once(instance)
        wait_until(lambda: self.problems(instance) == "", "nothing is wrong any more", instance.text)

    def outage(self, away, back):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        self.feed.write_all(500)
        instance = self.serve(config).start().wait_ready()
        wait_until(lambda: instance.metrics().sum("runledger_warehouse_rows_total") > 0, "rows are being written", instance.text)
        began = time.monotonic()
        self.take_away(away, back)
        wait_until(lambda: "log: " in self.problems(instance), "/readyz names the problem", instance.text)
        wait_until(lambda: instance.status("/readyz") == 503, "the group has given it up", instance.text)
        if LONG_OUTAGES:
            time.sleep(max(0, 60 - (time.monotonic() - began)))
        self.assertEqual(instance.status("/healthz"), 200)
        self.assertEqual(instance.metrics().sum("runledger_runs_stale"), 0)
        wait_until(lambda: instance.metrics().sum("runledger_log_caught_up") == 0, "no verdict is shown", instance.text)
        self.bring_back(back)
        self.feed.write_all(500)
        wait_until(lambda: instance.status("/readyz") == 200, "it is ready again", instance.text)
        self.check_once(instance, letters_twice=True)  # those whose position could not be committed any more
        wait_until(lambda: self.problems(instance) == "", "nothing is wrong any more", instance.text)
        wait_until(lambda: "log: well again" in instance.text(), "and that is logged", instance.text)
        self.assertEqual(instance.stop(), 0, instance.text())

    def test_stopped_and_back(self):
        self.outage("stop", "restart")

    def test_hanging_and_back(self):
        self.outage("pause", "resume")

    def test_stop_while_it_is_away(self):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        instance = self.serve(config).start().wait_ready()
        self.feed.write_all(500)
        self.take_away()
        # The group's farewell may take longer than it is given.
        ended = instance.stop()
        self.assertIn((ended, "shutdown_timeout" in instance.text()), ((0, False), (1, True)), instance.text())
        self.bring_back()
        self.check_once(self.serve(config, "b").start().wait_ready(), letters_twice=True)

    def ends_in_time(self, number_of_signals):
        config = self.config(shutdown_timeout="2s" if number_of_signals == 1 else "1h")
        config["log"]["librdkafka"]["session.timeout.ms"] = "20000"  # so that it does not end by itself before
        self.make_topics(config, PARTITIONS)
        instance = self.serve(config).start().wait_ready()
        self.feed.write_all(500)
        self.take_away("pause", "resume")  # connections stay open, nobody answers
        instance.send_signal(signal.SIGTERM)
        wait_until(lambda: "giving the partitions back" in instance.text(), "it has begun to end", instance.text)
        if number_of_signals == 2:
            instance.send_signal(signal.SIGTERM)
        self.assertEqual(instance.process.wait(harness.PATIENCE_S), 1, instance.text())
        self.bring_back("resume")
        return instance, config

    def test_ending_has_a_deadline(self):
        instance, config = self.ends_in_time(1)
        self.assertIn("within shutdown_timeout", instance.text())
        self.check_once(self.serve(config, "b").start().wait_ready(), letters_twice=True)

    def test_a_second_signal_ends_it_at_once(self):
        instance, _ = self.ends_in_time(2)
        self.assertNotIn("within shutdown_timeout", instance.text())


class WarehouseTrouble(TroubleTest):
    def test_locked_by_another_program(self):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        instance = self.serve(config).start().wait_ready()
        self.feed.write_all(100)
        self.wait_durable(instance)
        with contextlib.closing(sqlite3.connect(self.directory / "history.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.feed.write_all(100)
            wait_until(lambda: "another process has held the file's lock" in self.problems(instance), "it is told", instance.text)
            other.execute("ROLLBACK")
        self.check_once(instance)
        wait_until(lambda: self.problems(instance) == "", "nothing is wrong any more", instance.text)

    def test_an_older_copy_is_put_back(self):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        path, copy = self.directory / "history.db", self.directory / "copy.db"
        for life in "ab":
            instance = self.serve(config, life).start().wait_ready()
            self.feed.write_all(300)
            self.check_once(instance)
            self.assertEqual(instance.stop(), 0, instance.text())
            if not copy.exists():
                shutil.copy(path, copy)
        for name in self.directory.glob("history.db*"):
            name.unlink()
        shutil.move(copy, path)
        instance = self.serve(config, "c").start().wait_ready()
        wait_until(lambda: self.history("SELECT count(*) AS n FROM events")[0]["n"] >= len(self.feed.runs), "its rows come again", instance.text)
        self.check_once(instance, letters_twice=True)

    def run_full(self, path, make_room, wrapper=()):
        config = self.config(warehouse={"path": str(path), "held_bytes": "1MiB"})
        self.make_topics(config, PARTITIONS)
        instance = self.serve(config, wrapper=wrapper).start().wait_ready()

        def full():
            self.feed.write_all(100, padding=3000)
            return instance.metrics().value("runledger_warehouse_circuit_open", table="events") == 1
        wait_until(full, "the disk is full", instance.text)
        self.feed.write_all(1000, padding=3000)
        # The state goes on, the rows wait, and everybody is told.
        wait_until(lambda: instance.metrics().sum("runledger_runs_finished_total") == len(self.feed.runs), "all is folded", instance.text)
        self.assertLess(instance.metrics().sum("runledger_warehouse_rows_total"), len(self.feed.runs))
        wait_until(lambda: instance.metrics().sum("runledger_warehouse_retries_total") > 0, "it is tried again", instance.text)
        self.assertEqual(instance.status("/readyz"), 200)
        self.assertIn("warehouse: " + str(path), self.problems(instance))
        self.assertRegex(instance.text(), r'"level":"error","message":"warehouse: .*rows wait in the log')
        self.assertEqual(instance.status("/healthz"), 200)
        make_room(instance)
        self.check_once(instance, history=path)
        # The rows are there before the answer to them is counted.
        wait_until(lambda: instance.metrics().value("runledger_warehouse_circuit_open", table="events") == 0, "the circuit closes", instance.text)
        wait_until(lambda: instance.metrics().sum("runledger_warehouse_rows_total") == len(self.feed.runs), "rows are counted", instance.text)
        wait_until(lambda: self.problems(instance) == "", "nothing is wrong any more", instance.text)
        wait_until(lambda: "warehouse: well again" in instance.text(), "and that is logged", instance.text)
        self.assertEqual(instance.stop(), 0, instance.text())
        return instance

    def test_no_space_left_on_the_device(self):
        """On a file system of its own; where none may be mounted, a limit on the size of files has to do."""
        disk = pathlib.Path(tempfile.mkdtemp(prefix="runledger-disk-"))
        self.addCleanup(shutil.rmtree, disk, ignore_errors=True)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", disk], capture_output=True, text=True)
        if mount.returncode != 0:
            print(f"no file system of its own ({mount.stderr.strip()}): see test_a_limit_on_the_size_of_files")
            return
        self.addCleanup(subprocess.run, ["umount", "--lazy", disk], check=True)
        other = disk / "other"
        other.write_bytes(b"x" * (DISK_BYTES - LEFT_BYTES))

        def make_room(_):
            other.unlink()
            subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        instance = self.run_full(disk / "history.db", make_room)
        self.assertIn("free space on the file system", instance.text())

    def test_a_limit_on_the_size_of_files(self):
        limit = f"resource.setrlimit(resource.RLIMIT_FSIZE, ({LEFT_BYTES}, resource.RLIM_INFINITY))"
        wrapper = [sys.executable, "-c", f"import os, resource, sys; {limit}; os.execv(sys.argv[1], sys.argv[1:])"]

        def make_room(instance):
            resource.prlimit(instance.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.run_full(self.directory / "history.db", make_room, wrapper)


class Deaths(TroubleTest):
    def again_and_again(self, number, status, letters_twice):
        """Ends it with the signal under load, three times; another process goes on where it was."""
        config = self.config()
        self.make_topics(config, PARTITIONS)
        self.feed.start()
        for life in "abc":
            instance = self.serve(config, life).start().wait_ready()
            wait_until(lambda: instance.metrics().sum("runledger_warehouse_rows_total") > 1000, "rows are being written", instance.text)
            self.assertEqual(instance.stop(number), status, instance.text())
        self.feed.stop()
        last = self.serve(config, "last").start().wait_ready()
        self.check_once(last, letters_twice=letters_twice)
        self.assertEqual(last.stop(), 0, last.text())

    def test_sigterm_under_load(self):
        self.again_and_again(signal.SIGTERM, 0, letters_twice=False)

    def test_sigkill_under_load(self):
        self.again_and_again(signal.SIGKILL, -signal.SIGKILL, letters_twice=True)

    def owned(self, instance):
        return {dict(labels)["partition"] for labels in instance.metrics().all("runledger_log_applied_offset")}

    def test_a_second_instance_of_the_same_name_ends_the_first(self):
        config = self.config(log={"instance_id": "same"})
        self.make_topics(config, PARTITIONS)
        first = self.serve(config, "first").start().wait_ready()
        second = self.serve(config, "second").start().wait_ready()
        # The one that has lost its name shows nothing any more and says so with its exit status.
        wait_until(lambda: first.process.poll() is not None, "the first one ends", first.text)
        self.assertEqual(first.process.returncode, 1, first.text())
        self.assertIn("no member of the group any more", first.text())
        wait_until(lambda: len(self.owned(second)) == PARTITIONS, "the second has everything", second.text)
        self.assertEqual(second.stop(), 0, second.text())

    def test_a_stopped_instance_shows_nothing_of_what_another_one_has_taken(self):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        self.feed.write_all(500)
        one = self.serve(config, "one").start().wait_ready()
        other = self.serve(config, "other").start().wait_ready()
        wait_until(lambda: len(self.owned(one)) == len(self.owned(other)) == PARTITIONS / 2, "they share the partitions",
                   lambda: one.text() + other.text())
        one.send_signal(signal.SIGSTOP)
        try:
            wait_until(lambda: len(self.owned(other)) == PARTITIONS, "the other one has taken all", other.text)
            # Asked before it wakes: whoever of its threads runs first, the answer is of its first moments.
            host, port = one.url.removeprefix("http://").split(":")
            asked = [http.client.HTTPConnection(host, int(port), timeout=30) for _ in range(4)]
            for connection, path in zip(asked, ("/metrics", "/readyz", "/api/v1/jobs", "/metrics")):
                connection.request("GET", path)
            self.broker.do("pause")  # nor can it have come back to the group before it answers
        finally:
            one.send_signal(signal.SIGCONT)
        try:
            answers = [connection.getresponse() for connection in asked]
            texts = [answer.read().decode() for answer in answers]
        finally:
            self.broker.do("resume")
        for connection in asked:
            connection.close()
        for text in (texts[0], texts[3]):
            metrics = harness.Metrics(text)
            self.assertEqual(metrics.all("runledger_log_applied_offset"), {})
            self.assertEqual(metrics.all("runledger_runs_started_total"), {})
            self.assertEqual(metrics.value("runledger_ready"), 0)
        self.assertEqual(answers[1].status, 503, texts[1])
        self.assertEqual(json.loads(texts[2])["jobs"], [])
        wait_until(lambda: len(self.owned(one)) == len(self.owned(other)) == PARTITIONS / 2 and one.status("/readyz") == 200,
                   "they share the partitions again", lambda: one.text() + other.text())
        self.feed.write_all(100)
        self.check_once(one, other, letters_twice=True)

    def test_two_instances_and_one_is_killed(self):
        config = self.config()
        self.make_topics(config, PARTITIONS)
        self.feed.start()
        one = self.serve(config, "one").start().wait_ready()
        other = self.serve(config, "other").start().wait_ready()

        def shared():
            return len(self.owned(one)) == len(self.owned(other)) == PARTITIONS / 2 and not self.owned(one) & self.owned(other)
        wait_until(shared, "they share the partitions", lambda: one.text() + other.text())
        wait_until(lambda: other.metrics().sum("runledger_warehouse_rows_total") > 1000, "the other writes rows", other.text)
        other.kill()
        wait_until(lambda: len(self.owned(one)) == PARTITIONS, "the partitions are taken over", one.text)
        third = self.serve(config, "third").start().wait_ready()
        wait_until(lambda: len(self.owned(third)) == PARTITIONS / 2, "the third has its share", third.text)
        self.feed.stop()
        self.check_once(one, third, letters_twice=True)
        self.assertEqual(third.stop(), 0, third.text())
        self.check_once(one, letters_twice=True)


if __name__ == "__main__":
    harness.main()
