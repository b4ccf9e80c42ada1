"""What a shot tells of how it came about: blur, noise, and what a codec took from it.

Statistics of 8×8 transform blocks, of steps across the grids that codecs work on, of differences between neighbours and
of changes from frame to frame go through a small perceptron. It was fitted on shots whose history is known
(`examples/train_lite`); what it gives are estimates for choosing how strongly to restore, not measurements. That of the
weights that ship does not see changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from vsr.networks.changes import LEAST_FRAMES, NUM_CHANGES, changes
from vsr.networks.transforms import cosine_matrix

__all__ = [
    "LEAST_SIDE_PX",
    "NUM_OF_SHOT",
    "NUM_STATISTICS",
    "Source",
    "compression_known",
    "estimates_of",
    "source_of",
    "statistics",
    "statistics_of_shot",
]

NUM_STATISTICS = 98
"""Length of what `statistics` gives."""

NUM_OF_SHOT = 2 * NUM_STATISTICS + NUM_CHANGES
"""Length of what `statistics_of_shot` gives."""

LEAST_SIDE_PX = 32
"""Side of an image from which it tells something."""

_SIDE = 8  # of transform blocks
_MOST_SIDE_PX = 512  # of the part that is looked at, in the middle
_BANDS = ((3, 6), (6, 9), (9, 15))  # sums of both frequencies
_FLOOR = 0.05  # of magnitudes before their logarithm, in codes of 255
_RARE = 0.01  # the same for shares
_LEAST_ERROR = 0.3  # codes of 255: rounding alone
_FAR = 4.0  # standard deviations beyond which a statistic says no more


@dataclass(frozen=True)
class Source:
    """How an image came about, as far as it shows."""

    blur_px: float
    """Standard deviation of blur ahead of the pixels' own area, in pixels; 0: as sharp as averaging, or sharper."""
    noise_codes: float
    """Standard deviation of noise ahead of compression, in codes of 255."""
    compression_codes: float
    """Root mean square of what compression changed, in codes of 255."""


