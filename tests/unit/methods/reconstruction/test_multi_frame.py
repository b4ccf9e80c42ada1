"""Multi-frame reconstruction: quality, robustness, and where it falls back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from vsr.demo import DemoClip, make_clip, score_clip
from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, restore_shot
from vsr.methods.reconstruction import multi_frame as module
from vsr.methods.reconstruction.multi_frame import MultiFrame, PreparedMultiFrame
from vsr.methods.reconstruction.options import MultiFrameOptions
from vsr.observation import resample

pytest.importorskip("cv2", reason="OpenCV is not installed")
pytest.importorskip("skimage", reason="scikit-image, whose photographs the clip shows, is not installed")

CPU = torch.device("cpu")
GRAY = PixelLayout("grayf32le", "gray", 32, is_float=True)
RGB = PixelLayout("gbrp", "rgb", 8)


@pytest.fixture(scope="module")
def clip() -> DemoClip:
    return make_clip(5, lr_height=96, lr_width=128)


def _rgb_frames(clip: DemoClip) -> list[VideoFrame]:
    return [
        VideoFrame(tuple(torch.from_numpy(p[:, :, c].copy()) for c in range(3)), RGB, ColorSpec(), i, i, Fraction(1))
        for i, p in enumerate(clip.lr_frames)
    ]


def _gray_frames(images: list[Tensor]) -> list[VideoFrame]:
    return [VideoFrame((p,), GRAY, ColorSpec(), i, i, Fraction(1)) for i, p in enumerate(images)]


def _restore(frames: list[VideoFrame], **options: object) -> list[VideoFrame]:
    geometry = Geometry(frames[0].width, frames[0].height, 2 * frames[0].width, 2 * frames[0].height)
    return list(MultiFrame(geometry, replace(MultiFrameOptions(), **options), CPU).restore(frames))


def _rgb8(frame: VideoFrame) -> np.ndarray:
    return torch.stack(frame.planes, -1).round().clamp(0, 255).to(torch.uint8).numpy()


def test_beats_bicubic_clearly_on_every_frame(clip: DemoClip) -> None:
    restored = [_rgb8(frame) for frame in _restore(_rgb_frames(clip))]
    score = score_clip(restored, clip.hr_frames, clip.lr_frames)
    assert score.gain_db > 3.0
    assert score.worst_gain_db > 2.5
    assert score.mean.ssim_restored > score.mean.ssim_bicubic + 0.05


def test_neighbours_bring_most_of_it(clip: DemoClip) -> None:
    frames = _rgb_frames(clip)
    alone, together = (
        score_clip([_rgb8(f) for f in _restore(frames, radius_frames=r)], clip.hr_frames, clip.lr_frames)
        for r in (0, 3)
    )
    assert together.gain_db > alone.gain_db + 1.0
    assert alone.gain_db > 0.5


def _luma(clip: DemoClip) -> list[Tensor]:
    return [torch.from_numpy(p.astype(np.float32)).mean(-1) / 255 for p in clip.lr_frames]


def test_flicker_makes_no_difference(clip: DemoClip) -> None:
    steady = _luma(clip)
    gains = (0.85, 1.1, 1.0, 0.9, 1.15)
    flickering = [image * gain + 0.03 * (1 - gain) for image, gain in zip(steady, gains, strict=True)]
    expected, got = (_restore(_gray_frames(p))[2].planes[0] for p in (steady, flickering))
    assert (expected - got).abs().mean() < 0.003


def test_unrelated_neighbours_leave_the_frame_alone(clip: DemoClip) -> None:
    """Frames of another scene must not ghost: the result is that of the frame on its own."""
    images = _luma(clip)
    generator = torch.Generator().manual_seed(0)
    strange = [resample(torch.rand(12, 16, generator=generator), (96, 128)).clamp(0, 1) for _ in range(4)]
    alone = _restore(_gray_frames(images[2:3]))[0].planes[0]
    among = _restore(_gray_frames([*strange[:2], images[2], *strange[2:]]))[2].planes[0]
    assert (alone - among).abs().mean() < 0.006


def test_a_sharp_edge_does_not_ring() -> None:
    """On an already sharp image overshoot stays within a sixth of the step (Lanczos: a tenth)."""
    image = torch.full((48, 64), 0.2)
    image[:, 32:] = 0.8
    restored = _restore(_gray_frames([image]))[0].planes[0]
    assert restored.max() < 0.8 + 0.1
    assert restored.min() > 0.2 - 0.1


@pytest.mark.parametrize("size", [(20, 64), (64, 23), (5, 5)])
def test_too_small_for_motion_is_resampled(size: tuple[int, int]) -> None:
    image = torch.rand(size)
    restored = _restore(_gray_frames([image, image]))[0].planes[0]
    assert torch.allclose(restored, resample(image, (2 * size[0], 2 * size[1])))


def test_failed_motion_falls_back_to_the_frame_itself(clip: DemoClip, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = _gray_frames(_luma(clip)[:3])
    alone = _restore(frames[1:2])[0].planes[0]
    monkeypatch.setattr(module, "global_then_dense", lambda a, b, reluctance: None)
    assert torch.equal(_restore(frames)[1].planes[0], alone)


def test_each_frame_is_registered_once_to_the_next(clip: DemoClip, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs: list[tuple[float, float]] = []

    def count(a: Tensor, b: Tensor, reluctance: float) -> None:
        pairs.append((float(a[0, 0]), float(b[0, 0])))

    monkeypatch.setattr(module, "global_then_dense", count)
    images = [torch.full((32, 32), index / 10) for index in range(6)]
    _restore(_gray_frames(images), radius_frames=2)
    levels = [float(image[0, 0]) for image in images]
    assert sorted(pairs) == list(itertools.pairwise(levels))


def test_known_compression_changes_how_frames_are_weighed(clip: DemoClip) -> None:
    """It stands among the findings as given; the rest of the source is as the frames tell it."""
    frames = _gray_frames([image[:64, :80] for image in _luma(clip)[:3]])
    geometry, results = Geometry(80, 64, 160, 128), {}
    for codes in (None, 0.0, 8.0):
        prepared = PreparedMultiFrame(MultiFrameOptions(compression_codes=codes), "cpu")
        results[codes] = list(restore_shot(prepared, geometry, frames))[1]
    for codes in (0.0, 8.0):
        assert results[codes].findings["source_compression_codes"] == pytest.approx(codes, abs=1e-3)
        assert results[codes].findings["source_noise_codes"] == results[None].findings["source_noise_codes"]
    assert float((results[0.0].planes[0] - results[8.0].planes[0]).abs().max()) > 1 / 255


@pytest.mark.parametrize(
    "options",
    [
        {"radius_frames": -1},
        {"psf_sigma_px": 3.0},
        {"regularization": 0.0},
        {"solver": "farsiu-fast"},
        {"compression_codes": -1.0},
        {"compression_codes": 65.0},
    ],
)
def test_senseless_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(MultiFrameOptions(), **options)
