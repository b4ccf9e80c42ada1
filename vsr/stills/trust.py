"""How far samples are believed: neighbourhoods that the picture cannot explain lose their weight."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.observation import GaussianBlur, neighbourhood_mean, neighbourhood_range

__all__ = ["trust_of_misfit"]

_WINDOW = 5  # samples a side of the neighbourhoods that are trusted or not
_SOFTENED = GaussianBlur(0.6, 0.6)  # misfit finer than that is noise and aliasing, not something else in the way
_TOLERANCE = 2.0  # standard deviations of neighbourhood misfit at which trust falls to 0.6
_CONTRAST_SHARE = 0.1  # misfit allowed in proportion to local contrast: small errors of motion


def trust_of_misfit(residual: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Trust in 0…1 of each sample from the misfit around it; all ``(K, h, w)``, ``sigma`` the noise, 0…1."""
    mean_square = neighbourhood_mean(_SOFTENED.A(residual).square(), _WINDOW)
    allowed = _TOLERANCE * (sigma + _CONTRAST_SHARE * neighbourhood_range(samples))
    return torch.exp(-0.5 * mean_square / allowed.square())
