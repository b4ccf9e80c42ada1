"""Streams that FFmpeg adds to a file while it is read."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import av
import pytest
from videos import ffmpeg, late_sound, tone

from vsr.media.demuxing import demux


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program stream with one stream of sound from the start, and two that begin late."""
    folder = tmp_path_factory.mktemp("late")
    one = late_sound(folder / "one.mpg", 4, 3, "-c:v", "mpeg2video", "-b:v", "6M", "-c:a", "mp2")
    path = folder / "three.mpg"
    ffmpeg(
        *("-i", str(one), *tone(4), "-itsoffset", "3", *tone(1), "-map", "0:v", "-map", "1", "-map", "0:a"),
        *("-map", "2", "-c:v", "copy", "-c:a", "mp2", "-max_interleave_delta", "0", str(path)),
    )
    return path


class _Ahead:
    """A file that cannot be sought: else FFmpeg finds streams at its end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        return self._file.read(size)


def test_streams_that_come_late_are_counted_every_time(late: Path) -> None:
    """What the memory of a process holds besides must not matter."""
    few = {"probesize": "400000", "analyzeduration": "400000"}
    strangers: list[None] = []
    for _ in range(40):
        with late.open("rb") as file, av.open(_Ahead(file), options=few) as container:
            assert len(container.streams) == 2
            packets = demux(container, container.streams.video[0], on_stranger=lambda: strangers.append(None))
            assert len([packet for packet in packets if packet.size]) == 100
    assert len(strangers) == 2 * 40


def test_no_stream_is_counted_where_all_are_known(late: Path) -> None:
    with av.open(str(late)) as container:
        assert len(container.streams) == 4
        for _ in demux(container, on_stranger=lambda: pytest.fail("all streams are known")):
            pass
