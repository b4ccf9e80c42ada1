"""What computes networks: one contract for the libraries that can.

A backend compiles a network, in one type on one device, to an `Executable`, which the engine calls with one window
after another. Which backend computes is settled with the plan and is part of every segment's key, with its version:
two of them agree to rounding, not to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, Protocol

import torch
from torch import Tensor

from vsr.errors import MachineError, UsageError
from vsr.networks import Network

__all__ = ["PYTORCH", "Backend", "Executable", "PrecisionName", "Runtime"]

PrecisionName = Literal["float32", "float16", "bfloat16", "int8"]


class Executable(Protocol):
    """A network that is ready to run."""

    def __call__(self, windows: Tensor, /) -> Tensor:
        """``(B, C, h, w)`` float32 on the device → ``(B, C', s·h, s·w)`` float32 there, as the network's module.

        The same windows give the same bytes on one class of device. Windows are not modified. Threads may call it
        side by side.
        """
        ...


@dataclass(frozen=True)
class Runtime:
    """The library that computes: what a plan and a segment's key say of it."""

    name: str
    version: str = ""
    """Empty for torch, whose version every key has."""

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


PYTORCH = Runtime("torch")


@dataclass(frozen=True)
class Backend:
    """A row of `BACKENDS`."""

    name: str
    summary: str
    package: str
    """The distribution whose version counts, as pip calls it."""
    extra: str
    """Of vsr, which installs it; empty where it is always there."""
    devices: Mapping[str, tuple[PrecisionName, ...]]
    """By type of device the types that it computes in."""
    compile: Callable[[Network, PrecisionName, torch.device], Executable]
    """Makes a network ready. Raises `ModelError` for a network that it cannot take."""

    @property
    def is_installed(self) -> bool:
        """Whether its package is there; it is not loaded."""
        try:
            return bool(version(self.package))
        except PackageNotFoundError:
            return False

    @property
    def runtime(self) -> Runtime:
        """As it is installed here. Raises `MachineError` where it is not."""
        if self.name == "torch":
            return PYTORCH
        try:
            return Runtime(self.name, version(self.package))
        except PackageNotFoundError as error:
            raise MachineError(
                f"backend={self.name} needs the package {self.package}: pip install 'vsr[{self.extra}]'"
            ) from error

    def precisions(self, device: torch.device) -> tuple[PrecisionName, ...]:
        """The types that it computes in on ``device``. Raises `UsageError` where it does not run on such."""
        if device.type not in self.devices:
            allowed = " and ".join(self.devices)
            raise UsageError(f"backend={self.name} runs on {allowed}, not on {device.type}; use backend=torch")
        return self.devices[device.type]
