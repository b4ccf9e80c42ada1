"""What is settled about a method that is a network before any work: its weights, passes and precision.

This travels to the workers and is part of every segment's key, so that all compute alike and a change of weights is
noticed.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch

from vsr.errors import ModelError
from vsr.inference import (
    EngineOptions,
    Load,
    Precision,
    PrecisionChoice,
    Runtime,
    batch_frames,
    check_tile,
    choose_backend,
    choose_precision,
    measure_load,
    tiles_of,
)
from vsr.inference.backends import TORCH, find_backend
from vsr.methods.method import Evidence, Geometry, OptionsT, Prepared
from vsr.networks import NETWORKS, Colour, Network, available_scales, load_network
from vsr.networks.locating import find_weights, is_path

__all__ = [
    "MAX_PASSES",
    "ComputeOptions",
    "Model",
    "ModelPart",
    "PreparedNetworks",
    "absolute_weights",
    "has_same_weights",
    "hold",
    "is_network",
    "magnification",
    "open_part",
    "plan_passes",
    "resolve_model",
]

_BLEND = re.compile(r"(?P<first>.+?):(?P<second>.+)@(?P<share>[0-9.]+)")
_KEPT = 4


@dataclass(frozen=True)
class ComputeOptions:
    """Settings of all methods that are networks: what computes them, and in what."""

    precision: PrecisionChoice = "auto"
    """What the network computes in; auto: half precision where the hardware is fast at it and it stays within 61 dB;
    fastest: int8 where the hardware is fast at it, else auto."""
    backend: str = "auto"
    """What computes the network; auto: torch, for int8 openvino; see docs/engine.md."""
    tile_px: int | None = None
    """Side of the tiles that large images are cut into, in input pixels; None: planned for the device's class."""

    def __post_init__(self) -> None:
        check_tile(self.tile_px)
        if self.backend != "auto":
            find_backend(self.backend)


@dataclass(frozen=True)
class ModelPart:
    """A network for one scale."""

    scale: int
    name: str
    """Architecture."""
    colour: Colour
    digest: str
    """SHA-256 of the weights; see `vsr.networks.digest`."""
    num_parameters: int
    generative: bool
    source: str
    """Where the weights came from."""
    precision: Precision
    load: Load
    """What it holds for a pixel, from which tiles are planned."""
    runtime: Runtime
    """What computes it."""
    adapts: bool = False
    """Whether it has several sets of weights, which are mixed for each shot."""


@dataclass(frozen=True)
class Model:
    """A method's networks."""

    method: str
    """As `vsr.networks.load_network` takes it, paths absolute."""
    parts: tuple[ModelPart, ...]
    """One for each scale in use."""
    passes: tuple[int, ...]
    """Scales in the order in which they run; what then remains is resampled."""
    tiles_yx: tuple[tuple[int, int], ...]
    """For each pass the largest window that the network is given, in its input pixels, for frames of the usual size."""
    batch_frames: int
    """Frames that go through the networks together."""

    @property
    def evidence(self) -> Evidence:
        """What its results rest on."""
        return "generative" if any(part.generative for part in self.parts) else "learned"

    @property
    def adapts(self) -> bool:
        """Whether its weights are mixed for each shot."""
        return any(part.adapts for part in self.parts)

    def key(self) -> tuple[ModelPart, ...]:
        """What decides results: not where weights lie; passes and tiles follow from these and the sizes."""
        return tuple(replace(part, source="") for part in self.parts)

    def plan_rows(self) -> list[tuple[str, str]]:
        """Passes and networks in words."""
        steps = zip(self.passes, self.tiles_yx, strict=True)
        passes = ", then ".join(f"x{scale} in tiles up to {wide}x{tall}" for scale, (tall, wide) in steps)
        rows = [("passes", passes or "none: the image is shrunk")]
        for part in self.parts:
            exact = f", {part.precision.psnr_db} dB from float32" if part.precision.psnr_db is not None else ""
            computed = f"{part.precision.name} by {part.runtime}{exact}"
            what = f"{part.name} x{part.scale}, {part.num_parameters:,} parameters, {computed}"
            rows.append(("network", f"{what}, {part.digest[:12]}"))
        return rows


@dataclass(frozen=True)
class PreparedNetworks(Prepared[OptionsT]):
    """What all methods that are networks say alike."""

    model: Model

    def key(self) -> Mapping[str, Any]:
        """The networks."""
        return {"networks": self.model.key()}

    def describe(self) -> Mapping[str, Any]:
        """The networks."""
        return {"model": self.model, "estimator": None}

    def plan_rows(self) -> list[tuple[str, str]]:
        """Passes and networks."""
        return self.model.plan_rows()


_held: WeakValueDictionary[str, Network] = WeakValueDictionary()
_trials: dict[tuple[object, ...], tuple[Precision, Load]] = {}  # large ones take seconds
_networks: dict[tuple[str, int, str], Network] = {}  # by method, scale and digest: the latest few


def hold(network: Network) -> str:
    """A name by which methods find ``network`` itself, in this process, for as long as the caller keeps it."""
    name = f"{network.source or network.name} #{id(network):x}"
    _held[name] = network
    return name


def is_network(method: str) -> bool:
    """Whether ``method`` means a network: a file, two of them blended, an architecture's name, or that of weights."""
    if is_path(method) or "@" in method or method in NETWORKS or Path(method).is_file():
        return True
    try:
        find_weights(method)
    except ModelError:
        return False
    return True


