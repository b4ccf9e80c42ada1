"""Dirt from a seed goes, and where it was the scene is seen; small things that move and all other pixels stay."""

from __future__ import annotations

import importlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from vsr.errors import UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import PASSES, Geometry, restore_shot
from vsr.methods.passes.dust import DustOptions
from vsr.methods.passes.spots import Spots, without_the_scene
from vsr.observation import resample

GRAY = PixelLayout("gray", "gray", 8)
YUV = PixelLayout("yuva420p10le", "yuv", 10, 1, 1, has_alpha=True)
HEIGHT, WIDTH, COUNT = 120, 160, 8
INNER = slice(1, -1)  # frames with a neighbour on each side
Frames = NDArray[np.uint8]


@pytest.fixture
def damage(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The generator of the benchmark."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[4] / "benchmarks"))
    return importlib.import_module("restoration.damage")


def _scene(pan_px: float = 1.3, noise: float = 1.0) -> Frames:
    """Texture that is panned, with grain."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(40, 64, generator=generator)
    wide = resample(coarse, (2 * HEIGHT, 2 * WIDTH + 64), kernel="bicubic").clamp(0, 1)
    images = []
    for number in range(COUNT):
        left = round(2 * pan_px * number)
        image = wide[:, left : left + 2 * WIDTH].reshape(HEIGHT, 2, WIDTH, 2).mean((1, 3))
        codes = 50 + 130 * image + noise * torch.randn(HEIGHT, WIDTH, generator=generator)
        images.append(codes.round().clamp(0, 255).to(torch.uint8).numpy())
    return np.stack(images)


def _made(frames: list[VideoFrame], **options: Any) -> list[VideoFrame]:
    geometry = Geometry(frames[0].width, frames[0].height, frames[0].width, frames[0].height)
    return list(restore_shot(PASSES["dust"].prepare(geometry, DustOptions(**options), "cpu"), geometry, frames))


def _gray(frames: Frames) -> list[VideoFrame]:
    return [VideoFrame((torch.from_numpy(f),), GRAY, ColorSpec(), n, n, Fraction(1, 24)) for n, f in enumerate(frames)]


def _restored(frames: Frames, **options: Any) -> NDArray[np.float32]:
    return np.stack([frame.planes[0].numpy() for frame in _made(_gray(frames), **options)])


@pytest.mark.parametrize(("noise", "seed"), [(1.0, 1), (4.0, 2)])
def test_dirt_goes_and_the_rest_stays(damage: Any, noise: float, seed: int) -> None:
    clean = _scene(noise=noise)
    damaged = damage.add_dirt(clean, seed, spots=6, largest_px=5)
    made = _restored(damaged.frames)
    is_changed = (made != damaged.frames)[INNER]
    is_damaged = (np.abs(damaged.change) > 8)[INNER]
    assert is_damaged.mean() > 0.005
    assert is_changed[is_damaged].mean() > 0.9
    assert is_changed[(damaged.change == 0)[INNER]].mean() < 0.001
    error = (made - clean)[INNER][is_damaged & is_changed]
    assert 10 * np.log10(255**2 / np.square(error).mean()) > 30


@pytest.mark.parametrize(("name", "most"), [("birds", 0.05), ("ball", 0.0), ("rain", 0.1)])
def test_small_things_that_move_survive(damage: Any, name: str, most: float) -> None:
    moving = damage.add_movers(_scene(), name, 3)
    made = _restored(moving.frames)
    is_there = (np.abs(moving.change) > 8)[INNER]
    assert is_there.sum() > 100
    assert (made != moving.frames)[INNER][is_there].mean() <= most


def test_a_clean_clip_stays_with_and_without_flicker() -> None:
    clean = _scene()
    assert (_restored(clean) != clean).mean() < 1e-4
    flicker = np.array([1.0, 0.85, 1.1, 0.95, 1.05, 0.9, 1.0, 1.1])[:, None, None]
    given = np.clip(np.rint(clean * flicker), 0, 255).astype(np.uint8)
    assert (_restored(given) != given).mean() < 5e-4


def test_the_mask_is_what_changes_in_all_planes(damage: Any) -> None:
    clean = _scene()
    damaged = damage.add_dirt(clean, 4, spots=5, largest_px=5)
    frames = []
    for frame, dirty in zip(_gray(clean), damaged.frames, strict=True):
        luma = torch.from_numpy(4 * dirty.astype(np.uint16))
        is_dirty = (dirty != clean[frame.ordinal]).reshape(HEIGHT // 2, 2, WIDTH // 2, 2).any((1, 3))
        chroma = torch.from_numpy(np.where(is_dirty, 512, 600).astype(np.uint16))
        planes = (luma, chroma, chroma.clone(), luma)
        frames.append(VideoFrame(planes, YUV, ColorSpec(), frame.ordinal, frame.pts, frame.time_base))
    made, masks = _made(frames), _made(frames, show="mask")
    assert sum(frame.findings["dust_spots"] for frame in made) > 10
    for before, after, mask in zip(frames, made, masks, strict=True):
        is_repaired = mask.planes[0] > 500
        assert set(mask.planes[0].unique().tolist()) <= {64.0, 940.0}
        assert after.findings == mask.findings
        assert after.findings["dust_share"] == pytest.approx(float(is_repaired.float().mean()))
        blocks = is_repaired.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).any(3).any(1)
        for number, where in enumerate((is_repaired, blocks, blocks, torch.zeros_like(is_repaired))):
            assert torch.equal(after.planes[number][~where], before.planes[number].float()[~where])
        if bool(blocks.any()):
            assert float((after.planes[1][blocks] - 600).abs().mean()) < 5


def test_ends_of_a_shot_and_frames_too_small_to_register_stay(damage: Any) -> None:
    damaged = damage.add_dirt(_scene(), 1, spots=6).frames
    made = _restored(damaged)
    assert np.array_equal(made[[0, -1]], damaged[[0, -1]])
    small = damaged[:, :20, :20]
    assert np.array_equal(_restored(small), small)


def test_sensitivity_decides_about_faint_spots(damage: Any) -> None:
    """On an even wall, where they are seen."""
    noise = np.random.default_rng(1).standard_normal((COUNT, HEIGHT, WIDTH))
    given = np.rint(100 + noise).astype(np.uint8)
    given[4, 50:55, 70:75] += 7
    assert not (_restored(given) != given).any()
    assert (_restored(given, sensitivity=2.0) != given)[4, 51:54, 71:74].mean() > 0.8


def test_thousands_of_spots_are_no_dirt() -> None:
    """Noise or weather; and they are not compared with one another, which would take for ever."""
    count = 40_000
    spots = Spots(
        labels=np.zeros((8, 8), np.int32),
        places=np.zeros((count, 2)),
        areas=np.ones(count),
        levels=np.zeros(count),
        contrasts=np.ones(count),
        is_sound=np.ones(count, bool),
    )
    assert not without_the_scene(spots, {-1: spots, 1: spots}).is_sound.any()


@pytest.mark.parametrize("wrong", [{"sensitivity": 0.1}, {"sensitivity": 5.0}, {"largest_spot": 0.0}, {"show": "both"}])
def test_options_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        DustOptions(**wrong)
