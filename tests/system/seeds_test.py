"""What the documents that asked for this monitor tell, played as data on a real broker: each figure comes out of the command line,
the API and the metrics, and is the same in all three."""

import json

import harness
import played
from played import HOUR, MINUTE, at, date, moment, table

NEW_YORK = -5 * HOUR  # in January


def et(text):
    """Of New York's clock: et("12 09:00") is of January 2026."""
    return at(text + ":00") - NEW_YORK



class Incident(played.Played):
    """12 January 2026: a processor dies while it says "running", and is found by hand an hour and a quarter late."""

    jobs = {"PlayerGameSummaryProcessor": {"schedule": "daily", "phase": "phase_3_analytics"}}
    victim = "PlayerGameSummaryProcessor"
    run_id = "PlayerGameSummaryProcessor_20260112_113008_d1cb5a05"
    begun = at("12 11:30:08")
    # Time of day, status, age as it is shown. Exactly four hours are not stale yet.
    minutes = [("11:30:08", "running", None), ("12:15:00", "running", None), ("15:30:07", "running", None),
               ("15:30:08", "running", None), ("15:30:08.001", "stale_running", "4.0"), ("15:30:09", "stale_running", "4.0"),
               ("15:31:00", "stale_running", "4.0"), ("16:45:00", "stale_running", "5.2"), ("17:36:00", "stale_running", "6.1"),
               ("17:53:00", "stale_running", "6.4")]

    def test_minute_by_minute(self):
        self.start()
        self.quiet_past()
        for day in range(5, 11):
            self.run_of(at(f"{day + 1:02} 11:30:00"), self.victim, "SUCCESS", date(f"{day:02}"))
        self.send(self.begun, self.victim, self.run_id, "RUNNING", date("11"), started_at_us=self.begun * 1_000_000)
        for time, status, hours in self.minutes:
            whole, _, fraction = time.partition(".")
            self.pass_to(at(f"12 {whole}") + float("0." + (fraction or "0")))
            with self.subTest(time):
                self.look(status, hours)
        exit_status, said = self.ask("check", "--processors", self.victim)
        self.assertEqual(exit_status, 1, said)
        self.assertIn(f"[WARN] {self.victim}: WARNING 1 stale: running, and no sign of life", said)
        # The run's own end makes it good, however late it comes.
        self.send(at("12 17:54:00"), self.victim, self.run_id, "SUCCESS", date("11"))
        self.pass_to(at("12 17:55:00"))
        self.assertEqual(self.upstream(self.victim, "11")["status"], "success")
        self.assertEqual(self.ask("check", "--processors", self.victim)[0], 0, self.ask("check", "--processors", self.victim)[1])
        self.assertEqual(self.instance.metrics().value("runledger_runs_stale", processor=self.victim), 0)

    def look(self, status, hours):
        stale = status == "stale_running"
        # The API.
        seen = self.upstream(self.victim, "11")
        self.assertEqual((seen["status"], seen["safe_to_process"], seen["run_id"]), (status, stale, self.run_id))
        self.assertEqual(f"{seen['stale_age_hours']:.1f}" if stale else None, hours)
        job = self.instance.api(f"/api/v1/jobs/{self.victim}")["job"]
        self.assertEqual((job["running"], job["stale"]), (1, int(stale)))
        # The command line.
        exit_status, said = self.ask("upstream", self.victim, "--date", "2026-01-11")
        self.assertEqual(exit_status, 0 if stale else 1, said)
        self.assertIn(f"Status: {status}, safe_to_process: {stale}", said)
        warning = (f"STALE RUNNING DETECTED: {self.victim} on 2026-01-11 has been 'running' for {hours} hours "
                   f"(threshold: 4h). Run ID: {self.run_id}")
        self.assertEqual(warning in said, stale, said)
        self.assertEqual("STALE" in said, stale, said)
        exit_status, said = self.ask("status")
        self.assertEqual(exit_status, int(stale), said)
        row = {row["job"]: row for row in table(said, "job")}[self.victim]
        self.assertEqual((row["running"], row["stale"]), ("1", str(int(stale))))
        self.assertEqual(warning in said, stale, said)
        # The metrics.
        metrics, labels = self.instance.metrics(), self.labels(processor=self.victim)
        self.assertEqual(metrics.value("runledger_runs_running", **labels), 1)
        self.assertEqual(metrics.value("runledger_runs_stale", **labels), int(stale))
        began = metrics.value("runledger_oldest_running_start_timestamp_seconds", **labels)
        self.assertEqual(began, self.begun)
        labels.pop("processor")
        age_s = metrics.value("runledger_log_watermark_timestamp_seconds", **labels) - began
        self.assertEqual(age_s > 4 * HOUR, stale)
        self.assertEqual(f"{age_s / HOUR:.1f}" if stale else None, hours)


