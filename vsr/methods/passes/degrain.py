"""Measures film grain and takes it away: across frames along the motion first, then within the frame.

Neighbours that register well are averaged, which keeps detail; what grain is left is shrunk in overlapping blocks by
the discrete cosine transform, by hard thresholds for a first estimate and by Wiener's rule with that (the two steps of
Dabov and others, "Image denoising by sparse 3-D transform-domain collaborative filtering", 2007, on single blocks).
How strong grain is at each brightness and frequency is measured in the shot's first frames (`grain_model`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.media.convert import code_range
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Geometry, Prepared
from vsr.methods.passes.grain_model import SIDE, Grain, PlaneGrain, color_planes, measure_grain, plane_values
from vsr.methods.passes.luma import luma_of_frame
from vsr.methods.reconstruction.window import Seen, Window
from vsr.registration import FlowPair, consistency_error, flow_pair, warp_to
from vsr.solvers.confidence import RESIDUAL_BLUR, residual_confidence

__all__ = ["Degrain", "DegrainOptions", "PreparedDegrain", "prepare_degrain"]

_ADAPT_FRAMES = 8
_BLOCK, _STRIDE = 8, 4
_THRESHOLD = 2.7  # standard deviations of grain, for the first estimate
_TOLERANCE = 0.8  # of differences between frames, in standard deviations of their grain: beyond, motion was not found
_LEAST_LEVEL, _LEAST_POWER = 1e-4, 1e-12


@dataclass(frozen=True)
class DegrainOptions:
    """Settings of `Degrain`."""

    strength: float = 1.0
    """Share of the grain that is taken away, 0 to 1; 0 measures it only."""
    radius_frames: int = 1
    """Frames on each side that are averaged, 0 to 4."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.strength <= 1.0:
            raise UsageError(f"strength is {self.strength}; degrain takes 0 to 1")
        if not 0 <= self.radius_frames <= 4:
            raise UsageError(f"radius_frames is {self.radius_frames}; degrain takes 0 to 4")


