"""The scripts in pipelines/, run as their users do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from program import Run

__all__ = ["PIPELINES", "QUICK", "Recipe", "command_of", "run_alone"]

PIPELINES = Path(__file__).parents[1] / "pipelines"
QUICK = [part for text in ("method=lanczos", "encoder_threads=1", "num_cpus=0.5") for part in ("--set", text)]
"""Settings for runs whose images do not matter."""

Recipe = Callable[..., Run]


def command_of(name: str, *arguments: object) -> list[str]:
    """The script of that name and its arguments, with `QUICK`."""
    return [str(PIPELINES / f"{name}.py"), *map(str, arguments), *QUICK]


def run_alone(name: str, *arguments: object, **environment: str) -> Run:
    """As a process of its own."""
    command = [sys.executable, *command_of(name, *arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=os.environ | environment
    )
    return Run(done.returncode, done.stdout, done.stderr)
