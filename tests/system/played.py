"""What tests share that play days of January 2026 on a real broker.

The topic's times are the producers' own, and the instance takes log time for the time of day (log.clock: log)."""

import calendar
import datetime
import json
import re
import time

import harness
import raw

PARTITIONS = 4
MINUTE = 60
HOUR = 3600
DAY = 86_400


def at(text):
    """Seconds since the epoch: at("12 11:30:08") is of January 2026, UTC."""
    return calendar.timegm(time.strptime("2026-01-" + text, "%Y-%m-%d %H:%M:%S"))


def date(day):
    return calendar.timegm(time.strptime(f"2026-01-{day}", "%Y-%m-%d")) // DAY


def moment(text):
    """Seconds since the epoch of an answer's time."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def murmur2(key):
    """As Kafka's Java client places keys."""
    multiplier, mask = 0x5BD1E995, 0xFFFFFFFF
    value = 0x9747B28C ^ len(key)
    for i in range(0, len(key) // 4 * 4, 4):
        part = int.from_bytes(key[i:i + 4], "little") * multiplier & mask
        part = (part ^ part >> 24) * multiplier & mask
        value = value * multiplier & mask ^ part
    rest = key[len(key) // 4 * 4:]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * multiplier & mask
    value = (value ^ value >> 13) * multiplier & mask
    return (value ^ value >> 15) & 0x7FFFFFFF


def table(text, first):
    """Rows of a printed table as {heading: cell}: of the one whose first heading that is, up to the first line that is none."""
    lines = iter(text.splitlines())
    cells = lambda line: re.split(" {2,}", line.strip())
    head = next((cells(line) for line in lines if cells(line)[0] == first and len(cells(line)) > 1), None)
    rows = []
    for line in lines if head else ():
        if len(cells(line)) != len(head):
            break
        rows.append(dict(zip(head, cells(line))))
    return rows


class Played(harness.SystemTest):
    """Events at times of the story's own."""

    timestamps = "CreateTime"
    jobs = {}

    def setUp(self):
        super().setUp()
        self.records = {}  # by partition
        self.events = 0

    def start(self, own=False, **sections):
        """`own`: the instance writes its verdicts into the topic."""
        config = self.config(log={"clock": "log", "topics": [{"name": self.topic, "own": own}]}, jobs=self.jobs, **sections)
        made = self.config()
        self.make_topics(made, PARTITIONS)
        self.broker.configure_topic(self.topic, message_timestamp_type="CreateTime")
        self.instance = self.serve(config).start().wait_ready()
        return self.instance

    def tell(self, seconds, key, **body):
        """Of an event with that body, and of the record that carries it."""
        self.events += 1
        value = {"event_id": f"e{self.events}", "event_time_us": int(seconds * 1e6), "sequence": self.events, **body}
        record = raw.Record(json.dumps(value).encode(), [raw.JSON], key.encode(), int(seconds * 1e6))
        self.records.setdefault(self.home(key), []).append(record)

    @staticmethod
    def home(key):
        return murmur2(key.encode()) % PARTITIONS

    def send(self, seconds, job, run, status, day=None, **fields):
        """What a run says."""
        body = {"job_name": job, "run_id": run, "status": status, **fields}
        if day is not None:
            body["data_date"] = day
        self.tell(seconds, job, run=body)

    def run_of(self, start_s, job, status, day, length_s=60, **fields):
        run = f"{job}_{start_s}"
        self.send(start_s, job, run, "RUNNING", day, **fields)
        self.send(start_s + length_s, job, run, status, day, **fields)

    def pass_to(self, seconds):
        """Story time goes on to there, and the instance follows. Two records: a great step counts once a second agrees."""
        self.run_of(seconds, "clock", "SUCCESS", None, length_s=0)
        for partition, records in self.records.items():
            raw.produce(self.broker, self.topic, records, partition)
        self.records = {}
        def there():
            answer = self.instance.api("/api/v1/jobs")
            return answer["caught_up"] and answer["as_of"] and moment(answer["as_of"]) >= seconds
        harness.wait_until(there, f"the instance follows to {self.stamp(seconds)}", self.instance.text)

    @staticmethod
    def stamp(seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

    def labels(self, **more):
        """Of the instance's series in the home partition of a processor or workflow."""
        return {"topic": self.topic, "partition": str(self.home(next(iter(more.values())))), **more}

    def ask(self, *question):
        """(exit status, what it said)."""
        done = harness.runledger(*question, "--url", self.instance.url, check=False)
        return done.returncode, done.stdout + done.stderr

    def query(self, name, *parameters):
        """Rows of a named query over this instance's warehouse."""
        done = harness.runledger("query", name, *parameters, "--json", "--warehouse", self.directory / "history.db", check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def upstream(self, job, day):
        return self.instance.api(f"/api/v1/jobs/{job}/upstream?date=2026-01-{day}")["upstream"]

    def quiet_past(self):
        """The log begins long before the story."""
        self.run_of(at("01 00:00:00"), "clock", "SUCCESS", None, length_s=0)
        self.pass_to(at("01 00:00:01"))
