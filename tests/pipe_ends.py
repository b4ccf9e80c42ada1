"""Both ends of pipes, for tests: what is fed in, and the program itself."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from videos import ffmpeg

from vsr.api.piping import pipe

__all__ = ["BICUBIC", "OneWay", "as_y4m", "made_by_ffmpeg", "program", "through"]

BICUBIC: dict[str, Any] = {"method": "bicubic", "scale": 1}
"""What is done where it does not matter."""


class OneWay(io.RawIOBase):
    """A pipe's end that gives a few bytes at a time and cannot go back."""

    def __init__(self, data: bytes, chunk: int = 5000) -> None:
        self._data, self._chunk, self._place = memoryview(data), chunk, 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes."""
        piece = self._data[self._place : self._place + min(self._chunk, len(buffer))]
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


def made_by_ffmpeg(*arguments: str, folder: Path, name: str = "made") -> bytes:
    """What ffmpeg writes for ``arguments``."""
    ffmpeg(*arguments, str(folder / name))
    return (folder / name).read_bytes()


def as_y4m(source: Path, folder: Path, *options: str) -> bytes:
    """``source`` as y4m."""
    return made_by_ffmpeg("-i", str(source), *options, "-strict", "-1", "-f", "yuv4mpegpipe", folder=folder)


def program(*arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
    """``vsr upscale`` in a process of its own, doing as little as can be."""
    command = [sys.executable, "-c", "from vsr.cli import main; main()", "upscale", *arguments]
    settings = [part for key, value in BICUBIC.items() for part in (f"--{key}", str(value))]
    return subprocess.Popen([*command, *settings], stderr=subprocess.PIPE, **streams)


def through(source: Path | bytes, container: str, folder: Path, **more: Any) -> tuple[Path, dict[str, Any]]:
    """What comes out of a pipe, as a file for other readers, and the record."""
    out = io.BytesIO()
    settings = BICUBIC | more.pop("settings", {})
    if isinstance(source, bytes):
        outcome = pipe("-", "-", container=container, stdin=OneWay(source), stdout=out, settings=settings, **more)
    else:
        outcome = pipe(source, "-", container=container, stdout=out, settings=settings, **more)
    assert outcome.manifest is not None
    path = folder / f"piped.{container}"
    path.write_bytes(out.getvalue())
    return path, dict(outcome.manifest)
