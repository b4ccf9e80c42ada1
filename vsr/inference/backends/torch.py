"""PyTorch itself: the reference that other backends are held to, and the only one that trains."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from vsr.inference.backends.base import Backend, Executable, PrecisionName
from vsr.inference.backends.cuda_graphs import GraphedModule
from vsr.networks import Network, Upscaler

__all__ = ["TORCH", "cast_module"]

_TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class _Float32Conv(nn.Module):
    """A convolution that stays in float32 inside a network of another type."""

    def __init__(self, conv: nn.Conv2d, result_type: torch.dtype) -> None:
        super().__init__()
        self.conv, self._result_type = conv, result_type

    @property
    def weight(self) -> Tensor:
        """Its weights: networks bring their input to the type of the first."""
        return self.conv.weight

    def forward(self, images: Tensor) -> Tensor:
        """The convolution of ``images``, in the type of the layers that follow."""
        result: Tensor = self.conv(images.float()).to(self._result_type)
        return result


def _first_convolution(network: Network) -> str | None:
    """Name of the convolution that takes the image itself; None if there is no single such one."""
    for name, part in network.module.named_modules():
        if isinstance(part, nn.Conv2d) and part.in_channels == network.in_channels and part.kernel_size != (1, 1):
            return str(name)
    return None


def _memory_layout(name: PrecisionName, device: torch.device) -> torch.memory_format:
    """Channels last, but for float32 on GPUs: there it is slower."""
    return torch.contiguous_format if device.type == "cuda" and name == "float32" else torch.channels_last


def cast_module(network: Network, name: PrecisionName, device: torch.device) -> nn.Module:
    """A copy of ``network``'s module on ``device`` that computes in the type ``name``, channels last where that pays.

    In bfloat16 the first convolution stays in float32: of the image itself 8 bits are not enough (VDSR: 58 dB from
    float32's result without, 74 dB with it).
    """
    layout = _memory_layout(name, device)
    module = copy.deepcopy(network.module).to(device=device, dtype=_TYPES[name], memory_format=layout)  # type: ignore[call-overload]
    first = _first_convolution(network) if name == "bfloat16" else None
    if first is not None:
        exact = copy.deepcopy(network.module.get_submodule(first)).to(device=device, memory_format=layout)  # type: ignore[call-overload]
        module.set_submodule(first, _Float32Conv(exact, _TYPES[name]))
    result: nn.Module = module.eval()
    return result


def _compile(network: Network, precision: PrecisionName, device: torch.device) -> Executable:
    module, layout = cast_module(network, precision, device), _memory_layout(precision, device)
    if isinstance(network.module, Upscaler) and network.module.takes_planes:
        layout = torch.contiguous_format
    call = GraphedModule(module) if device.type == "cuda" else module

    def run(windows: Tensor) -> Tensor:
        with torch.no_grad():
            result: Tensor = call(windows.contiguous(memory_format=layout))
        return result

    return run


TORCH = Backend(
    name="torch",
    summary="PyTorch",
    package="torch",
    extra="",
    devices={"cpu": ("float32", "float16", "bfloat16"), "cuda": ("float32", "float16", "bfloat16")},
    compile=_compile,
)
