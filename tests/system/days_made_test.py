"""Expected runs that are made from the schedules of workflows: days of March 2026 played on a real broker.

On the 8th the clock of New York goes from 02:00 to 03:00. Log time stands for the time of day (log.clock: log)."""

import calendar
import json
import time

import harness
import played
import raw

PARTITIONS = played.PARTITIONS
NEW_YORK = {"time_zone": "America/New_York"}


def at(text):
    """Seconds since the epoch: at("08 09:00:00") is of March 2026, UTC."""
    return calendar.timegm(time.strptime("2026-03-" + text, "%Y-%m-%d %H:%M:%S"))


class DaysMade(played.Played):
    def start_with(self, workflows, name):
        self.instance = self.serve(self.made_config(workflows), name).start().wait_ready()

    def made_config(self, workflows):
        return self.config(log={"clock": "log"}, state={"dir": str(self.directory / "state")}, workflows=workflows)

    def decide(self, seconds, workflow, action):
        self.events += 1
        value = {"event_id": f"d{self.events}", "event_time_us": int(seconds * 1e6),
                 "decision": {"decision_id": f"{workflow}@{seconds}", "workflow": workflow, "action": action,
                              "decision_time_us": int(seconds * 1e6)}}
        record = raw.Record(json.dumps(value).encode(), [raw.JSON], workflow.encode(), int(seconds * 1e6))
        self.records.setdefault(played.murmur2(workflow.encode()) % PARTITIONS, []).append(record)

    def send_time(self, seconds):
        """Story time goes on, and nobody waits for the instance."""
        self.run_of(seconds, "clock", "SUCCESS", None, length_s=0)
        for partition, records in self.records.items():
            raw.produce(self.broker, self.topic, records, partition)
        self.records = {}

    def expected(self, day):
        """Times in UTC, by workflow."""
        times = {}
        for run in self.instance.api(f"/api/v1/schedule?date=2026-03-{day}")["expected_runs"]:
            times.setdefault(run["workflow"], []).append(run["expected_at"])
        return {workflow: sorted(all) for workflow, all in times.items()}

    def wait_expected(self, day, counts):
        def there():
            return {workflow: len(times) for workflow, times in self.expected(day).items()} == counts
        harness.wait_until(there, f"{counts} are expected on March {day}", lambda: f"{self.expected(day)}\n{self.instance.text()}")

    def in_warehouse(self, day):
        return {row["workflow_name"]: row["n"] for row in self.history(
            "SELECT workflow_name, count(*) AS n FROM daily_expected_schedule WHERE date = ? GROUP BY 1", f"2026-03-{day}")}

    def test_a_day_is_made_once_whatever_happens(self):
        schedules = {"defaults": NEW_YORK, "hourly": {"schedule": "hourly at :05"}, "nightly": {"schedule": "30 2 * * *"}}
        self.make_topics(self.config(), PARTITIONS)
        self.broker.configure_topic(self.topic, message_timestamp_type="CreateTime")
        self.send_time(at("06 00:00:00"))
        self.send_time(at("07 12:00:00"))
        self.start_with(schedules, "a")
        self.pass_to(at("07 12:00:01"))
        # Nobody knows since when the schedules are as they are: at seven o'clock the rest of the day is expected.
        self.wait_expected("07", {"hourly": 17})
        self.decide(at("08 07:02:00"), "nightly", "RUN")  # before anybody has said that it is expected
        self.pass_to(at("08 08:59:59"))
        self.assertEqual(self.expected("08"), {}, "five o'clock, summer time, is 09:00")
        self.assertEqual(
            [(day["workflow"], day["date"], day["made_at"], day["first_expected_at"], day["runs"])
             for day in self.instance.api("/api/v1/schedule")["to_be_made"]],
            [("hourly", "2026-03-08", "2026-03-08T09:00:00Z", "2026-03-08T05:05:00Z", 23),
             ("nightly", "2026-03-08", "2026-03-08T09:00:00Z", "2026-03-08T07:00:00Z", 1)])
        status, said = self.ask("schedule")
        self.assertEqual(status, 3, "whether the first ones have run is not said yet\n" + said)
        self.assertIn("nightly at 2026-03-08 09:00:00 UTC: 1 expected run of 2026-03-08, from 2026-03-08 07:00:00 UTC on", said)
        status, said = self.ask("schedule", "--date", "2026-03-06")
        self.assertNotIn("to be made", said)

        # Killed at the very moment: what it wrote may be in the log, or not.
        self.send_time(at("08 09:00:00"))
        self.instance.kill()
        self.start_with(schedules, "b")
        self.wait_expected("08", {"hourly": 23, "nightly": 1})
        made = self.expected("08")
        self.assertEqual(made["nightly"], ["2026-03-08T07:00:00Z"], "02:30 is skipped, and made up at 03:00")
        self.assertEqual((made["hourly"][1], made["hourly"][2]), ("2026-03-08T06:05:00Z", "2026-03-08T07:05:00Z"))

        # Another configuration, by a restart and by the file: the day stays as it is.
        self.instance.kill()
        changed = {"defaults": NEW_YORK, "hourly": {"schedule": "hourly at :35"}, "nightly": {"schedule": "daily at 20:00"}}
        self.start_with(changed, "c")
        self.decide(at("08 10:00:00"), "hourly", "RUN")  # five minutes early
        self.pass_to(at("08 12:00:00"))
        self.assertEqual(self.expected("08"), made)
        changed["hourly"]["schedule"] = "every 30m"
        self.instance.config_path.write_text(json.dumps(self.made_config(changed)))
        harness.wait_until(lambda: "the configuration was read again" in self.instance.text(), "it is read", self.instance.text)
        self.pass_to(at("08 20:00:00"))
        self.assertEqual(self.expected("08"), made)
        harness.wait_until(lambda: self.in_warehouse("08") == {"hourly": 23, "nightly": 1}, "each is one row", self.instance.text)
        row = self.history("SELECT * FROM daily_expected_schedule WHERE workflow_name = 'nightly'")[0]
        self.assertEqual((row["date"], row["generated_by"], row["reason"]), ("2026-03-08", "runledger", "schedule: 30 2 * * *"))
        self.assertGreaterEqual(row["locked_at"], int(at("08 09:00:00") * 1e6))

        def verdicts(workflow, verdict):
            return self.instance.metrics().sum("runledger_expected_runs_total", workflow=workflow, verdict=verdict)
        harness.wait_until(lambda: verdicts("nightly", "on_time") == 1 and verdicts("hourly", "early") == 1,
                           "what came of them is counted", self.instance.text)

        # The next day is of the new configuration, whole.
        self.pass_to(at("09 08:59:59"))
        self.assertEqual(self.expected("09"), {})
        self.pass_to(at("09 09:00:00"))
        self.wait_expected("09", {"hourly": 48, "nightly": 1})
        self.assertEqual(self.expected("09")["nightly"], ["2026-03-10T00:00:00Z"])

        # Two days without it: they are made up, and nothing is made twice.
        self.assertEqual(self.instance.stop(), 0)
        self.send_time(at("11 20:00:00"))
        self.start_with(changed, "d")
        for day in ("10", "11"):
            self.wait_expected(day, {"hourly": 48, "nightly": 1})
        self.assertEqual(self.expected("12"), {})
        harness.wait_until(lambda: self.in_warehouse("11") == {"hourly": 48, "nightly": 1}, "its rows are there", self.instance.text)
        self.assertEqual([self.in_warehouse(day) for day in ("08", "09", "10")],
                         [{"hourly": 23, "nightly": 1}, {"hourly": 48, "nightly": 1}, {"hourly": 48, "nightly": 1}])
        self.assertEqual(self.instance.stop(), 0)

    def test_whoever_plans_first_has_the_day(self):
        self.make_topics(self.config(), PARTITIONS)
        self.broker.configure_topic(self.topic, message_timestamp_type="CreateTime")
        self.send_time(at("06 00:00:00"))
        self.start_with({"defaults": NEW_YORK, "planned": {"schedule": "daily at 09:00"}}, "a")
        self.pass_to(at("07 08:00:00"))

        def plan(seconds, tick):
            self.events += 1
            value = {"event_id": f"p{self.events}", "event_time_us": int(seconds * 1e6),
                     "expected": {"workflow": "planned", "expected_run_time_us": int(tick * 1e6), "reason": "by hand"}}
            record = raw.Record(json.dumps(value).encode(), [raw.JSON], b"planned", int(seconds * 1e6))
            self.records.setdefault(played.murmur2(b"planned") % PARTITIONS, []).append(record)

        plan(at("07 08:30:00"), at("07 16:00:00"))
        self.pass_to(at("07 18:00:00"))
        self.assertEqual(self.expected("07"), {"planned": ["2026-03-07T16:00:00Z"]}, "theirs")
        self.pass_to(at("08 09:00:00"))
        self.wait_expected("08", {"planned": 1})
        plan(at("08 09:10:00"), at("08 16:00:00"))
        self.pass_to(at("08 10:00:00"))
        self.assertEqual(self.expected("08"), {"planned": ["2026-03-08T13:00:00Z"]}, "ours")


if __name__ == "__main__":
    harness.main()