class Degrain:
    """Takes away the grain that a shot's first frames show."""

    def __init__(self, geometry: Geometry, options: DegrainOptions) -> None:
        self._geometry, self._options = geometry, options

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """The grain of the shot, as `Grain.tensors` has it; nothing where none can be measured."""
        grain = measure_grain(frames)
        return NOT_ADAPTED if grain is None else grain.tensors()

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each frame that is not halo. See `vsr.methods.method.Restorer`."""
        grain = Grain.from_tensors(adaptation)
        cleaner = None if grain is None or self._options.strength == 0.0 else _Cleaner(grain, self._options)
        radius = self._options.radius_frames if cleaner else 0
        window = Window(self._checked(frames), radius, 0, _register)
        for number in window.advance():
            frame = window[number].frame
            if frame.is_halo:
                continue
            level = 0.0 if grain is None else _codes(frame, grain)
            made = replace(frame, findings={**frame.findings, "grain_codes": level})
            yield made if cleaner is None else replace(made, planes=cleaner.clean(window, number))

    def _checked(self, frames: Iterable[VideoFrame]) -> Iterator[Seen]:
        for frame in frames:
            check_size(frame, self._geometry)
            yield Seen(
                replace(frame, planes=tuple(plane.cpu().float() for plane in frame.planes)), luma_of_frame(frame)
            )


def _register(first: Tensor, second: Tensor) -> FlowPair | None:
    return flow_pair(first, second, detail="coarse")


def _codes(frame: VideoFrame, grain: Grain) -> float:
    """Standard deviation of the first plane's grain at the frame's brightness, in codes of 255."""
    return 255 * float(grain.planes[0].strength_at(plane_values(frame, 0).mean().cpu()))


@dataclass(frozen=True)
class _Neighbour:
    """A frame beside another one, as that one sees it."""

    frame: VideoFrame
    flow: Tensor
    """``(2, H, W)``: from the other one to it."""
    confidence: Tensor
    """``(H, W)``, 0…1."""


class _Cleaner:
    """Takes away ``grain``."""

    def __init__(self, grain: Grain, options: DegrainOptions) -> None:
        self._grain, self._options = grain, options
        self._powers = [_block_power(plane) for plane in grain.planes]

    def clean(self, window: Window, number: int) -> tuple[Tensor, ...]:
        """The planes of frame ``number``, float32 code values."""
        frame = window[number].frame
        neighbours = self._neighbours(window, number)
        planes = list(frame.planes)
        for at in color_planes(frame):
            is_chroma = frame.layout.is_chroma(at)
            span = code_range(frame.layout, frame.color.full_range, is_chroma)[1]
            values = plane_values(frame, at)
            mean, remaining = _average(frame, at, values, neighbours)
            variance = self._grain.planes[at].strength_at(mean).square() * remaining
            cleaned = _shrink(mean, variance, self._powers[at])
            planes[at] = planes[at] + self._options.strength * span * (cleaned - values)
        return tuple(planes)

    def _neighbours(self, window: Window, number: int) -> list[_Neighbour]:
        luma = window[number].luma
        level = max(_LEAST_LEVEL, math.sqrt(2) * float(self._grain.planes[0].strength_at(luma).mean()))
        found = []
        for other, pair in window.motions_to(number).items():
            motion = pair.reversed()
            residual = RESIDUAL_BLUR.A((warp_to(window[other].luma, motion.forward) - luma)[None])
            confidence = residual_confidence(residual, torch.zeros_like(residual), level, tolerance=_TOLERANCE)[0]
            confidence *= consistency_error(motion).isfinite()
            found.append(_Neighbour(window[other].frame, motion.forward, confidence))
        return found


def _average(frame: VideoFrame, number: int, values: Tensor, neighbours: Sequence[_Neighbour]) -> tuple[Tensor, Tensor]:
    """Plane ``number``, of own ``values``, with its neighbours, and the share of variance left; both ``(h, w)``."""
    total, weights, squares = values.clone(), torch.ones_like(values), torch.ones_like(values)
    for one in neighbours:
        flow, weight = one.flow, one.confidence
        if weight.shape != values.shape:
            size = (int(values.shape[0]), int(values.shape[1]))
            shares = torch.tensor([size[0] / flow.shape[-2], size[1] / flow.shape[-1]])[:, None, None]
            flow = torch.nn.functional.interpolate(flow[None], size, mode="area")[0] * shares
            weight = torch.nn.functional.adaptive_avg_pool2d(weight[None], size)[0]
        total += weight * warp_to(plane_values(one.frame, number), flow)
        weights += weight
        squares += weight.square()
    return total / weights, squares / weights.square()


def _dct_matrix() -> Tensor:
    number = torch.arange(_BLOCK, dtype=torch.float64)
    matrix = torch.cos(math.pi * (number[None] + 0.5) * number[:, None] / _BLOCK) * math.sqrt(2 / _BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix


def _block_power(plane: PlaneGrain) -> Tensor:
    """``(_BLOCK, _BLOCK)``: variance of each coefficient of a block of grain of strength 1."""
    matrix, covariance = _dct_matrix(), plane.covariance()
    steps = torch.arange(_BLOCK)
    apart = (steps[:, None] - steps) % SIDE
    between = covariance[apart[:, None, :, None], apart[None, :, None, :]]  # (y, x, y', x')
    return torch.einsum("ky,lx,yxvu,kv,lu->kl", matrix, matrix, between, matrix, matrix).float().clamp(min=0)


def _shrink(plane: Tensor, variance: Tensor, power: Tensor) -> Tensor:
    """``plane`` ``(h, w)`` less grain of ``variance`` at each pixel and ``power`` over the coefficients of blocks."""
    height, width = plane.shape
    if min(height, width) < _BLOCK:
        return plane
    edge = _BLOCK - _STRIDE
    below, beside = (edge - (side % -_STRIDE) for side in (height, width))
    padded, noise = (
        torch.nn.functional.pad(one[None], (edge, beside, edge, below), mode="replicate") for one in (plane, variance)
    )
    size = (int(padded.shape[1]), int(padded.shape[2]))
    matrix = _dct_matrix().float()

    def blocks(image: Tensor) -> Tensor:
        columns = torch.nn.functional.unfold(image[None], _BLOCK, stride=_STRIDE)
        return columns[0].T.reshape(-1, _BLOCK, _BLOCK)

    def whole(parts: Tensor) -> Tensor:
        columns = parts.reshape(len(parts), -1).T[None]
        summed = torch.nn.functional.fold(columns, size, _BLOCK, stride=_STRIDE)
        counted = torch.nn.functional.fold(torch.ones_like(columns), size, _BLOCK, stride=_STRIDE)
        return (summed / counted)[0]

    expected = blocks(noise).mean((1, 2))[:, None, None] * power
    recorded = matrix @ blocks(padded) @ matrix.T
    is_kept = recorded.square() > _THRESHOLD**2 * expected
    is_kept[:, 0, 0] = True
    first = whole(matrix.T @ (recorded * is_kept) @ matrix)
    likely = (matrix @ blocks(first) @ matrix.T).square()
    share = likely / (likely + expected + _LEAST_POWER)
    share[:, 0, 0] = 1.0
    cleaned = whole(matrix.T @ (recorded * share) @ matrix)
    return cleaned[0, edge : edge + height, edge : edge + width]


@dataclass(frozen=True)
class PreparedDegrain(Prepared[DegrainOptions]):
    """`Degrain` with its options."""

    @property
    def capabilities(self) -> Capabilities:
        """Neighbours on each side, twice as many on one side at the ends of a shot."""
        return Capabilities(
            "observation-model",
            halo_frames=2 * self.options.radius_frames,
            adapt_frames=_ADAPT_FRAMES,
            keeps_size=True,
        )

    def open(self, geometry: Geometry) -> Degrain:
        """See `Prepared`."""
        return Degrain(geometry, self.options)


def prepare_degrain(geometry: Geometry, options: DegrainOptions, device: str) -> PreparedDegrain:
    """See `vsr.methods.method.Method`."""
    return PreparedDegrain(options, device)
