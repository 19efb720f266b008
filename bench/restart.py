"""How long does `serve` with many open runs take to come back after SIGTERM and after SIGKILL?

bench/run starts it. RUNLEDGER: the binary. Arguments: open runs, restarts of each kind. A real broker, 4 partitions, static
membership (log.instance_id), no warehouse; a snapshot of every partition stands at the end of the log. Time runs from the start of the
process until /readyz answers 200, which is when every partition shows its jobs again.
"""

import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "system"))
import harness  # noqa: E402

TOPIC = "runledger.events"
PARTITIONS = 4
SUBJECTS = ["PlayerGameSummary", "OddsGameLines", "NbacSchedule", "NbacInjuryReport", "BdlLiveBoxscores", "BasketballRefRoster",
            "TeamDefenseZone", "PlayerShotZone", "PlayerDailyCache", "MlFeatureStore"]


def open_runs(broker, count):
    """Sends that many first events, of 500 jobs."""
    emit = subprocess.Popen([harness.BINARY, "emit", "--brokers", broker.bootstrap, "--topic", TOPIC, "--spool-dir", "",
                             "--flush-timeout", "10m"], stdin=subprocess.PIPE, text=True)
    for i in range(count):
        # As with a decaying popularity: the square draws to the first jobs.
        number = (i * 7919 % 500) ** 2 // 500
        job = SUBJECTS[number % 10] + "Processor" + (str(number // 10) if number >= 10 else "")
        run = f"{job}_20260112_{i % 240000:06d}_{i * 2654435761 % 2**32:08x}"
        emit.stdin.write(f'{{"run":{{"job_name":"{job}","run_id":"{run}","status":"RUNNING","attempt":1,"data_date":"2026-01-12",'
                         f'"phase":"phase_{number % 3}","workflow":"morning_operations"}}}}\n')
    emit.stdin.close()
    if emit.wait() != 0:
        sys.exit(f"emit ended with {emit.returncode}")


def wait_snapshots(instance, after):
    """Until every partition has a snapshot made after that time of day."""
    harness.wait_until(lambda: len(times := instance.metrics().all("runledger_snapshot_timestamp_seconds")) == PARTITIONS and
                       min(times.values()) > after, "snapshots of all", instance.text, patience=300)


def main():
    count, restarts = int(sys.argv[1]), int(sys.argv[2])
    directory = pathlib.Path(tempfile.mkdtemp(prefix="runledger-restart-"))
    broker = harness.Broker()
    instance = None
    try:
        config = {"log": {"brokers": broker.bootstrap, "topics": [TOPIC], "instance_id": "bench"},
                  "state": {"snapshot_interval": "5s"}, "warehouse": {"kind": "none"}, "http": {"listen": "127.0.0.1:0"},
                  "spool": {"dir": ""}}
        instance = harness.Instance(directory, config)
        harness.runledger("setup", "--config", instance.config_path, "--partitions", PARTITIONS)
        open_runs(broker, count)
        instance.start().wait_ready()
        harness.wait_until(lambda: instance.metrics().sum("runledger_runs_running") == count, "all are open", instance.text, patience=600)
        # One snapshot may have begun before the last record.
        for _ in range(2):
            subprocess.run([harness.BINARY, "emit", "--brokers", broker.bootstrap, "--topic", TOPIC, "--spool-dir", ""], check=True, text=True,
                           input="".join(f'{{"run":{{"job_name":"{s}Processor","run_id":"last","status":"RUNNING"}}}}\n' for s in SUBJECTS))
            began = time.time()
            harness.wait_until(lambda: instance.metrics().value("runledger_ready") == 1, "ready", instance.text)
            wait_snapshots(instance, began)
        held = sum(path.stat().st_size for path in directory.rglob("*.snapshot"))
        opened = int(instance.metrics().sum("runledger_runs_running"))
        print(f"{opened} open runs in {PARTITIONS} partitions, {instance.memory_bytes() / 1e6:.0f} MB resident, "
              f"snapshots on disk {held / 1e6:.0f} MB (two of each partition)")
        ends = {"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
        down, back = {name: [] for name in ends}, {name: [] for name in ends}
        for _ in range(restarts):
            for name, number in ends.items():  # in turn: what else the machine does hits both
                began = time.monotonic()
                instance.stop(number)
                down[name].append(time.monotonic() - began)
                began = time.monotonic()
                instance.start().wait_ready()
                back[name].append(time.monotonic() - began)
                now = int(instance.metrics().sum("runledger_runs_running"))
                if now != opened:
                    sys.exit(f"{now} runs are open after {name}, not {opened}")
        for name in ends:
            print(f"{name}: ended after {statistics.median(down[name]):.2f} s ({min(down[name]):.2f} to {max(down[name]):.2f}), "
                  f"ready {statistics.median(back[name]):.2f} s after the start ({min(back[name]):.2f} to {max(back[name]):.2f})")
    finally:
        if instance is not None:
            instance.kill()
            instance.log.close()
        broker.close()
        subprocess.run(["rm", "-rf", directory], check=False)


if __name__ == "__main__":
    main()
