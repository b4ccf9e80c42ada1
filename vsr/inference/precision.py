"""The type that a network computes in: half precision where the hardware is fast at it and the result hardly differs.

What decides is the class of device and the weights, never a timing, so all workers decide alike.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vsr.errors import MachineError, ModelError
from vsr.inference.hardware import fast_half_types
from vsr.inference.tiling import Load
from vsr.networks import ConditionedUpscaler, Network
from vsr.observation import resample
from vsr.randomness import NoiseField

__all__ = [
    "LEAST_DB",
    "Precision",
    "PrecisionChoice",
    "PrecisionName",
    "cast_module",
    "choose_precision",
    "exact_convolutions",
    "measure_load",
    "memory_errors",
    "memory_layout",
    "probe_picture",
    "run_probe",
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


def _try(network: Network, name: PrecisionName, device: torch.device) -> Tensor:
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


def choose_precision(network: Network, requested: PrecisionChoice, device: torch.device) -> Precision:
    """The precision for ``network`` on ``device``.

    ``auto`` takes float16, else bfloat16, where the device's class is fast at it and the result on the probe is finite
    and within `LEAST_DB` of float32's; else float32. Raises `ModelError` where float32 itself is not finite, or the
    type that was asked for is not.
    """
    reference = _try(network, "float32", device)
    source = network.source or network.name
    if not bool(torch.isfinite(reference).all()):
        raise ModelError(
            f"{source}: gives numbers that are not finite for an ordinary picture; the weights are no good"
        )
    if requested == "float32":
        return Precision("float32")
    for name in fast_half_types(device) if requested == "auto" else (requested,):
        result = _try(network, name, device)
        is_finite = bool(torch.isfinite(result).all())
        pixels = slice(network.pixel_channels)  # what a network remembers has another range, and is no result
        found = _psnr_db(result[:, pixels], reference[:, pixels]) if is_finite else 0.0
        if requested == name and not is_finite:
            raise ModelError(f"{source}: gives numbers that are not finite in {name}; use precision=float32")
        if requested == name or found >= LEAST_DB:
            return Precision(name, found)
    return Precision("float32")


_SIDE = 48
_SEED = 20


def probe_picture(channels: int, size: int = _SIDE) -> Tensor:
    """``(1, channels, size, size)`` float32 in 0…1: texture at all scales, hard edges, fine stripes.

    Fixed: the same on every machine. Half precision loses as much on it as on the hardest of the usual test pictures
    (Set5's butterfly, to 1 dB for Real-ESRGAN compact and SRResNet).
    """
    generator = torch.Generator().manual_seed(_SEED)
    texture = torch.zeros(channels, size, size)
    for octave in range(1, 6):
        cells = 2**octave
        noise = torch.rand(channels, cells, cells, generator=generator) - 0.5
        texture += resample(noise, (size, size), kernel="bicubic") / cells**0.5
    y, x = torch.meshgrid(torch.arange(size) / size, torch.arange(size) / size, indexing="ij")
    disc = (x - 0.4).square() + (y - 0.55).square() < 0.09
    stripes = ((5 * x + 3 * y) % 1 < 0.35) & (x > 0.6)
    fine = ((9 * x - 11 * y) % 1 < 0.5) & (y < 0.3)
    edges = (disc ^ stripes ^ fine).float() * 2 - 1
    return (0.5 + 0.5 * texture + 0.2 * edges).clamp(0.02, 0.98)[None]


def _make_input(network: Network, side: int) -> Tensor:
    """What ``network`` takes, ``(1, in_channels, side, side)``: the probe, and noise where noise is wanted.

    Networks that are told conditions are told of neither blur nor noise.
    """
    if isinstance(network.module, ConditionedUpscaler):
        return network.module.stacked(probe_picture(network.out_channels, side), 0.0, 0.0)
    picture = probe_picture(network.in_channels - network.noise_channels, side)
    noise = NoiseField(_SEED, 0).window(network.noise_channels, 0, 0, side, side)
    return torch.cat([picture, noise[None]], 1)


@contextmanager
def memory_errors(what: str) -> Iterator[None]:
    """Refusals of memory as `MachineError`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise MachineError(f"{what}: not enough memory; give smaller tiles (--set tile_px=128)") from error
    except RuntimeError as error:
        if "allocat" not in str(error) and "memory" not in str(error):
            raise
        raise MachineError(f"{what}: not enough memory; give smaller tiles (--set tile_px=128)") from error


def run_probe(
    network: Network,
    module: nn.Module,
    device: torch.device,
    layout: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """What ``module``, which is ``network``'s in any type on ``device``, makes of the probe; float32 on the CPU.

    ``layout`` is that of the picture given to it.
    Raises `ModelError` where it fails, or gives another size, or numbers that are not finite.
    """
    side = math.ceil(max(_SIDE, network.min_size) / network.multiple) * network.multiple
    given = _make_input(network, side).to(device)
    name = network.source or network.name
    try:
        with torch.no_grad(), memory_errors(name), exact_convolutions():
            result: Tensor = module(given.contiguous(memory_format=layout)).float().cpu()
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ModelError(f"{name}: the network fails on a {side}x{side} picture: {_line(error)}") from error
    expected = (1, network.out_channels, side * network.module_scale, side * network.module_scale)
    if tuple(result.shape) != expected:
        raise ModelError(f"{name}: gives {tuple(result.shape)} for {tuple(given.shape)}, expected {expected}")
    return result


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


@contextmanager
def exact_convolutions() -> Iterator[None]:
    """Float32 means float32 on CUDA, too, and kernels are not chosen by timing."""
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield


def measure_load(network: Network) -> Load:
    """What ``network`` holds at a time for an input pixel, seen on the probe in float32 on the CPU."""
    layer = tensor = 0

    def look(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        nonlocal layer, tensor
        sizes = [value.numel() for value in (*inputs, output) if isinstance(value, Tensor)]
        layer, tensor = max(layer, sum(sizes)), max(tensor, *sizes, 0)

    module = copy.deepcopy(network.module)
    for part in module.modules():
        if not list(part.children()):
            part.register_forward_hook(look)
    side = math.ceil(max(_SIDE, network.min_size) / network.multiple) * network.multiple
    result = run_probe(network, module, torch.device("cpu"))
    pixels = side * side
    largest = max(layer, result.numel())
    return Load(largest / pixels, max(tensor, result.numel()) / pixels)
