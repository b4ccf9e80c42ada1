"""A studio in a process of its own, as users start it, and a client that can send what no browser would."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Answer", "Studio", "studio"]

_START_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """What was refused, in words."""
        return str(self.json["error"])


class Studio:
    """``vsr studio FOLDER``, started and ready."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vsr", "studio", str(folder), "--no-open", "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *_python_path()])},
        )
        assert self.process.stdout is not None
        self.address = next((line.strip() for line in self.process.stdout if "token=" in line), "")
        assert self.address, "the studio did not start"
        parts = urlsplit(self.address)
        assert parts.hostname is not None
        assert parts.port is not None
        self.host, self.port = parts.hostname, parts.port
        self.token = parse_qs(parts.query)["token"][0]
        self._wait()

    @property
    def origin(self) -> str:
        """The page's."""
        return f"http://{self.host}:{self.port}"

    @property
    def cookie(self) -> str:
        """What a browser sends that has opened the address."""
        return f"vsr-studio-{self.port}={self.token}"

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str | None] | None = None
    ) -> Answer:
        """Send a request as the page does; ``headers`` replace its own, or leave them out where they are None."""
        usual: dict[str, str | None] = {"Host": f"{self.host}:{self.port}", "Cookie": self.cookie}
        if method != "GET":
            usual["Origin"] = self.origin
        sent = {name: value for name, value in {**usual, **(headers or {})}.items() if value is not None}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, self.port, timeout=120)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                connection.putheader(name, value)
            if data is not None and "Content-Length" not in {**usual, **(headers or {})}:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def break_off(self, method: str, path: str, body: bytes, *, announced: int) -> None:
        """Announce more than is sent, and hang up."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        headers = {"Cookie": self.cookie, "Origin": self.origin, "Content-Length": str(announced)}
        try:
            connection.request(method, path, body, headers)
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        """As the page asks for something."""
        return self.ask("GET", path)

    def post(self, path: str, body: Any = None) -> Answer:
        """As the page sends something."""
        return self.ask("POST", path, {} if body is None else body)

    def jobs(self) -> list[dict[str, Any]]:
        """The queue."""
        return list(self.get("/api/jobs").json["jobs"])

    def add(self, kind: str = "upscale", **choice: Any) -> dict[str, Any]:
        """Put a job into the queue."""
        answer = self.post("/api/jobs", {"kind": kind, "choice": choice})
        assert answer.status == 201, answer.body
        return dict(answer.json)

    def wait_for(self, key: str, *states: str, seconds: float = 120) -> dict[str, Any]:
        """The job, once it is in one of ``states``."""
        deadline = time.monotonic() + seconds
        while True:
            [job] = [job for job in self.jobs() if job["id"] == key]
            if job["state"] in states:
                return job
            assert time.monotonic() < deadline, job
            assert job["state"] != "failed" or "failed" in states, job
            time.sleep(0.1)

    def kill(self) -> None:
        """As if the machine had lost its power."""
        self.process.kill()
        self._gone()

    def stop(self) -> None:
        """Ctrl-C, which is how a studio ends as it should."""
        self.process.send_signal(signal.SIGINT)
        self._gone()
        assert self.process.returncode == 0

    def _gone(self) -> None:
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if self.get("/api/jobs").status == 200:
                    return
            except ConnectionError:
                pass
            assert time.monotonic() < deadline
            time.sleep(0.05)


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


@contextmanager
def studio(folder: Path, *options: str) -> Iterator[Studio]:
    """A studio that ends with the block, whatever happens."""
    running = Studio(folder, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()
