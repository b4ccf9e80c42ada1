"""The scripts that set vsr up, without installing anything."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("stamp", [".installed", ".installed-dev"])
def test_the_demo_takes_its_arguments_for_itself(tmp_path: Path, stamp: str) -> None:
    """They are not extras to install; and an environment that the tests have made will do."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "activate").write_text(f'PATH="{tmp_path}/bin:$PATH"\n')
    program = tmp_path / "bin" / "vsr"
    program.write_text('#!/bin/sh\necho "vsr $*"\n')
    program.chmod(0o755)
    contents = (ROOT / "pyproject.toml").read_bytes() + (ROOT / "constraints.txt").read_bytes()
    requested = subprocess.run(["cksum"], input=contents, capture_output=True, check=True).stdout.decode()
    (tmp_path / stamp).write_text(requested)
    done = subprocess.run(
        [ROOT / "scripts" / "demo", "-o", "here"],
        env=os.environ | {"VSR_VENV": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "vsr demo -o here"
