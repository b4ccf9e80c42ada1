"""Robust Gauss-Newton steps towards the motion between two images, on one level of a pyramid at a time.

Sought is the motion W, with a gain g and an offset o, that minimises the sum of ρ(a(p) − g·b(W(p)) − o). ρ is Geman
and McClure's: what does not fit counts ever less. A step solves the weighted normal equations for a small change of
W, applied before it, W ← W ∘ (1 + Δ), with the mean of both images' gradients (Benhimane & Malis 2004).

Motions are 3×3 matrices in unit coordinates: (x, y, 1) from the image's centre, in halves of its longer side. They
are the same on all levels. Small matrices live on the processor, images on their device.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from vsr.kernels import kernel
from vsr.registration.impulses import without_impulses
from vsr.registration.spline import read_spline, smooth_spline
from vsr.registration.transform import MotionModel

__all__ = [
    "Comparison",
    "Estimate",
    "Level",
    "compare",
    "improve",
    "lay_on",
    "observability",
    "pyramid",
    "step_products",
    "template",
    "to_unit",
]

_COARSEST = 24  # no level of the pyramid has a side shorter than this
_MARGIN = 2  # pixels at the border that are not compared: the kernels would reach beyond
_CUT = 2.5  # in standard deviations: residuals beyond count less and less
_LEAST_SIGMA = 5e-4  # 0…1; a fit is never better than rounding
_ENOUGH_PIXELS = 1 << 12  # for a median
_LONGEST_STEP = 0.25  # shift of a corner in one step, in unit coordinates
_LENGTHENING_LIMIT = 1.6
_CORRELATED = 2.0  # deviations are larger by this than those of white residuals, which smoothed ones are not
_GAIN_LIMIT = 4.0
_NEAREST = 1e-3  # homogeneous coordinate below which a pixel counts as behind the horizon


@dataclass(frozen=True)
class Level:
    """Image ``a`` on one level of the pyramid; ``(h, w)`` where nothing else is said."""

    smooth: Tensor
    weights: Tensor
    gradients: Tensor
    """``(2, h, w)``: along x and y, per unit."""
    places: Tensor
    """``(3, h, w)``: (x, y, 1) in units of half the longer side, from the image's centre."""
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

    def parameters(self) -> Tensor:
        """All of it as one vector, ``(11,)`` float64."""
        return torch.cat([self.motion.flatten(), torch.tensor([self.gain, self.offset], dtype=torch.float64)])

    @classmethod
    def of(cls, parameters: Tensor) -> Estimate:
        """The estimate of which these are the `parameters`."""
        return cls(parameters[:9].reshape(3, 3), *parameters[9:].tolist())


@dataclass(frozen=True)
class Comparison:
    """``b`` laid on ``a``; ``(h, w)`` each."""

    moved: Tensor
    residual: Tensor
    weights: Tensor
    """Without regard to the residual; 0 outside."""
    sigma: float


def _gradients(image: Tensor, pixels_per_unit: float) -> Tensor:
    """Central differences along x and y, ``(2, h, w)``, per unit; 0 at the border."""
    gradients = image.new_zeros(2, *image.shape)
    torch.sub(image[:, 2:], image[:, :-2], out=gradients[0, :, 1:-1])
    torch.sub(image[2:], image[:-2], out=gradients[1, 1:-1])
    return gradients.mul_(pixels_per_unit / 2)


def pyramid(image: Tensor, weights: Tensor | None) -> list[Tensor]:
    """``(2, h, w)`` of image and weights, finest first, each level the means of 2×2 pixels of the one before.

    Outliers are replaced and have weight 0. float64 stays, everything else becomes float32.
    """
    filled, good = without_impulses(image.to(torch.promote_types(image.dtype, torch.float32)))
    levels = [torch.stack([filled, good if weights is None else good * weights.to(good)])]
    while min(levels[-1].shape[1:]) // 2 >= _COARSEST:
        levels.append(avg_pool2d(levels[-1][None], 2)[0])
    return levels


def to_unit(size_yx: Sequence[int], number: int) -> Tensor:
    """From pixel indices (x, y, 1) of a level of an image of ``size_yx`` to unit coordinates, (3, 3) float64."""
    height, width = size_yx
    half, stride = max(height, width) / 2, 2.0**number
    shift = (stride - 1) / 2
    across, down = (shift - (width - 1) / 2) / half, (shift - (height - 1) / 2) / half
    return torch.tensor([[stride / half, 0, across], [0, stride / half, down], [0, 0, 1]], dtype=torch.float64)


