"""Robust reconstruction of one sharp picture from registered samples of several frames.

Iteratively re-weighted least squares. With ``B`` the blur, ``S_k`` the reading of the blurred picture where
frame ``k``'s samples lie, and ``y_k`` the samples, each round solves

    (B* [sum_k S_k* W_k S_k] B + R) x = B* sum_k S_k* W_k y_k

by a few steps of conjugate gradients from the last x. ``W_k`` lowers samples that disagree with the picture
(Huber weights, and the trust of their neighbourhood), ``R`` is an edge-preserving prior. The bracket is one
nine-diagonal matrix whatever the number of frames, so steps are cheap. The scheme is that of Köhler et al.
2016 (IRWSR); blurring once and sampling only where frames have samples makes it fast.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from vsr.observation import GaussianBlur, NormalEquations, PointSampler, Stencil
from vsr.solvers.prior import edge_preserving_prior

__all__ = ["FrameSamples", "FusionSettings", "fuse", "misfit_level", "neighbourhood_trust"]

_READING_VARIANCE = 1 / 6  # blur of bilinear reading, in square pixels, averaged over positions
_BASE_VARIANCE = 1e-4  # prior strength that suits noise-free pictures, in squared units of 0…1
_NOISE_SHARE = 3.0  # what a variance of noise adds to it
_HUBER = 1.5  # residuals beyond this many standard deviations pull with constant force
_TRUSTED = 0.3  # samples trusted more than this tell the noise level
_CONTRAST_SHARE = 0.15  # misfit allowed in proportion to local contrast: aliasing and small motion errors
_TOLERANCE = 2.5  # standard deviations of neighbourhood misfit at which trust falls to 0.6
_NOISE_SAMPLES = 1 << 15  # enough samples for a median
_WORSE_THAN_MOST = 2.0  # times the usual misfit that a frame may have and still be believed
_STRIP_PIXELS = 1 << 21  # larger pictures are solved in strips of about this many pixels
_MARGIN_ROWS = 32  # shared with the next strip and thrown away: further than blur and prior reach
_TINY = 1e-20


@dataclass(frozen=True)
class FusionSettings:
    """How `fuse` weighs and how long it works."""

    psf_sigma_yx: tuple[float, float]
    """Standard deviation of the blur between the sought picture and its samples, in the picture's pixels."""
    regularization: float
    """Strength of the prior; 1 suits natural pictures."""
    outer_iterations: int
    """Times the weights are renewed."""
    cg_iterations: int
    """Conjugate-gradient steps for each set of weights."""


@dataclass(frozen=True)
class FrameSamples:
    """The samples of one frame, registered to the sought picture. Each tensor is ``(h, w)`` float32."""

    values: Tensor
    """Sample values, 0…1, brought to the reference's brightness."""
    rows: Tensor
    """Row of each sample in the sought picture, in pixel indices."""
    cols: Tensor
    """Column of each sample."""
    trust: Tensor
    """How far each sample's registration can be trusted, 0…1 (the reference may have more)."""
    contrast: Tensor
    """Range of values around each sample."""
    is_reference: bool
    """Whether it is the frame being restored, whose samples are where they are."""


def neighbourhood_trust(residual: Tensor, contrast: Tensor, level: Tensor) -> Tensor:
    """Trust in 0…1 from the misfit of each sample's 5×5 neighbourhood; all ``(h, w)``, units 0…1.

    The misfit expected is ``level``, a 0-d standard deviation, plus a share of the local contrast.
    """
    padded = pad((residual * residual)[None, None], (2, 2, 2, 2), mode="replicate")
    mean_square = avg_pool2d(padded, 5, 1)[0, 0]
    allowed = _TOLERANCE * (level + _CONTRAST_SHARE * contrast)
    return torch.exp(-0.5 * mean_square / (allowed * allowed))


def misfit_level(residual: Tensor) -> Tensor:
    """Standard deviation of most of a frame's residuals ``(h, w)``, from their median; 0-d."""
    return 1.4826 * _thinned(residual.reshape(-1)).abs().median()


