"""Layers of normalising flows conditioned on features: each can be undone exactly and gives its log-determinant.

From Glow (Kingma, Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", NeurIPS 2018) and SRFlow
(Lugmayr, Danelljan, Van Gool, Timofte, ECCV 2020). ``encode`` goes from the image to the noise and returns the
logarithm of the determinant of its Jacobian, ``(B,)``; ``decode`` goes back. States are ``(B, C, H, W)``, features
``(B, F, H, W)``, both of the type of the weights. Names as in the authors' PyTorch code.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Coupling", "FlowStep", "Split", "Subnets"]

Subnets = Literal["plain", "deep"]
"""Networks inside of couplings: three convolutions with normalised activations (SRFlow), or six without (SRFlow-DA)."""

_LOG_FACTOR = 3.0  # what the learnt logarithms of `_ScaledConv` are multiplied by
_LEAST_FACTOR = 1e-4
_NOISE_CHANNELS = 3  # of the map that a noise-conditional layer is given


class _ActNorm(nn.Module):
    """Each channel shifted, then scaled by the exponential of a learnt number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.logs = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, state: Tensor) -> Tensor:
        """The same shape."""
        return (state + self.bias) * torch.exp(self.logs)

    def undone(self, state: Tensor) -> Tensor:
        """The inverse of `forward`."""
        return state * torch.exp(-self.logs) - self.bias


class _Mixing(nn.Module):
    """An invertible 1×1 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(channels, channels)))

    def forward(self, state: Tensor) -> Tensor:
        """The same shape."""
        return nn.functional.conv2d(state, self.weight[:, :, None, None])

    def undone(self, state: Tensor) -> Tensor:
        """The inverse of `forward`; the matrix is inverted in float64."""
        inverse = torch.linalg.inv(self.weight.double()).to(state.dtype)
        return nn.functional.conv2d(state, inverse[:, :, None, None])


class _NormedConv(nn.Conv2d):
    """A convolution without a bias, its result shifted and scaled by channel."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__(inputs, outputs, size, padding=size // 2, bias=False)
        self.actnorm = _ActNorm(outputs)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        normed: Tensor = self.actnorm(super().forward(given))
        return normed


class _ScaledConv(nn.Conv2d):
    """A convolution that begins as 0, its result scaled by channel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)
        self.logs = nn.Parameter(torch.zeros(outputs, 1, 1))
        assert self.bias is not None
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, inputs, H, W)`` → ``(B, outputs, H, W)``."""
        return super().forward(given) * torch.exp(self.logs * _LOG_FACTOR)


def _subnet(inputs: int, outputs: int, kind: Subnets, hidden: int) -> nn.Sequential:
    if kind == "plain":
        layers: list[nn.Module] = [
            _NormedConv(inputs, hidden, 3),
            nn.ReLU(),
            _NormedConv(hidden, hidden, 1),
            nn.ReLU(),
        ]
    else:
        layers = [nn.Conv2d(inputs, hidden, 3, padding=1), nn.ReLU()]
        for _ in range(4):
            layers += [nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, _ScaledConv(hidden, outputs))


def _log_sum(factors: Tensor) -> Tensor:
    """Sum of logarithms, ``(B,)``."""
    return factors.log().flatten(1).sum(1)


