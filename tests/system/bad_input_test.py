"""Every kind of bad input: refused with a reason, kept whole, and of no harm to its neighbours or to the process."""

import json
import struct
import time

import harness
import raw
from raw import BATCH, JSON, PROTOBUF, ZSTD, Record

MESSAGE_BYTES = 256 << 10
INFLATED_BYTES = 1 << 20
BATCH_EVENTS = 50
JSON_DEPTH = 16
LIMITS = {"message_bytes": "256KiB", "inflated_bytes": "1MiB", "batch_events": BATCH_EVENTS, "json_depth": JSON_DEPTH}
# Headers that a letter must bring along as they came: bytes that are no text, the same name twice, no value.
ODD_HEADERS = ((b"x-trace", b"\x00\xff\xfe"), (b"x-trace", b"again"), (b"x-empty", b""))
GROWTH_BYTES = 64 << 20  # of memory, at most, over tens of thousands of bad records

NOW_US = int(time.time() * 1e6)
HOUR_US = 3600 * 1_000_000


class Case:
    """One bad record: what comes of it.

    refused: [(index, category, words of the reason, value of the letter or None for the record's own)];
    good: run ids within it that are rows all the same; columns: those of them whose row keeps only its core.
    """

    def __init__(self, name, record, category=None, reason=None, refused=None, good=(), columns=()):
        self.name = name
        self.record = record
        self.refused = refused or [(0, category, reason, None)]
        self.good = list(good)
        self.columns = list(columns)


def good_event(run_id, more=b"", job="job", time_us=None):
    return raw.event(raw.run(job, run_id, raw.SUCCESS, more), time_us or NOW_US)


def json_event(run_id, **members):
    return {"event_time_us": NOW_US, "run": {"job_name": "job", "run_id": run_id, "status": "SUCCESS", **members}}


def alone(value):
    return Record(value, (PROTOBUF, *ODD_HEADERS))


def bad_column(name, field):
    return Case(name, alone(good_event(name, field[0])), refused=[(0, "schema", f"column {field[1]}", None)], good=[name], columns=[name])


def of_many(name):
    """A batch and an array with one bad event among good ones: that one goes alone."""
    no_id = raw.event(raw.run("job", None, raw.SUCCESS), NOW_US)
    mixed = raw.batch([good_event(name + "-0"), no_id, good_event(name + "-2"), b"\xff\xff", good_event(name + "-4")])
    column = good_event(name + "-c1", raw.double(10, float("nan")))
    elements = [json.dumps(json_event(name + "-j0")), '{"run": 7}', json.dumps(json_event(name + "-j2"))]
    return [
        Case(name + "-batch", Record(raw.zstd(mixed), (BATCH, ZSTD, *ODD_HEADERS)), good=[name + "-0", name + "-2", name + "-4"],
             refused=[(1, "semantic", "run_id is missing", no_id), (3, "decode", "no Event message", b"\xff\xff")]),
        Case(name + "-batch-column", Record(raw.zstd(raw.batch([good_event(name + "-c0"), column])), (BATCH, ZSTD)),
             good=[name + "-c0", name + "-c1"], columns=[name + "-c1"], refused=[(1, "schema", "column duration_seconds", column)]),
        Case(name + "-array", Record(f"[{', '.join(elements)}]".encode(), (JSON, *ODD_HEADERS)), good=[name + "-j0", name + "-j2"],
             refused=[(1, "schema", "run", elements[1].encode())]),
    ]


