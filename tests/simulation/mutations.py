#!/usr/bin/env python3
"""Breaks the code on purpose, one way after the other, and sees whether the simulation finds out.

Each mutation is a few exact replacements in the sources. A copy of the file is changed, compiled as the build compiles
the original, and linked in its place into the simulation, which then has to fail within a number of seeds. A mutation
whose text is not in the source any more is an error: the list has to be kept.

    mutations.py BUILD_DIR [NAME...]
    mutations.py --texts             only looks whether every mutation's text is in the source once
"""

import concurrent.futures
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = 1500  # at most: nearly all are found within the first ten

DELIVERY = "ingest/delivery.cc"
COMMIT = "ingest/delivery_commit.cc"
READING = "ingest/delivery_reading.cc"
CURSOR = "ingest/row_cursor.cc"
STREAMS = "tests/simulation/stream_warehouse.cc"
WRITER = "exporters/bigquery/stream_writer.cc"
TRACK = "aggregators/orchestration/workflow_track.cc"
TRACK_SNAPSHOT = "aggregators/orchestration/workflow_track_snapshot.cc"

# name: (sources that are compiled again, [(file, text, instead)])
MUTATIONS = {
    "commits what is applied instead of what is acked": (
        [COMMIT], [(COMMIT, "committable_.Last(cursor_.acked())", "committable_.Last(cursor_.next())")]),
    "counts rows as acked before the warehouse has answered": (
        [CURSOR], [(CURSOR, "  if (!submissions_.empty()) acked = std::min(acked, submissions_.front().rows->from());\n", "")]),
    "counts a bad event as acked before its dead letter is": (
        [CURSOR], [(CURSOR, "  if (!letters_.empty()) acked = std::min(acked, letters_.begin()->first);\n", "")]),
    "replaces a refused row before its dead letter is acked": (
        [CURSOR], [(CURSOR, "  if (submission.letters_open == 0) ReplaceRefused(submission);\n", "  ReplaceRefused(submission);\n")]),
    "skips the fence": ([STREAMS], [(STREAMS, "    stream.finalised = true;\n", "")]),
    "fences by the generation of the group": (
        [STREAMS], [
            (STREAMS, "  bool finalised = false;\n", "  bool finalised = false;\n  int64_t generation = 0;\n"),
            (STREAMS, "    streams_[name];\n", "    streams_[name].generation = world_.generation;\n"),
            (STREAMS, "    stream.finalised = true;\n", "    stream.finalised = stream.generation != world_.generation;\n")]),
    "loses the stream's base on a second takeover": (
        [DELIVERY, COMMIT, STREAMS], [("ingest/stream_rows.h", "return metadata.stream_base + std::max", "return std::max")]),
    "does not count the rows of a stream when the commit moves on": (
        [COMMIT], [(COMMIT, "  AdvanceStream(committed.good_events - opened_at_.good_events, &metadata);\n", "")]),
    "writes rows before the group knows their stream": (
        [DELIVERY], [(DELIVERY, "  cursor_.Opened(opened.position,", "  cursor_.Allow();\n  cursor_.Opened(opened.position,")]),
    "drops an event of a batch after a crash inside it": (
        [CURSOR], [(CURSOR, "|| number < written_events_) return;", "|| number <= written_events_) return;")]),
    "shows series at the committed offset instead of the end at assignment": (
        [DELIVERY], [(DELIVERY, "  } else if (log_end_ >= 0) {\n    show_at_ = log_end_;", "  } else if (log_end_ >= 0) {\n    show_at_ = committed.offset;")]),
    "shows series before the group knows who shows them": (
        [DELIVERY], [(DELIVERY, "  claim_due_ = first_owner || state_lost_ || left.applied_at_revocation >= 0;", "  claim_due_ = false;")]),
    "passes on its own position though it showed nothing": (
        [COMMIT], [(COMMIT, "!revoking_ ? -1 : shown_ ? applied_.offset : show_at_.value_or(-1);", "!revoking_ ? -1 : applied_.offset;")]),
    "judges by the wall clock instead of the watermark": (
        [DELIVERY], [(DELIVERY, "shard_->AdvanceWatermark(watermark_.time_us());", "shard_->AdvanceWatermark(now.wall_us);")]),
    "goes on with counters of before a loss": (
        [DELIVERY], [(DELIVERY, "state_lost_ = left.counters != 0 && restored_counters_ != left.counters;", "state_lost_ = false;")]),
    "loses counters without a word": (
        [DELIVERY], [(DELIVERY, "      parts_.listener->OnStateLost(assignment_.partition);\n", "")]),
    "lets rows go on where the fold is": (
        [READING], [(READING, "if (cursor_.next() >= applied_ && !cursor_.full()) {", "if (!cursor_.full()) {")]),
    "holds rows without bound": (
        [READING], [(READING, "    rows_attached_ = !cursor_.full();\n    return;", "    return;"),
                     (READING, "    if (rows_attached_ && cursor_.full()) rows_attached_ = false;\n", "")]),
    "counts a verdict each time that it is read": (
        [TRACK], [(TRACK, "at->due_us != due_us || at->final) return false;", "at->due_us != due_us) return false;")]),
    "loses from the snapshot which day was made": (
        [TRACK_SNAPSHOT], [(TRACK_SNAPSHOT, "  made_.day = from->Take<int32_t>();\n", "  from->Take<int32_t>();\n")]),
    "takes every record of a day, not the first alone": (
        [TRACK], [(TRACK, "  return made_ == day;\n", "  return true;\n")]),
    "makes days that others have planned": (
        [TRACK], [(TRACK, "  if (FindOfDay(DayOfRow(expected), expected.due_us, !expected.text->made) != nullptr) return false;\n", "")]),
    "writes an event of its own once, whether the log takes it or not": (
        ["ingest/delivery_own_events.cc", DELIVERY], [("ingest/own_events.h", "    if (taken) {\n", "    if (taken || !taken) {\n      sent.again_at_us = INT64_MAX;\n      return true;\n")]),
    "dates its own events by the machine's clock": (
        ["ingest/delivery_own_events.cc"], [("ingest/delivery_own_events.cc", "  record.timestamp_ms = (shard_->watermark_us() + 999) / 1000;\n", "")]),
    "takes a snapshot of more than one moment": (
        ["aggregators/shard_snapshot.cc"], [("aggregators/shard_snapshot.cc", "void Shard::BeforeJobChange(uint32_t number) {\n", "void Shard::BeforeJobChange(uint32_t number) {\n  if (number != UINT32_MAX) return;\n")]),
}

