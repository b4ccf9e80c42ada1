"""Runs between object stores, for tests: their settings, the program that makes them, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from object_store import ObjectStore

__all__ = ["STORE_SETTINGS", "leftovers", "run_store_command", "sidecars_in_store", "store_command"]

STORE_SETTINGS: dict[str, Any] = {
    "method": "lanczos",
    "speed": "ultrafast",
    "encoder_threads": 1,
    "segment_frames": 16,
    "num_cpus": 0.5,
}
"""Small segments, two of which fit on one core."""


def store_command(source: str, target: str, *more: str) -> list[str]:
    """The command line of ``vsr upscale`` with `STORE_SETTINGS`."""
    flags = [part for key, value in STORE_SETTINGS.items() for part in ("--set", f"{key}={value}")]
    return [sys.executable, "-m", "vsr", "upscale", source, "-o", target, *flags, *more]


def run_store_command(source: str, target: str, *more: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own; variables given empty are taken away."""
    return subprocess.run(
        store_command(source, target, *more),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={key: value for key, value in (os.environ | environment).items() if value},
    )


def leftovers(staging: Path) -> list[str]:
    """What is kept of runs that have ended, besides copies of inputs."""
    return [str(path) for path in (staging / "run").rglob("*") if path.is_file() and path.suffix != ".lock"]


def sidecars_in_store(objects: ObjectStore, bucket: str) -> list[str]:
    names = objects.names(bucket, "out/.big.mp4.vsr-work/segment-")
    return [name for name in names if name.endswith(".json")]
