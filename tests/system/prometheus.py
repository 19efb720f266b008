"""A real Prometheus (Debian's package) for tests of the whole program: it scrapes instances as docs/prometheus says, and
gives the raw samples back."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import harness

# The one that we tell people to use.
CONFIGURATION = harness.HERE.parent.parent / "docs" / "prometheus"


def free_port():
    """Of 127.0.0.1. Somebody else may take it before it is used."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Prometheus:
    """Raises unittest.SkipTest where it is not installed."""

    def __init__(self, targets, interval="1s"):
        if shutil.which("prometheus") is None:
            raise unittest.SkipTest("prometheus is not installed: run tools/install tests")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="runledger-prometheus-"))
        self.process = None
        shutil.copy(CONFIGURATION / "alerts.yml", self.directory)
        text = (CONFIGURATION / "prometheus.yml").read_text()
        for pattern, ours in ((r"(_interval: )15s", rf"\g<1>{interval}"), (r"targets: \[.*\]", f"targets: {json.dumps(targets)}")):
            text, found = re.subn(pattern, ours, text)
            assert found, f"{pattern} is not in {CONFIGURATION / 'prometheus.yml'}"
        configuration = self.directory / "prometheus.yml"
        configuration.write_text(text)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = open(self.directory / "prometheus.log", "wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={self.directory / 'data'}",
             f"--web.listen-address={self.url[len('http://'):]}"], stdout=self.log, stderr=self.log)
        harness.wait_until(self._ready, "prometheus is ready", self.text)

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"prometheus ended with {self.process.returncode}:\n{self.text()}")
        with urllib.request.urlopen(self.url + "/-/ready", timeout=5) as answer:
            return answer.status == 200

    def text(self):
        """Its log."""
        return (self.directory / "prometheus.log").read_text(errors="replace")

    def query(self, expression):
        """The result of an instant query, as the API gives it; of a range selector the raw samples."""
        url = self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]["result"]

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)
