"""Robust Gauss-Newton steps towards the motion between two pictures, on one level of a pyramid at a time.

Sought is the motion W, with a gain g and an offset o, that minimises the sum of ρ(a(p) − g·b(W(p)) − o). ρ is Geman
and McClure's: what does not fit counts ever less. A step solves the weighted normal equations for a small change of
W, applied before it, W ← W ∘ (1 + Δ), with the mean of both pictures' gradients (Benhimane & Malis 2004).

Motions are 3×3 matrices in unit coordinates: (x, y, 1) from the picture's centre, in halves of its longer side. They
are the same on all levels. Small matrices live on the processor, pictures on their device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vsr.registration.impulses import without_impulses
from vsr.registration.spline import read_spline, smooth_spline
from vsr.registration.transform import MotionModel

__all__ = ["Comparison", "Estimate", "Level", "compare", "improve", "observability", "pyramid", "template"]

_COARSEST = 24  # no level of the pyramid has a side shorter than this
_MARGIN = 2  # pixels at the border that are not compared: the kernels would reach beyond
_CUT = 2.5  # in standard deviations: misfits beyond count less and less
_LEAST_SIGMA = 5e-4  # 0…1; a fit is never better than rounding
_ENOUGH_PIXELS = 1 << 14  # for a median
_LONGEST_STEP = 0.25  # shift of a corner in one step, in unit coordinates
_LENGTHENING_LIMIT = 1.6
_CORRELATED = 2.0  # deviations are larger by this than those of white misfits, which smoothed ones are not
_GAIN_LIMIT = 4.0
_NEAREST = 1e-3  # homogeneous coordinate below which a pixel counts as behind the horizon


@dataclass(frozen=True)
class Level:
    """Picture ``a`` on one level of the pyramid; all ``(h, w)``."""

    smooth: Tensor
    weights: Tensor
    gradient_x: Tensor
    gradient_y: Tensor
    x: Tensor
    """Coordinates in units of half the longer side, from the picture's centre."""
    y: Tensor
    to_unit: Tensor
    """(3, 3) float64: from pixel indices of this level to such coordinates."""

    @property
    def pixels_per_unit(self) -> float:
        """Pixels of this level in a unit."""
        return 1 / float(self.to_unit[0, 0])


@dataclass(frozen=True)
class Estimate:
    """``motion`` (3, 3) float64 in unit coordinates; ``gain * b + offset`` has the brightness of ``a``."""

    motion: Tensor
    gain: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """``b`` laid on ``a``; ``(h, w)`` each."""

    moved: Tensor
    misfit: Tensor
    weights: Tensor
    """Without regard to the misfit; 0 outside."""
    sigma: float


def _gradients(picture: Tensor, pixels_per_unit: float) -> tuple[Tensor, Tensor]:
    """Central differences along x and y, per unit; 0 at the border."""
    gradient_x, gradient_y = torch.zeros_like(picture), torch.zeros_like(picture)
    gradient_x[:, 1:-1] = (picture[:, 2:] - picture[:, :-2]) * (pixels_per_unit / 2)
    gradient_y[1:-1] = (picture[2:] - picture[:-2]) * (pixels_per_unit / 2)
    return gradient_x, gradient_y


def pyramid(picture: Tensor, weights: Tensor | None) -> list[Tensor]:
    """``(2, h, w)`` of picture and weights, finest first, each level the means of 2×2 pixels of the one before.

    Wild pixels are replaced and have weight 0. float64 stays, everything else becomes float32.
    """
    filled, good = without_impulses(picture.to(torch.promote_types(picture.dtype, torch.float32)))
    levels = [torch.stack([filled, good if weights is None else good * weights.to(good)])]
    while min(levels[-1].shape[1:]) // 2 >= _COARSEST:
        levels.append(avg_pool2d(levels[-1][None], 2)[0])
    return levels


