"""How much processor time does an idle instance take that knows 10,000 jobs?

    idle.py [--jobs 10000] [--seconds 20] [--windows 5]

A real broker, 12 partitions, the SQLite warehouse. Each job has had a run that ended and has one that goes on. When everything is
read, processor time (user and system) of the process is taken over that many windows of so many seconds: in turn with nobody asking
and with one scrape of /metrics every 15 seconds, as Prometheus does.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

import topics
from served import harness, served

TOPIC = "runledger.events"
SUBJECTS = ["PlayerGameSummary", "OddsGameLines", "NbacSchedule", "NbacInjuryReport", "BdlLiveBoxscores"]
SCRAPE_INTERVAL_S = 15
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def send_runs(broker, jobs):
    emit = subprocess.Popen([harness.BINARY, "emit", "--brokers", broker.bootstrap, "--topic", TOPIC, "--spool-dir", "",
                             "--flush-timeout", "10m"], stdin=subprocess.PIPE, text=True)
    for i in range(jobs):
        job = f"{SUBJECTS[i % len(SUBJECTS)]}Processor{i}"
        for run, status in ((1, "RUNNING"), (1, "SUCCESS"), (2, "RUNNING")):
            emit.stdin.write(f'{{"run":{{"job_name":"{job}","run_id":"{job}_20260112_113008_{run}","status":"{status}",'
                             f'"phase":"phase_{i % 4}","workflow":"morning_operations"}}}}\n')
    emit.stdin.close()
    if emit.wait() != 0:
        sys.exit(f"emit ended with {emit.returncode}")


def cpu_seconds(pid):
    # Fields 14 and 15; the name before them may hold anything.
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def thread_seconds(pid):
    """{name: processor seconds so far}; threads of one name together."""
    seconds = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        seconds[name] = seconds.get(name, 0) + int((task / "schedstat").read_text().split()[0]) / 1e9
    return seconds


def share_of_a_core(instance, seconds, scraped):
    """Percent, over one window."""
    began, cpu = time.monotonic(), cpu_seconds(instance.process.pid)
    if scraped:
        end = began + seconds
        while (now := time.monotonic()) < end:
            if instance.status("/metrics") != 200:
                sys.exit("/metrics does not answer")
            time.sleep(max(min(SCRAPE_INTERVAL_S, end - now), 0))
    else:
        time.sleep(seconds)
    return 100 * (cpu_seconds(instance.process.pid) - cpu) / (time.monotonic() - began)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--windows", type=int, default=5)
    options = parser.parse_args()
    warehouse = lambda directory: {"warehouse": {"kind": "sqlite", "path": f"{directory}/warehouse.db"}}
    with served(TOPIC, 12, warehouse) as (broker, instance):
        send_runs(broker, options.jobs)
        instance.start().wait_ready()
        harness.wait_until(lambda: instance.metrics().sum("runledger_runs_running") == options.jobs, "all jobs are known", instance.text,
                           patience=300)
        instance.wait_caught_up()
        threads = len(os.listdir(f"/proc/{instance.process.pid}/task"))
        print(f"{options.jobs} jobs, {threads} threads, {instance.memory_bytes() / 1e6:.0f} MB resident")
        idle, scraped = [], []
        before, began = thread_seconds(instance.process.pid), time.monotonic()
        for window in range(options.windows):
            idle.append(share_of_a_core(instance, options.seconds, False))
            scraped.append(share_of_a_core(instance, options.seconds, True))
            print(f"{window + 1:3}  idle {idle[-1]:.2f} % of a core, scraped every {SCRAPE_INTERVAL_S} s {scraped[-1]:.2f} %", flush=True)
        print(f"medians: idle {topics.spread(idle)} %, scraped {topics.spread(scraped)} %")
        after, seconds = thread_seconds(instance.process.pid), time.monotonic() - began
        shares = sorted(((100 * (after[name] - before.get(name, 0)) / seconds, name) for name in after), reverse=True)
        print("threads, over all windows: " + ", ".join(f"{name} {share:.2f} %" for share, name in shares if share >= 0.01))
        topics.record("idle.percent", idle)
        topics.record("idle.scraped_percent", scraped)


if __name__ == "__main__":
    main()
