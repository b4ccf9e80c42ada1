"""Film grain as a model: how strong it is at each brightness, and how fine.

Grain is what changes from frame to frame where nothing else is to be seen. Blocks that are flat in the mean of two
frames, laid over each other by whole pixels, show it alone in their difference, which is independent of that mean: so
choosing by one hardly biases the other. Strength follows from the differences' variance at each brightness, fineness
from their power spectrum. New grain is white noise given that spectrum and that strength, as AV1's film grain is
(Norkin and Birkbeck, "Film grain synthesis for AV1 video codec", 2018), by a Fourier transform in place of an
autoregression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.media.convert import code_range
from vsr.methods.method import Adaptation, part_of, with_prefix
from vsr.methods.passes.luma import luma_of_frame
from vsr.registration import flow_pair

__all__ = ["LEVELS", "SIDE", "Grain", "PlaneGrain", "color_planes", "measure_grain", "plane_values"]

SIDE = 16
"""Side of the blocks that are measured, and period of the spectrum."""
LEVELS = 9
"""Brightnesses at which strength is known, evenly from black to white."""

_STEP = SIDE // 2
_FLATTEST = 0.1  # share of a brightness's blocks that are measured
_QUIETEST = 0.4  # quantile of the variances of those: what else changes adds to grain
_MOSTLY_GRAIN = 0.5  # share of those that must look like grain, or they are texture
_LEAST_BLOCKS = 20  # in all, below which nothing is said
_ALIKE = (0.2, 0.5)  # variance of the mean over that of the difference: 0.5 for grain alone, more for texture
_MOST_VALUE = 65536.0  # of floating-point video: half precision holds no more
_STEEPEST = 2.0  # fall of the spectrum from one frequency to the next, where the coarsest is extrapolated
_LEAST_VARIANCE = 1e-8  # of a difference, black 0 and white 1: less is a repeated frame


@dataclass(frozen=True)
class PlaneGrain:
    """Of one plane."""

    strength: Tensor
    """``(LEVELS,)`` float32: standard deviation at each brightness, in shares of the range from black to white."""
    spectrum: Tensor
    """``(SIDE, SIDE // 2 + 1)`` float32: power over frequency, as `torch.fft.rfft2` orders it; its mean over the whole
    plane of frequencies is 1."""

    def strength_at(self, values: Tensor) -> Tensor:
        """Standard deviation at ``values``, black 0 and white 1, of any shape."""
        place = values.clamp(0, 1) * (LEVELS - 1)
        below = place.floor().clamp(max=LEVELS - 2)
        low = self.strength.to(values.device)[below.long()]
        high = self.strength.to(values.device)[below.long() + 1]
        between: Tensor = torch.lerp(low, high, place - below)
        return between

    def render(self, white: Tensor, size_yx: tuple[int, int]) -> Tensor:
        """``white`` noise ``(h, w)``, standard normal, with this spectrum, on ``size_yx`` samples of the same image.

        What is finer than the samples of ``white`` stays empty, so grain is as coarse in the image as it was, and its
        variance is the same at every size that holds all of it.
        """
        height, width = white.shape
        waves = torch.fft.rfft2(white) * self._amplitude(height, width).to(white.device)
        rows, cols = min(height, size_yx[0]), min(width, size_yx[1])
        kept = waves.new_zeros(size_yx[0], size_yx[1] // 2 + 1)
        up, down, across = (rows + 1) // 2, (rows - 1) // 2, (cols + 1) // 2
        kept[:up, :across] = waves[:up, :across]
        if down:
            kept[-down:, :across] = waves[-down:, :across]
        scale = size_yx[0] * size_yx[1] / (height * width)
        rendered: Tensor = torch.fft.irfft2(kept, s=size_yx) * scale
        return rendered

    def _amplitude(self, height: int, width: int) -> Tensor:
        """Square root of the spectrum on ``height`` × ``width`` samples, as `torch.fft.rfft2` orders it."""
        rows = torch.fft.fftfreq(height).float() * SIDE
        cols = torch.fft.rfftfreq(width).float() * SIDE
        mirrored = self.spectrum[:, -2:-1].flip(0).roll(1, 0)  # what lies beyond the last column
        power = torch.cat([self.spectrum, mirrored], 1)
        y0, x0 = rows.floor(), cols.floor()
        dy, dx = (rows - y0)[:, None], (cols - x0)[None, :]
        ys, xs = y0.long(), x0.long()

        def at(down: int, right: int) -> Tensor:
            return power[((ys + down) % SIDE)[:, None], (xs + right)[None, :]]

        found = torch.lerp(torch.lerp(at(0, 0), at(0, 1), dx), torch.lerp(at(1, 0), at(1, 1), dx), dy)
        return found.clamp(min=0).sqrt()

    def covariance(self) -> Tensor:
        """``(SIDE, SIDE)`` float64: between samples of grain of strength 1, by their distance (wrapped)."""
        covariance: Tensor = torch.fft.irfft2(self.spectrum.double(), s=(SIDE, SIDE))
        return covariance


@dataclass(frozen=True)
class Grain:
    """Of all colour planes of a shot."""

    size_yx: tuple[int, int]
    """Of the frames in which it was measured."""
    planes: tuple[PlaneGrain, ...]
    mixing: Tensor
    """``(planes, planes)`` float32, lower triangular: makes independent grain as correlated as the planes'."""

    def tensors(self) -> Adaptation:
        """As a pass keeps it for a shot; the inverse of `from_tensors`."""
        kept = {"size_yx": torch.tensor(self.size_yx), "mixing": self.mixing}
        for number, plane in enumerate(self.planes):
            kept |= with_prefix({"strength": plane.strength, "spectrum": plane.spectrum}, f"{number}.")
        return kept

    @classmethod
    def from_tensors(cls, kept: Adaptation) -> Grain | None:
        """None where nothing is kept: no grain was found."""
        if "mixing" not in kept:
            return None
        height, width = (int(side) for side in kept["size_yx"])
        planes = (PlaneGrain(**part_of(kept, f"{number}.")) for number in range(len(kept["mixing"])))
        return cls((height, width), tuple(planes), kept["mixing"])


def color_planes(frame: VideoFrame) -> range:
    """Numbers of the planes that have grain: all but alpha."""
    return range(frame.layout.num_planes - frame.layout.has_alpha)


def plane_values(frame: VideoFrame, number: int) -> Tensor:
    """``(h, w)`` float32: a plane with black 0 and white 1, chroma with grey 0.5."""
    is_chroma = frame.layout.is_chroma(number)
    base, span = code_range(frame.layout, frame.color.full_range, is_chroma)
    values = torch.nan_to_num(frame.planes[number].float()).clamp(-_MOST_VALUE, _MOST_VALUE)
    return (values - base) / span + (0.5 if is_chroma else 0.0)


def measure_grain(frames: Sequence[VideoFrame]) -> Grain | None:
    """The grain of ``frames``, of one shot and size, in their order; None where too little of it can be seen alone.

    That is so for a single frame, frames smaller than a block, repeated frames, and texture everywhere.
    """
    if len(frames) < 2 or not color_planes(frames[0]):
        return None
    is_rgb = frames[0].layout.family == "rgb"
    lumas = [luma_of_frame(frame) for frame in frames]
    pairs = [flow_pair(first, second, detail="coarse") for first, second in pairwise(lumas)]
    motions = [None if pair is None else pair.forward for pair in pairs]
    samples: list[_Samples | None] = []
    for number in color_planes(frames[0]):
        values = [plane_values(frame, number).cpu() for frame in frames]
        found = _samples(values, lumas if is_rgb else None, motions)
        if found is None and not samples:
            return None
        samples.append(found)
    planes = tuple(_plane_grain(found) for found in samples)
    mixing = torch.eye(len(planes))
    if is_rgb and all(found is not None for found in samples):
        mixing = _mixing([found.differences for found in samples if found is not None])
    return Grain((frames[0].height, frames[0].width), planes, mixing)


@dataclass(frozen=True)
class _Samples:
    """Flat blocks of a plane."""

    levels: Tensor
    """``(n,)``: brightness."""
    differences: Tensor
    """``(n, SIDE, SIDE)``: between two frames, over √2, without slopes."""


def _samples(
    values: Sequence[Tensor], guides: Sequence[Tensor] | None, motions: Sequence[Tensor | None]
) -> _Samples | None:
    """Flat blocks of consecutive ``values`` ``(h, w)``, chosen by ``guides`` where these are given."""
    if min(values[0].shape) < SIDE:
        return None
    levels, differences = [], []
    for number in range(1, len(values) - 1):
        motion = motions[number]
        if motion is None:
            continue
        own, after = _overlaid(values[number], values[number + 1], motion)
        _, before = _overlaid(values[number], values[number - 1], -motion)
        mean, difference = (before + own + after) / 3, _without_slope(before - 2 * own + after) / 6**0.5
        if guides is None:
            flat = _flat(mean, difference)
        else:
            one, other = _overlaid(guides[number], guides[number + 1], motion)
            flat = _flat((one + other) / 2, _without_slope(other - one) / 2**0.5)
        levels.append(mean[flat].mean((1, 2)))
        differences.append(difference[flat])
    if not levels:
        return None
    found = _Samples(torch.cat(levels), torch.cat(differences))
    return found if len(found.levels) >= _LEAST_BLOCKS else None


def _overlaid(before: Tensor, after: Tensor, motion: Tensor) -> tuple[Tensor, Tensor]:
    """Blocks of ``before``, and those of ``after`` that show the same to whole pixels; ``(n, SIDE, SIDE)`` each.

    ``motion`` ``(2, H, W)``: from the first to the second, in pixels of a frame that may be larger than these planes.
    """
    height, width = before.shape
    counts = ((height - SIDE) // _STEP + 1, (width - SIDE) // _STEP + 1)
    tops, lefts = (torch.arange(count) * _STEP for count in counts)
    shares = torch.tensor([height / motion.shape[1], width / motion.shape[2]])
    rows, cols = (
        ((starts + SIDE / 2) / share).long() for starts, share in zip((tops, lefts), shares.tolist(), strict=True)
    )
    steps = (motion[:, rows[:, None], cols] * shares[:, None, None]).round().long()
    top = (tops[:, None] + steps[0]).clamp(0, height - SIDE)
    left = (lefts + steps[1]).clamp(0, width - SIDE)
    inside = torch.arange(SIDE)
    there = after[(top.reshape(-1, 1, 1) + inside[:, None]), (left.reshape(-1, 1, 1) + inside)]
    return _blocks(before), there


def _blocks(plane: Tensor) -> Tensor:
    """``(h, w)`` → ``(n, SIDE, SIDE)``, overlapping by half."""
    return plane.unfold(0, SIDE, _STEP).unfold(1, SIDE, _STEP).reshape(-1, SIDE, SIDE)


def _without_slope(blocks: Tensor) -> Tensor:
    """Blocks less the plane of second order that fits each best."""
    line = torch.linspace(-1, 1, SIDE, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    surfaces = torch.stack([torch.ones_like(x), x, y, x * y, x * x, y * y]).reshape(6, -1)
    basis = torch.linalg.qr(surfaces.T).Q.to(blocks.dtype)
    flat = blocks.reshape(len(blocks), -1)
    rest: Tensor = flat - (flat @ basis) @ basis.T
    return rest.reshape(blocks.shape)


def _flat(mean: Tensor, difference: Tensor) -> Tensor:
    """``(n,)`` bool: which blocks show grain alone, by the ``mean`` of two frames and their ``difference``."""
    variance, moving = _without_slope(mean).var((1, 2)), difference.var((1, 2))
    level = (mean.mean((1, 2)).clamp(0, 1) * (LEVELS - 1)).round().long()
    ratio = variance / moving.clamp(min=_LEAST_VARIANCE)
    is_grain = (ratio > _ALIKE[0]) & (ratio < _ALIKE[1]) & (moving > _LEAST_VARIANCE)
    flat = torch.zeros(len(mean), dtype=torch.bool)
    for one in set(level.tolist()):
        here = (level == one).nonzero()[:, 0]
        flattest = here[variance[here].argsort(stable=True)][: -(-len(here) // round(1 / _FLATTEST))]
        if float(is_grain[flattest].float().mean()) > _MOSTLY_GRAIN:
            flat[flattest] = is_grain[flattest]
    return flat


def _plane_grain(found: _Samples | None) -> PlaneGrain:
    """Strength and spectrum; no grain where nothing was found."""
    if found is None:
        return PlaneGrain(torch.zeros(LEVELS), torch.ones(SIDE, SIDE // 2 + 1))
    variances = found.differences.var((1, 2))
    seen = variances > _LEAST_VARIANCE  # not those that are cut off at black or white
    if int(seen.sum()) < _LEAST_BLOCKS:
        return PlaneGrain(torch.zeros(LEVELS), torch.ones(SIDE, SIDE // 2 + 1))
    place = found.levels.clamp(0, 1) * (LEVELS - 1)
    nearest = place.round().long()
    known = sorted(set(nearest.tolist()))
    quiet = [float(variances[nearest == level].quantile(_QUIETEST)) for level in known]
    between = torch.from_numpy(np.interp(np.arange(LEVELS), known, quiet)).float()
    scaled = found.differences[seen] / variances[seen].sqrt()[:, None, None]
    window = torch.hann_window(SIDE, periodic=False)
    power = torch.fft.rfft2(scaled * window[:, None] * window).abs().square().mean(0)
    completed = _with_coarsest(power)
    known_power, all_power = _mean_power(power), _mean_power(completed)
    strength = (between * all_power / known_power).sqrt()
    return PlaneGrain(strength, completed / all_power)


def _mean_power(power: Tensor) -> float:
    """Over the whole plane of frequencies, of which ``power`` ``(SIDE, SIDE // 2 + 1)`` has half."""
    return float(torch.cat([power, power[:, 1:-1]], 1).mean())


def _with_coarsest(power: Tensor) -> Tensor:
    """``power`` with its lowest frequencies, which were taken out with the slopes, as those above go on."""
    distance = torch.hypot(torch.fft.fftfreq(SIDE)[:, None], torch.fft.rfftfreq(SIDE)[None]) * SIDE
    near, far = (power[(distance >= low) & (distance < low + 1)].mean() for low in (2, 3))
    steepness = (near / far).clamp(1, _STEEPEST).log() / (3.5**2 - 2.5**2)  # a Gaussian's, over the square of frequency
    return torch.where(distance < 2, near * (steepness * (2.5**2 - distance.square())).exp(), power)


def _mixing(differences: Sequence[Tensor]) -> Tensor:
    """Lower triangular ``(planes, planes)`` from blocks that lie at the same places, ``(n, SIDE, SIDE)`` each."""
    flat = torch.stack([one.reshape(-1) / one.std().clamp(min=1e-6) for one in differences]).double()
    correlation = flat @ flat.T / flat.shape[1]
    correlation += 1e-6 * torch.eye(len(flat), dtype=torch.float64)
    lower: Tensor = torch.linalg.cholesky(correlation)
    return lower.float()