# The same for BigQuery's writer: its seeds have no other warehouse.
WRITER_MUTATIONS = {
    "does not take 'already there' for done": [
        ("if (requests_.front().sends > 1) return Taken();", "if (requests_.front().sends > 1) return OnRefusal(std::move(answer));")],
    "takes a lost answer for done": [
        ("  Rewind(absl::Status(failure.status.code(), absl::StrCat(\"BigQuery: \", failure.status.message())));\n}",
         "  sent_ = 1;\n  Taken();\n}")],
    "gives a lost request up, to be cut anew, instead of sending the same rows": [
        ("  Rewind(absl::Status(failure.status.code(), absl::StrCat(\"BigQuery: \", failure.status.message())));\n}",
         "  FailFirst(Stopped(failure.status));\n}")],
    "sends a refused row again as it was": [
        ("event, row.refused, &row_);", "event, \"\", &row_);")],
    "leaves a refused row out": [
        ("    ++rows;\n  }\n", "    if (!(*submission.rows)[first_row + rows].refused.empty()) bytes->Truncate(before);\n    ++rows;\n  }\n")],
    "counts the rows that are bad from the request's first": [
        ("const size_t row = request.first_row + static_cast<size_t>(bad.index);", "const size_t row = static_cast<size_t>(bad.index);")],
    "answers a submission before all of its requests are": [
        ("    if (!requests_.empty() && requests_.front().submission == first.id) return;\n", "")],
    "does not finalise the stream of the owner before": [
        ("    call_ = next_id_++;\n    api_.Finalise(call_, metadata.stream);\n", "    ReadTail();\n")],
    "does not count what the owner before has written": [
        ("ingest::WrittenEvents(opening_.metadata, rows);", "ingest::WrittenEvents(opening_.metadata, 0 * rows);")],
    "does not ask the table when the stream is gone": [
        ("  if (gone || opening_.metadata.stream_base < 0) {\n    ReadTail();", "  if (gone || opening_.metadata.stream_base < 0) {\n    CreateStream();")],
    "begins at the table's last row, not behind it": [
        ("opening_.position = Behind(**last);", "opening_.position = **last;")],
}