def _middle(luma: Tensor) -> Tensor:
    """At most 512×512 from the middle; cut at multiples of 8, where the grids of codecs are."""
    height, width = luma.shape
    top, left = (max(0, side - _MOST_SIDE_PX) // 2 // _SIDE * _SIDE for side in (height, width))
    return luma[top : top + _MOST_SIDE_PX, left : left + _MOST_SIDE_PX]


def _energies(luma: Tensor, step: int, matrix: Tensor) -> Tensor:
    """Magnitudes of the transform of blocks ``step`` apart, ``(N, 8, 8)``."""
    blocks = luma.unfold(0, _SIDE, step).unfold(1, _SIDE, step).reshape(-1, _SIDE, _SIDE)
    return (matrix @ blocks @ matrix.T).abs()


def _log(value: Tensor, floor: float = _FLOOR) -> Tensor:
    return torch.log(value + floor)


def _spectrum(luma: Tensor, matrix: Tensor, frequency: Tensor) -> list[Tensor]:
    """How magnitudes are spread, for every sum of both frequencies."""
    energies, found = _energies(luma, 4, matrix), []
    for band in range(1, 2 * _SIDE - 1):
        values = energies[:, frequency == band]
        by_block = values.mean(1)
        found += [_log(values.square().mean()), _log(values.flatten().median())]
        found += [_log(torch.quantile(by_block, share)) for share in (0.1, 0.9)]
    return found


def _emptiness(luma: Tensor, matrix: Tensor, frequency: Tensor) -> list[Tensor]:
    """Shares of coefficients, and of whole bands of a block, that are nearly nothing; on the grid and half-way off."""
    found = []
    for first in (0, _SIDE // 2):
        energies = _energies(luma[first:, first:], _SIDE, matrix)
        for low, high in _BANDS:
            values = energies[:, (frequency >= low) & (frequency < high)]
            found += [
                _log((values < 0.6).float().mean(), _RARE),
                _log((values.mean(1) < 0.5).float().mean(), _RARE),
            ]
    return found


def _steps(luma: Tensor) -> list[Tensor]:
    """Steps between neighbours by their place on the grid, and how many are hardly any."""
    found = []
    for across in (luma[:, 1:] - luma[:, :-1], (luma[1:] - luma[:-1]).T):
        steps = across.abs()
        usual = steps.mean() + _FLOOR
        places = [steps[:, place::_SIDE] for place in range(_SIDE)] + [steps[:, 3::4]]
        found += [torch.log((one.mean() + _FLOOR) / usual) for one in places]
        found += [_log((steps < most).float().mean(), _RARE) for most in (0.5, 1.5)]
    return found


def _curvature(luma: Tensor) -> list[Tensor]:
    found = []
    for bend in (
        luma[:, 2:] - 2 * luma[:, 1:-1] + luma[:, :-2],
        luma[2:] - 2 * luma[1:-1] + luma[:-2],
    ):
        size = bend.abs()
        found += [_log((size < 0.5).float().mean(), _RARE), _log(size.mean()), _log(size.median(), 0.5)]
    twist = (luma[2:, 2:] - luma[:-2, 2:] - luma[2:, :-2] + luma[:-2, :-2]).abs()
    return [*found, _log(twist.mean()), _log(twist.median(), 0.5)]


def statistics(luma: Tensor) -> Tensor:
    """``(98,)`` float32 of an image ``(h, w)`` in codes of 255, sides of at least `LEAST_SIDE_PX`; on the CPU."""
    luma = _middle(luma.detach().to("cpu", torch.float32))
    matrix, number = cosine_matrix(_SIDE), torch.arange(_SIDE)
    frequency = number[:, None] + number
    found = _spectrum(luma, matrix, frequency) + _emptiness(luma, matrix, frequency)
    return torch.stack([*found, *_steps(luma), *_curvature(luma)])


def statistics_of_shot(lumas: Sequence[Tensor]) -> Tensor:
    """``(210,)`` float32 of consecutive frames, as `statistics` takes them: means, standard deviations, `changes`.

    The first 98 are the means; what fewer than three frames do not tell is NaN.
    """
    of_each = torch.stack([statistics(luma) for luma in lumas])
    if len(lumas) < LEAST_FRAMES:
        return torch.cat([of_each.mean(0), torch.full((NUM_OF_SHOT - NUM_STATISTICS,), math.nan)])
    middles = torch.stack([_middle(luma.detach().to("cpu", torch.float32)) for luma in lumas])
    return torch.cat([of_each.mean(0), of_each.std(0), changes(middles)])


def estimates_of(found: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """What a perceptron with ``weights`` makes of `statistics_of_shot` ``(…, 210)``: ``(…, 3)`` estimates.

    These are blur, log(1 + noise) and log(0.3 + compression), in the units of `Source`. What is NaN counts as usual.
    Weights for images alone see the first 98.
    """
    seen = found[..., : len(weights["mean"])]
    given = ((seen - weights["mean"]) / weights["spread"]).clamp(-_FAR, _FAR).nan_to_num(0.0)
    for number in (1, 2):
        given = silu(linear(given, weights[f"layer{number}.weight"], weights[f"layer{number}.bias"]))
    return linear(given, weights["layer3.weight"], weights["layer3.bias"])


def compression_known(estimates: Tensor, compression_codes: float) -> Tensor:
    """``estimates`` ``(3,)`` with what compression changed as it is known to be, in codes of 255."""
    return torch.stack([estimates[0], estimates[1], estimates.new_tensor(math.log(_LEAST_ERROR + compression_codes))])


def source_of(estimates: Tensor) -> Source:
    """The three estimates of `estimates_of` in the units of `Source`; ValueError for other shapes."""
    blur, noise, error = (float(value) for value in estimates)
    return Source(
        blur_px=max(0.0, blur),
        noise_codes=max(0.0, math.exp(noise) - 1),
        compression_codes=max(0.0, math.exp(error) - _LEAST_ERROR),
    )
