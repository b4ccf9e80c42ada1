"""Loops over images that torch would make in many passes, each in one: compiled for processors by numba.

A `Kernel` pairs an operation as torch writes it, which is what it means, with the same as one loop. Both agree to
rounding; which one runs is a property of the installation, stated among the versions that keys and workers compare.
Loops add in one fixed order, in one thread, without reassociation, so equal input gives equal bytes.
"""

from __future__ import annotations

from vsr.kernels.base import KERNELS, Kernel, compiler_version, kernel

__all__ = ["KERNELS", "Kernel", "compiler_version", "kernel"]