class StuckRecords(played.Played):
    """196 stuck runs; the five jobs with the most of them are named."""

    top = {"BasketballRefRosterProcessor": 103, "OddsGameLinesProcessor": 29, "NbacScheduleProcessor": 11,
           "NbacInjuryReportProcessor": 10, "BdlLiveBoxscoresProcessor": 9}

    def test_the_top_five(self):
        self.start()
        self.quiet_past()
        stuck = dict(self.top)
        for i in range(196 - sum(self.top.values())):
            job = f"Other{i % 5}Processor"
            stuck[job] = stuck.get(job, 0) + 1
        for job, count in stuck.items():
            for i in range(count):
                self.send(at("12 08:00:00") + i, job, f"{job}_{i}", "RUNNING", date("12"))
        self.pass_to(at("12 17:00:00"))
        metrics = self.instance.metrics()
        stale = {dict(labels)["processor"]: int(value) for labels, value in metrics.all("runledger_runs_stale").items() if value}
        self.assertEqual(stale, stuck)
        self.assertEqual(sum(stale.values()), 196)
        self.assertEqual(sorted(stale.items(), key=lambda one: -one[1])[:5], list(self.top.items()))
        self.assertEqual({job["name"]: job["stale"] for job in self.instance.api("/api/v1/jobs")["jobs"] if job["stale"]}, stuck)
        runs = self.instance.api("/api/v1/runs?stale=true&limit=1000")["runs"]
        self.assertEqual({job: sum(run["job"] == job for run in runs) for job in {run["job"] for run in runs}}, stuck)
        exit_status, said = self.ask("status")
        self.assertEqual(exit_status, 1)
        self.assertEqual({row["job"]: int(row["stale"]) for row in table(said, "job") if row["stale"] != "0"}, stuck)
        exit_status, said = self.ask("check")
        self.assertEqual(exit_status, 1)
        for job, count in stuck.items():
            self.assertIn(f"[WARN] {job}: WARNING {count} stale", said)
        self.assertIn("WARNING: 10 jobs with issues: ", said)
        self.instance.wait_caught_up()
        of_old = self.query("stale_by_processor", "--now", "2026-01-12T17:00:00Z")
        self.assertEqual([(row["processor_name"], row["stuck_count"]) for row in of_old[:5]], list(self.top.items()))
        self.assertEqual({row["processor_name"]: row["stuck_count"] for row in of_old}, stuck)


