"""An instance of `runledger serve` on a real broker, for benchmarks that measure it from outside."""

import contextlib
import os
import sys
import tempfile

import topics

sys.path.insert(0, str(topics.ROOT / "tests" / "system"))
os.environ.setdefault("RUNLEDGER", str(topics.RUNLEDGER))
import harness  # noqa: E402


@contextlib.contextmanager
def served(topic, partitions, config):
    """The broker, with the topic, and the instance, which is not started yet. `config(directory)`: what is configured beside the log."""
    broker = harness.Broker()
    instance = None
    with tempfile.TemporaryDirectory(prefix="runledger-bench-") as directory:
        try:
            instance = harness.Instance(directory, {"log": {"brokers": broker.bootstrap, "topics": [topic]},
                                                    "http": {"listen": "127.0.0.1:0"}, "spool": {"dir": ""}, **config(directory)})
            harness.runledger("setup", "--config", instance.config_path, "--partitions", partitions)
            yield broker, instance
        finally:
            if instance is not None:
                instance.kill()
                instance.log.close()
            broker.close()
