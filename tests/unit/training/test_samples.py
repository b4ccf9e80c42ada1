"""Patches: right pairs, from the seed alone, the same whoever prepares them."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from videos import scene

from vsr.errors import InputError
from vsr.media.clips import read_rgb
from vsr.media.shots import read_shots
from vsr.metrics import luma_bt601
from vsr.networks import Colour
from vsr.training.batches import Share, batches
from vsr.training.degradations import parse_chain
from vsr.training.losses.image import shrunk
from vsr.training.samples import Batch, Patches, Plan
from vsr.training.sources import Requested, read_sources

NOISY: list[Any] = ["bicubic", {"gaussian-noise": {"sigma": [2, 2]}}]


def _patches(
    items: list[Any],
    *,
    colour: Colour = "Y",
    scale: int = 2,
    reuse: int = 1,
    frames: int = 1,
    augment: bool = True,
    contrast: tuple[float, float] = (1.0, 1.0),
) -> Patches:
    clips = [torch.from_numpy(scene(frames, 120, 96, seed=n)) for n in range(3)]
    plan = Plan(parse_chain(items, scale), scale, colour, 12, 36, 4, reuse, augment, contrast, 1)
    return Patches(clips, plan)


def _same(first: Batch, second: Batch) -> bool:
    return torch.equal(first.small, second.small) and torch.equal(first.true, second.true)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("colour", ["Y", "RGB"])
@pytest.mark.parametrize(
    "items", [["bicubic"], [{"gaussian-blur": {"sigma": [0, 0]}}, "bicubic"]], ids=["whole", "region"]
)
def test_small_and_true_belong_together(items: list[Any], colour: Colour, scale: int) -> None:
    patches = _patches(items, colour=colour, scale=scale)
    assert patches.plan.whole_first == (items == ["bicubic"])
    for step in range(4):
        batch = patches.at(step, 0, 4)
        assert batch.small.shape == (4, 1 if colour == "Y" else 3, 12, 12)
        assert batch.true.shape == (4, 1 if colour == "Y" else 3, 12 * scale, 12 * scale)
        inner = (..., slice(3, -3), slice(3, -3))
        error = (shrunk(batch.true, scale).clamp(0, 1) - batch.small)[inner].abs().max()
        assert float(error) < (1e-5 if colour == "Y" else 0.51 / 255)


def test_luma_is_that_of_the_metrics() -> None:
    patches = _patches(["bicubic"], augment=False)
    rgb = _patches(["bicubic"], colour="RGB", augment=False)
    expected = torch.stack([luma_bt601(image * 255) for image in rgb.at(0, 0, 4).true])[:, None] / 255
    torch.testing.assert_close(patches.at(0, 0, 4).true.double(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("items", [["bicubic"], NOISY], ids=["whole", "region"])
def test_contrast_changes_about_the_mean_of_a_patch(items: list[Any]) -> None:
    plain, twice = _patches(items).at(0, 0, 4), _patches(items, contrast=(2.0, 2.0)).at(0, 0, 4)
    mean = plain.small.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(twice.small, mean + 2 * (plain.small - mean))
    torch.testing.assert_close(twice.true, mean + 2 * (plain.true - mean))


def test_each_patch_has_a_contrast_of_its_own() -> None:
    """Within the limits, and the same wherever the patch is made."""
    plain, changed = (_patches(["bicubic"], contrast=limits) for limits in ((1.0, 1.0), (0.5, 2.0)))
    factors = []
    for step in range(40):
        before, after = plain.at(step, 0, 4), changed.at(step, 0, 4)
        factors += (after.true.std((1, 2, 3)) / before.true.std((1, 2, 3))).log2().tolist()
        assert _same(changed.at(step, 1, 2), Batch(after.small[1:3], after.true[1:3]))
    assert -1.001 < min(factors) < -0.8
    assert 0.8 < max(factors) < 1.001
    assert abs(sum(factors) / len(factors)) < 0.15


@pytest.mark.parametrize("items", [["bicubic"], NOISY, [*NOISY, "video"]], ids=["whole", "noise", "video"])
@pytest.mark.parametrize("frames", [1, 5])
def test_a_batch_follows_from_its_number(items: list[Any], frames: int) -> None:
    first, second = (_patches(items, frames=frames, reuse=2) for _ in range(2))
    late = second.at(5, 0, 4)
    for step in range(6):
        early = first.at(step, 0, 4)
    assert _same(early, late)
    assert not _same(first.at(4, 0, 4), late)
    halves = [second.at(5, start, 2).small for start in (0, 2)]
    assert torch.equal(torch.cat(halves), late.small)


def test_patches_are_flipped_and_turned() -> None:
    image = torch.zeros(1, 24, 24, 3, dtype=torch.uint8)
    image[:, :6, 12:18] = 255
    plan = Plan(parse_chain(["bicubic"], 2), 2, "Y", 12, 36, 4, 1, True, (1.0, 1.0), 1)
    seen = {patch.numpy().tobytes() for step in range(20) for patch in Patches([image], plan).at(step, 0, 4).true}
    assert len(seen) == 8


def test_noise_that_is_shared_is_drawn_once() -> None:
    shared, alone = _patches(NOISY, reuse=8), _patches(NOISY)
    assert len({float(shared._region(0, 0)[0].sum()) for _ in range(3)}) == 1
    assert float(shared._region(1, 0)[0].sum()) != float(shared._region(0, 0)[0].sum())
    assert not _same(alone.at(0, 0, 4), alone.at(1, 0, 4))


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_the_same_whoever_prepares_them(workers: int) -> None:
    patches = _patches(NOISY, reuse=4)
    with batches(patches, Share(4, 1, 2), 2, 11, workers) as coming:
        found = list(coming)
    assert len(found) == 9
    for step, batch in zip(range(2, 11), found, strict=True):
        assert _same(batch, patches.at(step, 2, 2))


def _write(folder: Path, sizes: list[tuple[int, int]]) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder.mkdir(exist_ok=True)
    for number, (width, height) in enumerate(sizes):
        image.fromarray(scene(1, width, height, seed=number)[0]).save(folder / f"{number}.png")


REQUESTED = Requested(scale=2, patch_px=16, sizes=(1.0,), num_frames=1, shots_per_video=4, shot_px=64, seed=1)


def test_images_are_read_and_small_ones_named(tmp_path: Path) -> None:
    _write(tmp_path, [(65, 47), (20, 60)])
    sources = read_sources([tmp_path], REQUESTED)
    assert [tuple(clip.shape) for clip in sources.clips] == [(1, 46, 64, 3)]
    assert sources.too_small == ("1.png (20x60)",)
    np.testing.assert_array_equal(sources.clips[0][0].numpy(), scene(1, 65, 47, seed=0)[0][:46, :64])


def test_only_small_images_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, [(20, 60), (31, 31)])
    with pytest.raises(InputError, match=r"none of 2 images is large enough, for example 0\.png"):
        read_sources([tmp_path], REQUESTED)


def test_images_are_learnt_from_at_several_sizes(tmp_path: Path) -> None:
    """Those at which a patch fits in; against Pillow's antialiased bicubic, whose kernel has the same a = -0.5."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    _write(tmp_path, [(96, 64), (40, 48)])
    sources = read_sources([tmp_path], replace(REQUESTED, sizes=(1.0, 0.75, 0.5)))
    assert [tuple(clip.shape[1:3]) for clip in sources.clips] == [(64, 96), (48, 72), (32, 48), (48, 40)]
    assert sources.too_small == ()
    smaller = image.fromarray(scene(1, 96, 64, seed=0)[0]).resize((72, 48), image.Resampling.BICUBIC)
    difference = sources.clips[1][0].numpy().astype(int) - np.asarray(smaller)
    assert np.abs(difference[4:-4, 4:-4]).max() <= 1