def cases():
    wrong_type = raw.varint(2 << 3 | 1) + struct.pack("<q", NOW_US) + raw.text(10, raw.run("job", "r", raw.SUCCESS))
    torn = raw.zstd(raw.batch([good_event("torn")]))
    crowd = raw.batch([good_event(f"crowd-{i}") for i in range(BATCH_EVENTS + 1)])
    deep = b'{"run": ' * JSON_DEPTH + b"{}" + b"}" * JSON_DEPTH
    not_utf8 = json.dumps(json_event("X")).encode().replace(b'"X"', b'"\xff\xfe"')
    return [
        Case("truncated", alone(good_event("truncated")[:-3]), "decode", "no Event message"),
        Case("garbage", alone(b"\xff" * 100), "decode", "no Event message"),
        Case("garbage-without-headers", Record(b"\x07no event at all"), "decode", "no Event message"),
        Case("empty", alone(b""), "decode", "empty"),
        Case("tombstone", Record(None, (PROTOBUF, *ODD_HEADERS)), "schema", "tombstone"),
        Case("tombstone-without-key", Record(None, (), None), "schema", "tombstone"),
        Case("odd-key", Record(b"\xff\xff", (PROTOBUF,), b"\x00\xff key"), "decode", "no Event message"),
        Case("empty-key", Record(b"\xff\xff", (PROTOBUF,), b""), "decode", "no Event message"),
        Case("wrong-wire-type", alone(wrong_type), "decode", "wire type"),
        Case("no-run-id", alone(raw.event(raw.run("job", None, raw.SUCCESS), NOW_US)), "semantic", "run_id is missing"),
        Case("no-job-name", alone(raw.event(raw.run(None, "r", raw.SUCCESS), NOW_US)), "semantic", "job_name is missing"),
        Case("no-status", alone(raw.event(raw.run("job", "r", None), NOW_US)), "semantic", "status is missing"),
        Case("unknown-status", alone(raw.event(raw.run("job", "r", 99), NOW_US)), "schema", "status number 99"),
        Case("no-time", alone(raw.event(raw.run("job", "r", raw.SUCCESS), 0)), "semantic", "event_time_us is missing"),
        Case("future", alone(good_event("future", time_us=NOW_US + 24 * HOUR_US)), "semantic", "log.future_limit"),
        Case("no-body", alone(raw.integer(2, NOW_US)), "schema", "no body"),
        Case("long-run-id", alone(good_event("r" * 600)), "oversize", "run_id has 600 bytes"),
        Case("id-not-utf8", alone(raw.event(raw.run("job", b"\xff\xfe", raw.SUCCESS), NOW_US)), "decode", "run_id is not UTF-8"),
        Case("oversize", alone(good_event("oversize", raw.text(24, "x" * MESSAGE_BYTES))), "oversize", "limits.message_bytes"),
        Case("bomb", Record(raw.zstd_zeros(200 << 20), (BATCH, ZSTD)), "oversize", "limits.inflated_bytes"),
        Case("bomb-without-headers", Record(raw.zstd_zeros(INFLATED_BYTES + 1)), "oversize", "limits.inflated_bytes"),
        Case("torn-frame", Record(torn[:-5], (BATCH, ZSTD, *ODD_HEADERS)), "inflate", "ends inside a frame"),
        Case("damaged-frame", Record(torn[:6] + b"\xff\xff\xff" + torn[9:], (BATCH, ZSTD)), "inflate", "damaged"),
        Case("no-frame", Record(b"no frame at all", (BATCH, ZSTD)), "inflate", "damaged"),
        Case("frame-of-garbage", Record(raw.zstd(b"\xff" * 64), (BATCH, ZSTD)), "decode", "no EventBatch message"),
        Case("empty-batch", Record(raw.zstd(raw.integer(7, 1)), (BATCH, ZSTD)), "schema", "holds no event"),
        Case("crowded-batch", Record(raw.zstd(crowd), (BATCH, ZSTD)), "oversize", "limits.batch_events"),
        Case("json-syntax", Record(b'{"run": {', (JSON, *ODD_HEADERS)), "decode", "no JSON"),
        Case("json-too-deep", Record(deep, (JSON,)), "oversize", "limits.json_depth"),
        Case("json-not-utf8", Record(not_utf8, (JSON,)), "decode", "UTF-8"),
        Case("json-number", Record(b"42", (JSON,)), "schema", "object"),
        Case("json-empty-array", Record(b"[]", (JSON,)), "schema", "holds no event"),
        Case("json-crowd", Record(json.dumps([json_event(f"jc-{i}") for i in range(BATCH_EVENTS + 1)]).encode(), (JSON,)), "oversize",
             "limits.batch_events"),
        Case("json-no-status", Record(json.dumps({"event_time_us": NOW_US, "run": {"job_name": "job", "run_id": "r"}}).encode(), (JSON,)),
             "semantic", "status is missing"),
        *of_many("mixed"),
        bad_column("nan", (raw.double(10, float("nan")), "duration_seconds")),
        bad_column("bad-date", (raw.integer(8, 10_000_000), "data_date")),
        bad_column("bad-start", (raw.integer(9, 1 << 62), "started_at")),
        bad_column("long-text", (raw.text(26, "x" * 5000), "trigger_source")),
        bad_column("bad-json", (raw.text(21, "{no json"), "summary")),
        bad_column("text-not-utf8", (raw.text(22, b"\xff\xfe"), "error_type")),
        Case("json-bad-date", Record(json.dumps(json_event("json-bad-date", data_date="2026-02-31")).encode(), (JSON,)),
             refused=[(0, "schema", "data_date", None)], good=["json-bad-date"], columns=["json-bad-date"]),
    ]


