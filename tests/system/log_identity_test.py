"""A topic that is deleted and made again is not the log that was read before, though its offsets are the same."""

import harness
import raw
from harness import runledger


def runs(stem, count):
    return [{"run": {"job_name": "nightly", "run_id": f"{stem}-{i}", "status": "SUCCESS"}} for i in range(count)]


class LogIdentity(harness.SystemTest):
    def count(self):
        return self.history("SELECT count(*) AS n FROM events")[0]["n"]

    def make_again(self, config, events):
        raw.delete_topic(self.broker, self.topic)
        harness.wait_until(lambda: self.setup_and_emit(config, events), "the topic is there again")

    def setup_and_emit(self, config, events):
        # The broker takes a moment to forget a deleted topic; until then neither making it nor writing to it succeeds.
        try:
            self.make_topics(config, partitions=1)
            self.emit(events)
        except AssertionError:
            return False
        return True

    def accept(self, *arguments, check=True):
        return runledger("log", "accept", "--config", self.directory / "setup.yaml", "--partition", 0, *arguments,
                         check=check)

    def before(self, state):
        """Five runs, read and written in order; then the topic is made again with nine: its offsets say nothing."""
        config = self.config(state={"dir": state})
        self.make_topics(config, partitions=1)
        instance = self.serve(config, "first").start().wait_ready()
        self.emit(runs("old", 5))
        harness.wait_until(lambda: self.count() == 5, "five rows are there", instance.text)
        self.assertEqual(instance.stop(), 0)
        self.make_again(config, runs("new", 9))
        instance = self.serve(config, "second").start().wait_listening()
        harness.wait_until(lambda: "runledger log accept" in instance.text(), "it says what is wrong", instance.text)
        return config, instance

    def after(self, config, instance):
        """The new log is accepted: all of it is read, and counted alone."""
        self.assertEqual(self.count(), 5, "nothing was written before")
        refused = self.accept(check=False)
        self.assertEqual(refused.returncode, 1, refused.stdout)
        self.assertIn("stop its instances first", refused.stderr)
        self.assertNotIn("becomes", refused.stdout, "nothing is said to be done that was not")
        self.assertEqual(instance.stop(), 0)
        self.assertIn("would become 0 of epoch", self.accept("--dry-run").stdout)
        self.assertIn("becomes 0 of epoch", self.accept().stdout)
        instance = self.serve(config, "third").start().wait_ready()
        harness.wait_until(lambda: self.count() == 14, "the new log's rows are there", instance.text)
        self.assertEqual(instance.metrics().sum("runledger_runs_started_total"), 9, "counted from the new log alone")
        found = self.history('SELECT count(*) AS n FROM (SELECT DISTINCT log_epoch, "offset", batch_index FROM events)')
        self.assertEqual(found[0]["n"], 14, "every row has an identity of its own")
        self.assertEqual(instance.stop(), 0)
        self.assertIn("from 0 to 9 would become rows a second time", self.accept("--dry-run").stdout,
                      "a log that is the one that was read")
        self.assertNotIn("second time", self.accept("--dry-run", "--from", 9).stdout)

    def test_with_a_snapshot_of_the_old_log_nothing_is_read(self):
        config, instance = self.before(str(self.directory / "state"))
        self.assertEqual(instance.status("/readyz"), 503)
        self.assertIn("log accept", instance.get("/readyz")[1])
        self.assertEqual(instance.status("/healthz"), 200)
        self.assertEqual(instance.metrics().sum("runledger_runs_started_total"), 0, "nothing of it is shown")
        self.after(config, instance)

    def test_without_a_snapshot_rows_stop(self):
        # Kafka forgets a deleted topic's commits; the warehouse remembers.
        config, instance = self.before("")
        harness.wait_until(lambda: instance.metrics().sum("runledger_runs_started_total") == 9,
                           "the state is that of the log that is there", instance.text)
        self.after(config, instance)


if __name__ == "__main__":
    harness.main()