class DiscoveryDay(played.Played):
    """The injury report of 12 January: published between 11:00 and 15:00 in New York, asked for every hour."""

    jobs = {"nbac_injury_report": {"publication_window": "11:00-15:00", "time_zone": "America/New_York", "date_field": "started_at"}}
    job = "nbac_injury_report"

    def discover(self, time, action, attempts, next_check, words):
        """Both answers at that time in New York, and the counters beside them."""
        with self.subTest(time):
            self.pass_to(et(f"12 {time}"))
            answer = self.instance.api(f"/api/v1/jobs/{self.job}/discovery")["discovery"]
            self.assertEqual((answer["action"], answer["attempts"]), (action, attempts))
            self.assertEqual(answer["next_check"] and moment(answer["next_check"]), next_check and et(next_check))
            self.assertIn(words, answer["reason"])
            exit_status, said = self.ask("discovery", self.job)
            self.assertEqual(exit_status, {"RUN": 0, "SKIP": 1}[action], said)
            again = f"; next check {self.stamp(et(next_check)).replace('T', ' ').rstrip('Z')} UTC" if next_check else ""
            self.assertEqual(said, f"{action}: {self.job} 2026-01-12: {answer['reason']} (attempts {attempts}, failed 0){again}\n")
            metrics = self.instance.metrics()
            counted = lambda status: metrics.sum("runledger_runs_finished_total", processor=self.job, status=status)
            self.assertEqual(counted("no_data") + counted("success"), attempts)
            self.assertEqual(counted("success"), int(words == "already success"))

    def attempt(self, time, status, **fields):
        self.run_of(et(f"12 {time}") + 5, self.job, status, None, length_s=20, kind="SCRAPER", **fields)

    def test_line_by_line(self):
        self.start()
        self.quiet_past()
        self.discover("10:00", "SKIP", 0, "12 11:00", "its window has not opened yet")
        self.discover("11:00", "RUN", 0, None, "")
        self.attempt("11:00", "NO_DATA")
        self.discover("11:01", "SKIP", 1, "12 12:00", "no_data at the last attempt: not again")
        self.discover("12:00", "RUN", 1, None, "no_data at the last attempt: try again")
        self.attempt("12:00", "NO_DATA")
        self.discover("12:30", "SKIP", 2, "12 13:00", "no_data at the last attempt: not again")
        self.discover("13:00", "RUN", 2, None, "no_data at the last attempt: try again")
        self.attempt("13:00", "SUCCESS", records_processed=12)
        self.discover("14:00", "SKIP", 3, "13 11:00", "already success")
        # The table that the documents ask: what the latest attempt found, and what all of them did.
        self.instance.wait_caught_up()
        latest = self.query("latest_attempt", "--scraper", self.job, "--date", "2026-01-12")
        self.assertEqual([(row["status"], row["records"], row["time_et"]) for row in latest], [("success", "12", "01:00 PM")])
        day = self.query("discovery_attempts", "--scraper", self.job, "--date", "2026-01-12")
        self.assertEqual([(row["attempts_today"], row["found_data"], row["no_data_yet"], row["failures"]) for row in day],
                         [(3, 1, 2, 0)])


