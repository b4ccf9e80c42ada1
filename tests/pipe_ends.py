"""Both ends of pipes, for tests: what is fed in, and the program itself."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

from videos import ffmpeg

__all__ = ["BICUBIC", "OneWay", "as_y4m", "made_by_ffmpeg", "program"]

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
