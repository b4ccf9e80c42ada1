"""What a kernel is, and when its compiled form runs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, ParamSpec, TypeVar

import torch
from torch import Tensor

from vsr.errors import MachineError

__all__ = ["KERNELS", "Kernel", "compiler_version", "kernel"]

P = ParamSpec("P")
R = TypeVar("R")

KERNELS: dict[str, Kernel[..., Any]] = {}
"""Every kernel by name, entered where it is made."""


@functools.cache
def compiler_version() -> str:
    """Version of numba, or ``none`` where it is not installed: one of the versions that decide bytes."""
    try:
        return version("numba")
    except PackageNotFoundError:
        return "none"


def _suits(value: object) -> bool:
    """Whether compiled loops can take an argument: images in float32, on the processor, of which nothing is derived."""
    if isinstance(value, Tensor):
        return value.device.type == "cpu" and value.dtype == torch.float32 and not value.requires_grad
    return all(map(_suits, value)) if isinstance(value, (tuple, list)) else True


class Kernel(Generic[P, R]):
    """An operation on tensors with two forms, torch's and a compiled loop."""

    def __init__(self, module: str, reference: Callable[P, R]) -> None:
        """``module`` has the compiled form, under the name of ``reference``; it is imported at the first call."""
        self.name = reference.__name__
        if self.name in KERNELS:
            raise ValueError(f"two kernels are called {self.name}")
        self.reference = reference
        self._module = module
        functools.update_wrapper(self, reference)
        KERNELS[self.name] = self

    @functools.cached_property
    def compiled(self) -> Callable[P, R]:
        """The same as one loop. Raises `MachineError` where numba cannot be imported."""
        try:
            form: Callable[P, R] = getattr(import_module(self._module), self.name)
        except ImportError as error:
            raise MachineError(
                f"numba {compiler_version()} is installed but cannot be imported ({error}); install the version that "
                "vsr's constraints name, or uninstall it to run without compiled loops"
            ) from error
        return form

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The compiled form where numba is installed and float32 images are on the processor, else torch's."""
        suits = compiler_version() != "none" and _suits(args) and _suits(tuple(kwargs.values()))
        return (self.compiled if suits else self.reference)(*args, **kwargs)


def kernel(module: str) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Make the function below it a `Kernel`, as torch's form; ``module`` has the compiled one."""
    return functools.partial(Kernel, module)
