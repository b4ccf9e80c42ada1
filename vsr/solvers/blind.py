"""How blurred recorded frames are, found from the frames alone.

Images look alike at all scales: seen through a Gaussian of width t, the p-th moment of their gradient falls as a
power of t (Ruderman and Bialek 1994; with p = 4 it is the sharpest edges that count). Blur of width sigma replaces
t² by t² + sigma². So moments at a few widths t tell sigma, with no sharp image to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from vsr.observation.blur import GaussianBlur
from vsr.solvers.base import Observations
from vsr.solvers.huber_btv import HuberBtvOptions, solve_huber_btv

__all__ = ["MIN_PSF_SIZE", "blur_covariance", "estimate_psf", "gradient_moments"]

MIN_PSF_SIZE = 48
"""Shortest side, in pixels of x, of an image whose blur can be estimated."""

_POWER = 4
_WIDTHS = (0.8, 2.5)  # narrowest and widest t, in pixels
_NUM_WIDTHS = 6
_BORDER_WIDTHS = 5.0  # widest t times this is left out at each border
_USUAL_EXPONENT, _EXPONENT_PULL = 3.2, 0.003  # of photographs, and how strongly it is expected
_READING_VARIANCE = 1 / 6  # of bilinear reading, which fusion undoes
_PHOTOGRAPH_VARIANCE = 0.10  # square pixels: what photographs taken for sharp are blurred by already
_STEP = 0.005  # square pixels
_FLAT = 1e-12
_NUM_DIRECTIONS = 8
_MOST_VARIANCE = 4.0  # square pixels of the input
_FUSION = HuberBtvOptions(radius=1)


def _slopes(image: Tensor) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Each width, and the slopes of ``image`` ``(H, W)`` down and across when it is seen through it; float64.

    The image is taken for periodic; the border that this mixes up is left out.
    """
    spectrum = torch.fft.rfft2(image.double())
    height, width = image.shape
    waves_y = torch.fft.fftfreq(height, dtype=torch.float64, device=image.device)[:, None]
    waves_x = torch.fft.rfftfreq(width, dtype=torch.float64, device=image.device)
    border = math.ceil(_BORDER_WIDTHS * _WIDTHS[1])
    ratio = (_WIDTHS[1] / _WIDTHS[0]) ** (1 / (_NUM_WIDTHS - 1))
    for number in range(_NUM_WIDTHS):
        sigma = _WIDTHS[0] * ratio**number
        seen = spectrum * torch.exp(-2 * math.pi**2 * sigma**2 * (waves_y**2 + waves_x**2))
        slopes = [torch.fft.irfft2(seen * (2j * math.pi * waves), s=(height, width)) for waves in (waves_y, waves_x)]
        down, across = (slope[border:-border, border:-border] for slope in slopes)
        yield sigma, down, across


def gradient_moments(image: Tensor) -> tuple[Tensor, Tensor]:
    """``(widths, moments)`` in float64: mean fourth power of the gradient of ``image`` ``(H, W)`` at each width."""
    widths, moments = [], []
    for sigma, down, across in _slopes(image):
        widths.append(sigma)
        moments.append((down.square() + across.square()).pow(_POWER / 2).mean())
    return torch.tensor(widths, dtype=torch.float64, device=image.device), torch.stack(moments)


def _blur_variance(widths: Tensor, moments: Tensor, most: float) -> float:
    """Variance v of the blur for which log moments are closest to a straight line in log(t² + v)."""
    least = -0.9 * float(widths.square().min())
    count = round((most - least) / _STEP)
    variances = least + _STEP * torch.arange(count, dtype=torch.float64, device=widths.device)
    u = (widths.square() + variances[:, None]).log()
    u, e = u - u.mean(1, keepdim=True), moments.log() - moments.log().mean()
    half = _USUAL_EXPONENT / 2
    slope = (_EXPONENT_PULL * half - (u * e).sum(1)) / (u.square().sum(1) + _EXPONENT_PULL)
    residual = (e + slope[:, None] * u).square().sum(1) + _EXPONENT_PULL * (slope - half).square()
    return float(variances[int(residual.argmin())])


def estimate_psf(observed: Observations, start: Tensor) -> float | None:
    """Standard deviation, in pixels of x, of the Gaussian point spread function behind ``observed``; None if unknown.

    For `vsr.observation.reading_blur`. ``start`` is ``(H, W)``, a first guess of the image; the blur in
    ``observed.model`` is not looked at. Frames are fused robustly without deblurring, and the growth of their
    gradients' fourth moment with scale is fitted. A symmetric Gaussian has one parameter, which is what such a
    statistic can tell; lens, pixel and small motion together come close to one. Photographs count as sharp that are
    blurred by 0.32 pixels. Within 8 % below to 15 % above on the synthetic suite, for too wide a blur costs less
    than too narrow a one; images with a scale of their own (brick walls,
    text) mislead it. None for images under `MIN_PSF_SIZE`, or without edges. Deterministic; float32 or float64.
    """
    if min(observed.model.size_yx) < MIN_PSF_SIZE:
        return None
    sharp = replace(observed, model=replace(observed.model, blur=GaussianBlur(0.0, 0.0)))
    widths, moments = gradient_moments(solve_huber_btv(sharp, start, _FUSION))
    if float(moments.min()) < _FLAT:
        return None
    most = max(observed.model.scale_yx) ** 2
    variance = _blur_variance(widths, moments, most) + _READING_VARIANCE - _PHOTOGRAPH_VARIANCE
    return math.sqrt(max(variance, 0.0))


def blur_covariance(image: Tensor) -> Tensor | None:
    """Covariance ``(2, 2)``, x then y, in square pixels, of the Gaussian that blurred ``image`` ``(H, W)``, 0…1.

    Blur of any widths and direction lengthens the fall of slopes in each direction by its own variance, so the moments
    of slopes in eight directions tell it, as those of whole gradients tell a round one. What photographs taken for
    sharp are blurred by counts as part of it. On one image the content misleads it easily: about a third above or
    below. None for images under `MIN_PSF_SIZE`, or without edges. Deterministic.
    """
    if min(image.shape) < MIN_PSF_SIZE:
        return None
    angles = [math.pi * number / _NUM_DIRECTIONS for number in range(_NUM_DIRECTIONS)]
    widths, rows = [], []
    for sigma, down, across in _slopes(image):
        widths.append(sigma)
        along = [across * math.cos(angle) + down * math.sin(angle) for angle in angles]
        rows.append(torch.stack([slope.square().pow(_POWER / 2).mean() for slope in along]))
    moments = torch.stack(rows)
    if float(moments.min()) < _FLAT:
        return None
    places = torch.tensor(widths, dtype=torch.float64, device=image.device)
    variances = [_blur_variance(places, moments[:, number], _MOST_VARIANCE) for number in range(_NUM_DIRECTIONS)]
    terms = [[math.cos(a) ** 2, 2 * math.cos(a) * math.sin(a), math.sin(a) ** 2] for a in angles]
    matrix, given = torch.tensor(terms, dtype=torch.float64), torch.tensor(variances, dtype=torch.float64)
    xx, xy, yy = torch.linalg.lstsq(matrix, given[:, None]).solution[:, 0]
    return torch.stack([xx, xy, xy, yy]).reshape(2, 2)
