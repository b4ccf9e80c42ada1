"""Networks as ONNX: for other runtimes, ours and the user's.

Sides of images stay free where a network looks no further than so many pixels and works for every size; others are
exported for one size. What comes out has passed the ONNX checker, and its weights are called as in the state dict.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from vsr.errors import MachineError, ModelError
from vsr.networks.base import Network

__all__ = ["INPUT", "OPSET", "OUTPUT", "Exported", "export_onnx", "require_onnx"]

OPSET = 18
"""Version of ONNX's operators: the oldest that torch's exporter writes without conversion; read by all of today."""
INPUT, OUTPUT = "images", "enlarged"
"""Names of the graph's input ``(B, C, H, W)`` and output."""

_LOGGERS = ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")


@dataclass(frozen=True)
class Exported:
    """A network as ONNX."""

    model: Any
    """An ``onnx.ModelProto``."""
    size_yx: tuple[int, int] | None
    """The only size of images that it takes; None: any that the network takes."""

    def holds(self, names: Iterable[str]) -> bool:
        """Whether the file has tensors of all ``names``."""
        return set(names) <= {initializer.name for initializer in self.model.graph.initializer}

    def with_weights(self, state: Mapping[str, Tensor]) -> bytes:
        """The file, with the values of ``state`` in place of the tensors of those names."""
        from onnx import numpy_helper

        model = copy.deepcopy(self.model)
        for initializer in model.graph.initializer:
            if initializer.name in state:
                values = state[initializer.name].detach().cpu().float().numpy()
                initializer.CopyFrom(numpy_helper.from_array(values, initializer.name))
        return bytes(model.SerializeToString())

    def with_notes(self, notes: Mapping[str, str]) -> bytes:
        """The file, with ``notes`` in its metadata."""
        model = copy.deepcopy(self.model)
        for key, value in notes.items():
            model.metadata_props.add(key=key, value=value)
        return bytes(model.SerializeToString())


def require_onnx(what: str, extra: str, others: Sequence[str] = ()) -> None:
    """Raise `MachineError` unless the packages that export networks, and ``others``, are there; ``what`` needs them."""
    missing = [name for name in ("onnx", "onnxscript", *others) if find_spec(name) is None]
    if missing:
        raise MachineError(f"{what} needs the package {' and '.join(missing)}: pip install 'vsr[{extra}]'")


def export_onnx(network: Network, size_yx: tuple[int, int], *, batch: int = 1, may_be_free: bool = True) -> Exported:
    """``network`` in float32, exported with ``batch`` images of ``size_yx``, for others, too, where that can be.

    Raises `ModelError` where ONNX has no words for it.
    """
    import onnx

    example = torch.rand(batch, network.in_channels, *size_yx, generator=torch.Generator().manual_seed(0))
    module = copy.deepcopy(network.module).cpu().float().eval()
    try:
        with torch.no_grad(), _quiet():
            module(example)  # what it remembers of a size is made now: made while it is traced, it would hold no values
            program = torch.onnx.export(
                _trace(module, example, may_be_free=may_be_free and network.context_px is not None),
                input_names=[INPUT],
                output_names=[OUTPUT],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        assert program is not None, "torch gives the program where no file is named"
        model = program.model_proto
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # torch raises all kinds for what it does not know
        source, first = network.source or network.name, next(iter(str(error).splitlines()), type(error).__name__)
        raise ModelError(f"{source}: cannot be written as ONNX: {first[:160]}") from error
    return Exported(model, None if _has_free_sides(model) else size_yx)


def _trace(module: nn.Module, example: Tensor, *, may_be_free: bool) -> torch.export.ExportedProgram:
    """``module`` as a graph whose sides are free if they ``may_be_free`` and Python does not work on their values."""
    if may_be_free:
        sides = ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
        with suppress(Exception):  # torch raises all kinds for what needs the values
            marked = example.clone()  # torch writes on it that its sides are free
            return torch.export.export(module, (marked,), dynamic_shapes=sides, strict=False)
    return torch.export.export(module, (example,), strict=False)


def _has_free_sides(model: Any) -> bool:
    [given] = model.graph.input
    return all(side.dim_param for side in given.type.tensor_type.shape.dim[2:])


@contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter says of its own steps is nothing that a user can act on."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