def template(pictures_by_level: Sequence[Tensor]) -> list[Level]:
    """Picture ``a``, of which this is the `pyramid`, ready to be compared; finest level first."""
    height, width = pictures_by_level[0].shape[1:]
    half = max(height, width) / 2
    levels = []
    for number, pictures in enumerate(pictures_by_level):
        stride = 2.0**number
        shift = (stride - 1) / 2
        to_unit = torch.tensor(
            [
                [stride / half, 0, (shift - (width - 1) / 2) / half],
                [0, stride / half, (shift - (height - 1) / 2) / half],
                [0, 0, 1],
            ],
            dtype=torch.float64,
        )
        rows, cols = (torch.arange(n, device=pictures.device, dtype=pictures.dtype) for n in pictures.shape[1:])
        y, x = torch.meshgrid(
            rows * float(to_unit[1, 1]) + float(to_unit[1, 2]),
            cols * float(to_unit[0, 0]) + float(to_unit[0, 2]),
            indexing="ij",
        )
        smooth, weights = smooth_spline(pictures)
        weights = weights * _within(rows[:, None], cols, weights.shape)
        levels.append(Level(smooth, weights, *_gradients(smooth, half / stride), x, y, to_unit))
    return levels


def _within(rows: Tensor, cols: Tensor, size_yx: Sequence[int]) -> Tensor:
    height, width = size_yx
    inside = (rows >= _MARGIN) & (rows <= height - 1 - _MARGIN) & (cols >= _MARGIN) & (cols <= width - 1 - _MARGIN)
    return inside.to(rows.dtype)


