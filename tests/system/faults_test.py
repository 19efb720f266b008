"""Everything fails all the time, while events go on: nothing is lost, nothing twice, and nothing that is shown is untrue.

Instances are killed, stopped and started, the broker too, the warehouse is locked and the disk is full, in an order and at
moments that one seed decides. Then the whole log is compared with the rows, the dead letters and every scrape taken on the
way, from whichever instance.

    RUNLEDGER_FAULTS_SEED        decides the faults; without it a new one each time, which is printed
    RUNLEDGER_FAULTS_EVENTS      at least so many events (default 60000)
    RUNLEDGER_FAULTS_KILLS       at least so many kill -9 of an instance (default 8)
    RUNLEDGER_FAULTS_RATE        events a second (default 1500)
    RUNLEDGER_FAULTS_ASSIGNMENT  of the partitions: cooperative or eager; without it the seed decides
"""

import collections
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import fleet
import harness
from harness import wait_until

SEED = int(os.environ.get("RUNLEDGER_FAULTS_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 31)
EVENTS = int(os.environ.get("RUNLEDGER_FAULTS_EVENTS", 60_000))
KILLS = int(os.environ.get("RUNLEDGER_FAULTS_KILLS", 8))
RATE = int(os.environ.get("RUNLEDGER_FAULTS_RATE", 1_500))
ASSIGNMENT = os.environ.get("RUNLEDGER_FAULTS_ASSIGNMENT")

PARTITIONS, MORE_PARTITIONS = 8, 12
MEMBERS = 4
SESSION_S = 6
BUSY_S = 5  # how long SQLite waits for another's lock
ROW_BYTES = 4 << 10  # of the disk, more than a row takes
SETTLE_S = 600  # longest wait for everything to be well again
SCRAPE_PAUSE_S = 0.7 if EVENTS <= 200_000 else 1.5


class Faults(harness.SystemTest):
    own_events = False
    members = ()

    def tearDown(self):
        for member in self.members:
            member.kill()
            member.stop()
        super().tearDown()

    # ---- The plan: what the seed decides.

    def prepare(self):
        # Every test of the class has moments of its own.
        self.random = random.Random(f"{SEED} {self.id()}")
        self.assignment = ASSIGNMENT or self.random.choice(["cooperative", "cooperative", "eager"])
        self.scrapes = self.directory / "scrapes"
        self.scrapes.mkdir()
        self.disk = fleet.Disk(self, EVENTS * ROW_BYTES + (512 << 20))
        self.agenda = []  # (seconds, number, action)
        self.numbers = 0
        self.done = collections.Counter()
        self.kills = 0
        self.busy = set()  # of broker, file, disk: those that something is wrong with
        self.partitions = PARTITIONS
        self.producers = fleet.Producers(self, SEED % (1 << 20), RATE)
        self.began = time.monotonic()
        static = self.random.sample(range(MEMBERS), 2)
        self.members = []
        for number in range(MEMBERS):
            config = self.member_config(number, number in static)
            if not self.members:
                self.make_topics(config, PARTITIONS)
            name = "abcd"[number]
            member = fleet.Member(name, self.serve(config, name), number in static, config["state"]["dir"], self.scrapes, SCRAPE_PAUSE_S)
            self.members.append(member)
        print(f"seed {SEED}: {self.assignment} assignment, {MEMBERS} instances of which {len(static)} are static members", flush=True)

    def member_config(self, number, static):
        config = self.config(warehouse={"path": str(self.disk.path / "history.db")},
                             state={"dir": str(self.disk.path / f"state-{number}"), "snapshot_interval": "2s"},
                             shutdown_timeout="120s")  # also where the broker is away for as long as it takes to start
        config["log"]["librdkafka"] = {
            "session.timeout.ms": str(SESSION_S * 1000), "heartbeat.interval.ms": "1000", "topic.metadata.refresh.interval.ms": "2000",
            "partition.assignment.strategy": "cooperative-sticky" if self.assignment == "cooperative" else "range,roundrobin"}
        if static:
            config["log"]["instance_id"] = f"member-{number}"
        return config

    def deck(self):
        """One of everything, kills more often, in any order."""
        kinds = ["kill"] * 4 + ["kill_starting", "kill_two", "kill_and_forget", "leave", "leave", "zombie", "broker_dies",
                 "broker_hangs", "lock", "disk_full"]
        self.random.shuffle(kinds)
        return kinds

    def later(self, seconds, action):
        self.numbers += 1
        self.agenda.append((time.monotonic() + seconds, self.numbers, action))
        self.agenda.sort()

    def run_until(self, condition, patience=SETTLE_S):
        """Does what is due until the condition holds; looks after everybody meanwhile."""
        end = time.monotonic() + patience
        while not condition():
            self.assertLess(time.monotonic(), end, "waited in vain")
            if self.agenda and self.agenda[0][0] <= time.monotonic():
                self.agenda.pop(0)[2]()
            self.look_after()
            time.sleep(0.02)

    def look_after(self):
        for member in self.members:
            if member.up and member.instance.process.poll() is not None:
                self.has_ended(member)
        if self.producers.idle() and (self.dealing or self.producers.sent < EVENTS) and "broker" not in self.busy:
            if self.producers.names:
                self.grow()
            few = self.producers.sent >= EVENTS  # the faults take longer than the events
            self.producers.start(EVENTS // 10 if few else EVENTS // 2, self.partitions, 20 if few else 150)

    def has_ended(self, member):
        """A static member may, in one case: a request to join that a hanging broker answered after the client had sent it
        again fences it, as a second process of its name would. It says so and ends; what supervises it starts it again."""
        text = member.instance.text()
        self.assertEqual(member.instance.process.returncode, 1, f"{member.name_} has ended:\n{text[-20000:]}")
        self.assertTrue(member.static, f"{member.name_} has ended:\n{text[-20000:]}")
        self.assertIn("Static consumer fenced by other consumer", text)
        self.assertGreater(self.done["broker_hangs"] + self.done["broker_dies"], 0, text)
        self.tell(f"fenced {member.name_}")
        member.up = False
        self.start_again(member, 1)

    def pick(self, count=1, wanted=fleet.Member.running):
        """Members that run, once there are so many."""
        self.run_until(lambda: sum(map(wanted, self.members)) >= count)
        return self.random.sample([m for m in self.members if wanted(m)], count)

    def tell(self, what):
        self.done[what.split()[0]] += 1
        print(f"  {time.monotonic() - self.began:6.1f} s  {what}", flush=True)

    # ---- The faults.

    def start_again(self, member, after):
        def begin():
            if not member.up:
                member.begin()
        self.later(after, begin)

    def kill_member(self, member, forget=False):
        member.kill()
        self.kills += 1
        if forget:
            member.forget_state()
        self.start_again(member, self.random.uniform(0, 3))

    def kill(self):
        member, = self.pick()
        self.tell(f"kill {member.name_}")
        self.kill_member(member)

    def kill_two(self):
        members = self.pick(2)
        self.tell(f"kill_two {members[0].name_} {members[1].name_}")
        for member in members:
            self.kill_member(member)

    def kill_and_forget(self):
        member, = self.pick()
        self.tell(f"kill_and_forget {member.name_}")
        self.kill_member(member, forget=True)

    def kill_starting(self):
        """Again, while it starts, joins or restores."""
        member, = self.pick()
        self.tell(f"kill_starting {member.name_}")
        self.kill_member(member)
        starts = member.starts
        self.run_until(lambda: member.starts > starts)
        moment = time.monotonic() + self.random.uniform(0, 2.5)
        self.run_until(lambda: time.monotonic() >= moment)
        if member.running():
            self.kill_member(member)

    def leave(self):
        member, = self.pick(2)[:1]
        self.tell(f"leave {member.name_}")
        member.up = False
        member.instance.send_signal(signal.SIGTERM)
        self.run_until(lambda: member.instance.process.poll() is not None)
        self.assertEqual(member.instance.process.returncode, 0, member.instance.text()[-20000:])
        self.start_again(member, self.random.uniform(0, 6))

    def zombie(self):
        """Stopped until the group has given its partitions to others; then it goes on where it was."""
        member, = self.pick(2)[:1]
        self.tell(f"zombie {member.name_}")
        member.pause()

        def wake():
            # Questions that come in while it is stopped are answered with what it believes when it wakes.
            asked = [threading.Thread(target=lambda: (lambda found: found and member.keep(found))(member.scrape())) for _ in range(2)]
            for thread in asked:
                thread.start()
            time.sleep(0.1)
            if member.up:
                member.resume()
                member.scrape_now.set()
            for thread in asked:
                thread.join()
        self.later(SESSION_S + self.random.uniform(0.5, 5), wake)

    def alone(self, what):
        """Waits until nothing else is wrong with it."""
        self.run_until(lambda: what not in self.busy)
        self.busy.add(what)

    def broker_dies(self):
        self.alone("broker")
        self.tell("broker_dies")
        self.broker.do("kill")

        def back():
            self.broker.do("restart")
            self.busy.discard("broker")
        self.later(self.random.uniform(0.2, 5), back)

    def broker_hangs(self):
        self.alone("broker")
        self.tell("broker_hangs")
        self.broker.do("pause")

        def back():
            self.broker.do("resume")
            self.busy.discard("broker")
        self.later(SESSION_S + self.random.uniform(0.5, 3), back)

    def lock(self):
        self.alone("file")
        self.tell("lock")
        other = sqlite3.connect(self.disk.path / "history.db", isolation_level=None, timeout=30)
        other.execute("BEGIN IMMEDIATE")

        def back():
            other.execute("ROLLBACK")
            other.close()
            self.busy.discard("file")
        self.later(BUSY_S + self.random.uniform(0.5, 3), back)

    def disk_full(self):
        self.alone("file")
        self.tell("disk_full")
        self.disk.fill(self.members)

        def back():
            self.disk.make_room(self.members)
            self.busy.discard("file")
        self.later(self.random.uniform(2, 6), back)

    def grow(self):
        if self.partitions == MORE_PARTITIONS:
            return
        self.tell(f"grow to {MORE_PARTITIONS} partitions")
        self.broker.grow_topic(self.topic, MORE_PARTITIONS)
        self.partitions = MORE_PARTITIONS

    # ---- The end.

    def settled(self):
        """The bodies in which every partition is shown once, at its end, with all rows and letters durable; else None."""
        bodies, where = [], collections.Counter()
        ends = 0
        for member in self.members:
            if not member.up:
                continue
            found = member.scrape()
            if found is None:
                return None
            member.keep(found)
            metrics = harness.Metrics(found[2])
            restoring = metrics.all("runledger_restoring")
            for labels, end in metrics.all("runledger_log_end_offset").items():
                where[dict(labels)["partition"]] += 1
                ends += end
                levels = [metrics.all(f"runledger_log_{name}_offset").get(labels) for name in ("applied", "acked")]
                if restoring[labels] != 0 or levels != [end, end] or metrics.all("runledger_log_caught_up")[labels] != 1:
                    return None
            bodies.append(found[2])
        there = set(map(str, range(self.partitions)))
        return bodies if set(where) == there and set(where.values()) == {1} and ends == self.producers.records else None

    def positions(self):
        lines = []
        for member in self.members:
            found = member.up and member.scrape()
            lines.append(f"{member.name_}: {member.instance.api('/readyz') if found else 'no answer'}")
            lines += [line for line in (found[2] if found else "").splitlines() if re.match(r"runledger_(log_(applied|acked|end)|restoring)", line)]
        return "\n".join(lines)

    def audit(self):
        done = subprocess.run(
            [harness.AUDIT, "--brokers", self.broker.bootstrap, "--topic", self.topic, "--dead-letters", self.dead_letters,
             "--partition-counts", f"{PARTITIONS},{MORE_PARTITIONS}", "--scrapes", self.scrapes, "--sqlite", self.disk.path / "history.db", "--config", self.members[0].instance.config_path],
            capture_output=True, text=True)
        print(done.stdout, flush=True)
        if done.returncode != 0:
            for path in self.disk.path.glob("history.db*"):
                shutil.copy(path, self.directory)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def check(self):
        samples = sorted(sample for member in self.members for sample in member.samples)
        found = fleet.falls(samples)
        print(f"{len(samples)} scrapes that show jobs, {sum(m.hidden for m in self.members)} that show none; "
              f"{len(found)} series went back", flush=True)
        self.audit()
        self.assertEqual(len(found), 0, "\n".join(found[:20]))
        lost = [path.name for _, _, path in samples if re.search(r"^runledger_state_lost_total\S* [^0]", path.read_text(), re.MULTILINE)]
        self.assertEqual(lost, [], "counters began again")

    def test_everything_fails(self):
        self.prepare()
        self.dealing = True
        for member in self.members[:3]:
            member.begin()
        self.start_again(self.members[3], self.random.uniform(0, 10))
        deck = self.deck()
        while deck or self.kills < KILLS or self.producers.sent < EVENTS:
            deck = deck or self.deck()
            # Often one on the heels of the other, now and then with time to settle.
            moment = time.monotonic() + self.random.choice([0.1, 1, 2, 3, 8, 12]) * self.random.uniform(0.5, 1)
            self.run_until(lambda: time.monotonic() >= moment)
            getattr(self, deck.pop())()
        self.dealing = False
        self.run_until(lambda: not self.agenda and self.producers.idle())
        took = time.monotonic() - self.began
        wait_until(self.settled, "everything is well again", self.positions, patience=SETTLE_S)
        print(f"seed {SEED}: {self.producers.sent} events in {self.producers.records} records, {self.kills} kills, faults for {took:.0f} s, "
              f"well again {time.monotonic() - self.began - took:.0f} s later", flush=True)
        for member in self.members:
            wait_until(lambda m=member: not m.instance.api("/readyz")["problems"], "nothing is wrong any more", self.positions)
            member.stop()
        (self.scrapes / "last.txt").write_text("".join(wait_until(self.settled, "it stays well", self.positions)))
        texts = [member.text() for member in self.members]
        counted = {word: sum(text.count(word) for text in texts) for word in ("taken, reading", "given back", "lost to another member")}
        print(f"partitions: {counted}; faults: {dict(self.done)}", flush=True)
        self.check()
        for member in self.members:
            self.assertEqual(member.instance.stop(), 0, member.instance.text()[-20000:])


if __name__ == "__main__":
    harness.main()
