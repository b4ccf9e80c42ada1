"""How far samples are believed: neighbourhoods that the picture cannot explain lose their weight."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import GaussianBlur, neighbourhood_mean

__all__ = ["noise_of", "trust_of_likeness", "trust_of_misfit"]

_WINDOW = 5  # samples a side of the neighbourhoods that are trusted or not
_SOFTENED = GaussianBlur(0.6, 0.6)  # misfit finer than that is noise and aliasing, not something else in the way
_TOLERANCE = 2.0  # standard deviations of neighbourhood misfit at which trust falls to 0.6
_CONTRAST_SHARE = 0.1  # misfit allowed in proportion to local contrast: small errors of motion
_ROUGH_SHARE = 0.12  # the same against one frame, which is aliased and may be blurred
_SOMETHING_ELSE = 0.5  # trust below which a sample shows something else: many of them outvote the reference


def noise_of(picture: Tensor) -> float:
    """Standard deviation of white noise in a picture ``(h, w)`` from its finest diagonal detail (Donoho 1995)."""
    even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
    diagonal = (even[::2, ::2] - even[::2, 1::2] - even[1::2, ::2] + even[1::2, 1::2]) / 2
    return float(diagonal.abs().median()) / 0.6745


def trust_of_misfit(residual: Tensor, contrast: Tensor, sigma: float) -> Tensor:
    """Trust in 0…1 of each sample from the misfit around it; all ``(K, h, w)``, ``sigma`` the noise, 0…1.

    ``contrast`` is `neighbourhood_range` of the samples, by which small errors of motion are allowed for.
    """
    return _trust(residual, contrast, sigma, _CONTRAST_SHARE)


def trust_of_likeness(residual: Tensor, contrast: Tensor, sigma: float) -> Tensor:
    """Trust in 0…1 of each sample from how far the reference shows the same around it; all ``(K, h, w)``.

    ``residual`` is the difference from what the reference shows there, 0 where that is not known: there nothing is held
    against a sample.
    """
    trust = _trust(residual, contrast, sigma, _ROUGH_SHARE)
    return torch.where(trust < _SOMETHING_ELSE, 0.0, trust)


def _trust(residual: Tensor, contrast: Tensor, sigma: float, contrast_share: float) -> Tensor:
    mean_square = neighbourhood_mean(_SOFTENED.A(residual).square(), _WINDOW)
    allowed = contrast.mul(contrast_share).add_(sigma).mul_(_TOLERANCE)
    return mean_square.div_(allowed.square_()).mul_(-0.5).exp_()
