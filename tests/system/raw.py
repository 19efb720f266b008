"""Records of any bytes: how to make them without the program's own encoders, to send them, and to read them back.

Nothing here shares code with codecs: protobuf and zstd frames are put together by hand, as their formats say.
"""

import base64
import collections
import json
import os
import struct
import subprocess
import tempfile

import harness

RAW_RECORDS = os.environ.get("RUNLEDGER_RAW_RECORDS", harness.BUILD / "tests/system/raw_records")

PROTOBUF = (b"content-type", b"application/x-protobuf; messageType=runledger.v1.Event")
BATCH = (b"content-type", b"application/x-protobuf; messageType=runledger.v1.EventBatch")
ZSTD = (b"content-encoding", b"zstd")
JSON = (b"content-type", b"application/json")

RUNNING, SUCCESS, FAILED = 1, 2, 6  # of enum Status

# value and key: bytes, or None for none. headers: [(name, value)], both bytes.
# time_us: the stamp of a CreateTime topic's record; 0: now.
Record = collections.namedtuple("Record", "value headers key time_us", defaults=((), b"k", 0))
# One that was read, with its place.
Read = collections.namedtuple("Read", "partition offset key value headers")


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field, number):
    return varint(field << 3) + varint(number)


def double(field, number):
    return varint(field << 3 | 1) + struct.pack("<d", number)


def text(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def event(body, time_us, event_id="", field=10):
    """An Event; `field` is the body's: 10 = run."""
    return (text(1, event_id) if event_id else b"") + (integer(2, time_us) if time_us else b"") + text(field, body)


def run(job, run_id, status, more=b""):
    """A RunEvent; None leaves a field out."""
    return ((text(1, run_id) if run_id is not None else b"") + (text(2, job) if job is not None else b"") +
            (integer(4, status) if status is not None else b"") + more)


def batch(events):
    return b"".join(text(1, one) for one in events)


_ZSTD_HEAD = bytes.fromhex("28b52ffd") + b"\x00\x38"  # no content size, no checksum; a window of 128 KiB
_ZSTD_BLOCK = 128 << 10


def _block(kind, size, content, last):
    return struct.pack("<I", size << 3 | kind << 1 | int(last))[:3] + content


def zstd(content):
    """A zstd frame that stores `content` as it is."""
    parts = [content[i:i + _ZSTD_BLOCK] for i in range(0, len(content), _ZSTD_BLOCK)] or [b""]
    return _ZSTD_HEAD + b"".join(_block(0, len(p), p, i + 1 == len(parts)) for i, p in enumerate(parts))


def zstd_zeros(size):
    """A zstd frame of four bytes for every 128 KiB of zeros that come out of it: a bomb."""
    blocks = -(-size // _ZSTD_BLOCK)
    return _ZSTD_HEAD + b"".join(_block(1, _ZSTD_BLOCK, b"\0", i + 1 == blocks) for i in range(blocks))


def produce(broker, topic, records, partition=0):
    """Appends records in order; returns once the broker has them."""
    def length(content):
        return 0xFFFFFFFF if content is None else len(content)
    with tempfile.NamedTemporaryFile(prefix="runledger-raw-") as out:
        out.write(b"runledger generate 1\n")
        for record in records:
            rest = struct.pack("<iqIII", partition, record.time_us, length(record.key), length(record.value), len(record.headers))
            rest += (record.key or b"") + (record.value or b"")
            for name, value in record.headers:
                rest += struct.pack("<II", len(name), len(value)) + name + value
            out.write(struct.pack("<I", len(rest)) + rest)
        out.flush()
        _run("produce", broker.bootstrap, topic, out.name)


def read(broker, topic):
    """All that the topic holds now."""
    def decoded(content):
        return None if content is None else base64.b64decode(content)
    found = []
    for line in _run("dump", broker.bootstrap, topic).splitlines():
        one = json.loads(line)
        found.append(Read(one["partition"], one["offset"], decoded(one["key"]), decoded(one["value"]),
                          [(name.encode(), decoded(value)) for name, value in one["headers"]]))
    return found


def delete_topic(broker, topic):
    """With all its records."""
    _run("delete", broker.bootstrap, topic)


def grow_topic(broker, topic, partitions):
    """To so many partitions in all."""
    _run("grow", broker.bootstrap, topic, str(partitions))


def _run(*arguments):
    done = subprocess.run([RAW_RECORDS, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"raw_records {arguments[0]}: exit status {done.returncode}: {done.stderr}")
    return done.stdout
