"""How fast are questions answered while events flow?

    answers.py [--jobs 10000] [--rate 100000] [--seconds 40] [--partitions 12]

A real broker and `runledger serve` without a warehouse, on this machine, as is whoever asks. That many jobs are configured, each with a
schedule, and have runs. Then events of all of them flow at that rate, one a record, and each question is asked in turn for one job
after another, over one connection: wall time from asking until the whole answer is there. Before that, the same with nothing flowing.
The rate that was reached is what the instance folded in that time.
"""

import argparse
import datetime
import http.client
import statistics
import subprocess
import sys
import time
import urllib.parse

import topics
from served import served

TOPIC = "runledger.events"
SUBJECTS = ["PlayerGameSummary", "OddsGameLines", "NbacSchedule", "NbacInjuryReport", "BdlLiveBoxscores", "BasketballRefRoster",
            "TeamDefenseZone", "PlayerShotZone", "PlayerDailyCache", "MlFeatureStore"]  # as bench/workload.cc


def job_name(number):
    return SUBJECTS[number % 10] + "Processor" + ("" if number < 10 else str(number // 10))


def schedule(number):
    return ["daily at 05:00", "weekdays at 06:30", "hourly at :15", "every 15m"][0 if number % 20 > 7 else number % 4]


def questions(today):
    """{name: path of a job}."""
    return {
        "upstream": lambda job: f"/api/v1/jobs/{job}/upstream?date={today}",
        "upstream, 7 days before": lambda job: f"/api/v1/jobs/{job}/upstream?date={today}&lookback_days=7",
        "check of one job": lambda job: f"/api/v1/check?processors={job}",
        "gaps of one job": lambda job: f"/api/v1/gaps?job={job}",
        "job": lambda job: f"/api/v1/jobs/{job}",
        "discovery": lambda job: f"/api/v1/jobs/{job}/discovery",
        "runs of one job": lambda job: f"/api/v1/runs?job={job}&limit=20",
        "schedule of one job": lambda job: f"/api/v1/schedule?workflow={job}",
    }


class Asker:
    def __init__(self, url):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=30)

    def ask(self, path):
        """(milliseconds, bytes)."""
        began = time.perf_counter()
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1e3
        if answer.status != 200:
            sys.exit(f"{path}: {answer.status} {body.decode()}")
        return took, len(body)


def ask_all(asker, today, jobs, end):
    """{question: [milliseconds]}, until that time; each at least 20 times, of these jobs in turn."""
    took = {}
    number = 0
    while time.monotonic() < end or number < 20:
        for name, path in questions(today).items():
            took.setdefault(name, []).append(asker.ask(path(urllib.parse.quote(jobs[number * 7919 % len(jobs)])))[0])
        number += 1
    return took


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def say(title, took):
    print(f"{title}\n{'question':26} {'times':>6} {'median':>9} {'p99':>9} {'most':>9}  (ms)")
    for name, values in took.items():
        print(f"{name:26} {len(values):6} {statistics.median(values):9.2f} {percentile(values, 0.99):9.2f} {max(values):9.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rate", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--partitions", type=int, default=12)
    options = parser.parse_args()
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    fill = [topics.PROGRAMS / "bench_fill_topic", "--jobs", options.jobs, "--partitions", options.partitions, "--plain", TOPIC]
    jobs = {job_name(i): {"schedule": schedule(i), "start_grace": "1h"} for i in range(options.jobs)}
    scheduled = lambda _: {"warehouse": {"kind": "none"}, "time_zone": "America/New_York", "jobs": jobs}
    with served(TOPIC, options.partitions, scheduled) as (broker, instance):
        topics.run(fill + ["--brokers", broker.bootstrap, "--events", 500_000])
        instance.start().wait_ready()
        instance.wait_caught_up()
        asker = Asker(instance.url)
        seen = [job["name"] for job in instance.api("/api/v1/jobs")["jobs"]]
        print(f"{options.jobs} jobs are configured, {len(seen)} of them have been seen")
        say("nothing flows", ask_all(asker, today, seen, time.monotonic() + 5))
        whole = [asker.ask("/api/v1/check") for _ in range(5)]
        print(f"check of all jobs: {topics.spread([ms for ms, _ in whole], '{:.0f}')} ms, {whole[0][1] / 1e6:.1f} MB")

        events = lambda: instance.metrics().sum("runledger_events_total")
        flow = subprocess.Popen([str(a) for a in fill + ["--brokers", broker.bootstrap, "--rate", options.rate, "--events",
                                                         options.rate * (options.seconds + 20)]], stdout=subprocess.DEVNULL)
        try:
            time.sleep(5)  # the flow's beginning is not measured
            folded, began = events(), time.monotonic()
            took = ask_all(asker, today, seen, began + options.seconds)
            rate = (events() - folded) / (time.monotonic() - began)
            if flow.poll() is not None:
                sys.exit(f"the flow ended with {flow.returncode}")
        finally:
            flow.kill()
            flow.wait()
        say(f"{rate:.0f} events/s flow (asked for: {options.rate})", took)
        every = [ms for values in took.values() for ms in values]
        print(f"all: median {statistics.median(every):.2f} ms, p99 {percentile(every, 0.99):.2f} ms")
        topics.record("answers.median_ms", [statistics.median(every)])
        topics.record("answers.p99_ms", [percentile(every, 0.99)])
        topics.record("answers.events_a_second", [rate])


if __name__ == "__main__":
    main()
