"""The methods that vsr offers: frames of one shot in, better frames out.

To add one: write its class and its options beside it in a file of this folder, and give it a row in
`RESTORERS`; the contract suite in ``tests/contracts/test_restorers.py`` then covers it. Networks need no row: any
that `vsr.networks` can load is a method by its name or file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch

from vsr.errors import UsageError, nearest
from vsr.networks import NETWORKS
from vsr.restorers.auto import GUESSING_NETWORK, AutoOptions, build_auto
from vsr.restorers.base import Evidence, Geometry, Restorer
from vsr.restorers.interpolate import Interpolate, InterpolateOptions
from vsr.restorers.model import Model, ModelPart, is_network, settle_model
from vsr.restorers.multi_frame import MultiFrame, MultiFrameOptions
from vsr.restorers.per_frame import PerFrame, PerFrameOptions
from vsr.restorers.source import estimator_digest
from vsr.tables import table_of

__all__ = [
    "OPTION_TYPES",
    "RESTORERS",
    "Evidence",
    "Geometry",
    "Model",
    "ModelPart",
    "Restorer",
    "RestorerSpec",
    "find_restorer",
    "is_network",
    "settle_model",
]

OptionsT = TypeVar("OptionsT")


@dataclass(frozen=True)
class RestorerSpec(Generic[OptionsT]):
    """One row of `RESTORERS`: what a method is, and how to make it."""

    name: str
    """What the user calls it."""
    summary: str
    """One line for lists and help."""
    evidence: Evidence
    """What its results rest on."""
    options_type: type[OptionsT]
    """Frozen dataclass of its settings, each with a default."""
    build: Callable[[Geometry, OptionsT, torch.device], Restorer]
    """Makes one for a picture geometry, settings and device."""
    network: str | None = None
    """The weights that take part, as `settle_model` takes them; None: no network does."""
    asks_source: bool = False
    """Whether `vsr.restorers.source` has a say in what it does."""

    def estimator(self) -> str | None:
        """Digest of what tells it the source; None where nothing does."""
        return estimator_digest() if self.asks_source else None


def _auto(geometry: Geometry, options: AutoOptions, device: torch.device) -> Restorer:
    model = settle_model(GUESSING_NETWORK, geometry, device, precision=options.precision, tile_px=options.tile_px)
    return build_auto(geometry, options, device, model)


def _lanczos(geometry: Geometry, options: InterpolateOptions, device: torch.device) -> Restorer:
    return Interpolate(geometry, "lanczos", device)


def _bicubic(geometry: Geometry, options: InterpolateOptions, device: torch.device) -> Restorer:
    return Interpolate(geometry, "bicubic", device)


RESTORERS: Mapping[str, RestorerSpec[Any]] = table_of(
    "restorers",
    [
        RestorerSpec(
            "auto",
            "reconstruct from neighbouring frames, led by a network: the best picture that vsr makes",
            "learned",
            AutoOptions,
            _auto,
            GUESSING_NETWORK,
            asks_source=True,
        ),
        RestorerSpec(
            "multiframe",
            "reconstruct detail from neighbouring frames through an imaging model",
            "observation-model",
            MultiFrameOptions,
            MultiFrame,
            asks_source=True,
        ),
        RestorerSpec("lanczos", "resample with a 3-lobe Lanczos kernel", "interpolation", InterpolateOptions, _lanczos),
        RestorerSpec("bicubic", "resample with Keys' cubic, a = -0.5", "interpolation", InterpolateOptions, _bicubic),
    ],
)
"""Every method by name."""


OPTION_TYPES: tuple[type, ...] = (*(spec.options_type for spec in RESTORERS.values()), PerFrameOptions)
"""Every class of options that a method may have."""


def _with(model: Model) -> Callable[[Geometry, AutoOptions, torch.device], Restorer]:
    def build(geometry: Geometry, options: AutoOptions, device: torch.device) -> Restorer:
        return build_auto(geometry, options, device, model)

    return build


def find_restorer(name: str, model: Model | None = None) -> RestorerSpec[Any]:
    """The row called ``name``, or one made for a network: its weights by name or file, or two of them blended.

    ``model`` is what `settle_model` found for the network; without it, it is settled when a restorer is built. Raises
    `UsageError` for a name that nothing has.
    """
    if name in RESTORERS:
        spec = RESTORERS[name]
        return spec if spec.network is None or model is None else replace(spec, build=_with(model))
    if model is None and not is_network(name):
        known = [*RESTORERS, *NETWORKS]
        raise UsageError(f"no method {name!r}; known: {', '.join(known)}, and files of weights{nearest(name, known)}")

    def build(geometry: Geometry, options: PerFrameOptions, device: torch.device) -> Restorer:
        settled = model or settle_model(name, geometry, device, precision=options.precision, tile_px=options.tile_px)
        return PerFrame(geometry, options, device, settled)

    evidence = model.evidence if model is not None else "learned"
    return RestorerSpec(name, "enlarge each frame by a network", evidence, PerFrameOptions, build, name)
