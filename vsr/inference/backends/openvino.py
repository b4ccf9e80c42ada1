"""OpenVINO: on processors quicker than PyTorch in float32, as quick in bfloat16."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

from vsr.inference.backends.base import Backend, Executable, PrecisionName
from vsr.inference.backends.exported import ByShape, Session
from vsr.networks import Network
from vsr.networks.export import require_onnx

__all__ = ["OPENVINO"]

_TYPES = {"float32": "f32", "bfloat16": "bf16"}


def _load() -> Any:
    """The package, without the module by which it reports each import to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it does without what fails to import
    import openvino

    return openvino


def _open(graph: bytes, precision: PrecisionName) -> Session:
    openvino = _load()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # workers beside each other would end up on one core
        "INFERENCE_PRECISION_HINT": _TYPES[precision],
        "EXECUTION_MODE_HINT": "ACCURACY" if precision == "float32" else "PERFORMANCE",
    }
    core = openvino.Core()
    request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()

    def run(windows: Tensor) -> Tensor:
        found = request.infer([openvino.Tensor(windows.numpy(), shared_memory=True)], share_outputs=False)
        return torch.from_numpy(next(iter(found.values())))

    return run


def _compile(network: Network, precision: PrecisionName, device: torch.device) -> Executable:
    require_onnx("backend=openvino", "openvino")
    return ByShape(network, lambda graph: _open(graph, precision), lambda graph: _open(graph, "float32"))


OPENVINO = Backend(
    name="openvino",
    summary="OpenVINO, Intel's runtime for processors",
    package="openvino",
    extra="openvino",
    devices={"cpu": ("float32", "bfloat16")},
    compile=_compile,
)