def _thinned(values: Tensor) -> Tensor:
    """Every n-th of ``(N,)`` values, so that few enough are left for a median."""
    return values[:: max(1, values.numel() // _NOISE_SAMPLES)]


def _conjugate_gradients(apply: Callable[[Tensor], Tensor], right: Tensor, x: Tensor, steps: int) -> Tensor:
    """``steps`` steps towards ``apply(x) = right`` for a symmetric positive operator; sums in float64."""
    residual = right - apply(x)
    direction = residual.clone()
    square = (residual * residual).sum(dtype=torch.float64)
    for _ in range(steps):
        image = apply(direction)
        step = (square / ((direction * image).sum(dtype=torch.float64) + _TINY)).to(x.dtype)
        x = torch.addcmul(x, direction, step)
        residual.addcmul_(image, -step)
        new_square = (residual * residual).sum(dtype=torch.float64)
        direction.mul_((new_square / (square + _TINY)).to(x.dtype)).add_(residual)
        square = new_square
    return x


def _noise_level(residuals: Sequence[Tensor], trusts: Sequence[Tensor], noise_floor: float) -> Tensor:
    """Standard deviation of the misfit of trusted samples, from its median; 0-d, at least ``noise_floor``."""
    misfit, trust = (_thinned(torch.cat([t.reshape(-1) for t in ts])) for ts in (residuals, trusts))
    trusted = misfit[trust > _TRUSTED].abs()
    if trusted.numel() == 0:
        return misfit.new_tensor(noise_floor)
    return (1.4826 * trusted.median()).clamp(min=noise_floor)


class _Problem:
    """Frames, blur and sampling positions of one picture; everything that does not change between rounds."""

    def __init__(self, frames: Sequence[FrameSamples], size_yx: tuple[int, int], settings: FusionSettings) -> None:
        variances = (sigma * sigma - _READING_VARIANCE for sigma in settings.psf_sigma_yx)
        self.blur = GaussianBlur(*(max(0.0, variance) ** 0.5 for variance in variances))
        self.frames = frames
        self.size_yx = size_yx
        self.samplers = [PointSampler(f.rows.reshape(-1), f.cols.reshape(-1), size_yx) for f in frames]

    def residuals(self, x: Tensor) -> list[Tensor]:
        """Samples minus what the picture predicts for them, ``(h, w)`` per frame; 0 outside the picture."""
        blurred = self.blur.A(x)
        return [
            ((f.values.reshape(-1) - s.A(blurred)) * s.inside).reshape(f.values.shape)
            for f, s in zip(self.frames, self.samplers, strict=True)
        ]

    def trusts(self, residuals: Sequence[Tensor], noise_floor: float) -> list[Tensor]:
        """Trust of each sample given the misfit of its neighbourhood.

        A frame that fits far worse than most is measured by what most achieve, not by its own misfit.
        """
        levels = torch.stack([misfit_level(r) for r in residuals]).clamp(min=noise_floor)
        levels = torch.minimum(levels, _WORSE_THAN_MOST * levels.median())
        return [
            f.trust if f.is_reference else f.trust * neighbourhood_trust(r, f.contrast, level)
            for f, r, level in zip(self.frames, residuals, levels, strict=True)
        ]

    def equations(self, weights: Sequence[Tensor]) -> tuple[Stencil, Tensor]:
        """The bracket and the right side of the normal equations before blurring."""
        total = NormalEquations(self.size_yx, weights[0].dtype, weights[0].device)
        for frame, sampler, weight in zip(self.frames, self.samplers, weights, strict=True):
            total.add(sampler, weight.reshape(-1), frame.values.reshape(-1))
        return total.matrix(), total.right_side()


def _solve(start: Tensor, frames: Sequence[FrameSamples], settings: FusionSettings, noise_floor: float) -> Tensor:
    """`fuse` for a picture that is solved in one piece."""
    problem = _Problem(frames, (int(start.shape[0]), int(start.shape[1])), settings)
    blur, x = problem.blur, start
    strength = start.new_tensor(settings.regularization * (_BASE_VARIANCE + _NOISE_SHARE * noise_floor**2))
    for _ in range(settings.outer_iterations):
        residuals = problem.residuals(x)
        trusts = problem.trusts(residuals, noise_floor)
        noise = _noise_level(residuals, trusts, noise_floor)
        weights = [
            t * (_HUBER * noise / r.abs().clamp(min=_TINY)).clamp(max=1.0)
            for t, r in zip(trusts, residuals, strict=True)
        ]
        samples, right = problem.equations(weights)
        prior = edge_preserving_prior(x, strength, noise)

        def normal(u: Tensor, samples: Stencil = samples, prior: Stencil = prior) -> Tensor:
            return blur.A_adjoint(samples.apply(blur.A(u))).add_(prior.apply(u))

        x = _conjugate_gradients(normal, blur.A_adjoint(right), x, settings.cg_iterations)
    return x


def _within(frame: FrameSamples, first: int, last: int) -> FrameSamples | None:
    """The sample rows of ``frame`` that reach picture rows ``first`` to ``last`` (exclusive), or None."""
    reaching = ((frame.rows >= first) & (frame.rows <= last - 1)).any(1).nonzero()
    if reaching.numel() == 0:
        return None
    part = slice(int(reaching[0]), int(reaching[-1]) + 1)
    return FrameSamples(
        frame.values[part],
        frame.rows[part] - first,
        frame.cols[part],
        frame.trust[part],
        frame.contrast[part],
        frame.is_reference,
    )


def fuse(start: Tensor, frames: Sequence[FrameSamples], settings: FusionSettings, noise_floor: float) -> Tensor:
    """The picture that explains the frames' samples best, ``(H, W)`` float32, from the guess ``start``.

    ``start`` is at least 2×2, in units of 0…1; ``noise_floor`` > 0 is the standard deviation of noise, in the
    same units. Deterministic: no atomics on floats, a fixed number of steps. Large pictures are solved in
    overlapping strips, so memory beyond the samples stays below about 0.5 GB.
    """
    height, width = start.shape
    strip = max(4 * _MARGIN_ROWS, _STRIP_PIXELS // int(width))
    if height <= strip + _MARGIN_ROWS:
        return _solve(start, frames, settings, noise_floor)
    parts = []
    for top in range(0, height, strip):
        first, last = max(0, top - _MARGIN_ROWS), min(height, top + strip + _MARGIN_ROWS)
        nearby = [part for part in (_within(frame, first, last) for frame in frames) if part is not None]
        solved = _solve(start[first:last].contiguous(), nearby, settings, noise_floor)
        parts.append(solved[top - first : top - first + strip])
    return torch.cat(parts)
