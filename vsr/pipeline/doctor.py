"""What this machine can do: versions, devices, encoders, weights that ship, and which precisions are fast."""

from __future__ import annotations

import math
import os
import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from vsr.errors import VsrError
from vsr.inference import BACKENDS
from vsr.media.codecs import CODECS
from vsr.media.encode import can_encode
from vsr.media.ffmpeg import ffmpeg_version
from vsr.networks import load_network
from vsr.networks.locating import SHIPPED
from vsr.pipeline.sidecar import device_class, software_versions

__all__ = ["Report", "examine"]

_WHOLE = "whole"


@dataclass
class Report:
    """Findings, and what is missing."""

    versions: dict[str, str] = field(default_factory=dict)
    devices: list[str] = field(default_factory=list)
    codecs: dict[str, bool] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    """Those that ship with vsr: whole, or what is wrong with them."""
    precision: dict[str, str] = field(default_factory=dict)
    backends: dict[str, str] = field(default_factory=dict)
    """What computes networks: its version, or how to install it."""
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return dict(vars(self))

    def rows(self) -> list[tuple[str, str]]:
        """For people."""
        rows = [(f"version  {name}", text) for name, text in self.versions.items()]
        rows += [("device", text) for text in self.devices]
        rows += [(f"codec  {name}", "yes" if works else "NO") for name, works in self.codecs.items()]
        rows += [(f"weights  {name}", text) for name, text in self.weights.items()]
        rows += [(f"precision  {name}", text) for name, text in self.precision.items()]
        rows += [(f"backend  {name}", text) for name, text in self.backends.items()]
        return (
            rows + [("PROBLEM", text) for text in self.problems or []] + ([] if self.problems else [("all well", "")])
        )


def examine() -> Report:
    """Try everything that a run needs."""
    import torch

    report = Report(versions=dict(software_versions()))
    try:
        report.versions["ffmpeg_program"] = ffmpeg_version()
    except VsrError as error:
        report.problems.append(str(error))
    report.devices.append(f"cpu: {device_class('cpu')}, {os.cpu_count()} cores, {platform.system()}")
    report.precision = _precisions("cpu")
    report.backends = {
        name: version(backend.package) if backend.is_installed else f"not installed: pip install 'vsr[{backend.extra}]'"
        for name, backend in BACKENDS.items()
    }
    for index in range(torch.cuda.device_count()):
        _examine_gpu(index, report)
    for name, spec in CODECS.items():
        report.codecs[name] = all(can_encode(encoder) for encoder in set(spec.encoders.values()))
        if not report.codecs[name]:
            report.problems.append(f"the {name} encoder is missing from this build of PyAV")
    report.weights = _check_weights()
    report.problems += [f"{name}: {text}" for name, text in report.weights.items() if text != _WHOLE]
    if not report.weights:
        report.problems.append(f"{SHIPPED} holds none of the weights that ship; install vsr again")
    return report


def _examine_gpu(index: int, report: Report) -> None:
    """One that cannot be used (a broken driver, too old for this torch, its memory taken) is a problem."""
    import torch

    name = f"cuda:{index}"
    try:
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        report.devices.append(f"{name}: {device_class(name)}, {memory:.0f} GiB")
        report.precision |= _precisions(name)
    except RuntimeError as error:
        report.problems.append(f"{name} cannot be used: {str(error).strip().splitlines()[0]}")


def _check_weights() -> dict[str, str]:
    """Whether each file of weights that ships, which the model cards beside them name, holds what its digest says."""
    found = {}
    names = {path.stem for kind in ("*.safetensors", "*.md") for path in SHIPPED.glob(kind)}
    for path in (SHIPPED / f"{name}.safetensors" for name in sorted(names)):
        try:
            network = load_network(path)
        except VsrError as error:
            found[path.stem] = str(error)
            continue
        is_whole = network.digest == network.metadata.get("vsr.digest")
        found[path.stem] = _WHOLE if is_whole else "other weights than its digest says; install vsr again"
    return found


def _precisions(device: str) -> dict[str, str]:
    """Speed of each precision against float32. Raises `RuntimeError` where not even that runs."""
    import torch

    seconds: dict[str, float] = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        name = str(dtype).removeprefix("torch.")
        try:
            seconds[name] = _seconds_of_convolution(torch.device(device), dtype)
        except RuntimeError:
            if dtype == torch.float32:
                raise
            seconds[name] = math.inf
    return {
        f"{name} on {device}": "not supported" if spent == math.inf else f"{seconds['float32'] / spent:.1f}x float32"
        for name, spent in seconds.items()
    }


def _seconds_of_convolution(device: Any, dtype: Any) -> float:
    """Of five 3×3 convolutions of 64 channels. Raises `RuntimeError` where the device does not do that."""
    import torch

    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device, dtype).to(memory_format=torch.channels_last)
    image = torch.rand(1, 64, 128, 128).to(device, dtype, memory_format=torch.channels_last)
    with torch.inference_mode():
        layer(image)
        began = time.perf_counter()
        for _ in range(5):
            layer(image)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - began
