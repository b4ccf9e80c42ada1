"""Which architecture weights belong to, recognised by names and shapes alone."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.networks.base import Found, NetworkSpec, Shapes, Upscaler
from vsr.networks.blocks import Constant

__all__ = ["fill", "recognise"]


def _ask(row: NetworkSpec, shapes: Shapes) -> Found | None:
    try:
        return row.recognise(shapes)
    except (KeyError, IndexError):
        return None


def recognise(
    shapes: Shapes, networks: Mapping[str, NetworkSpec], *, hint: str = ""
) -> tuple[NetworkSpec, Found] | None:
    """The row of ``networks`` that a state dict comes closest to, and what is in it; ``hint`` is asked first."""
    for row in sorted(networks.values(), key=lambda row: row.name != hint):
        found = _ask(row, shapes)
        if found is not None:
            return networks.get(found.name, row), found
    return None


def _difference(requested: Shapes, given: Shapes) -> str:
    """The first thing in which two state dicts differ, in words; "" if they do not."""
    for name in sorted(requested.keys() - given.keys()):
        return f"{name} is missing"
    for name in sorted(given.keys() - requested.keys()):
        return f"{name} does not belong to it"
    for name, shape in requested.items():
        if given[name] != shape:
            return f"{name} has shape {given[name]}, expected {shape}"
    return ""


def fill(found: Found, scale: int, tensors: Mapping[str, Tensor], source: str) -> Upscaler:
    """The architecture for ``scale`` with these weights; `ModelError` if they do not fit."""
    with torch.device("meta"):
        module = found.build(scale)
    tensors = {found.rename(name): value for name, value in tensors.items()}
    expected = module.state_dict()
    counters = {name for name in expected.keys() - tensors.keys() if name.endswith("num_batches_tracked")}
    requested: Shapes = {name: tuple(value.shape) for name, value in expected.items() if name not in counters}
    given: Shapes = {name: tuple(value.shape) for name, value in tensors.items()}
    problem = _difference(requested, given)
    if problem:
        raise ModelError(f"{source}: looks like {found.name}, but {problem}")
    module.load_state_dict({**tensors, **{name: torch.tensor(0) for name in counters}}, assign=True)
    for part in module.modules():
        if isinstance(part, Constant):
            part.restore()
    module.finish_loading()
    return module
