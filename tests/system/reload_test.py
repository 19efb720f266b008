"""The configuration is read again while serve runs: all of it, or nothing, and it says which."""

import json
import os
import signal

import harness


class Reload(harness.SystemTest):
    def stale(self, job):
        return self.instance.metrics().sum("runledger_runs_stale", processor=job)

    def not_evaluated(self):
        """Workflows of which it is said that nobody decides about them."""
        series = self.instance.metrics().all("runledger_workflow_not_evaluated").items()
        return sorted(dict(labels)["workflow"] for labels, value in series if value == 1)

    def expected(self, workflow):
        return len(self.instance.api(f"/api/v1/schedule?workflow={workflow}")["expected_runs"])

    def problems(self):
        return {p["subject"]: p["text"] for p in self.instance.api("/api/v1/jobs").get("problems", [])}

    def write(self, config):
        """As an editor does it: another file takes the place of the one that was read."""
        new = self.instance.config_path.with_suffix(".new")
        new.write_text(json.dumps(config) if isinstance(config, dict) else config)
        os.replace(new, self.instance.config_path)

    def successful(self):
        return self.instance.metrics().value("runledger_config_last_reload_successful")

    def test_jobs_and_workflows_change_while_it_runs_and_nothing_else_does(self):
        config = self.config(jobs={"defaults": {"stale_after": "4h"}},
                             workflows={"left": {"evaluation_overdue_after": "1s"}, "retired": {"evaluation_overdue_after": "1s"}})
        self.make_topics(config)
        self.instance = self.serve(config).start().wait_ready()
        self.emit([{"run": {"job_name": "crashed", "run_id": "r1", "status": "RUNNING"}},
                   {"run": {"job_name": "retired", "run_id": "r2", "status": "SUCCESS"}}])
        running = lambda: self.instance.metrics().sum("runledger_runs_running", processor="crashed") == 1
        harness.wait_until(running, "the run is seen", self.instance.text)
        self.assertEqual((self.stale("crashed"), self.successful()), (0, 1))
        harness.wait_until(lambda: self.not_evaluated() == ["left", "retired"], "nobody decides", self.instance.text)
        first = self.instance.metrics().value("runledger_config_last_reload_success_timestamp_seconds")

        # By the file alone.
        config["jobs"] = {"defaults": {"stale_after": "1s"}, "retired": {"enabled": "false"},
                          "crashed": {"priority": "critical"}}
        # Every minute from midnight on: whatever time it is, there is something to come soon.
        config["workflows"] = {"left": {"evaluation_overdue_after": "1h"}, "new": {"evaluation_overdue_after": "1s"},
                               "planned": {"schedule": "every 1m", "generate_at": "00:00"}}
        self.write(config)
        harness.wait_until(lambda: self.stale("crashed") == 1, "the new limit is in use", self.instance.text)
        # The threads that fold take it over one by one; that it succeeded is told when all of them have.
        harness.wait_until(lambda: self.instance.metrics().value(
            "runledger_config_last_reload_success_timestamp_seconds") > first, "it is told", self.instance.text)
        harness.wait_until(lambda: self.instance.metrics().all("runledger_runs_started_total", processor="retired") == {},
                           "what is disabled is shown no more", self.instance.text)
        self.assertEqual(self.instance.metrics().sum("runledger_job_info", processor="crashed", priority="critical"), 1)
        harness.wait_until(lambda: self.not_evaluated() == ["new"], "workflows are what the file says, too", self.instance.text)
        harness.wait_until(lambda: self.expected("planned") > 0, "what is expected is made", self.instance.text)

        # A slip: nothing of the file is taken over, not even what is right in it.
        config["jobs"]["defaults"]["stale_after"] = "4h"
        config["jobs"]["crashed"]["prioritty"] = "low"
        config["workflows"]["new"]["evaluation_overdue_after"] = "1h"
        self.write(config)
        harness.wait_until(lambda: self.successful() == 0, "the slip is seen", self.instance.text)
        harness.wait_until(lambda: "did you mean jobs.crashed.priority?" in self.problems().get("configuration", ""),
                           "the problem is named", self.instance.text)
        self.assertEqual((self.stale("crashed"), self.not_evaluated()), (1, ["new"]))

        # Mended, but with a key that only a restart can change.
        del config["jobs"]["crashed"]["prioritty"]
        config["warehouse"]["batch_age"] = "200ms"
        self.write(config)
        harness.wait_until(lambda: "warehouse.batch_age" in self.problems().get("configuration", ""), "it is named",
                           self.instance.text)
        self.assertEqual((self.successful(), self.stale("crashed")), (0, 1))

        # Mended whole. SIGHUP reads it now, and does not end the process.
        config["warehouse"]["batch_age"] = "100ms"
        self.write(config)
        self.instance.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: self.stale("crashed") == 0 and self.not_evaluated() == [], "the mended file is in use",
                           self.instance.text)
        harness.wait_until(lambda: self.successful() == 1 and "configuration" not in self.problems(), "that is told",
                           self.instance.text)

        # A file that has gone is no empty configuration.
        self.instance.config_path.unlink()
        self.instance.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: self.successful() == 0, "that it is gone is seen", self.instance.text)
        harness.wait_until(lambda: "cannot be read" in self.problems().get("configuration", ""), "the problem is named",
                           self.instance.text)

        # Nor is a pipe that nobody writes into, and it keeps nobody from ending.
        os.mkfifo(self.instance.config_path)
        self.instance.send_signal(signal.SIGHUP)
        harness.wait_until(lambda: "is no regular file" in self.problems().get("configuration", ""), "the problem is named",
                           self.instance.text)
        self.assertEqual(self.instance.stop(), 0)


if __name__ == "__main__":
    harness.main()
