"""FIFOs and devices under the names of videos: one true line each, and nothing replaced."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from program import Run


@pytest.mark.parametrize(
    ("verb", "options", "name"),
    [
        ("upscale", ["--overwrite", "-o"], "out.mp4"),
        ("upscale", ["-o", "unused.mp4", "--preview"], "shown.png"),
        ("still", ["--at", "5", "--overwrite", "-o"], "still.png"),
        ("compare", ["--blind"], "page.html"),
    ],
)
def test_a_fifo_is_not_replaced(
    verb: str,
    options: list[str],
    name: str,
    clips: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: Callable[..., Run],
) -> None:
    monkeypatch.chdir(tmp_path)
    fifo = tmp_path / name
    os.mkfifo(fifo)
    refused = call(verb, *[clips("plain")] * (2 if verb == "compare" else 1), *options, fifo)
    assert refused.code == 2
    assert "is a FIFO, which must not be replaced" in refused.one_line()
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_device_is_not_replaced(clips: Callable[[str], Path], tmp_path: Path, call: Callable[..., Run]) -> None:
    place = tmp_path / "null.mp4"
    place.symlink_to("/dev/null")
    refused = call("upscale", clips("plain"), "-o", place, "--overwrite")
    assert refused.code == 2
    assert "is a device, which must not be replaced" in refused.one_line()


def test_a_fifo_as_input_is_refused_with_a_hint(tmp_path: Path, call: Callable[..., Run]) -> None:
    os.mkfifo(tmp_path / "in.y4m")
    refused = call("probe", tmp_path / "in.y4m")
    assert refused.code == 3
    assert "is not a regular file; read it as -" in refused.one_line()
