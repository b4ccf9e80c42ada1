"""Evens out brightness that jumps from frame to frame, as old film and mistimed shutters show it; keeps fades.

Between each two frames a gain that varies smoothly over the image and an offset are fitted to the means of coarse
cells, with Tukey's weights, so that what moves counts as an outlier (M-estimation: Odobez and Bouthemy 1995). Chained
over the frames around a frame, they tell how bright its contents are in each of these. The trend of that is fitted by
ℓ1 trend filtering (Kim, Koh, Boyd and Gorinevsky 2009): pieces of straight lines, which fades are and flicker is not.
The frame is brought to the trend. Frames of other shots are never given, so cuts are not crossed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import BT601_LUMA, VideoFrame
from vsr.media.convert import code_range
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared

__all__ = ["Deflicker", "DeflickerOptions", "PreparedDeflicker", "prepare_deflicker"]

_CELLS_YX = (27, 48)  # at most
_WAVES = 3  # cosines along each axis, the constant included: flicker varies over thirds of an image at the finest
_BLACK, _WHITE = 0.005, 0.97  # cells outside are cut off, or nearly
_TUKEY = 4.685
_ROUNDS = 6  # of reweighting
_NOISE = 1e-4  # of a cell's mean, at least
_LOCAL_SIGMA, _OFFSET_SIGMA = 0.1, 0.1  # what is expected: of gains over the image, and of offsets over the mean
_OFFSET_CAUTION = 10.0  # how much less weight offsets have where noise is not far below contrast
_STIFFNESS = 30.0  # of the trend, over its noise
_TREND_ROUNDS = 10
_OUTLIER = 3.0  # noise sigmas from which a frame counts less for the trend
_MOST_GAIN = 2.0  # more is no flicker: a flash, or light that is switched
_LEAST_LEVEL = 0.01  # that a frame is taken to have, over the one that is corrected


@dataclass(frozen=True)
class DeflickerOptions:
    """Settings of `Deflicker`."""

    radius_frames: int = 24
    """Frames on each side that tell what is flicker and what is a trend: about a second."""
    strength: float = 1.0
    """Share of the flicker that is taken away, above 0 to 1."""
    local: bool = True
    """Whether flicker may differ over the image, by coarse regions; else the whole frame has one gain."""

    def __post_init__(self) -> None:
        if not 1 <= self.radius_frames <= 120:
            raise UsageError(f"radius_frames is {self.radius_frames}; deflicker takes 1 to 120")
        if not 0.0 < self.strength <= 1.0:
            raise UsageError(f"strength is {self.strength}; allowed are values above 0, to 1")


@dataclass(frozen=True)
class _Change:
    """How brightness differs between two frames: ``gain · exp(local · cosines) · value + offset``, black 0, white 1."""

    gain: float
    local: Tensor
    """``(8,)`` float64: logarithms of gain along the cosines that are not constant."""
    offset: float


@lru_cache(maxsize=16)
def _cosines(size: int) -> Tensor:
    """``(3, size)`` float64: cosines of 0, 1 and 2 half-waves along an axis."""
    places = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    return torch.cos(math.pi * torch.arange(_WAVES)[:, None] * places)


@lru_cache(maxsize=16)
def _basis(height: int, width: int) -> Tensor:
    """``(height · width, 9)`` float64: products of cosines along both axes; the first is constant."""
    return torch.einsum("iy,jx->yxij", _cosines(height), _cosines(width)).reshape(height * width, -1)


def _field(local: Tensor, height: int, width: int) -> Tensor:
    """``(height, width)`` float32: the logarithm of gain over a plane."""
    weights = torch.cat([local.new_zeros(1), local]).reshape(_WAVES, _WAVES)
    return (_cosines(height).T @ weights @ _cosines(width)).float()


def _cells(frame: VideoFrame, device: torch.device) -> Tensor:
    """``(rows, columns)`` float64 on the CPU: means of luma, black 0 and white 1."""
    layout = frame.layout
    offset, span = code_range(layout, frame.color.full_range, chroma=False)
    size_yx = (min(frame.height, _CELLS_YX[0]), min(frame.width, _CELLS_YX[1]))
    total = torch.zeros(size_yx, dtype=torch.float64)
    for plane, share in enumerate(BT601_LUMA if layout.family == "rgb" else (1.0,)):
        values = torch.nan_to_num(frame.planes[plane].to(device).float())
        means = torch.nn.functional.adaptive_avg_pool2d(values[None], size_yx)[0]
        total += share * (means.double().cpu() - offset) / span
    return total


_SAME = _Change(1.0, torch.zeros(_WAVES**2 - 1, dtype=torch.float64), 0.0)


def _change(first: Tensor, second: Tensor, *, local: bool) -> _Change:
    """How brightness differs in ``second``, ``(rows, columns)`` like ``first``; not at all where too little is seen."""
    basis = _basis(*first.shape) if local else _basis(*first.shape)[:, :1]
    before, after = first.reshape(-1), second.reshape(-1)
    seen = (torch.minimum(before, after) > _BLACK) & (torch.maximum(before, after) < _WHITE)
    if int(seen.sum()) < 2 * basis.shape[1] + 2:
        return _SAME
    before, after = before[seen], after[seen]
    columns = torch.cat([basis[seen] * before[:, None], torch.ones_like(before)[:, None]], 1)
    expected = torch.zeros(columns.shape[1], dtype=torch.float64)
    expected[0] = found = (after / before).median()
    solution = expected.clone()
    sigmas = torch.full_like(expected, _LOCAL_SIGMA * float(found))
    sigmas[0], sigmas[-1] = math.inf, _OFFSET_SIGMA * float(before.mean())
    contrast = float(before.var()) + _NOISE**2
    weights = torch.ones_like(before)
    for _ in range(_ROUNDS):
        residual = after - columns @ solution
        noise = 1.4826 * float(residual.abs().median()) + _NOISE
        weights = (1 - (residual / (_TUKEY * noise)) ** 2).clamp(min=0) ** 2
        weighted = columns * weights[:, None]
        prior = (noise / sigmas) ** 2
        prior[-1] += _OFFSET_CAUTION * len(before) * noise**2 / contrast
        normal = columns.T @ weighted + torch.diag(prior)
        solution = torch.linalg.solve(normal, weighted.T @ after + prior * torch.nan_to_num(expected))
    solution *= (weights @ after) / (weights @ (columns @ solution))  # noise of both frames counts alike: no drift
    gain = float(solution[0])
    if not 1 / _MOST_GAIN**2 < gain < _MOST_GAIN**2:
        return _SAME  # nothing that one frame has in common with the next
    own = _SAME.local if not local else solution[1:-1] / gain
    return _Change(gain, own, float(solution[-1]))


def _trend_weights(levels: Tensor, place: int) -> Tensor:
    """Weights, of sum 1, with which the trend of ``levels`` ``(n,)``, all positive, at ``place`` is a mean of them.

    ℓ1 trend filtering by reweighted least squares, robust against single levels far off. Differences count in shares of
    the level, as flicker does.
    """
    count = len(levels)
    if count < 3:
        return torch.full_like(levels, 1 / count)
    bends = torch.zeros(count - 2, count, dtype=torch.float64)
    rows = torch.arange(count - 2)
    for column, share in enumerate((1.0, -2.0, 1.0)):
        bends[rows, rows + column] = share / levels[1:-1]
    noise = 1.4826 / math.sqrt(6) * float((bends @ levels).abs().median()) + _NOISE
    there = torch.zeros(count, dtype=torch.float64)
    there[place] = 1.0
    counted, straight = levels**-2, torch.ones(count - 2, dtype=torch.float64) / noise
    weights = there
    for _ in range(_TREND_ROUNDS):
        normal = torch.diag(counted) + _STIFFNESS * noise * (bends.T * straight) @ bends
        solved: Tensor = torch.linalg.solve(normal, torch.stack([there, counted * levels], 1))
        weights, trend = solved[:, 0] * counted, solved[:, 1]
        straight = 1 / (bends @ trend).abs().clamp(min=1e-3 * noise)
        far = (trend / levels - 1).abs() / (_OUTLIER * noise)
        counted = levels**-2 / far.clamp(min=1.0)
    return weights


class _Window:
    """Frames around the one that is next, with the changes between them."""

    def __init__(self, radius: int) -> None:
        self._radius = radius
        self._frames: list[tuple[VideoFrame, float]] = []
        """Each with its mean level."""
        self._changes: list[_Change] = []
        """From each frame to the next."""
        self._next = 0

    def push(self, frame: VideoFrame, level: float, change: _Change | None) -> None:
        """Take one more frame, and how it differs from the one before."""
        self._frames.append((frame, level))
        if change is not None:
            self._changes.append(change)

    def ready(self, *, is_over: bool) -> Iterator[tuple[VideoFrame, _Change]]:
        """Frames whose neighbours are all there, each with what brings it to the trend."""
        while self._next < len(self._frames) and (is_over or self._next + self._radius < len(self._frames)):
            frame, level = self._frames[self._next]
            if not frame.is_halo:
                yield frame, self._correction(self._next, level)
            self._next += 1
            surplus = self._next - self._radius
            if surplus > 0:
                del self._frames[:surplus], self._changes[:surplus]
                self._next -= surplus

    def _correction(self, place: int, level: float) -> _Change:
        """From the frame at ``place``, of mean ``level``, to the trend of its brightness over the frames around it."""
        level = max(level, _BLACK)
        behind = self._changes[max(0, place - self._radius) : place]
        ahead = self._changes[place : place + self._radius]
        seen = [*reversed(_chain(map(_reverse, reversed(behind)))), _SAME, *_chain(ahead)]
        gains = torch.tensor([one.gain for one in seen], dtype=torch.float64)
        offsets = torch.tensor([one.offset for one in seen], dtype=torch.float64)
        levels = (gains * level + offsets).clamp(min=_LEAST_LEVEL * level)
        weights = _trend_weights(levels / level, len(behind))
        return _Change(
            gain=min(max(float(weights @ gains), 1 / _MOST_GAIN), _MOST_GAIN),
            local=weights @ torch.stack([one.local for one in seen]),
            offset=float(weights @ offsets),
        )


def _chain(changes: Iterable[_Change]) -> list[_Change]:
    """From one frame to each of those that follow, of the changes from each to the next."""
    total, chained = _SAME, []
    for one in changes:
        total = _Change(total.gain * one.gain, total.local + one.local, total.offset * one.gain + one.offset)
        chained.append(total)
    return chained


def _reverse(change: _Change) -> _Change:
    return _Change(1 / change.gain, -change.local, -change.offset / change.gain)


class Deflicker:
    """Brings each frame's brightness to its trend over the frames around it."""

    def __init__(self, geometry: Geometry, options: DeflickerOptions, device: torch.device) -> None:
        self._geometry, self._options, self._device = geometry, options, device

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing: shots have no bound, so that the frames around each frame tell its trend."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        window = _Window(self._options.radius_frames)
        last: Tensor | None = None
        for frame in frames:
            check_size(frame, self._geometry)
            cells = _cells(frame, self._device)
            change = None if last is None else _change(last, cells, local=self._options.local)
            window.push(frame, float(cells.mean()), change)
            last = cells
            for ready, correction in window.ready(is_over=False):
                yield self._correct(ready, correction)
        for ready, correction in window.ready(is_over=True):
            yield self._correct(ready, correction)

    def _correct(self, frame: VideoFrame, correction: _Change) -> VideoFrame:
        share, layout = self._options.strength, frame.layout
        gain, added = correction.gain**share, share * correction.offset
        planes = []
        for number, plane in enumerate(frame.planes):
            values = plane.to(self._device).float()
            if layout.has_alpha and number == layout.num_planes - 1:
                planes.append(values)
                continue
            is_chroma = layout.is_chroma(number)
            base, span = code_range(layout, frame.color.full_range, is_chroma)
            height, width = values.shape
            gains = gain * torch.exp(share * _field(correction.local, height, width)).to(self._device)
            planes.append((values - base) * gains + (base if is_chroma else base + added * span))
        findings = {
            **frame.findings,
            "deflicker_gain": gain,
            "deflicker_offset_codes": 255 * added,
            "deflicker_change": abs(gain - 1),
        }
        return replace(frame, planes=tuple(planes), findings=findings)


@dataclass(frozen=True)
class PreparedDeflicker(Prepared[DeflickerOptions]):
    """`Deflicker` with its options."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames around each frame."""
        return Capabilities("observation-model", halo_frames=self.options.radius_frames, keeps_size=True)

    def open(self, geometry: Geometry) -> Deflicker:
        """See `Prepared`."""
        return Deflicker(geometry, self.options, self.torch_device)


def prepare_deflicker(geometry: Geometry, options: DeflickerOptions, device: str) -> PreparedDeflicker:
    """See `vsr.methods.method.Method`."""
    return PreparedDeflicker(options, device)
