"""What changes from frame to frame, and what shots tell by it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage import data
from small_networks import mixture_tensors
from torch import Tensor

from vsr.media.compression import compress_luma
from vsr.networks.changes import LEAST_FRAMES, NUM_CHANGES, changes
from vsr.networks.mixture import Mixture, read_mixture
from vsr.networks.source import NUM_OF_SHOT, NUM_STATISTICS, estimates_of, statistics, statistics_of_shot

_SAME, _SAME_BLOCKS, _MEDIAN_BLOCK, _MEAN_BEND, _FLICKER = 0, 4, 7, 10, 12  # places


def _photograph(count: int, sigma: float = 0.0) -> Tensor:
    """``(count, 128, 128)`` in whole codes: the same image, with new noise in every frame."""
    camera = torch.from_numpy(np.asarray(data.camera())[::4, ::4].copy()).float()
    noise = torch.randn(count, 128, 128, generator=torch.Generator().manual_seed(1))
    return (16 + camera * 219 / 255 + sigma * noise).round()


@pytest.mark.parametrize("sides", [(32, 32), (33, 47), (64, 40)])
@pytest.mark.parametrize("kind", ["black", "noise", "flash"])
def test_finite_whatever_the_frames(kind: str, sides: tuple[int, int]) -> None:
    frames = {
        "black": torch.zeros(5, *sides),
        "noise": 255 * torch.rand(5, *sides, generator=torch.Generator().manual_seed(1)),
        "flash": torch.zeros(5, *sides).index_fill(0, torch.tensor(2), 255.0),
    }[kind]
    found = changes(frames)
    assert found.shape == (NUM_CHANGES,)
    assert bool(found.isfinite().all())
    assert statistics_of_shot(list(frames)).shape == (NUM_OF_SHOT,)


def test_where_nothing_changes() -> None:
    found = changes(_photograph(1).expand(4, -1, -1))
    assert found[:5].tolist() == pytest.approx([math.log(1.01)] * 5, abs=1e-5)
    assert found[5:12].tolist() == pytest.approx([math.log(0.05)] * 7, abs=1e-5)
    assert found[12:].tolist() == pytest.approx([0, 0], abs=1e-5)


def test_white_noise_changes_as_its_formulas_say() -> None:
    """Differences have a deviation of √2 σ, their bends √6 times that; mean magnitudes are √(2/π) of deviations."""
    sigma = 6.0
    found = changes(100 + sigma * torch.randn(5, 256, 256, generator=torch.Generator().manual_seed(1)))
    mean = sigma * math.sqrt(2) * math.sqrt(2 / math.pi)
    assert float(found[_MEDIAN_BLOCK]) == pytest.approx(math.log(mean + 0.05), abs=0.02)
    assert float(found[_MEAN_BEND]) == pytest.approx(math.log(math.sqrt(6) * mean + 0.05), abs=0.02)
    assert float(found[_FLICKER]) < 0.02


def test_codecs_repeat_what_stands_still() -> None:
    """Before a fixed camera with a little noise no block of 16×16 is ever the same, until a codec makes it so."""
    frames = _photograph(5, 1.0)
    coded = torch.from_numpy(compress_luma(frames.to(torch.uint8).numpy(), "h264", 30)).float()
    before, after = changes(frames), changes(coded)
    assert float(before[_SAME_BLOCKS]) == pytest.approx(math.log(0.01), abs=1e-5)
    assert float(after[_SAME_BLOCKS]) > math.log(0.2)
    assert float(after[_SAME]) > float(before[_SAME]) + 0.5


def test_first_the_means_of_the_frames() -> None:
    frames = list(_photograph(4, 2.0))
    alone = torch.stack([statistics(frame) for frame in frames])
    found = statistics_of_shot(frames)
    assert torch.equal(found[:NUM_STATISTICS], alone.mean(0))
    assert torch.equal(found[NUM_STATISTICS : 2 * NUM_STATISTICS], alone.std(0))
    assert torch.equal(found[2 * NUM_STATISTICS :], changes(torch.stack(frames)))


def _mixture(num_statistics: int) -> Mixture:
    mixture = read_mixture(mixture_tensors(num_statistics=num_statistics), "a file")
    assert mixture is not None
    return mixture


@pytest.mark.parametrize("count", range(1, LEAST_FRAMES))
def test_few_frames_tell_no_changes_and_count_as_usual(count: int) -> None:
    frames, mixture = list(_photograph(count)), _mixture(NUM_OF_SHOT)
    found = statistics_of_shot(frames)
    assert bool(found[:NUM_STATISTICS].isfinite().all())
    assert bool(found[NUM_STATISTICS:].isnan().all())
    usual = torch.where(found.isnan(), mixture.source["mean"], found)
    estimate = mixture.estimate([frame / 255 for frame in frames])
    assert estimate is not None
    assert torch.allclose(estimate, estimates_of(usual, mixture.source), atol=1e-5)
    assert bool(estimate.isfinite().all())


def test_estimators_of_images_do_not_look_at_changes() -> None:
    frames, mixture = list(_photograph(4, 2.0)), _mixture(NUM_STATISTICS)
    means = statistics_of_shot(frames)[:NUM_STATISTICS]
    estimate = mixture.estimate([frame / 255 for frame in frames])
    assert estimate is not None
    assert torch.allclose(estimate, estimates_of(means, mixture.source), atol=1e-4)