def template(images_by_level: Sequence[Tensor], skipped: int = 0) -> list[Level]:
    """Image ``a``, of which this is the `pyramid`, ready to be compared; finest level first, ``skipped`` left out."""
    levels = []
    for number, images in enumerate(images_by_level[skipped:], skipped):
        unit = to_unit(images_by_level[0].shape[1:], number)
        rows, cols = (torch.arange(n, device=images.device, dtype=images.dtype) for n in images.shape[1:])
        y, x = torch.meshgrid(
            rows * float(unit[1, 1]) + float(unit[1, 2]), cols * float(unit[0, 0]) + float(unit[0, 2]), indexing="ij"
        )
        smooth, weights = smooth_spline(images)
        weights = weights * _within(torch.stack(torch.meshgrid(rows, cols, indexing="ij")))
        places = torch.stack([x, y, torch.ones_like(x)])
        levels.append(Level(smooth, weights, _gradients(smooth, 1 / float(unit[0, 0])), places, unit))
    return levels


def _within(indices: Tensor) -> Tensor:
    """Whether ``(2, h, w)`` rows and columns lie within an image of that size, away from its border."""
    last = torch.tensor(indices.shape[1:], device=indices.device, dtype=indices.dtype)[:, None, None] - 1
    inside = (indices >= _MARGIN) & (indices <= last - _MARGIN)
    return inside[0] & inside[1]