class ExpectedDay(played.Played):
    """12 January in New York: expected runs with each verdict there is, asked for everywhere."""

    # Time, what was decided and when, the verdict, and what the dashboard of old shows for it.
    ticks = [("00:10", None, "unknown", "MISSING"), ("08:00", ("RUN", "08:02"), "on_time", "ON TIME"),
             ("09:30", ("RUN", "09:20"), "early", "ON TIME"), ("11:00", ("RUN", "11:31"), "late", "LATE"),
             ("13:00", None, "missing", "MISSING"), ("14:00", ("SKIP", "14:01"), "skipped", "MISSING"),
             ("15:30", ("ABORT", "15:29"), "aborted", "MISSING"), ("17:00", None, "overdue", "MISSING"),
             ("18:00", None, "pending", "MISSING")]
    workflow = "betting_lines"

    def play(self):
        self.start(own=True, time_zone="America/New_York",
                   workflows={"phase_5_gate": {"priority": "critical", "time_zone": "America/New_York"}})
        for partition in range(played.PARTITIONS):  # the log begins at midnight
            self.tell(et("12 00:00"), next(f"clock{i}" for i in range(99) if self.home(f"clock{i}") == partition),
                      run={"job_name": f"first{partition}", "run_id": "1", "status": "SUCCESS"})
        for time, _, _, _ in self.ticks:
            self.expect(time, self.workflow, workflow=self.workflow, reason=f"games of {time}", priority="HIGH")
        self.expect("08:00", "nbac_schedule", job_name="nbac_schedule")
        self.expect("12:00", "injury_discovery", workflow="injury_discovery")
        self.send(et("12 08:05"), "nbac_schedule", "schedule_1", "RUNNING")
        self.decide("injury_discovery", "RUN", "12:00")
        for _, decision, _, _ in self.ticks:
            if decision:
                self.decide(self.workflow, *decision)
        for hour in range(1, 18):  # hours pass one by one
            self.pass_to(et(f"12 {hour:02}:45"))

    def expect(self, time, key, **body):
        self.tell(et("12 00:00") + 1, key, expected={"expected_run_time_us": et(f"12 {time}") * 1_000_000, "expected_date": date("12"),
                                                     "locked_at_us": et("12 00:00") * 1_000_000, **body})

    def decide(self, workflow, action, time):
        self.tell(et(f"12 {time}"), workflow, decision={
            "decision_id": f"{action}-{time}", "workflow": workflow, "action": action, "decision_time_us": et(f"12 {time}") * 1_000_000,
            "reason": {"RUN": "lines are out", "SKIP": "no games today", "ABORT": "the source is down"}[action]})

    def test_each_verdict_is_the_same_everywhere(self):
        self.play()
        final = {self.workflow: {"on_time": 1, "early": 1, "late": 1, "missing": 3}, "nbac_schedule": {"on_time": 1},
                 "injury_discovery": {"on_time": 1}}
        harness.wait_until(lambda: self.counted() == final, "the verdicts that stand are counted",
                           lambda: f"{self.counted()}\n{self.instance.text()}")
        rows = self.instance.api("/api/v1/schedule?date=2026-01-12")["expected_runs"]
        mine = [row for row in rows if row["workflow"] == self.workflow]
        with self.subTest("the API: the day's rows"):
            self.assertEqual([row["expected_local"][11:16] for row in mine], [tick[0] for tick in self.ticks])
            self.assertEqual([self.word(row) for row in mine], [tick[2] for tick in self.ticks])
            self.assertEqual([row["seeds_status"] for row in mine if row["verdict"] in ("early", "on_time", "late")],
                             ["ON TIME", "ON TIME", "LATE"])
            explained = {row["expected_local"][11:16]: row["explained_by"]["reason"] for row in mine if row["explained_by"]}
            self.assertEqual(explained, {"14:00": "no games today", "15:30": "the source is down"})
            self.assertEqual([row["difference_seconds"] for row in mine if row["actual_at"]], [120, -600, 1860])
        with self.subTest("the command line: the day's rows"):
            exit_status, said = self.ask("schedule", "--date", "2026-01-12")
            self.assertEqual(exit_status, 1, said)  # one is missing, whatever is unknown
            printed = table(said, "expected")
            self.assertEqual(len(printed), len(rows))
            for row, line in zip(rows, printed):
                self.assertEqual((line["expected"], line["workflow"], line["verdict"], line["zone"], line["status"]),
                                 (row["expected_local"][11:19], row["workflow"] or row["job"], row["verdict"], "America/New_York",
                                  row["seeds_status"]))
                by = row["explained_by"]
                self.assertEqual(line["explained by"], f"{by['action']} {by['decision_id']}: {by['reason']}" if by else "-")
                self.assertEqual(line["run"], row["decision_id" if row["workflow"] else "run_id"] or "-")
            self.assertEqual([line["difference"] for line in printed if line["workflow"] == self.workflow and line["actual"] != "-"],
                             ["+2 minutes", "-10 minutes", "+31 minutes"])
            self.assertEqual(json.loads(harness.runledger("schedule", "--date", "2026-01-12", "--json", "--url", self.instance.url,
                                                          check=False).stdout)["expected_runs"], rows)
        with self.subTest("sums: the API, the command line and the metrics"):
            sums = self.sums_of(rows)
            self.assertEqual(sums[self.workflow], {"pending": 1, "overdue": 1, "missing": 1, "explained": 2})
            answer = {one["name"]: one for one in self.instance.api("/api/v1/workflows")["workflows"]}
            lines = {line["workflow"]: line for line in table(self.ask("workflows")[1], "workflow")}
            metrics = self.instance.metrics()
            for name, sum_of in sums.items():
                api, labels = answer[name], self.labels(workflow=name)
                self.assertEqual({"pending": api["pending"], "overdue": api["overdue"], "missing": api["missing"],
                                  "explained": api["missing_explained"]}, sum_of, name)
                self.assertEqual({word: int(lines[name][word]) for word in sum_of}, sum_of, name)
                self.assertEqual({"pending": metrics.value("runledger_expected_runs_pending", **labels),
                                  "overdue": metrics.value("runledger_expected_runs_overdue", **labels),
                                  "missing": metrics.value("runledger_expected_runs_missing", explained="false", **labels),
                                  "explained": metrics.value("runledger_expected_runs_missing", explained="true", **labels)}, sum_of, name)
                self.assertEqual({verdict: count for verdict, count in api["counted"].items() if count}, final[name])
                self.assertEqual(self.final_of(rows, name), final[name])
        with self.subTest("nobody evaluates a workflow that only the configuration names"):
            self.assertEqual((answer["phase_5_gate"]["not_evaluated"], lines["phase_5_gate"]["evaluated"]), (True, "OVERDUE"))
            self.assertEqual(metrics.value("runledger_workflow_not_evaluated", workflow="phase_5_gate"), 1)
            self.assertEqual(self.ask("workflows", "phase_5_gate")[0], 1)
        with self.subTest("why was it skipped"):
            exit_status, said = self.ask("workflows", self.workflow, "--date", "2026-01-12")
            self.assertEqual([(line["action"], line["reason"]) for line in table(said, "decided (UTC)")][:2],
                             [("ABORT", "the source is down"), ("SKIP", "no games today")])
            why = self.query("why_skipped", "--workflow", self.workflow, "--date", "2026-01-12")
            self.assertIn(("SKIP", "no games today"), [(row["action"], row["reason"]) for row in why])
        with self.subTest("the warehouse"):
            self.instance.wait_caught_up()
            written = self.history("SELECT verdict_subject AS subject, verdict, count(*) AS n FROM run_verdicts GROUP BY 1, 2")
            of = {}
            for row in written:
                of.setdefault(row["subject"], {})[row["verdict"]] = row["n"]
            self.assertEqual(of, final)
            shown = self.query("expected_vs_actual", "--date", "2026-01-12")
            self.assertEqual([(row["expected_time"], row["status"]) for row in shown if row["workflow_name"] == self.workflow],
                             [(tick[0], tick[3]) for tick in self.ticks])

    @staticmethod
    def word(row):
        """The verdict; of a miss that is explained, by what."""
        return {"SKIP": "skipped", "ABORT": "aborted"}[row["explained_by"]["action"]] if row["explained_by"] else row["verdict"]

    @staticmethod
    def sums_of(rows):
        sums = {}
        for row in rows:
            of = sums.setdefault(row["workflow"] or row["job"], {"pending": 0, "overdue": 0, "missing": 0, "explained": 0})
            if row["explained_by"]:
                of["explained"] += 1
            elif row["verdict"] in of:
                of[row["verdict"]] += 1
        return sums

    @staticmethod
    def final_of(rows, name):
        of = {}
        for row in rows:
            if row["counted"] and (row["workflow"] or row["job"]) == name:
                of[row["verdict"]] = of.get(row["verdict"], 0) + 1
        return of

    def counted(self):
        of = {}
        for labels, value in self.instance.metrics().all("runledger_expected_runs_total").items():
            if value:
                of.setdefault(dict(labels)["workflow"], {})[dict(labels)["verdict"]] = int(value)
        return of


