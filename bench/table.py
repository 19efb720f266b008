"""Prints the table of questions: what must be reached, what is the goal, what was measured.

    table.py RESULTS [GOOGLE_BENCHMARK_JSON...]

RESULTS has lines "name value" (the newest of a name counts). The JSON files are what Google Benchmark's --benchmark_out writes, named
after their program; medians over repetitions are taken from them. A figure that was not measured is said to be so. Exit status: 0
every "must" that was measured is reached, 1 not.
"""

import json
import pathlib
import statistics
import sys

AT_LEAST, AT_MOST = ">=", "<="

# (question, figure, how it is written, bound, must, goal)
QUESTIONS = [
    ("end to end, plain events of about 250 B, rows discarded: events/s beside a bare librdkafka consumer", "end_to_end.rate_ratio", "{:.2f}",
     AT_LEAST, 0.6, 0.9),
    ("same: processor time an event beside the bare consumer's a message", "end_to_end.cpu_ratio", "{:.2f}x", AT_MOST, 2.0, 1.5),
    ("zstd EventBatch of 100: processor time an event beside one event a record", "end_to_end.batch_cpu_ratio", "{:.2f}", AT_MOST, 0.7, 0.4),
    ("decode and fold, one core, 1 M open runs, random access", "decode_fold.1000000_ns", "{:.0f} ns", AT_MOST, 400, 250),
    ("same with 10 M open runs beside 10 k", "decode_fold.growth", "{:.2f}x", AT_MOST, 2.0, 1.5),
    ("memory of an open run, text apart", "open_run_memory.without_text", "{:.0f} B", AT_MOST, 160, 128),
    ("memory of an open run with its text", "open_run_memory.with_text", "{:.0f} B", AT_MOST, 320, 256),
    ("SQLite warehouse, all columns: rows a processor second beside a bare prepared-statement insert", "sqlite_insert.cpu_ratio", "{:.2f}",
     AT_LEAST, 0.7, 0.9),
    ("scrape of 100 k series: processor time a series", "scrape.ns_per_series", "{:.0f} ns", AT_MOST, 150, 70),
    ("same: slow-down of a busy writer scraped once a second", "scrape_writer.slower_percent", "{:.2f} %", AT_MOST, 2, 1),
    ("restore 1 M open runs from a snapshot", "snapshot_restore.restore_s", "{:.2f} s", AT_MOST, 2, 0.5),
    ("snapshot of 1 M open runs: longest pause of the shard, wall time", "snapshot_restore.pause_ms", "{:.1f} ms", AT_MOST, 50, 5),
    ("shards on 2 cores beside 1, wall time", "two_cores.wall_ratio", "{:.2f}x", AT_LEAST, 1.6, 1.9),
    ("events a processor second beside Kafka Streams 3.9.1, stores in memory", "kafka_streams.memory_ratio", "{:.1f}x", AT_LEAST, 6, 10),
    ("same, RocksDB stores", "kafka_streams.rocksdb_ratio", "{:.1f}x", AT_LEAST, 10, 15),
    ("idle instance, 10 k jobs known: processor time", "idle.percent", "{:.2f} % of a core", AT_MOST, 1, None),
    ("schedules and limits of 10 k jobs, 1 M runs a day: processor time beside the fold's", "verdicts.percent", "{:.1f} %", AT_MOST, 5, None),
    ("answers about one job while 100 k events/s flow: median", "answers.median_ms", "{:.2f} ms", AT_MOST, 10, None),
    ("same: 99 of 100", "answers.p99_ms", "{:.2f} ms", AT_MOST, 10, None),
]

