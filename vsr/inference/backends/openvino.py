"""OpenVINO: on processors quicker than PyTorch in float32, as quick in bfloat16, and in 8 bits."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from vsr.inference.backends.base import Backend, Executable, PrecisionName
from vsr.inference.backends.exported import ByShape, Session
from vsr.inference.backends.quantising import calibration_inputs, prepare_module, quantise
from vsr.inference.hardware import fast_half_types
from vsr.networks import Network
from vsr.networks.export import require_onnx

__all__ = ["OPENVINO"]

_TYPES = {"float32": "f32", "bfloat16": "bf16"}


def _load() -> Any:
    """The package, without the module by which it reports each import to its makers."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # it does without what fails to import
    import openvino

    return openvino


def _compiled(graph: bytes, precision: PrecisionName, outputs: Sequence[str] = ()) -> Any:
    openvino = _load()
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # workers beside each other would end up on one core
        "INFERENCE_PRECISION_HINT": _TYPES[precision],
        "EXECUTION_MODE_HINT": "ACCURACY" if precision == "float32" else "PERFORMANCE",
    }
    core = openvino.Core()
    model = core.read_model(graph)
    if outputs:
        model.add_outputs(list(outputs))
    return core.compile_model(model, "CPU", settings)


def _open(graph: bytes, precision: PrecisionName) -> Session:
    openvino, model, own = _load(), _compiled(graph, precision), threading.local()

    def run(windows: Tensor) -> Tensor:
        if not hasattr(own, "request"):
            own.request = model.create_infer_request()
        found = own.request.infer([openvino.Tensor(windows.numpy(), shared_memory=True)], share_outputs=False)
        return torch.from_numpy(next(iter(found.values())))

    return run


def _measure(graph: bytes, names: Sequence[str], inputs: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    """See `vsr.inference.backends.quantising.Measure`."""
    request = _compiled(graph, "float32", names).create_infer_request()
    ranges = dict.fromkeys(names, (math.inf, -math.inf))
    for given in inputs:
        request.infer([given.contiguous().numpy()])
        for name, (least, largest) in ranges.items():
            values = request.get_tensor(name).data
            ranges[name] = min(least, float(values.min())), max(largest, float(values.max()))
    return ranges


def _compile(network: Network, precision: PrecisionName, device: torch.device) -> Executable:
    require_onnx("backend=openvino", "openvino")
    if precision != "int8":
        return ByShape(network, lambda graph: _open(graph, precision), lambda graph: _open(graph, "float32"))
    inputs = calibration_inputs(network)
    others: PrecisionName = "bfloat16" if "bfloat16" in fast_half_types(device) else "float32"
    return ByShape(
        replace(network, module=prepare_module(network)),
        lambda graph: _open(quantise(graph, inputs, _measure), others),
        lambda graph: _open(graph, "float32"),
        free_alone=True,
    )


OPENVINO = Backend(
    name="openvino",
    summary="OpenVINO, Intel's runtime for processors",
    package="openvino",
    extra="openvino",
    devices={"cpu": ("float32", "bfloat16", "int8")},
    compile=_compile,
)
