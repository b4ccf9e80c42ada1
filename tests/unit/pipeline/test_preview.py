"""Previews show the frame they say, keep out of the way, and give up quietly."""

from __future__ import annotations

import logging
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vsr.errors import MachineError, UsageError
from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.pipeline.preview import Preview
from vsr.pipeline.preview_places import preview_places

_COLOR = ColorSpec(1, 1, 1, chroma_location="left")


def _frame(number: int, height: int = 60, width: int = 80, *, is_halo: bool = False, scale: int = 1) -> VideoFrame:
    """A grey frame whose brightness is its number, with a checkerboard in its lower right."""
    layout = LAYOUTS["yuv420p"]
    luma = torch.full((height * scale, width * scale), 40.0 + number)
    luma[-16 * scale :, -16 * scale :] = (torch.arange(16 * scale) // (2 * scale) % 2).float() * 180 + 40
    chroma = torch.full((-(-height * scale // 2), -(-width * scale // 2)), 128.0)
    planes = (luma, chroma, chroma) if scale > 1 else tuple(p.to(torch.uint8) for p in (luma, chroma, chroma))
    return VideoFrame(planes, layout, _COLOR, number, 10 * number, Fraction(1, 250), is_halo)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _run(preview: Preview, numbers: range, lag: int = 3, tick: Callable[[], None] = lambda: None) -> None:
    """Source frames through `Preview.watch`, their restored ones a few frames later through `Preview.offer`."""
    waiting: list[int] = []
    for frame in preview.watch(_frame(number) for number in numbers):
        waiting.append(frame.ordinal)
        tick()
        if len(waiting) > lag:
            preview.offer(_frame(waiting.pop(0), scale=2))
    for number in waiting:
        preview.offer(_frame(number, scale=2))


def _grey(path: Path) -> float:
    """Brightness in the middle of the first pane, in luma codes."""
    image = cv2.imread(str(path)).astype(float)
    return float(image[40:50, 10:40].mean()) * 219 / 255 + 16


def test_before_and_after_are_one_frame(tmp_path: Path) -> None:
    path, clock = tmp_path / "now.png", Clock()
    _run(Preview(path, clock), range(20))
    image = cv2.imread(str(path))
    assert image.shape == (26 + 120 + 8 + 120, 160 + 8 + 160, 3)
    left, right = image[26:146, :160].astype(int), image[26:146, 168:].astype(int)
    assert np.abs(left - right)[:80].max() <= 2
    assert _grey(path) == pytest.approx(40, abs=1.5), "the first frame, and no later one within the interval"
    assert [entry.name for entry in tmp_path.iterdir()] == ["now.png"]


def test_the_detail_is_the_busy_corner_on_both_sides(tmp_path: Path) -> None:
    _run(Preview(tmp_path / "now.png", Clock()), range(5))
    image = cv2.imread(str(tmp_path / "now.png")).astype(int)
    left, right = image[154:, :160], image[154:, 168:]
    assert right[60:, 100:].std() > 40, "the checkerboard"
    assert np.abs(left - right)[10:-10, 10:-10].mean() < 20


def test_it_is_replaced_at_intervals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, clock = tmp_path / "now.png", Clock()
    seen: list[float] = []
    monkeypatch.setattr("vsr.pipeline.preview.time.time", lambda: 4e9)  # other workers' files are old

    def tick() -> None:
        clock.now += 1.0
        if path.exists():
            seen.append(round(_grey(path) - 40))
            path.unlink()

    _run(Preview(path, clock), range(30), tick=tick)
    assert len(seen) >= 3
    assert all(later - earlier >= 5 for earlier, later in pairwise(seen))


def test_a_fresh_image_of_another_worker_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "now.png"
    path.write_bytes(b"theirs")
    _run(Preview(path, Clock()), range(5))
    assert path.read_bytes() == b"theirs"


def test_context_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "now.png"
    preview = Preview(path, Clock())
    frames = [_frame(n, is_halo=n < 4) for n in range(6)]
    assert list(preview.watch(frames)) == frames
    for number in (4, 5):
        preview.offer(_frame(number, scale=2))
    assert _grey(path) == pytest.approx(44, abs=1.5)


def test_a_refusing_disk_is_said_once_and_the_work_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    preview = Preview(tmp_path / "none" / "now.png", clock)

    def tick() -> None:
        clock.now += 10

    with caplog.at_level(logging.WARNING):
        _run(preview, range(20), tick=tick)
    assert len(caplog.records) == 1
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("name", ["yuv422p10le", "gbrp", "gray", "yuva444p"])
def test_every_kind_of_image(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    rng = torch.Generator().manual_seed(1)

    def frame(scale: int) -> VideoFrame:
        sizes = [layout.plane_size(number, 81 * scale, 61 * scale) for number in range(layout.num_planes)]
        planes = tuple(torch.rand(size, generator=rng) * layout.peak for size in sizes)
        return VideoFrame(planes, layout, ColorSpec(1, 1, 0 if layout.family == "rgb" else 1), 3, 30, Fraction(1, 25))

    preview = Preview(tmp_path / "now.png", Clock())
    assert len(list(preview.watch([frame(1)]))) == 1
    preview.offer(frame(3))
    assert cv2.imread(str(tmp_path / "now.png")) is not None


def test_large_images_become_small_ones(tmp_path: Path) -> None:
    preview = Preview(tmp_path / "now.png", Clock())
    assert len(list(preview.watch([_frame(7, 270, 480)]))) == 1
    preview.offer(_frame(7, 270, 480, scale=4))
    height, width, _ = cv2.imread(str(tmp_path / "now.png")).shape
    assert (height, width) == (26 + 360 + 8 + 360, 640 + 8 + 640)
    assert _grey(tmp_path / "now.png") == pytest.approx(47, abs=1.5)


def test_places(tmp_path: Path) -> None:
    outputs: list[str | Path] = [tmp_path / "a.mp4", tmp_path / "frames" / "%06d.png", "s3://bucket/c.mp4"]
    assert preview_places(outputs, False) == [None] * 3
    assert preview_places(outputs[:2], True) == [tmp_path / "a.mp4.preview.png", tmp_path / "frames.preview.png"]
    assert preview_places(outputs, tmp_path / "one.png") == [tmp_path / "one.png"] * 3
    folder = tmp_path / "looks"
    names = [place.name for place in preview_places(outputs, folder) if place]
    assert names == ["a.mp4.png", "frames.png", "c.mp4.png"]
    with pytest.raises(UsageError, match=r"--preview FILE\.png"):
        preview_places(outputs, True)
    with pytest.raises(UsageError, match=r"neither a \.png nor a folder"):
        preview_places(outputs, tmp_path / "one.jpg")
    with pytest.raises(MachineError, match="does not exist"):
        preview_places(outputs, tmp_path / "no" / "one.png")
