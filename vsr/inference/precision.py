"""The type that a network computes in: half precision where the hardware is fast at it and the result hardly differs.

What decides is the class of device and the weights, so all workers decide alike; a timing only rules out builds of
PyTorch that are slow at what their class is fast at (`vsr.inference.speed`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vsr.errors import ModelError, UsageError
from vsr.inference.backends import OPENVINO, TORCH, Backend, PrecisionName, find_backend
from vsr.inference.hardware import fast_half_types, is_fast_at_int8
from vsr.inference.probe import run_probe
from vsr.inference.speed import is_slow_here
from vsr.networks import Network

__all__ = ["LEAST_DB", "SAME_DB", "Precision", "PrecisionChoice", "choose_backend", "choose_precision"]

PrecisionChoice = Literal["auto", "fastest", "float32", "float16", "bfloat16", "int8"]

LEAST_DB = 61.0
"""PSNR of half precision's result against float32's, on the probe, from which it may stand for it.

1 dB more than what is required of images, some of which are harder (CARN-M ×2: 60.5 dB on the probe, 59.5 to 63.4 on
Set5).
"""

LEAST_INT8_DB = 50.0
"""The same of 8 bits where they are taken unasked: `lite`, `real` and `video` have 51 to 53 dB (0.02 on images)."""

SAME_DB = 90.0
"""PSNR of another backend's float32 against torch's, on the probe, below which it computes something else."""


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


def _psnr_db(network: Network, result: Tensor, reference: Tensor) -> float:
    pixels = slice(network.pixel_channels)  # what a network remembers has another range, and is no result
    error = float((result[:, pixels].double() - reference[:, pixels].double()).square().mean())
    return round(-10 * torch.log10(torch.tensor(max(error, 1e-20))).item(), 2)


def choose_backend(requested: str, precision: PrecisionChoice, device: torch.device) -> Backend:
    """The backend for ``requested``, a name or ``auto``. Raises `UsageError` for a name that is none.

    ``auto`` is torch on every class of device: what happens to be installed does not change results. It is OpenVINO for
    a ``precision`` of int8, and for fastest on processors that are fast at int8, if it is there. See ADR 86.
    """
    if requested != "auto":
        return find_backend(requested)
    is_worth_it = precision == "fastest" and OPENVINO.is_installed and is_fast_at_int8(device)
    return OPENVINO if precision == "int8" or is_worth_it else TORCH


def choose_precision(
    network: Network, requested: PrecisionChoice, device: torch.device, backend: Backend = TORCH
) -> Precision:
    """The precision for ``network`` on ``device``, computed by ``backend``.

    ``fastest`` takes int8 where the device's class is fast at it and ``backend`` knows it; else it is ``auto``, which
    takes float16, else bfloat16, where the device's class is fast at it and the result on the probe is finite
    and within `LEAST_DB` of float32's; else float32. Raises `ModelError` where float32 itself is not finite, or the
    type that was asked for is not, `UsageError` for a type that ``backend`` does not compute in.
    """
    known, source = backend.precisions(device), network.source or network.name
    if requested == "fastest":
        if "int8" in known and is_fast_at_int8(device):
            tried = choose_precision(network, "int8", device, backend)
            if tried.psnr_db is not None and tried.psnr_db >= LEAST_INT8_DB:
                return tried
        requested = "auto"
    if requested == "int8" and not is_fast_at_int8(device):
        raise UsageError("precision=int8 is for processors with VNNI, which this one has not; use precision=auto")
    if requested not in ("auto", *known):
        raise UsageError(f"backend={backend.name} computes in {', '.join(known)} on {device.type}, not in {requested}")

    def compute(name: PrecisionName) -> Tensor:
        return run_probe(network, backend.compile(network, name, device), device)

    reference = run_probe(network, TORCH.compile(network, "float32", device), device)
    if not bool(torch.isfinite(reference).all()):
        raise ModelError(f"{source}: gives numbers that are not finite for an ordinary image; the weights are no good")
    if backend is not TORCH and _psnr_db(network, compute("float32"), reference) < SAME_DB:
        raise ModelError(f"{source}: backend={backend.name} computes something else than torch; use backend=torch")
    if requested == "float32":
        return Precision("float32")
    for name in fast_half_types(device) if requested == "auto" else (requested,):
        if name not in known or (requested == "auto" and is_slow_here(name, device)):
            continue
        result = compute(name)
        is_finite = bool(torch.isfinite(result).all())
        found = _psnr_db(network, result, reference) if is_finite else 0.0
        if requested == name and not is_finite:
            raise ModelError(f"{source}: gives numbers that are not finite in {name}; use precision=float32")
        if requested == name or found >= LEAST_DB:
            return Precision(name, found)
    return Precision("float32")
