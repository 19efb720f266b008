"""What is not known is not guessed: a broker that hangs, and a restart behind a backlog, bring no verdict that is not true."""

import http.client
import socket
import subprocess
import time

import harness
import verdicts

STALE_S = 8


def now_us():
    return verdicts.micros(time.time())


class UnknownTest(harness.SystemTest):
    def event(self, job, run, status, **fields):
        return {"event_time_us": now_us(), "run": {"job_name": job, "run_id": run, "status": status, **fields}}

    def background(self, *arguments, text=None):
        """Starts the binary, which will have to wait for the log."""
        process = subprocess.Popen([harness.BINARY, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(self.end, process)
        if text is not None:
            process.stdin.write(text)
        process.stdin.close()
        return process

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


class BrokerThatHangs(UnknownTest):
    """Stopped with a signal: connections stay open, nobody answers."""

    jobs = {"probe.*": {"stale_after": f"{STALE_S}s"}}

    def tearDown(self):
        subprocess.run([harness.sys.executable, harness.BROKER, "resume", "--dir", self.broker.directory], capture_output=True)
        super().tearDown()

    def prepare(self, session_timeout_ms):
        """A run that is stale, one that is not yet, and one that has ended."""
        config = self.config(jobs=self.jobs, log={
            "contact_timeout": "2s", "librdkafka": {"session.timeout.ms": str(session_timeout_ms), "heartbeat.interval.ms": "500"}})
        self.make_topics(config)
        instance = self.serve(config).start().wait_ready()
        looks = verdicts.Looks(self, instance)
        self.emit([self.event("probe.dead", "d1", "RUNNING")])
        looks.until(lambda look: look.stale() == {"probe.dead"}, "the dead run is stale")
        self.emit([self.event("probe.alive", "a1", "RUNNING"), self.event("probe.ended", "e1", "RUNNING"),
                   self.event("probe.ended", "e1", "SUCCESS")])
        looks.until(lambda look: look.caught_up() and look.metrics.sum("runledger_runs_started_total") == 3, "three runs")
        return instance, looks

    def send_meanwhile(self):
        """What others do while the broker hangs; it waits for the log."""
        events = [self.event("probe.alive", "a1", "SUCCESS"), self.event("slow", "s1", "RUNNING")]
        emit = self.background("emit", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--flush-timeout", "5m",
                               text="".join(harness.json.dumps(event) + "\n" for event in events))
        command = self.background("exec", "--brokers", self.broker.bootstrap, "--topic", self.topic, "--job", "meanwhile",
                                  "--flush-timeout", "5m", "--", "true", text="")
        return emit, command

    def check_after(self, instance, looks, sent, before):
        for process in sent:
            self.assertEqual(process.wait(harness.PATIENCE_S), 0)
        last = looks.until(lambda look: look.caught_up() and look.metrics.sum("runledger_runs_running") == 2 and
                           look.metrics.sum("runledger_runs_started_total") == 5, "what was sent is folded")
        self.assertEqual(last.stale(), {"probe.dead"})
        self.assertEqual(last.verdicts(), {"probe.dead": {"stale"}, "slow": {"running"}})
        status, text = verdicts.ask_until_known(instance, "status")
        self.assertEqual(status, 1, text)
        self.assertIn("STALE RUNNING DETECTED: probe.dead ", text)
        self.assertEqual(text.count("STALE RUNNING DETECTED"), 1, text)
        self.emit([self.event("probe.dead", "d1", "ABORTED")])
        looks.until(lambda look: look.caught_up() and not look.stale(), "the dead run was ended")
        self.assertEqual(verdicts.ask_until_known(instance, "status")[0], 0)
        looks.check_against_rows({"probe.dead": STALE_S, "probe.alive": STALE_S, "probe.ended": STALE_S})
        looks.check_never_less_than(before)
        looks.audit("--dead-letters", self.dead_letters)

    def test_verdicts_are_unknown_until_it_answers(self):
        instance, looks = self.prepare(session_timeout_ms=60_000)
        before = instance.metrics()
        self.broker.do("pause")
        frozen = looks.until(lambda look: not any(value for value in look.metrics.all("runledger_log_caught_up").values()),
                             "it notices that nobody answers")
        sent = self.send_meanwhile()
        sign = harness.wait_until(
            lambda: self.history("SELECT max(event_time) AS t FROM events WHERE job_name = 'probe.alive'")[0]["t"], "it is a row")
        until = max(sign, now_us()) + verdicts.micros(STALE_S + 1)
        first = len(looks.all)
        looks.until(lambda look: now_us() > until, "the threshold has passed")
        self.check_unknown(instance)
        self.assertGreater(len(looks.all), first)
        for look in looks.all[first:]:
            self.assertEqual(look.watermarks(), frozen.watermarks(), "the watermark stands still")
            self.assertEqual(len(look.watermarks()), 4)
            self.assertEqual(look.stale(), frozen.stale(), "nothing becomes stale")
            self.assertEqual(set(look.metrics.all("runledger_log_caught_up").values()), {0})
            self.assertEqual(look.verdicts(), {"probe.dead": {"unknown"}, "probe.alive": {"unknown"}})
            self.assertEqual(look.ready, 200, "it is restored")
        self.broker.do("resume")
        self.check_after(instance, looks, sent, before)

    def check_unknown(self, instance):
        self.assertEqual({run["at_watermark"] for run in instance.api("/api/v1/runs?job=probe.dead")["runs"]}, {"stale"})
        job = instance.api("/api/v1/jobs/probe.dead")["job"]
        self.assertEqual((job["stale"], job["at_watermark"]["stale"], job["caught_up"]), (None, 1, False))
        for question in (["status"], ["status", "probe.dead"], ["status", "probe.ended"], ["runs"], ["runs", "--stale"],
                         ["trace", "d1"], ["status", "--json"], ["status", "never.seen"]):
            status, text = verdicts.ask(instance, *question)
            self.assertEqual(status, 3, f"{question}: {text}")
            self.assertNotIn("STALE RUNNING DETECTED", text)
        self.assertEqual(instance.status("/api/v1/jobs/never.seen"), 503)
        page = instance.get("/")[1]
        self.assertIn("not caught up with the log", page)
        self.assertNotIn("None known.", page)

    def test_the_group_gives_up(self):
        """Longer than the session timeout: the partitions are lost, and with them everything that was known."""
        instance, looks = self.prepare(session_timeout_ms=6_000)
        before = instance.metrics()
        self.broker.do("pause")
        looks.until(lambda look: not look.metrics.all("runledger_log_applied_offset"), "the partitions are lost")
        sent = self.send_meanwhile()
        look = looks.take()
        self.assertEqual(look.ready, 503)
        self.assertEqual((look.jobs["jobs"], look.jobs["caught_up"], look.runs["runs"]), ([], False, []))
        for question in (["status"], ["status", "probe.dead"], ["runs"], ["trace", "d1"]):
            status, text = verdicts.ask(instance, *question)
            self.assertEqual(status, 3, f"{question}: {text}")
        self.assertNotIn("no jobs have been seen", verdicts.ask(instance, "status")[1])
        self.broker.do("resume")
        looks.until(lambda look: look.ready == 200, "it is restored")
        self.check_after(instance, looks, sent, before)


class Backlog(UnknownTest):
    """`serve` was away, and what happened meanwhile lies in the log with the times at which it happened."""

    # So that the topic of producers' times can be made by the first event.
    broker_properties = ("auto.create.topics.enable=true", "num.partitions=4")
    thresholds = {"probe.long": STALE_S, "probe.dead": STALE_S, "probe.ended": STALE_S}

    def generate(self, config_path, seed, events=100_000):
        harness.runledger("generate", "--config", config_path, "--seed", seed, "--events", events, "--jobs", 12,
                          "--partitions", 4, "--span", "6h")

    def restart_behind_a_backlog(self, end):
        config = self.config(jobs={"probe.*": {"stale_after": f"{STALE_S}s", "staleness_threshold": f"{STALE_S}s"}},
                             log={"topics": [{"name": self.topic, "own": self.timestamps == "LogAppendTime"}]})
        self.make_topics(config)
        self.emit([self.event("probe.ended", "probe-e1", "RUNNING"), self.event("probe.ended", "probe-e1", "SUCCESS"),
                   self.event("probe.long", "probe-l1", "RUNNING")])
        first = self.serve(config).start().wait_ready()
        self.generate(first.config_path, seed=1)
        first.wait_caught_up()
        before = first.metrics()
        self.assertEqual(before.sum("runledger_runs_started_total", processor="probe.long"), 1)
        end(first)

        # Its last sign of life before the end of the backlog is older than its threshold once somebody reads on.
        self.emit([self.event("probe.long", "probe-l1", "RUNNING"), self.event("probe.dead", "probe-d1", "RUNNING")])
        self.generate(first.config_path, seed=2)
        self.emit([self.event("probe.long", "probe-l1", "SUCCESS"), self.event("probe.ended", "probe-e2", "SUCCESS")])
        complete_us = now_us()
        until = complete_us + verdicts.micros(STALE_S + 1)
        harness.wait_until(lambda: now_us() > until, "the thresholds have passed")
        return config, before, complete_us

    def start_again(self, config):
        """With a broker that does not answer at first: so it is certain that what is said before is seen."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config["http"]["listen"] = f"127.0.0.1:{port}"
        instance = self.serve(config, "b")
        instance.url = f"http://127.0.0.1:{port}"
        self.broker.do("pause")
        try:
            instance.start()
            harness.wait_until(lambda: instance.status("/healthz") == 200, "the port listens", instance.text)
            looks = verdicts.Looks(self, instance, runs_query="fragment=probe-")
            look = looks.take()
            self.assertEqual((look.ready, look.metrics.value("runledger_ready")), (503, 0))
            self.assertEqual((look.jobs["jobs"], look.jobs["caught_up"]), ([], False))
            self.assertEqual((look.runs["runs"], look.runs["caught_up"]), ([], False))
            self.assertEqual(verdicts.ask(instance, "status")[0], 3)
            self.assertEqual(verdicts.ask(instance, "status", "probe.ended")[0], 3)
        finally:
            self.broker.do("resume")
        return instance, looks

    def check_restart(self, end):
        config, before, complete_us = self.restart_behind_a_backlog(end)
        instance, looks = self.start_again(config)
        looks.until(lambda look: look.ready == 200 and look.caught_up(), "it is restored and caught up")
        instance.wait_caught_up()
        last = looks.until(lambda look: look.caught_up() and "probe.dead" in look.stale(), "the dead run is stale")
        self.assertEqual({job for job in last.stale() if job.startswith("probe.")}, {"probe.dead"})

        ready = [look.ready for look in looks.all]
        self.assertEqual(ready, sorted(ready, reverse=True), "once it is ready it stays so")
        self.assertEqual(last.verdicts()["probe.dead"], {"stale"})
        self.assertEqual(verdicts.ask_until_known(instance, "status", "probe.dead")[0], 1)
        self.assertNotIn("probe.long", last.verdicts(), "it has ended")
        stale = looks.check_against_rows(self.thresholds)
        self.assertNotIn("probe.ended", stale)
        # Without the verdicts that the instance itself has written since.
        ends = self.history("SELECT partition, max(offset) + 1 AS end FROM events WHERE log_time <= ? GROUP BY partition", complete_us)
        looks.check_watermarks(complete_us, {row["partition"]: row["end"] for row in ends})
        looks.check_never_less_than(before)
        looks.audit()
        return looks, stale


class BacklogOfBrokersTimes(Backlog):
    def test_after_an_orderly_end(self):
        self.check_restart(lambda instance: self.assertEqual(instance.stop(), 0))


class BacklogOfProducersTimes(Backlog):
    timestamps = "CreateTime"

    def test_after_a_crash(self):
        looks, stale = self.check_restart(lambda instance: instance.kill())
        # Behind, there is no watermark; at the end, everything has been read.
        self.assertEqual(stale, {"probe.dead"})
        for look in looks.all:
            for key, gauges in look.partitions().items():
                if "log_watermark_timestamp_seconds" not in gauges:
                    self.assertEqual(gauges["log_caught_up"], 0, key)


if __name__ == "__main__":
    del UnknownTest, Backlog
    harness.main()