def mutate(work, name):
    """Writes the changed files below `work`; returns the sources to compile."""
    if name in WRITER_MUTATIONS:
        sources, edits = [WRITER], [(WRITER, text, instead) for text, instead in WRITER_MUTATIONS[name]]
    else:
        sources, edits = MUTATIONS[name]
    for file, text, instead in edits:
        copy = work / "overlay" / file
        source = copy if copy.exists() else ROOT / file
        content = source.read_text()
        if content.count(text) != 1:
            raise SystemExit(f"{name}: {file} has the text {content.count(text)} times, once is expected: {text!r}")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(content.replace(text, instead))
    return sources


def build(build_dir, commands, link, work, name):
    sources = mutate(work, name)
    objects = []
    for source in sources:
        command = commands[str(ROOT / source)]
        copy = work / "overlay" / source
        arguments = [a for a in shlex.split(command["command"]) if a not in ("-Werror",)]
        arguments = arguments[1:] if arguments[0].endswith("ccache") else arguments
        at = arguments.index("-o")
        target = work / (source.replace("/", "_") + ".o")
        arguments[at + 1] = str(target)
        arguments[-1] = str(copy if copy.exists() else ROOT / source)
        arguments[1:1] = ["-I", str(work / "overlay"), "-I", str(work / "overlay" / "tests")]
        for flag in ("-MF", "-MT"):
            if flag in arguments:
                at = arguments.index(flag)
                del arguments[at:at + 2]
        arguments = [a for a in arguments if a != "-MD"]
        subprocess.run(arguments, cwd=command["directory"], check=True)
        objects.append(str(target))
    binary = work / "simulation"
    arguments = list(link)
    at = arguments.index("-o")
    arguments[at + 1] = str(binary)
    arguments[at + 2:at + 2] = objects
    subprocess.run(arguments, cwd=build_dir, check=True)
    return binary


def try_one(build_dir, commands, link, name):
    with tempfile.TemporaryDirectory(prefix="runledger-mutation-") as folder:
        binary = build(build_dir, commands, link, pathlib.Path(folder), name)
        flags = ["--warehouse", "bigquery"] if name in WRITER_MUTATIONS else []
        run = subprocess.run([binary, "--seed", "1", "--seeds", str(SEEDS), "--processes", "1", *flags], capture_output=True, text=True)
    if run.returncode == 0:
        return None
    found = re.search(r"^seed (\d+): (.*)", run.stderr, re.MULTILINE)
    return f"seed {found[1]}: {found[2]}" if found else f"exit status {run.returncode}: {run.stderr[-300:]}"


def check_texts():
    lost = []
    for name in [*MUTATIONS, *WRITER_MUTATIONS]:
        with tempfile.TemporaryDirectory(prefix="runledger-mutation-") as folder:
            try:
                mutate(pathlib.Path(folder), name)
            except SystemExit as error:
                lost.append(str(error))
    print("\n".join([*lost, f"{len(lost)} of {len(MUTATIONS) + len(WRITER_MUTATIONS)} mutations have lost their text"]))
    return 1 if lost else 0


def main():
    if sys.argv[1] == "--texts":
        return check_texts()
    build_dir = pathlib.Path(sys.argv[1]).resolve()
    commands = {c["file"]: c for c in json.loads((build_dir / "compile_commands.json").read_text())}
    names = sys.argv[2:] or [*MUTATIONS, *(WRITER_MUTATIONS if str(ROOT / WRITER) in commands else [])]
    link_text = subprocess.run(["ninja", "-t", "commands", "tests/simulation/runledger_simulation"], cwd=build_dir,
                               capture_output=True, text=True, check=True).stdout.strip().splitlines()[-1]
    link_text = link_text.removeprefix(": && ").removesuffix(" && :")
    link = shlex.split(link_text)
    missed = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for name, found in zip(names, pool.map(lambda n: try_one(build_dir, commands, link, n), names)):
            print(f"{'found' if found else 'MISSED':6} {name}" + (f" ({found[:160]})" if found else ""), flush=True)
            if not found:
                missed.append(name)
    print(f"{len(names) - len(missed)} of {len(names)} mutations are found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
