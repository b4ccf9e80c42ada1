"""Copies of frames: the same in everything, in memory of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vsr.media.filtering import FrameCopier
from vsr.media.planes import fingerprint, planes_of

FORMATS = (
    "yuv420p",
    "yuv422p10le",
    "yuv444p16le",
    "yuva420p",
    "gray",
    "gray10le",
    "gbrp",
    "gbrpf32le",
    "nv12",
    "rgb24",
)
PROPERTIES = (
    *("width", "height", "pts", "dts", "time_base", "duration", "key_frame", "pict_type", "interlaced_frame"),
    *("is_corrupt", "color_range", "colorspace", "color_primaries", "color_trc", "rotation"),
)


def _random_frame(name: str, width: int = 35, height: int = 23, seed: int = 0) -> av.VideoFrame:
    frame, rng = av.VideoFrame(width, height, name), np.random.default_rng(seed)
    for plane in frame.planes:
        target = np.frombuffer(memoryview(plane), np.uint8)
        target[:] = rng.integers(0, 4, target.size, np.uint8)  # small: no sample of more than 8 bits is out of range
    frame.time_base = Fraction(1, 25)
    return frame


def _overwrite(frame: av.VideoFrame) -> None:
    for plane in frame.planes:
        np.frombuffer(memoryview(plane), np.uint8)[:] = 9


def _decoded(path: Path) -> Iterator[av.VideoFrame]:
    """All images, damaged ones too."""
    with av.open(f"file:{path}") as container:
        for packet in container.demux(video=0):
            try:
                yield from packet.decode()
            except av.error.FFmpegError:
                continue


def _look(frame: av.VideoFrame) -> str:
    return fingerprint(planes_of(frame))


def _properties(frame: av.VideoFrame) -> dict[str, object]:
    found = {name: getattr(frame, name) for name in PROPERTIES}
    return found | {
        "format": frame.format.name,
        "metadata": dict(frame.metadata),
        "side data": [(data.type, bytes(data)) for data in frame.side_data],
    }


@pytest.mark.parametrize("name", FORMATS)
def test_pixels_are_equal_and_stay_so(name: str) -> None:
    frame = _random_frame(name)
    before = _look(frame)
    copied = FrameCopier().copy(frame)
    assert _look(copied) == before
    _overwrite(frame)
    assert _look(frame) != before
    assert _look(copied) == before


def test_writing_to_a_copy_leaves_the_frame_and_other_copies_alone() -> None:
    copier, frame = FrameCopier(), _random_frame("yuv420p")
    before, first, second = _look(frame), copier.copy(frame), copier.copy(frame)
    _overwrite(first)
    assert _look(frame) == _look(second) == before


@pytest.mark.parametrize("name", ["hdr", "interlaced", "rotated", "full_range", "damaged", "mpeg2_ps"])
def test_properties_of_decoded_frames_are_equal(clips: Callable[[str], Path], name: str) -> None:
    """Flags, colours, times and side data: mastering display, rotation."""
    copier = FrameCopier()
    for frame in _decoded(clips(name)):
        before, look = _properties(frame), _look(frame)
        copied = copier.copy(frame)
        assert _properties(copied) == before
        assert _properties(frame) == before, "and the frame is left as it was"
        assert _look(copied) == look


def test_there_is_something_to_lose(clips: Callable[[str], Path]) -> None:
    """The test before would pass on clips without side data and flags."""
    kinds = {data.type.name for data in next(_decoded(clips("hdr"))).side_data}
    assert {"MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"} <= kinds
    assert any(frame.is_corrupt for frame in _decoded(clips("damaged")))
    assert any(frame.interlaced_frame for frame in _decoded(clips("interlaced")))


@pytest.mark.parametrize("pts", [None, 0, -7, 1 << 45])
def test_any_time_is_kept(pts: int | None) -> None:
    frame = _random_frame("gray")
    frame.pts, frame.time_base = pts, Fraction(1, 90000)
    copied = FrameCopier().copy(frame)
    assert (copied.pts, copied.time_base) == (frame.pts, frame.time_base) == (pts, Fraction(1, 90000))


def test_times_that_go_back_are_no_matter() -> None:
    """Seeks go back; a filter graph would complain."""
    copier = FrameCopier()
    for seed, pts in enumerate((50, 10, 10, 90)):
        frame = _random_frame("gray", seed=seed)
        frame.pts, frame.time_base = pts, Fraction(1, 25)
        copied = copier.copy(frame)
        assert (copied.pts, _look(copied)) == (pts, _look(frame))


def test_size_and_format_may_change_and_change_back() -> None:
    copier = FrameCopier()
    for name, width in (("gray", 35), ("gray", 64), ("yuv420p", 64), ("gray", 35)):
        frame = _random_frame(name, width)
        copied = copier.copy(frame)
        assert (copied.format.name, copied.width) == (name, width)
        assert _look(copied) == _look(frame)