class BadInput(harness.SystemTest):
    def start(self):
        config = self.config(limits=LIMITS)
        self.make_topics(config, partitions=1)
        return self.serve(config).start().wait_ready()

    def letters(self):
        """{(offset, index): letter}; there is one of each."""
        letters = {}
        for letter in raw.read(self.broker, self.dead_letters):
            headers = dict(letter.headers)
            self.assertEqual(headers[b"runledger-topic"].decode(), self.topic)
            self.assertEqual(headers[b"runledger-partition"], b"0")
            place = int(headers[b"runledger-offset"]), int(headers[b"runledger-index"])
            self.assertNotIn(place, letters)
            letters[place] = letter
        return letters

    def check_letter(self, letter, case, expected):
        index, category, reason, value = expected
        own = {name: content for name, content in letter.headers if name.startswith(b"runledger-")}
        self.assertEqual(own[b"runledger-category"].decode(), category)
        self.assertIn(reason, own[b"runledger-reason"].decode())
        self.assertRegex(own[b"runledger-first-seen"].decode(), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
        self.assertEqual(own[b"runledger-attempts"], b"1")
        self.assertNotIn(b"runledger-truncated", own)
        self.assertEqual(letter.key, case.record.key)
        others = [header for header in letter.headers if not header[0].startswith(b"runledger-")]
        if value is None:  # the record whole
            self.assertEqual(letter.value, case.record.value)
            self.assertEqual(others, list(case.record.headers))
            return
        # One event taken out of it: what it is now, and beside it what the record said of itself.
        self.assertEqual(letter.value, value)
        content = [header for header in case.record.headers if header[0] in (b"content-type", b"content-encoding")]
        self.assertEqual([header for header in others if header[0] != b"content-type"],
                         [header for header in case.record.headers if header not in content])
        self.assertEqual([h for h in others if h[0] == b"content-type"], [JSON if JSON in content else PROTOBUF])
        for name, said in content:
            self.assertEqual(own[b"runledger-original-" + name], said)

    def test_each_kind(self):
        instance = self.start()
        all_cases = cases()
        self.assertEqual(len({case.name for case in all_cases}), len(all_cases))
        records = []
        for case in all_cases:  # each between good neighbours
            records += [alone(good_event("before-" + case.name)), case.record, alone(good_event("after-" + case.name))]
        raw.produce(self.broker, self.topic, records)
        instance.wait_applied(self.topic, {0: len(records)})

        letters = self.letters()
        for i, case in enumerate(all_cases):
            for expected in case.refused:
                with self.subTest(case.name, index=expected[0]):
                    self.check_letter(letters.pop((3 * i + 1, expected[0])), case, expected)
        self.assertEqual(letters, {})

        found = self.history("SELECT run_id, status, refused, \"offset\" FROM events ORDER BY \"offset\", batch_index")
        wanted = [run_id for case in all_cases for run_id in ["before-" + case.name, *case.good, "after-" + case.name]]
        self.assertEqual([row["run_id"] for row in found], wanted)
        self.assertEqual({row["status"] for row in found}, {"success"})
        cores = {run_id for case in all_cases for run_id in case.columns}
        self.assertEqual({row["run_id"] for row in found if row["refused"]}, cores)

        metrics = instance.metrics()
        self.assertEqual(metrics.value("runledger_runs_finished_total", processor="job", status="success"), len(wanted))
        self.assertEqual(metrics.sum("runledger_events_total"), len(wanted))
        for category in ("decode", "inflate", "schema", "oversize", "semantic"):
            refused = [(case, one) for case in all_cases for one in case.refused if one[1] == category]
            columns = sum(1 for case, one in refused if one[2].startswith("column ") or case.columns)
            self.assertEqual(metrics.sum("runledger_dead_letters_total", category=category), len(refused), category)
            self.assertEqual(metrics.sum("runledger_events_rejected_total", category=category), len(refused) - columns, category)
        self.assertEqual(instance.stop(), 0, instance.text())

        # Another process reads it all again for its state, and writes none of it again.
        again = self.serve(self.config(limits=LIMITS), "b").start().wait_ready()
        again.wait_caught_up()
        self.assertEqual(again.metrics().value("runledger_runs_finished_total", processor="job", status="success"), len(wanted))
        self.assertEqual(len(self.history("SELECT 1 FROM events")), len(wanted))
        self.assertEqual(len(self.letters()), sum(len(case.refused) for case in all_cases))

    def test_a_letter_too_large_for_its_topic_is_a_pointer_and_its_head(self):
        instance = self.start()
        value = b"\xff" * ((1 << 20) - 300)  # the broker takes the record, but not the letter with its headers
        raw.produce(self.broker, self.topic, [alone(value), Record(b"\xff", (PROTOBUF,)), alone(good_event("after"))])
        instance.wait_applied(self.topic, {0: 3})
        letters = self.letters()
        self.assertEqual(set(letters), {(0, 0), (1, 0)})
        headers = dict(letters[0, 0].headers)
        self.assertEqual(headers[b"runledger-truncated"].decode(), str(len(value)))
        self.assertEqual(headers[b"runledger-category"], b"oversize")
        self.assertEqual(letters[0, 0].value, value[:64 << 10])
        self.assertEqual([row["run_id"] for row in self.history("SELECT run_id FROM events")], ["after"])
        self.assertEqual(instance.metrics().sum("runledger_dead_letters_total"), 2)
        self.assertEqual(instance.metrics().value("runledger_dead_letters_truncated_total"), 1)

    def test_memory_stays_flat(self):
        instance = self.start()
        kinds = [case.record for case in cases() if case.name != "oversize"]  # a quarter of a MiB each
        kinds.append(alone(b"\xff" * 3000))
        round_of_all = [*kinds, alone(good_event("good"))]
        letters_of_round = sum(len(case.refused) for case in cases() if case.record in kinds) + 1
        done = {"records": 0}

        def send(records):
            rounds = records // len(round_of_all)
            raw.produce(self.broker, self.topic, round_of_all * rounds)
            done["records"] += rounds * len(round_of_all)
            instance.wait_applied(self.topic, {0: done["records"]})
            return instance.memory_bytes()

        warm = send(20_000)
        after = send(40_000)
        self.assertLess(after - warm, GROWTH_BYTES, f"{warm >> 20} MiB grew to {after >> 20} MiB")
        print(f"memory: {warm >> 20} MiB after 20,000 records, {after >> 20} MiB after 60,000")
        metrics = instance.metrics()
        rounds = done["records"] // len(round_of_all)
        self.assertEqual(metrics.sum("runledger_dead_letters_total"), rounds * letters_of_round)
        self.assertEqual(self.history("SELECT count(*) AS n FROM events WHERE run_id = 'good'")[0]["n"], rounds)
        self.assertEqual(instance.status("/healthz"), 200)


if __name__ == "__main__":
    harness.main()