class CleanupRow(played.Played):
    """Files that nobody processed, on both sides of 2 hours and of 4, as the newest cleanup lists them."""

    files = [("odds_api_props", "gs://nba-scraped-data/odds/1.json", 241, False, "critical"),
             ("nbac_injury_report", "gs://nba-scraped-data/injury/1.json", 240, True, "warning"),
             ("bdl_box_scores", "gs://nba-scraped-data/bdl/1.json", 121, True, "warning"),
             ("bdl_standings", "gs://nba-scraped-data/bdl/2.json", 120, True, "recent"),
             ("espn_scoreboard", "gs://nba-scraped-data/espn/1.json", 5, False, "recent")]

    def clean(self, time, cleanup, files):
        self.tell(et(f"12 {time}"), "cleanup", cleanup={
            "cleanup_id": cleanup, "files_checked": 400, "missing_files_found": len(files),
            "republished_count": sum(file[3] for file in files), "pubsub_enabled": True, "missing_files": json.dumps(
                [{"scraper_name": file[0], "gcs_path": file[1], "age_minutes": file[2], "republished": file[3]} for file in files])})

    def test_urgencies_are_the_same_everywhere(self):
        self.start(time_zone="America/New_York")
        self.quiet_past()
        self.clean("14:00", "c1", self.files[:1] * 12)
        self.clean("14:30", "c2", sorted(self.files))
        self.pass_to(et("12 14:31"))
        cleanup = self.instance.api("/api/v1/missing-files")["cleanup"]
        self.assertEqual((cleanup["cleanup_id"], moment(cleanup["cleaned_at"])), ("c2", et("12 14:30")))
        self.assertEqual((cleanup["files_checked"], cleanup["missing_files_found"], cleanup["republished_count"]), (400, 5, 3))
        self.assertEqual([(file["scraper_name"], file["gcs_path"], file["age_minutes"], file["republished"], file["urgency"])
                          for file in cleanup["files"]], self.files)
        counts = {"critical": 1, "warning": 2, "recent": 2}
        self.assertEqual(cleanup["urgencies"], counts)

        exit_status, said = self.ask("missing-files")
        self.assertEqual(exit_status, 1, said)
        self.assertIn("cleanup c2 at 2026-01-12 19:30:00 UTC: 5 file(s) missing, 3 republished", said)
        self.assertEqual([(line["scraper"], line["file"], float(line["minutes"]), line["republished"] == "yes", line["urgency"])
                          for line in table(said, "scraper")], self.files)

        metrics = self.instance.metrics()
        for urgency, count in counts.items():
            self.assertEqual(metrics.sum("runledger_missing_files", urgency=urgency), count)
        self.assertEqual(metrics.value("runledger_last_cleanup_timestamp_seconds"), et("12 14:30"))

        self.instance.wait_caught_up()
        old = self.query("missing_files", "--now", "2026-01-12T19:31:00Z")
        self.assertEqual([(row["scraper_name"], row["age_minutes"], row["urgency"].split(" ")[0].lower()) for row in old],
                         [(file[0], file[2], file[4]) for file in self.files])

        self.clean("15:00", "c3", [])
        self.pass_to(et("12 15:01"))
        self.assertEqual(self.ask("missing-files")[0], 0)
        self.assertEqual(self.instance.metrics().sum("runledger_missing_files"), 0)


