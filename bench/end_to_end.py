"""How fast is a topic read, beside a bare librdkafka consumer, and what do batches save?

    end_to_end.py [--events N] [--partitions P] [--pairs 5] [--threads 2] [--mixed]

Two topics of a real broker hold the same events of about 250 bytes: one a record, and in zstd batches of 100. In turn, each time
in a process of its own (bench_read_topic): the bare consumer reads the first, runledger reads the first, runledger reads the
second. runledger decodes, folds, publishes, makes rows and hands them to a sink that throws them away. With --mixed the topic is one
of `runledger generate` instead (zstd batches, JSON, protobuf; bad events among them), and the bare consumer's records count for
what is in them. Processor time is user and system time of the reading process; the broker's is not in it.
"""

import argparse
import statistics

import topics


def read_in_turn(broker, options, plain, batches):
    """Prints a line a pair; returns the readings of each kind."""
    bare, ours, batched = [], [], []
    print(f"{'':6} | {'events/s':^34} | {'processor time, ns an event':^45}")
    print(f"{'pair':6} | {'bare':>10} {'runledger':>12} {'ratio':>10} | {'bare':>10} {'runledger':>12} {'ratio':>10} {'batches':>10}")
    for pair in range(options.pairs):
        bare.append(broker.read("bare", plain, options.threads))
        ours.append(broker.read("runledger", plain, options.threads))
        if options.mixed:
            bare[-1].events = ours[-1].events  # it saw records
        elif bare[-1].events != ours[-1].events:
            raise SystemExit(f"the bare consumer read {bare[-1].events} events, runledger {ours[-1].events}")
        if batches:
            batched.append(broker.read("runledger", batches, options.threads))
            if batched[-1].events != ours[-1].events:
                raise SystemExit(f"the batches hold {batched[-1].events} events, not {ours[-1].events}")
        print(f"{pair + 1:6} | {bare[-1].rate:10.0f} {ours[-1].rate:12.0f} {ours[-1].rate / bare[-1].rate:10.2f} | "
              f"{bare[-1].cpu_ns:10.0f} {ours[-1].cpu_ns:12.0f} {ours[-1].cpu_ns / bare[-1].cpu_ns:10.2f} "
              f"{batched[-1].cpu_ns if batches else float('nan'):10.0f}", flush=True)
    return bare, ours, batched


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=4_000_000)
    parser.add_argument("--partitions", type=int, default=12)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mixed", action="store_true")
    options = parser.parse_args()
    name = "end_to_end_mixed" if options.mixed else "end_to_end"
    with topics.Broker() as broker:
        if options.mixed:
            broker.make_topic("mixed", options.partitions)
            print(topics.run([topics.RUNLEDGER, "generate", "--config", broker.configure("mixed"), "--partitions", options.partitions,
                              "--jobs", 500, "--events", options.events]).strip())
            bare, ours, batched = read_in_turn(broker, options, "mixed", None)
        else:
            filled = broker.fill(options.events, options.partitions, plain="plain", batches="batches")
            print(f"{options.events} events of {filled['bytes_per_event']:.0f} bytes in {options.partitions} partitions, {options.threads} threads")
            bare, ours, batched = read_in_turn(broker, options, "plain", "batches")
    rate = [o.rate / b.rate for o, b in zip(ours, bare)]
    cpu = [o.cpu_ns / b.cpu_ns for o, b in zip(ours, bare)]
    print(f"medians: bare {statistics.median(b.rate for b in bare):.0f} events/s, {statistics.median(b.cpu_ns for b in bare):.0f} ns; "
          f"runledger {statistics.median(o.rate for o in ours):.0f} events/s, {statistics.median(o.cpu_ns for o in ours):.0f} ns")
    print(f"events/s beside bare: {topics.spread(rate)}; processor time beside bare: {topics.spread(cpu)}")
    topics.record(f"{name}.rate_ratio", rate)
    topics.record(f"{name}.cpu_ratio", cpu)
    topics.record(f"{name}.cpu_ns", [o.cpu_ns for o in ours])
    topics.record(f"{name}.bare_cpu_ns", [b.cpu_ns for b in bare])
    if batched:
        batch = [b.cpu_ns / o.cpu_ns for b, o in zip(batched, ours)]
        print(f"batches: {statistics.median(b.rate for b in batched):.0f} events/s, {statistics.median(b.cpu_ns for b in batched):.0f} ns; "
              f"processor time beside one event a record: {topics.spread(batch)}")
        topics.record(f"{name}.batch_cpu_ratio", batch)
        topics.record(f"{name}.batch_cpu_ns", [b.cpu_ns for b in batched])


if __name__ == "__main__":
    main()