def test_shots_are_runs_of_the_video_without_cuts(clips: Any) -> None:
    path = clips("cuts")
    frames = [image.tobytes() for image in read_rgb(path)]
    rng = np.random.default_rng(4)
    shots = read_shots(path, 12, 3, rng)
    starts = [frames.index(shot[0].tobytes()) for shot in shots]
    assert len(set(starts)) == len(starts) > 3
    for start, shot in zip(starts, shots, strict=True):
        assert [image.tobytes() for image in shot] == frames[start : start + 3]
        steps = [np.abs(b.astype(int) - a).mean() for a, b in itertools.pairwise(shot)]
        assert max(steps) < 40
    again = read_shots(path, 12, 3, np.random.default_rng(4))
    assert all(np.array_equal(one, other) for one, other in zip(shots, again, strict=True))


def test_shots_of_videos(clips: Any) -> None:
    sources = read_sources(
        [clips("cuts").parent], replace(REQUESTED, patch_px=8, num_frames=3, shots_per_video=6, shot_px=48)
    )
    assert sources.shots
    for shot in sources.shots:
        assert len(shot) == 3
        assert max(shot.shape[1:3]) <= 48
        assert not torch.equal(shot[0], shot[1])


def test_half_of_the_stills_do_not_move(tmp_path: Path) -> None:
    patches = _patches([*NOISY, {"video": {"probability": 0}}])
    still, generator = torch.from_numpy(scene(1, 120, 96)), torch.Generator().manual_seed(3)
    clips = [patches._moving(still, generator) for _ in range(200)]
    unmoved = [clip for clip in clips if torch.equal(clip[0], clip[2])]
    assert all(torch.equal(clip[0], clip[1]) for clip in unmoved)
    assert 80 <= len(unmoved) <= 120


def test_turning_keeps_time(tmp_path: Path) -> None:
    """A pan over a still moves evenly: three frames of one region differ by shifts."""
    patches = _patches([*NOISY, {"video": {"probability": 0}}])
    moving: Tensor = patches._moving(torch.from_numpy(scene(1, 120, 96)), torch.Generator().manual_seed(3))
    assert moving.shape[0] == 3
    assert moving.shape[1:3] == (72, 72)
