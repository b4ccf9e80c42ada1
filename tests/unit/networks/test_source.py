"""What images tell of how they came about."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vsr.media.compression import compress_luma
from vsr.networks import load_network
from vsr.networks.source import LEAST_SIDE_PX, NUM_STATISTICS, Source, source_of, statistics
from vsr.observation.blur import GaussianBlur

_STEPS, _STEPS_OF_ONE, _BENDS, _BENDS_OF_ONE = 68, 11, 90, 3  # where statistics of steps and of curvature begin
_PLACES = 8


def _photograph(side: int = 256) -> Tensor:
    """``(side, side)`` in codes of 255, video range, unrounded; as sharp as averaging makes it."""
    camera = torch.from_numpy(np.asarray(data.camera())).float()[None, None]
    return 16 + 219 / 255 * avg_pool2d(camera, 512 // side)[0, 0]


def _noise(side: int, sigma: float, seed: int = 1) -> Tensor:
    return sigma * torch.randn(side, side, generator=torch.Generator().manual_seed(seed))


# ---- statistics


@pytest.mark.parametrize("sides", [(32, 32), (33, 47), (64, 40), (540, 700)])
@pytest.mark.parametrize("kind", ["black", "white", "grey", "noise", "ramp", "line"])
def test_finite_whatever_the_image(kind: str, sides: tuple[int, int]) -> None:
    height, width = sides
    image = {
        "black": torch.zeros(sides),
        "white": torch.full(sides, 255.0),
        "grey": torch.full(sides, 125.5),
        "noise": 255 * torch.rand(sides, generator=torch.Generator().manual_seed(1)),
        "ramp": torch.linspace(0, 255, width).expand(height, width),
        "line": torch.zeros(sides).index_fill(0, torch.tensor(16), 255.0),
    }[kind]
    found = statistics(image)
    assert found.shape == (NUM_STATISTICS,)
    assert found.dtype == torch.float32
    assert bool(found.isfinite().all())
    assert float(found.abs().max()) < 20


def test_constants_are_all_alike() -> None:
    """No value depends on another, but for rounding of the transform."""
    black, grey = statistics(torch.zeros(48, 64)), statistics(torch.full((48, 64), 200.0))
    assert torch.allclose(black, grey, atol=0.01)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
def test_type_and_place_of_the_image_do_not_count(dtype: torch.dtype) -> None:
    image = _photograph().round()
    assert torch.allclose(statistics(image.to(dtype)), statistics(image), atol=1e-5)
    assert torch.allclose(statistics(image.T.contiguous().T), statistics(image), atol=1e-5)


def _mirrored(found: Tensor, direction: int) -> Tensor:
    """The statistics of an image mirrored along a direction (0: across, 1: down): the places on the grid change."""
    start = _STEPS + direction * _STEPS_OF_ONE
    requested = found.clone()
    for place in range(_PLACES):
        requested[start + (6 - place) % _PLACES] = found[start + place]
    return requested


@pytest.mark.parametrize("direction", [0, 1])
def test_mirrored_images_tell_the_same(direction: int) -> None:
    """On whole blocks nothing changes but the order of the places on the grid."""
    image = (_photograph(128)[:96] + _noise(128, 2)[:96]).round()
    found = statistics(image)
    mirrored = statistics(image.flip(1 - direction))
    assert torch.allclose(mirrored, _mirrored(found, direction), atol=1e-3)
    assert not torch.allclose(mirrored, found, atol=1e-3)  # what the order is kept for


def test_turned_images_tell_the_same_of_the_other_direction() -> None:
    image = (_photograph(128)[:96] + _noise(128, 2)[:96]).round()
    found, turned = statistics(image), statistics(image.T)
    requested = found.clone()
    for start, length in ((_STEPS, _STEPS_OF_ONE), (_BENDS, _BENDS_OF_ONE)):
        requested[start : start + length] = found[start + length : start + 2 * length]
        requested[start + length : start + 2 * length] = found[start : start + length]
    assert torch.allclose(turned, requested, atol=1e-3)


def test_of_large_images_the_middle_counts() -> None:
    image = 255 * torch.rand(640, 800, generator=torch.Generator().manual_seed(1))
    framed = image.clone()
    framed[:64] = framed[576:] = 0
    framed[:, :144] = framed[:, 656:] = 0
    assert torch.equal(statistics(framed), statistics(image))
    framed[64] = 0
    assert not torch.equal(statistics(framed), statistics(image))


def test_what_is_noisy_or_compressed_shows_where_it_should() -> None:
    """Noise fills the highest frequencies; blocks of Motion JPEG leave them empty on the grid, and step across it."""
    plain = _photograph().round()
    highest, empty_on_grid, empty_off_grid, step_across = 4 * 13 + 1, 56 + 4, 56 + 10, _STEPS + 7
    clean, noisy = statistics(plain), statistics((plain + _noise(256, 6)).round())
    assert float(noisy[highest] - clean[highest]) > 0.5
    [blocky] = compress_luma(plain.to(torch.uint8).numpy()[None], "mjpeg", 12)
    found = statistics(torch.from_numpy(blocky))
    assert float(found[empty_on_grid] - clean[empty_on_grid]) > 0.5
    assert float(found[empty_on_grid]) > float(found[empty_off_grid]) + 0.3
    assert float(found[step_across] - clean[step_across]) > 0.1


# ---- estimates


def test_units_of_estimates() -> None:
    assert source_of(torch.tensor([0.4, math.log(3.0), math.log(2.3)])) == Source(
        pytest.approx(0.4), pytest.approx(2.0), pytest.approx(2.0)
    )
    assert source_of(torch.tensor([-0.2, -0.1, -3.0])) == Source(0, 0, 0)
    with pytest.raises(ValueError, match="unpack"):
        source_of(torch.zeros(2))


def _estimate(image: Tensor) -> Source:
    mixture = load_network("lite", 2).mixture
    assert mixture is not None
    estimates = mixture.estimate([image.float().round().clamp(0, 255) / 255])
    assert estimates is not None
    assert float(mixture.shares(estimates).sum()) == pytest.approx(1, abs=1e-5)
    return source_of(estimates)


def test_estimates_rise_with_noise() -> None:
    estimates = [_estimate(_photograph() + _noise(256, sigma)).noise_codes for sigma in (0, 3, 8)]
    assert estimates[0] < 1.5
    assert estimates[0] + 0.5 < estimates[1] < estimates[2] - 1


@pytest.mark.parametrize(
    ("codec", "qualities"), [("h264", (18, 27, 36)), ("hevc", (20, 29, 38)), ("mpeg2", (2, 6, 12))]
)
def test_estimates_rise_with_compression(codec: str, qualities: Any) -> None:
    """The last of five frames that stand still, and a bit of noise, without which nothing would be lost."""
    frames = torch.stack([_photograph() + _noise(256, 1, seed) for seed in range(5)]).round().to(torch.uint8).numpy()
    estimates = [
        _estimate(torch.from_numpy(compress_luma(frames, codec, quality)[-1])).compression_codes
        for quality in qualities
    ]
    assert estimates[0] < estimates[1] < estimates[2]
    assert estimates[2] > 1.5 * estimates[0]


def test_estimates_rise_with_blur() -> None:
    estimates = [_estimate(GaussianBlur(sigma, sigma).A(_photograph())).blur_px for sigma in (0.0, 0.5, 0.8)]
    assert estimates[0] < estimates[1] < estimates[2]


def test_the_least_side_is_enough() -> None:
    assert isinstance(_estimate(_photograph()[:LEAST_SIDE_PX, :LEAST_SIDE_PX]), Source)