class Coupling(nn.Module):
    """Affine injector and conditional affine coupling.

    All channels are shifted and scaled by what features say; then the second half by what the first half and
    features say. Between the two, a noise-conditional layer (NCSR) does it by the first half and a map of the noise
    added in training: three channels, 0 where images are made. ``has_noise_layer`` says whether there are weights for
    it, ``uses_noise_layer`` whether it acts; ``hidden`` is the width of the subnets. Factors lie between 0.0001 and
    1.0001, or between ``least_factor`` and 1 where that is set, so that no inverse explodes (Behrmann et al.,
    "Understanding and mitigating exploding inverses in invertible neural networks", AISTATS 2021).
    """

    def __init__(
        self,
        channels: int,
        features: int,
        subnets: Subnets,
        *,
        hidden: int,
        has_noise_layer: bool,
        uses_noise_layer: bool,
    ) -> None:
        super().__init__()
        self.least_factor: float | None = None
        self._first = channels // 2
        changed = 2 * (channels - self._first)
        self.fAffine = _subnet(self._first + features, changed, subnets, hidden)
        self.fFeatures = _subnet(features, 2 * channels, subnets, hidden)
        self.fAffine_std = _subnet(self._first + _NOISE_CHANNELS, changed, subnets, hidden) if has_noise_layer else None
        self._uses_noise_layer = has_noise_layer and uses_noise_layer

    def _shift_and_factor(self, subnet: nn.Module, given: Tensor) -> tuple[Tensor, Tensor]:
        """What ``subnet`` makes of ``given``: summands and factors, which alternate."""
        made = subnet(given)
        shift, share = made[:, 0::2], torch.sigmoid(made[:, 1::2] + 2.0)
        if self.least_factor is None:
            return shift, share + _LEAST_FACTOR
        return shift, torch.lerp(torch.full_like(share, self.least_factor), torch.ones_like(share), share)

    def _by_first(self, first: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        return self._shift_and_factor(self.fAffine, torch.cat([first, features], 1))

    def _by_noise(self, first: Tensor) -> tuple[Tensor, Tensor]:
        assert self.fAffine_std is not None
        none = first.new_zeros(len(first), _NOISE_CHANNELS, *first.shape[2:])
        return self._shift_and_factor(self.fAffine_std, torch.cat([first, none], 1))

    def encode(self, state: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """See the top of the file."""
        shift, factor = self._shift_and_factor(self.fFeatures, features)
        state, log_determinant = (state + shift) * factor, _log_sum(factor)
        first, second = state[:, : self._first], state[:, self._first :]
        if self._uses_noise_layer:
            shift, factor = self._by_noise(first)
            second, log_determinant = (second + shift) * factor, log_determinant + _log_sum(factor)
        shift, factor = self._by_first(first, features)
        return torch.cat([first, (second + shift) * factor], 1), log_determinant + _log_sum(factor)

    def decode(self, state: Tensor, features: Tensor) -> Tensor:
        """The inverse of `encode`."""
        first, second = state[:, : self._first], state[:, self._first :]
        shift, factor = self._by_first(first, features)
        second = second / factor - shift
        if self._uses_noise_layer:
            shift, factor = self._by_noise(first)
            second = second / factor - shift
        shift, factor = self._shift_and_factor(self.fFeatures, features)
        return torch.cat([first, second], 1) / factor - shift


class FlowStep(nn.Module):
    """Activation normalisation, an invertible 1×1 convolution, and a coupling unless ``affine`` is None."""

    def __init__(self, channels: int, affine: Coupling | None = None) -> None:
        super().__init__()
        self.actnorm = _ActNorm(channels)
        self.invconv = _Mixing(channels)
        self.affine = affine

    def encode(self, state: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """See the top of the file."""
        pixels = state.shape[2] * state.shape[3]
        log_determinant = pixels * (self.actnorm.logs.sum() + torch.linalg.slogdet(self.invconv.weight)[1])
        state = self.invconv(self.actnorm(state))
        if self.affine is None:
            return state, log_determinant.expand(len(state))
        state, of_coupling = self.affine.encode(state, features)
        return state, log_determinant + of_coupling

    def decode(self, state: Tensor, features: Tensor) -> Tensor:
        """The inverse of `encode`."""
        if self.affine is not None:
            state = self.affine.decode(state, features)
        return self.actnorm.undone(self.invconv.undone(state))


class Split(nn.Module):
    """The second half of the channels leaves as noise, normalised by the mean and deviation that the first predicts."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.passed = channels - channels // 2
        self.conv = _ScaledConv(self.passed, 2 * (channels // 2))

    def _prior(self, passed: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the deviation."""
        made = self.conv(passed)
        return made[:, 0::2], made[:, 1::2]

    def encode(self, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What goes on, the noise, and the log-determinant."""
        passed, left = state[:, : self.passed], state[:, self.passed :]
        mean, logs = self._prior(passed)
        return passed, (left - mean) * torch.exp(-logs), -logs.flatten(1).sum(1)

    def decode(self, passed: Tensor, noise: Tensor) -> Tensor:
        """The inverse of `encode`."""
        mean, logs = self._prior(passed)
        return torch.cat([passed, mean + torch.exp(logs) * noise], 1)