class Investigation(played.Played):
    """From eight letters of an alert to the cause, in the six steps of the guide, on one page."""

    maxDiff = None
    page = """\
as of 2026-01-12 12:00:00 UTC
job                         run                                                  try  state         date  started (UTC)        last event           seconds
PlayerGameSummaryProcessor  PlayerGameSummaryProcessor_20260112_113008_fea26b01    0  failed  2026-01-11  2026-01-12 11:30:08  2026-01-12 11:30:49     41.0

1. The run
  PlayerGameSummaryProcessor PlayerGameSummaryProcessor_20260112_113008_fea26b01

2. What it did
  status                 failed
  kind                   processor
  phase                  phase_3_analytics
  data_date              2026-01-11
  started (UTC)          2026-01-12 11:30:08
  seconds                41
  error_type             ValueError
  error_message          99 of 199 rows
  alert_type             error

3. What it depended on
  check passed           no
  missing                nba_raw.bdl_box_scores
  stale                  nba_raw.espn_scoreboard
  all                    {"table":"nba_raw.bdl_box_scores","status":"missing"}

4. What triggered it
  trigger_source         pubsub
  trigger_message_id     12345678901234567
  parent_job             BdlBoxscoresProcessor
  parent_run_id          raw_5e6f7a8b
job                    run           try  phase        status         date  started (UTC)        seconds  error
BdlBoxscoresProcessor  raw_5e6f7a8b    0  phase_2_raw  success  2026-01-11  2026-01-12 11:28:00     12.5      -

5. What ran with it, after it, and for want of it not
  of the same message:
job                   run            try  phase              status         date  started (UTC)        seconds  error
TeamOffenseProcessor  team_99aabbcc    0  phase_3_analytics  success  2026-01-11  2026-01-12 11:30:09       20      -
  started by it:
  none
  blocked by it:
job                        run             try  phase               status         date  started (UTC)        seconds  error
PlayerDailyCacheProcessor  cache_11223344    0  phase_4_precompute  skipped  2026-01-11  2026-01-12 11:36:00        -      -

6. Its logs
  service                nba-phase3-analytics
  revision               nba-phase3-analytics-00036-ldn
  filter                 jsonPayload.run_id="PlayerGameSummaryProcessor_20260112_113008_fea26b01"
"""

    def ended(self, start, end, job, run, status, **fields):
        began = {"started_at_us": at(f"12 {start}") * 1_000_000}
        self.send(at(f"12 {start}"), job, run, "RUNNING", date("11"), **began, **fields)
        self.send(at(f"12 {end}"), job, run, status, date("11"), **began, **fields)

    def test_six_steps_on_one_page(self):
        self.start()
        self.quiet_past()
        message = {"trigger_source": "pubsub", "trigger_message_id": "12345678901234567"}
        self.ended("11:28:00", "11:28:13", "BdlBoxscoresProcessor", "raw_5e6f7a8b", "SUCCESS", phase="phase_2_raw", duration_seconds=12.5)
        run = "PlayerGameSummaryProcessor_20260112_113008_fea26b01"
        self.ended("11:30:08", "11:30:49", "PlayerGameSummaryProcessor", run, "FAILED", phase="phase_3_analytics", duration_seconds=41,
                   error_type="ValueError", error_message="99 of 199 rows", alert_sent=True, alert_type="error",
                   dependency_check_passed=False, missing_dependencies='["nba_raw.bdl_box_scores"]',
                   stale_dependencies='["nba_raw.espn_scoreboard"]',
                   upstream_dependencies='[{"table": "nba_raw.bdl_box_scores", "status": "missing"}]',
                   parent_job="BdlBoxscoresProcessor", parent_run_id="raw_5e6f7a8b", output_table="player_game_summary",
                   service="nba-phase3-analytics", revision="nba-phase3-analytics-00036-ldn", **message)
        self.ended("11:30:09", "11:30:29", "TeamOffenseProcessor", "team_99aabbcc", "SUCCESS", phase="phase_3_analytics",
                   duration_seconds=20, **message)
        self.send(at("12 11:36:00"), "PlayerDailyCacheProcessor", "cache_11223344", "SKIPPED", date("11"), phase="phase_4_precompute",
                  started_at_us=at("12 11:36:00") * 1_000_000, dependency_check_passed=False,
                  missing_dependencies='["player_game_summary"]')
        self.pass_to(at("12 12:00:00"))
        self.instance.wait_caught_up()
        self.assertEqual(self.ask("trace", "fea26b01"), (0, self.page))
        graph = self.instance.api("/api/v1/trace?id=fea26b01")["graph"]
        self.assertEqual(graph["run"]["run_id"], run)
        self.assertEqual({name: [one["run_id"] for one in graph[name]] for name in ("parents", "siblings", "children", "blocked")},
                         {"parents": ["raw_5e6f7a8b"], "siblings": ["team_99aabbcc"], "children": [], "blocked": ["cache_11223344"]})
        # A run of which nothing else is known has all six steps too.
        exit_status, said = self.ask("trace", "raw_5e6f7a8b")
        self.assertEqual(exit_status, 0)
        self.assertIn("3. What it depended on\n  the run told nothing of its dependencies\n", said)
        self.assertIn("4. What triggered it\n  no run is known that started it\n", said)
        self.assertIn("  started by it:\njob ", said)
        self.assertEqual(self.ask("trace", "no_such_run")[0], 1)


if __name__ == "__main__":
    harness.main()
