"""An S3-compatible server on loopback, as a process of its own, for tests of URLs."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ObjectStore", "start_object_store"]

_REQUEST = re.compile(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) (\S+) HTTP/[\d.]+(?:\x1b\[[0-9;]*m)*" (\d+)')


@dataclass(frozen=True)
class ObjectStore:
    """A running server."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path
    """Where it writes a line for every request."""

    @property
    def environment(self) -> dict[str, str]:
        """What makes clients use it, and nothing else."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "tester",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        }

    @property
    def client(self) -> Any:
        """A boto3 client, which shares no code with fsspec."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.address,
            aws_access_key_id="tester",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )

    def make_bucket(self, name: str) -> str:
        """A new bucket; its name."""
        self.client.create_bucket(Bucket=name)
        return name

    def put(self, bucket: str, name: str, path: Path) -> str:
        """Put a file there; its URL."""
        self.client.upload_file(str(path), bucket, name)
        return f"s3://{bucket}/{name}"

    def read(self, bucket: str, name: str) -> bytes:
        """What an object holds."""
        return bytes(self.client.get_object(Bucket=bucket, Key=name)["Body"].read())

    def names(self, bucket: str, prefix: str = "") -> list[str]:
        """Names of all objects, sorted."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def requests(self, method: str, after: int = 0) -> list[str]:
        """Paths of all requests of one kind that were answered well, in order, without what follows ``?``."""
        found = _REQUEST.findall(self.log.read_text(errors="replace")[after:])
        return [path.partition("?")[0] for verb, path, status in found if verb == method and status.startswith("2")]

    def mark(self) -> int:
        """A place in the log, for `requests`."""
        return len(self.log.read_text(errors="replace"))

    def check_credentials(self, requested: bool) -> None:
        """Whether requests with unknown keys are refused; they are not at first."""
        count = b"0" if requested else b"Infinity"
        request = urllib.request.Request(
            f"{self.address}/moto-api/reset-auth", data=count, headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(request).close()


def start_object_store(folder: Path) -> ObjectStore:
    """Start a server; end its ``process`` afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = folder / "server.log"
    with log.open("wb") as file:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return ObjectStore(f"http://127.0.0.1:{port}", process, log)
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, "the object store did not start"
            time.sleep(0.05)
