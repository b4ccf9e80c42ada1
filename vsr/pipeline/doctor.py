"""What this machine can do: versions, devices, encoders, weights that ship, and which precisions are fast."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from typing import Any

from vsr.errors import VsrError
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
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / 2**30
        report.devices.append(f"cuda:{index}: {device_class(f'cuda:{index}')}, {memory:.0f} GiB")
    for name, spec in CODECS.items():
        report.codecs[name] = all(can_encode(encoder) for encoder in set(spec.encoders.values()))
        if not report.codecs[name]:
            report.problems.append(f"the {name} encoder is missing from this build of PyAV")
    report.weights = _shipped_weights()
    report.problems += [f"{name}: {text}" for name, text in report.weights.items() if text != _WHOLE]
    for device in ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]:
        report.precision |= _precisions(torch.device(device))
    return report


def _shipped_weights() -> dict[str, str]:
    """Whether each file of weights that ships holds what its digest says."""
    found = {}
    for path in sorted(SHIPPED.glob("*.safetensors")):
        try:
            network = load_network(path)
        except VsrError as error:
            found[path.stem] = str(error)
            continue
        is_whole = network.digest == network.metadata.get("vsr.digest")
        found[path.stem] = _WHOLE if is_whole else "other weights than its digest says; install vsr again"
    return found


def _precisions(device: Any) -> dict[str, str]:
    """Speed of a 3×3 convolution of 64 channels in each precision, against float32."""
    import torch

    seconds: dict[str, float] = {}
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device, dtype).to(memory_format=torch.channels_last)
        picture = torch.rand(1, 64, 128, 128).to(device, dtype, memory_format=torch.channels_last)
        try:
            with torch.inference_mode():
                layer(picture)
                began = time.perf_counter()
                for _ in range(5):
                    layer(picture)
                if device.type == "cuda":
                    torch.cuda.synchronize(device)
                seconds[str(dtype).removeprefix("torch.")] = time.perf_counter() - began
        except RuntimeError as error:
            seconds[str(dtype).removeprefix("torch.")] = float("inf")
            del error  # this precision does not run here: reported as such below
    base = seconds["float32"]
    return {
        f"{name} on {device}": "not supported" if spent == float("inf") else f"{base / spent:.1f}x float32"
        for name, spent in seconds.items()
    }
