"""How many events does a processor second fold, beside Kafka Streams 3.9.1 on the same topic?

    kafka_streams.py [--events N] [--warm-up N] [--partitions P] [--pairs 5] [--threads 2] [--peer-only]

Needs Java 17 and Maven. Reads one topic of a real broker in turn: runledger (bench_read_topic, rows made and thrown away), Kafka
Streams with its stores in memory, Kafka Streams with RocksDB. Processor time is user and system time of the reading process with all
its threads (of the JVM also the compiler's and the collector's), from the --warm-up-th event on for Kafka Streams and from the first
for runledger. bench/peers/kafka_streams says what the program does, and what it is spared.
"""

import argparse
import shutil
import subprocess
import tempfile

import topics

PEER = topics.HERE / "peers/kafka_streams"
BUILT = topics.ROOT / "build/peers/kafka_streams"
# 2 stream threads are set in the program. A heap so large that the collector is not what is measured.
JAVA = ["java", "-XX:+UseParallelGC", "-Xms3g", "-Xmx3g"]


def build():
    """Builds the peer where it is older than its sources; Maven says what is wrong."""
    jar = BUILT / "kafka-streams-peer-1.jar"
    sources = [path for path in PEER.rglob("*") if path.is_file()] + [topics.ROOT / "codecs/proto/runledger/v1/event.proto"]
    if jar.exists() and all(path.stat().st_mtime < jar.stat().st_mtime for path in sources):
        return
    for program in ("mvn", "javac", "protoc"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not installed: run tools/install bench")
    BUILT.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mvn", "--batch-mode", "--quiet", "--file", PEER / "pom.xml", f"-Dpeer.build={BUILT}",
                    "-Dprotoc=" + shutil.which("protoc"), "package"], check=True)


def read_with_streams(broker, topic, store, filled, warm_up):
    with tempfile.TemporaryDirectory(prefix="kafka-streams-") as state:
        line = topics.run([*JAVA, "-cp", f"{BUILT}/kafka-streams-peer-1.jar:{BUILT}/libs/*", "dev.runledger.bench.Peer",
                           broker.address, topic, store, int(filled["events"]), warm_up, state])
    said = topics.parse(line)
    for name in ("started", "finished"):
        # Run ids that chance made twice are one run.
        if abs(said[name] - filled[name]) > 10:
            raise SystemExit(f"Kafka Streams counted {said[name]:.0f} runs {name}, the topic holds {filled[name]:.0f}")
    return topics.Reading(line)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--warm-up", type=int, default=1_500_000, help="at most half of the events")
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peer-only", action="store_true", help="Kafka Streams alone")
    options = parser.parse_args()
    warm_up = min(options.warm_up, options.events // 2)
    build()
    readings = {"runledger": [], "memory": [], "rocksdb": []}
    with topics.Broker() as broker:
        filled = broker.fill(options.events, options.partitions, plain="plain")
        print(f"{options.events} events of {filled['bytes_per_event']:.0f} bytes in {options.partitions} partitions; Kafka Streams is measured after "
              f"{warm_up}; processor time an event:")
        for pair in range(options.pairs):
            if not options.peer_only:
                readings["runledger"].append(broker.read("runledger", "plain", options.threads))
            for store in ("memory", "rocksdb"):
                readings[store].append(read_with_streams(broker, "plain", store, filled, warm_up))
            print(f"{pair + 1:3}  " + "   ".join(f"{name} {of[-1].cpu_ns:.0f} ns ({of[-1].rate:.0f} events/s)"
                                                  for name, of in readings.items() if of), flush=True)
    for name, of in readings.items():
        if of:
            print(f"{name}: {topics.spread([r.cpu_ns for r in of], '{:.0f}')} ns an event")
            topics.record(f"kafka_streams.{name}_cpu_ns", [r.cpu_ns for r in of])
    if readings["runledger"]:
        for store in ("memory", "rocksdb"):
            ratio = [peer.cpu_ns / ours.cpu_ns for peer, ours in zip(readings[store], readings["runledger"])]
            print(f"events a processor second, runledger over Kafka Streams ({store}): {topics.spread(ratio, '{:.1f}')}")
            topics.record(f"kafka_streams.{store}_ratio", ratio)


if __name__ == "__main__":
    main()