def absolute_weights(method: str) -> str:
    """``method`` with paths as they are seen from any folder."""
    blend = None if Path(method).is_file() else _BLEND.fullmatch(method)
    if blend is not None:
        return f"{absolute_weights(blend['first'])}:{absolute_weights(blend['second'])}@{blend['share']}"
    if is_path(method) or Path(method).is_file():
        return str(Path(method).expanduser().absolute())
    return method


def _load(method: str, scale: int) -> Network:
    if method in _held:
        return _held[method]
    network = load_network(method, scale)
    _networks[method, scale, network.digest] = network
    while len(_networks) > _KEPT:
        del _networks[next(iter(_networks))]
    return network


def _part(network: Network, compute: ComputeOptions, device: torch.device) -> ModelPart:
    backend, precision = choose_backend(compute.backend, compute.precision, device), compute.precision
    tried = (network.digest, network.scale, precision, backend.runtime, device)
    if tried not in _trials or not network.digest:
        try:
            chosen = choose_precision(network, precision, device, backend)
        except ModelError:
            if (compute.backend, precision) != ("auto", "fastest") or backend is TORCH:
                raise
            return _part(network, replace(compute, precision="auto"), device)  # what only torch computes
        _trials[tried] = chosen, measure_load(network)
    chosen, load = _trials[tried]
    return ModelPart(
        scale=network.scale,
        name=network.name,
        colour=network.colour,
        digest=network.digest,
        num_parameters=network.num_parameters,
        generative=network.is_generative,
        source=network.source,
        precision=chosen,
        load=load,
        runtime=backend.runtime,
        adapts=network.mixture is not None,
    )


def resolve_model(
    method: str,
    geometry: Geometry,
    device: torch.device,
    compute: ComputeOptions = ComputeOptions(),
    *,
    one_by_one: bool = False,
) -> Model:
    """Decide which networks of ``method`` serve ``geometry``, and how they compute on ``device``.

    ``one_by_one``: there is one pass at most, and frames go through it one at a time.
    Loads and tries them. Raises `ModelError` for weights that cannot be loaded or are no good, `MachineError` where
    there is not memory enough for them.
    """
    place = method if method in _held else absolute_weights(method)
    scales = (_held[method].scale,) if method in _held else available_scales(place)
    passes = plan_passes(magnification(geometry), scales, most=1 if one_by_one else MAX_PASSES)
    networks = {scale: _load(place, scale) for scale in sorted(set(passes)) or [min(scales, default=2)]}
    if len({network.colour for network in networks.values()}) > 1:
        raise ModelError(f"{method}: weights for different scales take different colours; give one file")
    parts = {scale: _part(network, compute, device) for scale, network in networks.items()}
    batch = 1 if one_by_one else batch_frames(geometry.width, geometry.height, device)
    tiles, factor = [], 1
    for scale in passes:
        size_yx = (geometry.height * factor, geometry.width * factor)
        options = EngineOptions(parts[scale].precision, parts[scale].load, compute.tile_px, frames=batch)
        tiles.append(tiles_of(networks[scale], options, size_yx, device).window_yx)
        factor *= scale
    return Model(place, tuple(parts.values()), passes, tuple(tiles), batch)


def has_same_weights(method: str, model: Mapping[str, Any] | None) -> bool:
    """Whether ``method`` still has the weights of ``model``, a `Model` as a manifest tells it.

    Raises `ModelError` where they cannot be loaded.
    """
    if model is None:
        return True
    place = absolute_weights(method)
    return all(load_network(place, part["scale"]).digest == part["digest"] for part in model["parts"])


def open_part(model: Model, part: ModelPart) -> Network:
    """The network of ``part``. Raises `ModelError` where the weights are no longer those that were settled."""
    known = _networks.get((model.method, part.scale, part.digest))
    network = known or _load(model.method, part.scale)
    if network.digest != part.digest:
        raise ModelError(
            f"{part.source}: the weights have changed since the run was planned (digest {part.digest[:12]} then, "
            f"{network.digest[:12]} now); start again"
        )
    return network


MAX_PASSES = 4
"""Networks run one after another at most; what is then still missing is resampled."""

_SLACK = Fraction(51, 50)  # so much may be left to resampling: sizes that are rounded are not worth another pass


def magnification(geometry: Geometry) -> Fraction:
    """The larger of both sides' magnifications, exactly."""
    return max(Fraction(geometry.out_width, geometry.width), Fraction(geometry.out_height, geometry.height))


def plan_passes(factor: Fraction, scales: Sequence[int], *, most: int = MAX_PASSES) -> tuple[int, ...]:
    """The scales of the networks to run, in order, for a magnification of ``factor`` from networks of ``scales``.

    As few passes as reach ``factor``, among those the smallest product, small magnifications first, since the later
    ones run on more pixels: ×8 of ×2 and ×4 is (2, 4), ×3 of ×4 is (4,), which is then shrunk. None for shrinking.
    Where not even ``most`` reach it, the largest product. ``scales`` that are empty stand for weights that take
    any: one pass of the next whole number.
    """
    if factor < 1:
        return ()
    if not scales:
        return (max(1, math.ceil(factor / _SLACK)),)
    known = sorted(set(scales))
    for count in range(1, most + 1):
        chains = [c for c in itertools.combinations_with_replacement(known, count) if math.prod(c) * _SLACK >= factor]
        if chains:
            return min(chains, key=lambda chain: (math.prod(chain), chain))
    return (known[-1],) * (most if known[-1] > 1 else 1)
