"""How far samples are believed: neighbourhoods that the picture cannot explain lose their weight."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import GaussianBlur, neighbourhood_mean, neighbourhood_range

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


def trust_of_misfit(residual: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Trust in 0…1 of each sample from the misfit around it; all ``(K, h, w)``, ``sigma`` the noise, 0…1."""
    return _trust(residual, samples, sigma, _CONTRAST_SHARE)


def trust_of_likeness(samples: Tensor, shown: Tensor, known: Tensor, sigma: float) -> Tensor:
    """Trust in 0…1 of each sample from how far the reference shows the same around it; all ``(K, h, w)``.

    ``shown`` is what the reference shows there, where ``known`` is 1; elsewhere nothing is held against a sample.
    """
    trust = _trust((samples - shown) * known, samples, sigma, _ROUGH_SHARE)
    return torch.where(trust < _SOMETHING_ELSE, 0.0, trust)


def _trust(residual: Tensor, samples: Tensor, sigma: float, contrast_share: float) -> Tensor:
    mean_square = neighbourhood_mean(_SOFTENED.A(residual).square(), _WINDOW)
    allowed = _TOLERANCE * (sigma + contrast_share * neighbourhood_range(samples))
    return torch.exp(-0.5 * mean_square / allowed.square())
