"""The training form of a network, which may be over-parameterised, and its inference form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from vsr.errors import ModelError
from vsr.networks import NETWORKS, Network
from vsr.networks.base import Upscaler
from vsr.networks.digest import weights_digest
from vsr.networks.lite import LiteInTraining
from vsr.networks.loading import Weights, available_scales, read_weights
from vsr.networks.spandrel_models import SpandrelUpscaler

__all__ = ["IN_TRAINING", "Start", "begin_with", "build_in_training", "read_start", "reparameterise", "runnable"]


@runtime_checkable
class _Reparameterised(Protocol):
    """A module that is re-parameterised before it is run."""

    def reparameterise(self) -> dict[str, Tensor]: ...

    def take_over(self, state: Mapping[str, Tensor]) -> None: ...


IN_TRAINING: Mapping[str, Callable[[Upscaler], nn.Module]] = MappingProxyType({"lite": LiteInTraining.of})
"""Rows of `NETWORKS` that are trained in another form than they are run: from the one the other is made, with random
weights; it has ``reparameterise`` and ``take_over``."""


class Start:
    """Weights to begin with."""

    def __init__(self, weights: Weights, tensors: Mapping[str, Tensor]) -> None:
        self.source, self.scales, self.tensors = weights.source, weights.scales, tensors
        self.is_generative = weights.is_generative
        self.digest = weights_digest(dict(tensors))


def build_in_training(name: str, scale: int, start: Start | None = None) -> nn.Module:
    """A network with random weights in the form that is trained; where that is one of its own, as wide as ``start``."""
    if name not in IN_TRAINING:
        return NETWORKS[name].build(scale)
    return IN_TRAINING[name](_build(name, scale, {} if start is None else start.tensors))


def _build(name: str, scale: int, state: Mapping[str, Tensor]) -> Upscaler:
    """The form that is run, for a state dict of any width and depth if it also has another form."""
    row = NETWORKS[name]
    found = row.recognise({key: tuple(value.shape) for key, value in state.items()}) if state else None
    return row.build(scale) if found is None or name not in IN_TRAINING else found.build(scale)


def reparameterise(name: str, module: nn.Module) -> dict[str, Tensor]:
    """The state dict of the form that is run, float32 on the CPU."""
    state = (
        module.reparameterise() if name in IN_TRAINING and isinstance(module, _Reparameterised) else module.state_dict()
    )
    return {key: value.detach().cpu().clone() for key, value in state.items()}


def runnable(name: str, scale: int, state: Mapping[str, Tensor]) -> Network:
    """An inference state dict as a network that is ready to run."""
    row, module = NETWORKS[name], _build(name, scale, state)
    module.load_state_dict(dict(state))
    module.finish_loading()
    module.eval().requires_grad_(False)
    return Network(
        name=name,
        module=module,
        scale=scale,
        colour=row.colour,
        context_px=module.context_px,
        multiple=module.multiple,
        min_size=module.min_size,
        num_parameters=sum(parameter.numel() for parameter in module.parameters()),
        digest=weights_digest(module.state_dict()),
    )


def read_start(name_or_path: str, network: str, scale: int) -> Start:
    """Weights of ``network``, for ``scale`` or the nearest there is; `ModelError` if they are of something else."""
    held = available_scales(name_or_path)
    nearest = min(held, key=lambda one: abs(one - scale), default=scale)
    weights = read_weights(name_or_path, nearest)
    if isinstance(weights.found, SpandrelUpscaler) or weights.found[0].name != network:
        raise ModelError(f"{weights.source}: holds {weights.name}, not {network}; training cannot start from it")
    rename = weights.found[1].rename
    return Start(weights, {rename(key): value for key, value in weights.checkpoint.tensors.items()})


def begin_with(start: Start, name: str, module: nn.Module) -> tuple[str, ...]:
    """Give a module in training the weights that fit; the names of those that do not fit and are initialised at random.

    Raises `ModelError` if hardly any fits.
    """
    requested = reparameterise(name, module)
    fitting = {
        key: value for key, value in start.tensors.items() if key in requested and requested[key].shape == value.shape
    }
    learnt = sum(requested[key].numel() for key in fitting)
    if 2 * learnt < sum(value.numel() for value in requested.values()):
        raise ModelError(f"{start.source}: fits {name} in less than half of its weights; it has another width or depth")
    if name in IN_TRAINING and isinstance(module, _Reparameterised):
        module.take_over(fitting)
    else:
        with torch.no_grad():
            for key, value in module.state_dict().items():
                if key in fitting:
                    value.copy_(fitting[key])
    return tuple(sorted(requested.keys() - fitting.keys()))
