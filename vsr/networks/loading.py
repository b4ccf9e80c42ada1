"""From a name or a file to a network that is ready to run."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from vsr.errors import ModelError, UsageError
from vsr.networks.base import Family, Found, Network, NetworkSpec, Upscaler
from vsr.networks.blending import mix, parse_blend
from vsr.networks.digest import weights_digest
from vsr.networks.files import Checkpoint, read_checkpoint
from vsr.networks.generative import is_generative
from vsr.networks.locating import find_weights, scale_in_name
from vsr.networks.mixture import Mixture, read_mixture
from vsr.networks.recognition import fill, recognise
from vsr.networks.spandrel_models import SpandrelUpscaler, spandrel_upscaler
from vsr.networks.stable_diffusion import is_pipeline, load_pipeline
from vsr.networks.table import NETWORKS

__all__ = [
    "Weights",
    "available_scales",
    "load_network",
    "make_network",
    "network_family",
    "read_weights",
    "with_weights_for",
]


@dataclass(frozen=True)
class Weights:
    """Weights that are read and recognised."""

    source: str
    """Where they came from, for people."""
    checkpoint: Checkpoint
    found: tuple[NetworkSpec, Found] | SpandrelUpscaler
    """What they belong to: ours, or a network of spandrel's that is already built."""
    scales: tuple[int, ...]
    """Magnifications they serve; empty if neither weights nor metadata nor name tell."""
    is_generative: bool
    is_blend: bool = False
    """Whether they lie between two files."""
    mixture: Mixture | None = None
    """All sets, where there are several; ``checkpoint`` then holds their usual mixture."""

    @property
    def name(self) -> str:
        """The row of the table, or what spandrel calls it."""
        return self.found.architecture if isinstance(self.found, SpandrelUpscaler) else self.found[1].name


def load_network(
    name_or_path: str | Path, scale: int | None = None, *, networks: Mapping[str, NetworkSpec] = NETWORKS
) -> Network:
    """Weights by name or path, as a network in float32 on the CPU.

    ``scale`` picks among files of one name, among the scales that a file serves, and says the scale of weights that do
    not tell it; None is enough where only one is possible, or any. ``A:B@0.3`` is the network with the weights 0.7·A +
    0.3·B, both of one architecture. A folder may hold a pipeline of `diffusers` (`stable_diffusion`). ``networks``: the
    architectures that are looked for, before spandrel's. Raises `ModelError` for what cannot be loaded, and says what
    it is.
    """
    if is_pipeline(name_or_path):
        return load_pipeline(Path(name_or_path), scale)
    return make_network(read_weights(name_or_path, scale, networks=networks), scale)


def make_network(weights: Weights, scale: int | None = None) -> Network:
    """Weights that are read, as a network for one of their scales; as `load_network`."""
    chosen = _choose(weights, scale)
    if isinstance(weights.found, SpandrelUpscaler):
        module: Upscaler = weights.found
        colour, inner = weights.found.colour, weights.found.model
    else:
        row, found = weights.found
        module = fill(found, chosen, weights.checkpoint.tensors, weights.source)
        colour, inner = row.colour, module
    module.eval().requires_grad_(False)
    mixture = weights.mixture
    state = inner.state_dict() if mixture is None else mixture.tensors()
    return Network(
        name=weights.name,
        module=module,
        scale=module.scale,
        colour=colour,
        context_px=module.context_px,
        multiple=module.multiple,
        min_size=module.min_size,
        is_generative=weights.is_generative or module.noise_channels > 0,
        num_parameters=sum(parameter.numel() for parameter in module.parameters()),
        digest=weights_digest(state),
        source=weights.source,
        metadata=weights.checkpoint.metadata,
        mixture=mixture,
        family=module.family,
        in_channels=module.in_channels or 0,
        out_channels=module.out_channels or 0,
        noise_channels=module.noise_channels,
        module_scale=module.module_scale,
        out_colour=module.out_colour,
    )


def network_family(name_or_path: str, *, networks: Mapping[str, NetworkSpec] = NETWORKS) -> Family:
    """What the network of that name, or in that file, is given besides one frame.

    Raises `ModelError` for what cannot be read.
    """
    if is_pipeline(name_or_path):
        return "sampling"
    if name_or_path in networks:
        return networks[name_or_path].family
    blend = parse_blend(name_or_path)
    path = find_weights(name_or_path if blend is None else blend.first)[0][1]
    found = _recognise(read_checkpoint(path), networks).found
    return "frame" if isinstance(found, SpandrelUpscaler) else found[0].family


def with_weights_for(network: Network, estimates: Tensor | None) -> Network:
    """``network`` with the weights for a source, as estimated by `Mixture.estimate`.

    Returned as it is where it has one set of weights, or ``estimates`` is None.
    """
    if network.mixture is None or estimates is None:
        return network
    module = copy.deepcopy(network.module)
    module.load_state_dict(network.mixture.weights(network.mixture.shares(estimates)))
    module.eval().requires_grad_(False)
    return replace(network, module=module)


