"""ONNX Runtime, on processors, in float32."""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.inference.backends.base import Backend, Executable, PrecisionName
from vsr.inference.backends.exported import ByShape, Session
from vsr.networks import Network
from vsr.networks.export import INPUT, OUTPUT, require_onnx

__all__ = ["ONNXRUNTIME", "open_session"]

_ERRORS_ALONE = 3


def open_session(graph: bytes) -> Session:
    """What runs an ONNX file that `vsr.networks.export` wrote, with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.use_deterministic_compute = True
    options.log_severity_level = _ERRORS_ALONE
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def run(windows: Tensor) -> Tensor:
        [found] = session.run([OUTPUT], {INPUT: windows.numpy()})
        return torch.from_numpy(found)

    return run


def _compile(network: Network, precision: PrecisionName, device: torch.device) -> Executable:
    require_onnx("backend=onnxruntime", "onnx")
    return ByShape(network, open_session, open_session)


ONNXRUNTIME = Backend(
    name="onnxruntime",
    summary="ONNX Runtime",
    package="onnxruntime",
    extra="onnx",
    devices={"cpu": ("float32",)},
    compile=_compile,
)
