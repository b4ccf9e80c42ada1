"""Classes of device: what is decided by the kind of processor, and never by how busy or how large this one is."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch

from vsr.errors import MachineError

__all__ = [
    "BUDGETS",
    "Budget",
    "HalfType",
    "cpu_instructions",
    "device_class",
    "fast_half_types",
    "frames_at_once",
    "is_fast_at_int8",
    "limit_cores",
    "memory_bytes",
    "refuse_excess",
    "usable_cores",
]

HalfType = Literal["float16", "bfloat16"]

_CONTROL_GROUP = Path("/sys/fs/cgroup")
_DECIDING = ("avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16")
"""Instructions that choose other kernels for convolutions, float32 ones included."""

_MEMORY_SHARE = 0.5  # for images that are made side by side

_VNNI = ("avx512_vnni", "avx_vnni", "amx_int8")


@dataclass(frozen=True)
class Budget:
    """What a device of one class is taken to hold."""

    tile_bytes: int
    """For the features of one tile."""
    quick_tensor_bytes: int | None
    """Tensors above this size cost fresh memory from the system at each layer; None: they do not."""
    batch_pixels: int
    """Input pixels that keep the device busy; smaller frames go several at a time."""


BUDGETS: Mapping[str, Budget] = MappingProxyType(
    {
        # glibc maps blocks over 32 MiB again each time: 40 % more time for a layer of 64 features
        "cpu": Budget(tile_bytes=1 << 30, quick_tensor_bytes=32 << 20, batch_pixels=1),
        "cuda": Budget(tile_bytes=4 << 30, quick_tensor_bytes=None, batch_pixels=1 << 20),
    }
)
"""By type of device."""


def cpu_instructions() -> tuple[str, ...]:
    """Those of this processor that decide how convolutions are computed, of the ones that vsr knows."""
    if not hasattr(torch.cpu, "get_capabilities"):
        return ()
    found = torch.cpu.get_capabilities()
    return tuple(name for name in _DECIDING if found.get(name))


def device_class(device: str) -> str:
    """The kind of processor: within one kind, equal input gives equal bytes."""
    if device.startswith("cuda"):
        name = torch.cuda.get_device_name(torch.device(device))
        return f"cuda {name} {torch.version.cuda}"
    return " ".join([platform.machine(), torch.backends.cpu.get_cpu_capability(), *cpu_instructions()])


def is_fast_at_int8(device: torch.device) -> bool:
    """Whether this class multiplies 8-bit numbers and sums them up in one instruction (VNNI)."""
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):
        return False
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in _VNNI)


def fast_half_types(device: torch.device) -> tuple[HalfType, ...]:
    """Half-precision types with which convolutions run faster than in float32 on this class, the more exact first."""
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return ("float16", "bfloat16") if major >= 8 else ("float16",) if major >= 7 else ()
    found = cpu_instructions()
    types: list[HalfType] = []
    if "avx512_fp16" in found or "amx_fp16" in found:
        types.append("float16")
    if "avx512_bf16" in found or "amx_bf16" in found:
        types.append("bfloat16")
    return tuple(types)


def memory_bytes(device: torch.device) -> int:
    """All the memory that the device has, used or not."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        whole = 1 << 62
    allowed = _control_group("memory.max")
    return whole if allowed is None else min(whole, int(allowed[0]))


_core_limit = math.inf


def limit_cores(cores: float | None) -> None:
    """Let this process use ``cores`` of the processor and leave the others to processes beside it; None: all."""
    global _core_limit
    _core_limit = math.inf if cores is None else cores


def usable_cores() -> float:
    """Processor cores that this process may use: in a container fewer than there are, maybe no whole number."""
    cores = min(float(len(os.sched_getaffinity(0))), _core_limit)
    quota = _control_group("cpu.max")  # microseconds in a period, and the period
    return cores if quota is None else min(cores, int(quota[0]) / int(quota[1]))


def frames_at_once(device: torch.device, result_bytes: int) -> int:
    """Images that a network serves side by side, each in a thread: results are the same for any number of them.

    On processors as many as there are cores for and half of the memory holds, each with features of a tile and two
    results of ``result_bytes``; on GPUs 1, which is busy with that.
    """
    if device.type != "cpu":
        return 1
    each = BUDGETS[device.type].tile_bytes + 2 * result_bytes
    by_memory = memory_bytes(device) * _MEMORY_SHARE // each
    return max(1, int(min(usable_cores() / torch.get_num_threads(), by_memory)))


def _control_group(name: str) -> list[str] | None:
    """A limit of the container that this process is in; None where there is none, or the system has no such files."""
    try:
        words = (_CONTROL_GROUP / name).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return words if words and all(word.isdigit() for word in words) else None


def refuse_excess(needed_bytes: float, device: torch.device, what: str) -> None:
    """Raise `MachineError` if ``what`` takes more memory than the device has altogether."""
    held = memory_bytes(device)
    if needed_bytes > held:
        raise MachineError(
            f"{what} needs about {needed_bytes / 2**30:.1f} GiB of memory, this {device.type} has "
            f"{held / 2**30:.1f} GiB; use a smaller network or smaller tiles (--set tile_px=64)"
        )
