"""An ffmpeg program that is not there, cannot be started, or is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vsr.errors import MachineError
from vsr.media import ffmpeg


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """What is remembered of the program is asked for again, and by what comes after the test, too."""
    remembered = (ffmpeg.ffmpeg_path, ffmpeg.ffmpeg_version)
    for function in remembered:
        function.cache_clear()
    yield
    for function in remembered:
        function.cache_clear()


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (None, 0, "cannot be started (No such file or directory)"),
        ("no program", 0o644, "cannot be started (Permission denied)"),
        ("#!/bin/sh\nexit 0\n", 0o755, "ends with 0 and tells no version"),
        ("#!/bin/sh\necho libx264.so is missing >&2; exit 127\n", 0o755, "and says 'libx264.so is missing'"),
    ],
)
def test_a_program_that_does_not_work(
    text: str | None, mode: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "ffmpeg"
    if text is not None:
        program.write_text(text)
        program.chmod(mode)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    with pytest.raises(MachineError) as caught:
        ffmpeg.ffmpeg_version()
    message = str(caught.value)
    assert message.startswith(f"{program} ")
    assert words in message
    assert "IMAGEIO_FFMPEG_EXE" in message


def test_the_program_that_comes_along() -> None:
    assert ffmpeg.ffmpeg_version().startswith("ffmpeg version ")
