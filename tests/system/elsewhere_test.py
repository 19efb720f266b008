"""Two instances of one group: whichever is asked, the answer is of all jobs, or says what it leaves out."""

import json
import os
import re
import subprocess
import time
import urllib.parse

import harness
import raw

JOBS = [f"job_{i}" for i in range(12)]
UNNAMED = [f"unnamed_{i}" for i in range(8)]


class Elsewhere(harness.SystemTest):
    def cli(self, instance, *arguments):
        done = subprocess.run([harness.BINARY, *arguments, "--url", instance.url], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def fleet(self):
        config = self.config(jobs={"defaults": {"stale_after": "1h"}, **{job: {"schedule": "daily"} for job in JOBS}},
                             state={"kafka_topic": self.topic + ".snapshots"})
        # One that is killed is still in the group while others are asked about its partitions.
        config["log"]["librdkafka"]["session.timeout.ms"] = "30000"
        self.make_topics(config)
        instances = []
        for name in "ab":
            mine = json.loads(json.dumps(config))
            mine["warehouse"]["path"] = str(self.directory / f"{name}.db")  # no two processes share what they know
            instances.append(self.serve(mine, name).start())
        for instance in instances:
            instance.wait_ready()
        owned = lambda i: len(i.metrics().all("runledger_log_caught_up"))
        harness.wait_until(lambda: [owned(i) for i in instances] == [2, 2], "each owns two partitions",
                           lambda: instances[0].text() + instances[1].text())
        due_s = int(time.time() + 3600)
        self.day = time.strftime("%Y-%m-%d", time.gmtime(due_s))
        today = subprocess.run(["date", "-u", "+%F"], capture_output=True, text=True).stdout.strip()
        self.emit([{"run": {"job_name": job, "run_id": f"{job}_r1", "status": "SUCCESS", "data_date": today,
                            "trigger_message_id": "m1"}} for job in JOBS] +
                  [{"expected": {"workflow": f"workflow_{i}", "expected_run_time_us": due_s * 1_000_000}}
                   for i in range(12)])
        count = lambda i: len(i.metrics().all("runledger_last_success_timestamp_seconds"))
        harness.wait_until(lambda: sum(count(i) for i in instances) == len(JOBS), "all runs are seen")
        self.assertTrue(all(count(i) > 0 for i in instances))
        for instance in instances:
            instance.wait_caught_up()
        return instances

    def clean(self, owner, cleanup, files):
        """A cleanup in a partition of that instance."""
        mine = next(p["partition"] for p in owner.api("/api/v1/partitions")["partitions"] if p["here"])
        listed = [{"scraper_name": "s", "gcs_path": f"gs://x/{i}", "age_minutes": 300} for i in range(files)]
        event = {"event_time_us": int(time.time() * 1e6), "cleanup": {"cleanup_id": cleanup, "missing_files": json.dumps(listed)}}
        raw.produce(self.broker, self.topic, [raw.Record(json.dumps(event).encode(), [raw.JSON])], mine)

    def test_every_instance_answers_for_all(self):
        a, b = self.fleet()
        names = {i: {job["name"] for job in i.api("/api/v1/jobs")["jobs"]} for i in (a, b)}
        self.assertEqual(names[a] | names[b], set(JOBS))
        self.assertEqual(names[a] & names[b], set())
        # The group learns of the owners' addresses with their first commits.
        owners = lambda: {p["owner"] for p in a.api("/api/v1/partitions")["partitions"]}
        harness.wait_until(lambda: owners() == {a.url, b.url}, "both addresses are known")

        for asked, other in ((a, b), (b, a)):
            self.assertFalse(asked.api("/api/v1/jobs")["complete"])
            job = min(names[other])
            status, body = asked.get("/api/v1/jobs/" + urllib.parse.quote(job))
            self.assertEqual((status, json.loads(body)["owner"]), (421, other.url))
            self.assertEqual(asked.status(f"/api/v1/jobs/{job}/upstream"), 421)
            self.assertEqual(asked.status(f"/api/v1/jobs/{job}/discovery"), 421)

            # The command line asks the owner, and all owners.
            code, out, err = self.cli(asked, "status", job)
            self.assertEqual((code, "job_stale" in out), (0, True), err)
            code, out, err = self.cli(asked, "status", "--json")
            self.assertEqual(code, 0, err)
            self.assertEqual({j["name"] for j in json.loads(out)["jobs"]}, set(JOBS))
            code, out, err = self.cli(asked, "runs", "--json", "--limit", "100")
            self.assertEqual((code, len(json.loads(out)["runs"])), (0, len(JOBS)), err)
            code, out, err = self.cli(asked, "upstream", *JOBS, "--json")
            self.assertEqual((code, {u["status"] for u in json.loads(out)["upstream"]}), (0, {"success"}), out + err)
            code, out, err = self.cli(asked, "check", "--lookback-days", "1", "--json")
            answer = json.loads(out)
            self.assertEqual((code, answer["status"], answer["summary"]["healthy"]), (0, "healthy", len(JOBS)), out + err)
            code, out, err = self.cli(asked, "gaps", "--lookback-days", "1")
            self.assertEqual(code, 0, out + err)
            self.assertEqual(len(re.findall("0 of 1 expected dates are gaps", out)), len(JOBS), out)
            code, out, err = self.cli(asked, "workflows", "--json")
            self.assertEqual((code, len(json.loads(out)["workflows"])), (0, 12), out + err)
            due = json.loads(out)["workflows"]
            self.assertEqual({w["pending"] for w in due}, {1})
            code, out, err = self.cli(asked, "schedule", "--json", "--date", self.day)
            self.assertEqual((code, len(json.loads(out)["expected_runs"])), (0, 12), out + err)
            # A run of the other: its owner's memory, and what ran around it.
            code, out, err = self.cli(asked, "trace", f"{job}_r1")
            self.assertEqual(code, 0, out + err)
            self.assertIn(f"{job}_r1", out)

        # The newest cleanup, whichever of them has it.
        self.assertEqual(self.cli(a, "missing-files")[0], 3)  # none is known
        for count, owner in enumerate((a, b, a), 1):
            self.clean(owner, f"c{count}", count)
            for asked in (a, b):
                harness.wait_until(lambda: f"cleanup c{count} " in self.cli(asked, "missing-files")[1], "the newest is told", owner.text)
                code, out, err = self.cli(asked, "missing-files", "--json")
                answer = json.loads(out)
                self.assertEqual((code, answer["complete"], answer["instances"], len(answer["cleanup"]["files"])), (1, True, 2, count), err)

        # Jobs that no configuration names: only the owner has heard of them.
        self.emit([{"run": {"job_name": job, "run_id": f"{job}_r1", "status": "SUCCESS"}} for job in UNNAMED])
        heard = lambda i: {job["name"] for job in i.api("/api/v1/jobs")["jobs"]} & set(UNNAMED)
        harness.wait_until(lambda: heard(a) | heard(b) == set(UNNAMED), "their runs are seen")
        self.assertTrue(heard(a) and heard(b))
        for asked in (a, b):
            for questions in (["check", "--processors", ",".join(UNNAMED)], ["gaps", *UNNAMED]):
                code, out, err = self.cli(asked, *questions)
                self.assertEqual((code, err), (0, ""), out)
            for job in UNNAMED:
                code, out, err = self.cli(asked, "status", job)
                self.assertEqual((code, f"{job}_r1" in out), (0, True), out + err)
            # Nothing is known of that date: the owner says why, and its word stands.
            code, out, err = self.cli(asked, "upstream", *UNNAMED, "--date", "2020-01-01")
            self.assertEqual(code, 3, out + err)
            self.assertEqual(out.count("state.days"), len(UNNAMED), out)

        # A job that nobody has: its home knows, whoever is asked.
        for asked in (a, b):
            code, out, err = self.cli(asked, "status", "nobody")
            self.assertEqual(code, 1, out + err)

        # One of them is gone: until its partitions have another owner nothing is said of them that nobody knows.
        os.kill(b.process.pid, 9)
        b.process.wait()
        code, out, err = self.cli(a, "check", "--lookback-days", "1")
        self.assertEqual(code, 3, out + err)
        code, out, err = self.cli(a, "missing-files")
        self.assertEqual(code, 3, out + err)
        code, out, err = self.cli(a, "status", min(names[b]))
        self.assertEqual(code, 3, out + err)
        harness.wait_until(lambda: a.api("/api/v1/jobs")["complete"] and len(a.api("/api/v1/jobs")["jobs"]) == len(JOBS + UNNAMED) and
                           a.api("/api/v1/jobs")["caught_up"], "the other one takes over", a.text)
        code, out, err = self.cli(a, "check", "--lookback-days", "1")
        self.assertEqual(code, 0, out + err)


if __name__ == "__main__":
    harness.main()
