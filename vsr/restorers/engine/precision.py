"""The type that a network computes in: half precision where the hardware is fast at it and the result hardly differs.

What decides is the class of device and the weights, never a timing, so all workers decide alike.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.networks import Network
from vsr.restorers.engine.hardware import fast_half_types
from vsr.restorers.engine.probe import run_probe

__all__ = [
    "LEAST_DB",
    "Precision",
    "PrecisionChoice",
    "PrecisionName",
    "cast_module",
    "choose_precision",
    "memory_layout",
]

PrecisionName = Literal["float32", "float16", "bfloat16"]
PrecisionChoice = Literal["auto", "float32", "float16", "bfloat16"]

LEAST_DB = 61.0
"""PSNR of half precision's result against float32's, on the probe, from which it may stand for it.

1 dB more than what is wanted of pictures, some of which are harder (CARN-M ×2: 60.5 dB on the probe, 59.5 to 63.4 on
Set5).
"""

_TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Precision:
    """What a network computes in."""

    name: PrecisionName
    psnr_db: float | None = None
    """Of its result against float32's on the probe; None for float32 itself."""

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return 4 if self.name == "float32" else 2


class _Float32Conv(nn.Module):
    """A convolution that stays in float32 inside a network of another type."""

    def __init__(self, conv: nn.Conv2d, result_type: torch.dtype) -> None:
        super().__init__()
        self.conv, self._result_type = conv, result_type

    @property
    def weight(self) -> Tensor:
        """Its weights: networks bring their input to the type of the first."""
        return self.conv.weight

    def forward(self, pictures: Tensor) -> Tensor:
        """The convolution of ``pictures``, in the type of the layers that follow."""
        result: Tensor = self.conv(pictures.float()).to(self._result_type)
        return result


def _first_convolution(network: Network) -> str | None:
    """Name of the convolution that takes the picture itself; None if none can be told to."""
    for name, part in network.module.named_modules():
        if isinstance(part, nn.Conv2d) and part.in_channels == network.in_channels and part.kernel_size != (1, 1):
            return str(name)
    return None


def memory_layout(name: PrecisionName, device: torch.device) -> torch.memory_format:
    """Channels last, but for float32 on GPUs: there it is slower."""
    return torch.contiguous_format if device.type == "cuda" and name == "float32" else torch.channels_last


def _tried(network: Network, name: PrecisionName, device: torch.device) -> Tensor:
    """What ``network`` makes of the probe in the type ``name``."""
    return run_probe(network, cast_module(network, name, device), device, memory_layout(name, device))


def cast_module(network: Network, name: PrecisionName, device: torch.device) -> nn.Module:
    """A copy of ``network``'s module on ``device`` that computes in the type ``name``, channels last where that pays.

    In bfloat16 the first convolution stays in float32: of the picture itself 8 bits are not enough (VDSR: 58 dB from
    float32's result without, 74 dB with it).
    """
    layout = memory_layout(name, device)
    module = copy.deepcopy(network.module).to(device=device, dtype=_TYPES[name], memory_format=layout)  # type: ignore[call-overload]
    first = _first_convolution(network) if name == "bfloat16" else None
    if first is not None:
        exact = copy.deepcopy(network.module.get_submodule(first)).to(device=device, memory_format=layout)  # type: ignore[call-overload]
        module.set_submodule(first, _Float32Conv(exact, _TYPES[name]))
    result: nn.Module = module.eval()
    return result


def _psnr_db(result: Tensor, reference: Tensor) -> float:
    error = float((result.double() - reference.double()).square().mean())
    return round(-10 * torch.log10(torch.tensor(max(error, 1e-20))).item(), 2)


def choose_precision(network: Network, wanted: PrecisionChoice, device: torch.device) -> Precision:
    """The precision for ``network`` on ``device``.

    ``auto`` takes float16, else bfloat16, where the device's class is fast at it and the result on the probe is finite
    and within `LEAST_DB` of float32's; else float32. Raises `ModelError` where float32 itself is not finite, or the
    type that was asked for is not.
    """
    reference = _tried(network, "float32", device)
    source = network.source or network.name
    if not bool(torch.isfinite(reference).all()):
        raise ModelError(
            f"{source}: gives numbers that are not finite for an ordinary picture; the weights are no good"
        )
    if wanted == "float32":
        return Precision("float32")
    for name in fast_half_types(device) if wanted == "auto" else (wanted,):
        result = _tried(network, name, device)
        is_finite = bool(torch.isfinite(result).all())
        found = _psnr_db(result, reference) if is_finite else 0.0
        if wanted == name and not is_finite:
            raise ModelError(f"{source}: gives numbers that are not finite in {name}; use precision=float32")
        if wanted == name or found >= LEAST_DB:
            return Precision(name, found)
    return Precision("float32")