@kernel("vsr.kernels.registration")
def lay_on(
    smooth: Tensor,
    weights: Tensor,
    other: Tensor,
    matrix: tuple[float, ...],
    margin_px: float,
    nearest: float,
    gain: float,
    offset: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Image and weights ``other`` ``(2, h, w)`` laid on ``smooth`` ``(h, w)``: the image moved, residual, weights.

    ``matrix``: from pixel indices (x, y, 1) to those of ``other``, row by row. Weights are 0 within ``margin_px`` of
    the border and behind the horizon, where the homogeneous coordinate is under ``nearest``.
    """
    height, width = smooth.shape
    y, x = torch.meshgrid(*(torch.arange(n).to(smooth) for n in (height, width)), indexing="ij")
    cols, rows, depth = (matrix[n] * x + matrix[n + 1] * y + matrix[n + 2] for n in (0, 3, 6))
    is_tilted = bool(matrix[6] or matrix[7])
    if is_tilted:
        cols, rows = cols / depth.clamp(min=nearest), rows / depth.clamp(min=nearest)
    moved, good = read_spline(other, rows, cols)
    inside = (
        (rows >= margin_px) & (rows <= height - 1 - margin_px) & (cols >= margin_px) & (cols <= width - 1 - margin_px)
    )
    if is_tilted:
        inside &= depth > nearest
    return moved, smooth - gain * moved - offset, weights * good * inside


def compare(level: Level, other: Tensor, estimate: Estimate) -> Comparison:
    """``b``, whose image and weights are ``other`` ``(2, h, w)``, laid on ``a`` by the estimate."""
    to_index = torch.linalg.inv(level.to_unit) @ estimate.motion @ level.to_unit
    matrix = tuple(to_index.flatten().tolist())
    bounds = float(_MARGIN), _NEAREST
    moved, residual, weights = lay_on(
        level.smooth, level.weights, other, matrix, *bounds, estimate.gain, estimate.offset
    )
    step = max(1, residual.numel() // _ENOUGH_PIXELS)
    thinned = residual.reshape(-1)[::step][weights.reshape(-1)[::step] > 0]
    sigma = 1.4826 * float(thinned.abs().median()) if thinned.numel() else math.inf
    return Comparison(moved, residual, weights, max(sigma, _LEAST_SIGMA))


def _rows(places: Tensor, gradients: Tensor, model: MotionModel) -> Tensor:
    """Change with each parameter of the motion, ``(n, N)``, of what has these ``(2, N)`` gradients at ``(3, N)``."""
    if model == "translation":
        return gradients
    rows = (gradients[:, None] * places).flatten(0, 1)
    if model == "homography":
        radial = -(rows[0] + rows[4])
        rows = torch.cat([rows, radial * places[:2]])
    return rows


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
    x, y, _ = level.places[:, 0, 0].tolist()
    return torch.tensor([[x, -x, x, -x], [y, y, -y, -y], [1, 1, 1, 1]], dtype=torch.float64)


def _corner_shift(change: Tensor, level: Level) -> float:
    """Largest shift of an image's corner, in unit coordinates."""
    corners = _corners(level)
    moved = change @ corners
    return float((moved[:2] / moved[2].clamp(min=_NEAREST) - corners[:2]).norm(dim=0).max())


def _normal_matrix(left: Tensor, right: Tensor, weights: Tensor) -> Tensor:
    """Weighted products of rows ``(n, N)`` and ``(m, N)``: ``(n, m)`` float64 on the processor."""
    return ((left * weights.flatten()) @ right.T).to("cpu", torch.float64)


def _robust_weights(comparison: Comparison) -> Tensor:
    """ψ(r)/r, ``(h, w)``, for the residuals r."""
    return comparison.weights / (1 + (comparison.residual / (_CUT * comparison.sigma)).square()).square()


def _lengthening(weights: float, slopes: float) -> float:
    """Factor that makes a re-weighted least-squares step about a Newton step: sum of ψ(r)/r over that of ψ'(r)."""
    return min(max(weights / max(slopes, 1e-9), 1.0), _LENGTHENING_LIMIT)


_NUM_PARAMETERS: Mapping[MotionModel, int] = MappingProxyType({"translation": 2, "affine": 6, "homography": 8})


@kernel("vsr.kernels.registration")
def step_products(
    gradients: Tensor,
    places: Tensor,
    moved: Tensor,
    residual: Tensor,
    weights: Tensor,
    slope: float,
    reach: float,
    count: int,
) -> tuple[Tensor, Tensor]:
    """The equations of a step, ``(n, n + 1)`` with the right side last, and the sums of ψ(r)/r and of ψ'(r), ``(2,)``.

    ``gradients`` ``(2, h, w)`` and ``places`` ``(3, h, w)`` are those of a `Level`. Central differences of ``moved``
    count ``slope``; ``reach`` is where the residuals' weights have fallen to a quarter. n is ``count``, the parameters
    of the motion, and two for brightness.
    """
    model = next(name for name, number in _NUM_PARAMETERS.items() if number == count)
    mean = _gradients(moved, 2 * slope).add_(gradients).div_(2)
    brightness = torch.stack([moved, places[2], residual]).flatten(1)
    rows = torch.cat([_rows(places.flatten(1), mean.flatten(1), model), brightness])
    squared = (residual / reach).square()
    beyond = 1 + squared
    robust = weights / beyond.square()
    slopes = robust * (1 - 3 * squared) / beyond
    products = (rows[:-1] * robust.flatten()) @ rows.T
    return products, torch.stack([robust.sum(), slopes.sum()])


def improve(
    level: Level, comparison: Comparison, estimate: Estimate, model: MotionModel
) -> tuple[Estimate, float] | None:
    """One step from ``estimate``, of which ``comparison`` is; with the shift of the worst corner in level pixels.

    None where the equations have no finite solution.
    """
    slope, reach = level.pixels_per_unit * estimate.gain / 2, _CUT * comparison.sigma
    images = level.gradients, level.places, comparison.moved, comparison.residual, comparison.weights
    products, sums = step_products(*images, slope, reach, _NUM_PARAMETERS[model])
    products = products.to("cpu", torch.float64)
    matrix, right = products[:, :-1], products[:, -1:]
    scale = matrix.diagonal().clamp(min=1e-12).rsqrt()
    matrix = matrix * scale * scale[:, None] + 1e-6 * torch.eye(len(scale), dtype=torch.float64)
    solution, failed = torch.linalg.solve_ex(matrix, right * scale[:, None])
    step = solution[:, 0] * scale * _lengthening(*sums.tolist())
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
    """How well the two images determine the motion: ``(share, deviation)``.

    Noise has gradients too, but not the same in both images. ``share`` is the part of the gradients' energy that
    the two have in common, in the direction of parameter space where it is least: 1 for equal images, about 0
    where nothing (a flat image, stripes along their length, unrelated images) determines some motion.
    ``deviation`` is the standard deviation to expect of the worst corner's place, in pixels of this level; that of
    strongly aliased images without noise may be three times as large.
    """
    weights = _robust_weights(comparison)
    gradients = _gradients(comparison.moved, level.pixels_per_unit * estimate.gain)
    first, second = (_rows(level.places.flatten(1), one.flatten(1), model) for one in (level.gradients, gradients))
    mean = (first + second) / 2
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
    corners = _corners(level)
    axes = torch.eye(2, dtype=torch.float64)[:, :, None].expand(2, 2, corners.shape[1])
    variance = sum((spread @ _rows(corners, axis, model)).square().sum(0) for axis in axes)
    return share, float(variance.max()) ** 0.5 * level.pixels_per_unit
