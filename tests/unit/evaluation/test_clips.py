"""Clips: recordings made or given, frames in step, restorers that look around."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from videos import scene

import vsr
from vsr.evaluation.clips import score_clip
from vsr.evaluation.interpolation import interpolation_method
from vsr.evaluation.restoration import restoration_method
from vsr.evaluation.sets import find_sets

CPU = torch.device("cpu")
Write = Callable[[str, np.ndarray], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """``write(name, frames)`` stores ``(N, H, W, 3)`` without loss."""

    def go(name: str, frames: np.ndarray) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "bgr0"
            for image in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
        return path

    return go


def _small(frames: np.ndarray) -> np.ndarray:
    """Every second sample of both axes: another recording than the one that would be made."""
    return np.ascontiguousarray(frames[:, ::2, ::2])


def test_a_given_recording_is_used_at_its_scale_only(tmp_path: Path, write: Write) -> None:
    frames = scene(4, 48, 32)
    write("walk_GT.mkv", frames)
    [made] = find_sets([tmp_path])[0].items
    without = {scale: score_clip(made, interpolation_method("bicubic", scale, CPU)).scores for scale in (2, 4)}
    write("walk_x2.mkv", _small(frames))
    [given] = find_sets([tmp_path])[0].items
    withs = {scale: score_clip(given, interpolation_method("bicubic", scale, CPU)).scores for scale in (2, 4)}
    assert withs[4].psnr_y == without[4].psnr_y
    assert withs[2].psnr_y != without[2].psnr_y


def test_first_frames_and_change_over_time(tmp_path: Path, write: Write) -> None:
    path = write("walk.mkv", scene(5, 48, 32))
    [item] = find_sets([path])[0].items
    method = interpolation_method("lanczos", 2, CPU)
    counts = [score_clip(item, method, requested).num_frames for requested in (1, 3, None, 9)]
    assert counts == [1, 3, 5, 5]
    assert score_clip(item, method, 1).scores.temporal_psnr_y is None
    assert (score_clip(item, method).scores.temporal_psnr_y or 0) > 10


def test_restorers_see_the_whole_clip_and_only_their_time_counts(write: Write) -> None:
    [item] = find_sets([write("walk.mkv", scene(5, 64, 48))])[0].items
    restored = score_clip(item, restoration_method("multiframe", 2, CPU, {"quality": "draft"}))
    assert restored.num_frames == 5
    assert restored.scores.psnr_y > 15
    assert 0 < restored.scores.seconds < 10
    # the kernel through the restorer's own path: on RGB frames instead of luma, so nearly the same image
    by_restorer = score_clip(item, restoration_method("bicubic", 2, CPU, {})).scores
    by_kernel = score_clip(item, interpolation_method("bicubic", 2, CPU)).scores
    assert by_restorer.psnr_y == pytest.approx(by_kernel.psnr_y, abs=0.15)  # luma in whole steps, RGB in whole steps


def test_settings_of_a_restorer_are_part_of_its_digest() -> None:
    digests = {restoration_method("multiframe", 2, CPU, {"quality": level}).digest for level in ("draft", "best")}
    assert len(digests) == 2
    with pytest.raises(vsr.UsageError, match="quality"):
        restoration_method("multiframe", 2, CPU, {"qualty": "best"})


def test_recordings_that_do_not_fit(tmp_path: Path, write: Write) -> None:
    frames = scene(4, 48, 32)
    write("walk_GT.mkv", frames)
    method = interpolation_method("bicubic", 2, CPU)
    for wrong, message in (
        (_small(frames)[:3], "fewer frames"),
        (np.concatenate([_small(frames), _small(frames)[:1]]), "more frames"),
        (_small(frames)[:, :, :-2], "22x16, not 24x16"),
    ):
        write("walk_x2.mkv", wrong)
        [item] = find_sets([tmp_path])[0].items
        with pytest.raises(vsr.InputError, match=message):
            score_clip(item, method)


def test_clips_that_cannot_be_scored(tmp_path: Path, write: Write) -> None:
    small = write("small.mkv", scene(2, 48, 16))
    with pytest.raises(vsr.InputError, match="too small for x4"):
        score_clip(find_sets([small])[0].items[0], interpolation_method("bicubic", 4, CPU))
    (tmp_path / "text.mkv").write_text("no video")
    with pytest.raises(vsr.InputError, match=r"text\.mkv"):
        score_clip(find_sets([tmp_path / "text.mkv"])[0].items[0], interpolation_method("bicubic", 2, CPU))