# Figures that explain the ones above: (what, figure, how it is written).
BESIDE = [
    ("runledger, one event a record, end to end", "end_to_end.cpu_ns", "{:.0f} ns"),
    ("runledger, batches of 100, end to end", "end_to_end.batch_cpu_ns", "{:.0f} ns"),
    ("bare librdkafka, a message", "end_to_end.bare_cpu_ns", "{:.0f} ns"),
    ("Kafka Streams, stores in memory, an event", "kafka_streams.memory_cpu_ns", "{:.0f} ns"),
    ("Kafka Streams, RocksDB stores, an event", "kafka_streams.rocksdb_cpu_ns", "{:.0f} ns"),
    ("decode alone, an event", "decode_fold.decode_ns", "{:.0f} ns"),
    ("decode and fold, 10 k open runs, an event", "decode_fold.10000_ns", "{:.0f} ns"),
    ("decode and fold, 10 M open runs, an event", "decode_fold.10000000_ns", "{:.0f} ns"),
    ("SQLite warehouse, rows a second of wall time beside the bare insert", "sqlite_insert.wall_ratio", "{:.2f}"),
    ("longest pause for a snapshot, processor time", "snapshot_restore.pause_cpu_ms", "{:.2f} ms"),
    ("shards on 2 cores beside 1, by processor time", "two_cores.cpu_ratio", "{:.2f}x"),
    ("schedules and limits, beside the fold without publishing", "verdicts.of_fold_alone_percent", "{:.1f} %"),
    ("an expected run: its row, its match, its verdict", "verdicts.expected_us", "{:.1f} us"),
    ("events that flowed while answers were asked for", "answers.events_a_second", "{:.0f} events/s"),
    ("idle instance, scraped every 15 s", "idle.scraped_percent", "{:.2f} % of a core"),
]


def read_results(path):
    figures = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        name, value = line.split()
        figures[name] = float(value)
    return figures


def medians(path, counter):
    """{benchmark: median of the counter over its repetitions}. Seconds."""
    values = {}
    for run in json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["benchmarks"]:
        if run["run_type"] == "iteration" and counter in run:
            values.setdefault(run["run_name"], []).append(run[counter])
    return {name: statistics.median(of) for name, of in values.items()}


def read_google_benchmark(path):
    figures = {}
    program = pathlib.Path(path).stem
    if program == "decode_fold":
        for name, seconds in medians(path, "cpu_per_event").items():
            what, size = name.split("/")[1:3]
            figures[f"decode_fold.{size}_ns" if what == "DecodeAndFold" else "decode_fold.decode_ns"] = seconds * 1e9
        if {"decode_fold.10000_ns", "decode_fold.10000000_ns"} <= figures.keys():
            figures["decode_fold.growth"] = figures["decode_fold.10000000_ns"] / figures["decode_fold.10000_ns"]
    elif program == "scrape":
        for name, seconds in medians(path, "cpu_per_series").items():
            if name == "BM_Scrape/text":
                figures["scrape.ns_per_series"] = seconds * 1e9
    return figures


def reached(value, bound, limit):
    return value >= limit if bound == AT_LEAST else value <= limit


def verdict(value, bound, must, goal):
    if not reached(value, bound, must):
        return f"not reached ({value / must:.2f} of the must)"
    if goal is None or reached(value, bound, goal):
        return "goal" if goal is not None else "must"
    return f"must ({value / goal:.2f} of the goal)"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    figures = read_results(sys.argv[1])
    for path in sys.argv[2:]:
        figures |= read_google_benchmark(path)
    missed = 0
    print("| question | must | goal | measured | reached |\n|---|---|---|---|---|")
    for question, name, form, bound, must, goal in QUESTIONS:
        if name in figures:
            value = figures[name]
            missed += not reached(value, bound, must)
            measured, said = form.format(value), verdict(value, bound, must, goal)
        else:
            measured, said = "not measured", ""
        goal_text = f"{bound} {form.format(goal)}" if goal is not None else ""
        print(f"| {question} | {bound} {form.format(must)} | {goal_text} | {measured} | {said} |")
    beside = [(what, form.format(figures[name])) for what, name, form in BESIDE if name in figures]
    if beside:
        print("\n| beside it | measured |\n|---|---|")
        for what, value in beside:
            print(f"| {what} | {value} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