def available_scales(name_or_path: str | Path, *, networks: Mapping[str, NetworkSpec] = NETWORKS) -> tuple[int, ...]:
    """Scales that `load_network` can be asked for, in order; empty if the weights take any and do not tell."""
    text = str(name_or_path)
    if is_pipeline(text):
        return (4,)
    blend = parse_blend(text)
    if blend is not None:
        first, second = (available_scales(part, networks=networks) for part in (blend.first, blend.second))
        return tuple(sorted({*first} & {*second}))
    files = find_weights(text)
    scales: set[int] = set()
    for named, path in files:
        if named is not None and len(files) > 1:
            scales.add(named)
        else:
            scales.update(_recognise(read_checkpoint(path), networks).scales)
    return tuple(sorted(scales))


def read_weights(
    name_or_path: str | Path, scale: int | None = None, *, networks: Mapping[str, NetworkSpec] = NETWORKS
) -> Weights:
    """Read and recognise weights by name, path or blend; ``scale`` picks among files of one name."""
    text = str(name_or_path)
    blend = parse_blend(text)
    if blend is None:
        return _recognise(read_checkpoint(_pick(text, scale)), networks)
    first, second = (read_weights(part, scale, networks=networks) for part in (blend.first, blend.second))
    common = tuple(each for each in first.scales if each in second.scales)
    if first.name != second.name or (first.scales and second.scales and not common):
        raise ModelError(
            f"cannot mix {_title(first)} and {_title(second)}: they must be of one architecture and one scale"
        )
    mixed = mix(first.checkpoint, second.checkpoint, blend.share)
    found = _foreign(mixed, networks) if isinstance(first.found, SpandrelUpscaler) else first.found
    generative = (first.is_generative and blend.share < 1) or (second.is_generative and blend.share > 0)
    scales = common or first.scales or second.scales
    return Weights(f"{first.source}:{second.source}@{blend.share:g}", mixed, found, scales, generative, is_blend=True)


def _pick(text: str, scale: int | None) -> Path:
    files = find_weights(text)
    if len(files) == 1:
        return files[0][1]
    by_scale = dict(files)
    chosen = by_scale.get(scale) or by_scale.get(None)
    if scale is None or chosen is None:
        held = ", ".join(f"×{named}" for named in sorted(key for key in by_scale if key is not None))
        requested = "say which scale" if scale is None else f"there is none for ×{scale}"
        raise ModelError(f"{text}: weights for {held} are there; {requested}")
    return chosen


def _recognise(checkpoint: Checkpoint, networks: Mapping[str, NetworkSpec]) -> Weights:
    source = str(checkpoint.path)
    mixture = read_mixture(checkpoint.tensors, source)
    if mixture is not None:
        plain = replace(checkpoint, tensors=mixture.weights(mixture.usual))
        return replace(_recognise(plain, networks), mixture=mixture)
    found = recognise(checkpoint.shapes, networks, hint=checkpoint.metadata.get("vsr.architecture", ""))
    if found is None:
        foreign = _foreign(checkpoint, networks)
        generative = is_generative(checkpoint, mostly=foreign.mostly_generative)
        return Weights(source, checkpoint, foreign, (foreign.scale,), generative)
    row, inside = found
    generative = is_generative(checkpoint, mostly=row.is_generative)
    return Weights(source, checkpoint, found, inside.scales or _find_scales(checkpoint), generative)


def _find_scales(checkpoint: Checkpoint) -> tuple[int, ...]:
    """What the file says of its scale where the weights say nothing: its metadata, else its name."""
    written = checkpoint.metadata.get("vsr.scale", "")
    if written.isdecimal() and int(written) >= 1:
        return (int(written),)
    named = scale_in_name(checkpoint.path)
    return () if named is None else (named,)


def _foreign(checkpoint: Checkpoint, networks: Mapping[str, NetworkSpec]) -> SpandrelUpscaler:
    upscaler = spandrel_upscaler(checkpoint.tensors, str(checkpoint.path))
    if upscaler is None:
        names = ", ".join(list(checkpoint.tensors)[:3])
        raise ModelError(
            f"{checkpoint.path}: weights of no network known here ({len(checkpoint.tensors)} tensors: {names}, …); "
            f"known: {', '.join(networks)}, and what spandrel recognises"
        )
    return upscaler


def _takes_any(weights: Weights) -> bool:
    return not isinstance(weights.found, SpandrelUpscaler) and weights.found[0].family == "any-scale"


def _join_scales(scales: tuple[int, ...]) -> str:
    return ", ".join(f"×{scale}" for scale in scales)


def _title(weights: Weights) -> str:
    return f"{weights.source} ({weights.name}{' ' if weights.scales else ''}{_join_scales(weights.scales)})"


def _choose(weights: Weights, requested: int | None) -> int:
    held = weights.scales
    if requested is not None and requested < 1:
        raise UsageError(f"a scale of {requested} makes no sense; give 2, 3, 4, …")
    if requested is not None and held and requested not in held:
        raise ModelError(f"{weights.source}: {weights.name} enlarges {_join_scales(held)}, not ×{requested}")
    if requested is None and len(held) > 1 and _takes_any(weights):
        return held[0]
    if requested is None and len(held) != 1:
        why = f"serves {_join_scales(held)}" if held else "neither the weights nor the file's name tell the scale"
        raise ModelError(f"{weights.source}: {why}; say which scale")
    return requested or held[0]