def compare(level: Level, other: Tensor, estimate: Estimate) -> Comparison:
    """``b``, whose picture and weights are ``other`` ``(2, h, w)``, laid on ``a`` by the estimate."""
    to_index = torch.linalg.inv(level.to_unit) @ estimate.motion
    to_x, to_y, depth = (float(r[0]) * level.x + float(r[1]) * level.y + float(r[2]) for r in to_index)
    ahead = (depth > _NEAREST).to(depth.dtype)
    depth = depth.clamp(min=_NEAREST)
    rows, cols = to_y / depth, to_x / depth
    moved, good = read_spline(other, rows, cols)
    weights = level.weights * good * _within(rows, cols, other.shape[1:]) * ahead
    misfit = level.smooth - estimate.gain * moved - estimate.offset
    step = max(1, misfit.numel() // _ENOUGH_PIXELS)
    thinned = misfit.reshape(-1)[::step][weights.reshape(-1)[::step] > 0]
    sigma = 1.4826 * float(thinned.abs().median()) if thinned.numel() else math.inf
    return Comparison(moved, misfit, weights, max(sigma, _LEAST_SIGMA))


def _columns(x: Tensor, y: Tensor, gradient_x: Tensor, gradient_y: Tensor, model: MotionModel) -> list[Tensor]:
    """Change with each parameter of the motion of what has these gradients at ``(x, y)``; unit coordinates."""
    if model == "translation":
        return [gradient_x, gradient_y]
    columns = [gradient_x * x, gradient_x * y, gradient_x, gradient_y * x, gradient_y * y, gradient_y]
    if model == "homography":
        radial = -(columns[0] + columns[4])
        columns += [radial * x, radial * y]
    return columns


def _change(parameters: Tensor, model: MotionModel) -> Tensor:
    """``1 + Δ`` (3, 3)."""
    change = torch.eye(3, dtype=torch.float64)
    if model == "translation":
        change[:2, 2] += parameters
    else:
        change[:2] += parameters[:6].reshape(2, 3)
        change[2, :2] += parameters[6:8] if model == "homography" else 0.0
    return change


def _corners(level: Level) -> Tensor:
    """(x, y, 1) of the four outermost pixels, ``(3, 4)`` float64."""
    x, y = float(level.x[0, 0]), float(level.y[0, 0])
    return torch.tensor([[x, -x, x, -x], [y, y, -y, -y], [1, 1, 1, 1]], dtype=torch.float64)


def _corner_shift(change: Tensor, level: Level) -> float:
    """Largest shift of a picture's corner, in unit coordinates."""
    corners = _corners(level)
    moved = change @ corners
    return float((moved[:2] / moved[2].clamp(min=_NEAREST) - corners[:2]).norm(dim=0).max())


def _normal_matrix(left: list[Tensor], right: list[Tensor], weights: Tensor) -> Tensor:
    """Weighted products of columns, ``(n, m)`` float64 on the processor."""
    rows = torch.stack([column.reshape(-1) for column in left]) * weights.reshape(-1)
    return (rows @ torch.stack([column.reshape(-1) for column in right]).T).to("cpu", torch.float64)


def _robust_weights(comparison: Comparison) -> Tensor:
    return comparison.weights / (1 + (comparison.misfit / (_CUT * comparison.sigma)) ** 2) ** 2


def _lengthening(comparison: Comparison) -> float:
    """Factor that makes a re-weighted least-squares step about a Newton step: mean of ψ(r)/r over mean of ψ'(r)."""
    squared = (comparison.misfit / (_CUT * comparison.sigma)) ** 2
    slope = float((comparison.weights * (1 - 3 * squared) / (1 + squared) ** 3).sum())
    return min(max(float(_robust_weights(comparison).sum()) / max(slope, 1e-9), 1.0), _LENGTHENING_LIMIT)


def improve(
    level: Level, comparison: Comparison, estimate: Estimate, model: MotionModel
) -> tuple[Estimate, float] | None:
    """One step from ``estimate``, of which ``comparison`` is; with the shift of the worst corner in level pixels.

    None where the equations have no finite solution.
    """
    moved = comparison.moved
    gradients = _gradients(moved, level.pixels_per_unit * estimate.gain)
    mean_x, mean_y = (level.gradient_x + gradients[0]) / 2, (level.gradient_y + gradients[1]) / 2
    columns = [*_columns(level.x, level.y, mean_x, mean_y, model), moved, torch.ones_like(moved)]
    products = _normal_matrix(columns, [*columns, comparison.misfit], _robust_weights(comparison))
    matrix, right = products[:, :-1], products[:, -1:]
    scale = matrix.diagonal().clamp(min=1e-12).rsqrt()
    matrix = matrix * scale * scale[:, None] + 1e-6 * torch.eye(len(scale), dtype=torch.float64)
    solution, failed = torch.linalg.solve_ex(matrix, right * scale[:, None])
    step = solution[:, 0] * scale * _lengthening(comparison)
    if int(failed) or not bool(torch.isfinite(step).all()):
        return None
    change = _change(step[:-2], model)
    shift = _corner_shift(change, level)
    if shift > _LONGEST_STEP:
        change = _change(step[:-2] * (_LONGEST_STEP / shift), model)
    motion = estimate.motion @ change
    gain = min(max(estimate.gain + float(step[-2]), 1 / _GAIN_LIMIT), _GAIN_LIMIT)
    return Estimate(motion / motion[2, 2], gain, estimate.offset + float(step[-1])), shift * level.pixels_per_unit


def observability(level: Level, comparison: Comparison, estimate: Estimate, model: MotionModel) -> tuple[float, float]:
    """How well the two pictures determine the motion: ``(share, deviation)``.

    Noise has gradients too, but not the same in both pictures. ``share`` is the part of the gradients' energy that
    the two have in common, in the direction of parameter space where it is least: 1 for equal pictures, about 0
    where nothing (a flat picture, stripes along their length, unrelated pictures) determines some motion.
    ``deviation`` is the standard deviation to expect of the worst corner's place, in pixels of this level; that of
    strongly aliased pictures without noise may be three times as large.
    """
    weights = _robust_weights(comparison)
    first = _columns(level.x, level.y, level.gradient_x, level.gradient_y, model)
    second = _columns(level.x, level.y, *_gradients(comparison.moved, level.pixels_per_unit * estimate.gain), model)
    mean = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    energy = _normal_matrix(mean, mean, weights)
    common = _normal_matrix(first, second, weights)
    scale = energy.diagonal().clamp(min=1e-12).rsqrt()
    size = len(scale)
    factor, failed = torch.linalg.cholesky_ex(energy * scale * scale[:, None] + 1e-9 * torch.eye(size).double())
    if int(failed):
        return 0.0, math.inf
    whitener = torch.linalg.inv(factor) * scale  # whitener @ energy @ whitener.T = 1
    values, vectors = torch.linalg.eigh(whitener @ (common + common.T) @ whitener.T / 2)
    share = float(values[0])
    if not share > 0:
        return 0.0, math.inf
    spread = (vectors / values).T @ whitener * (_CORRELATED * comparison.sigma)
    x, y, one = _corners(level)
    along_x = torch.stack(_columns(x, y, one, 0 * one, model))
    along_y = torch.stack(_columns(x, y, 0 * one, one, model))
    variance = (spread @ along_x).square().sum(0) + (spread @ along_y).square().sum(0)
    return share, float(variance.max()) ** 0.5 * level.pixels_per_unit
