"""A fixed image that networks are tried on: whether they work, how exact half precision is, what they hold."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vsr.errors import MachineError, ModelError
from vsr.inference.tiling import Load
from vsr.networks import ConditionedUpscaler, Network
from vsr.observation import resample
from vsr.randomness import NoiseField

__all__ = ["exact_convolutions", "make_input", "measure_load", "memory_errors", "probe_image", "run_probe"]

_SIDE = 48
_SEED = 20


def probe_image(channels: int, size: int = _SIDE, *, seed: int = _SEED) -> Tensor:
    """``(1, channels, size, size)`` float32 in 0…1: texture at all scales, hard edges, fine stripes.

    Fixed: the same on every machine. Half precision loses as much on it as on the hardest of the usual test images
    (Set5's butterfly, to 1 dB for Real-ESRGAN compact and SRResNet).
    """
    generator = torch.Generator().manual_seed(seed)
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


def make_input(network: Network, side: int, *, seed: int = _SEED) -> Tensor:
    """What ``network`` takes, ``(1, in_channels, side, side)``: a probe, and noise for networks that take it.

    Conditioned networks get neither blur nor noise.
    """
    if isinstance(network.module, ConditionedUpscaler):
        return network.module.stacked(probe_image(network.out_channels, side, seed=seed), 0.0, 0.0)
    image = probe_image(network.in_channels - network.noise_channels, side, seed=seed)
    noise = NoiseField(_SEED, 0).window(network.noise_channels, 0, 0, side, side)
    return torch.cat([image, noise[None]], 1)


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


def run_probe(network: Network, run: Callable[[Tensor], Tensor], device: torch.device) -> Tensor:
    """What ``run``, which computes ``network`` in any type on ``device``, makes of the probe; float32 on the CPU.

    Raises `ModelError` where it fails, or gives another size, or numbers that are not finite.
    """
    side = math.ceil(max(_SIDE, network.min_size) / network.multiple) * network.multiple
    given = make_input(network, side).to(device)
    name = network.source or network.name
    try:
        with torch.no_grad(), memory_errors(name), exact_convolutions():
            result = run(given).float().cpu()
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise ModelError(f"{name}: the network fails on a {side}x{side} image: {_line(error)}") from error
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
