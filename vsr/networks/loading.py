"""From a name or a file to a network that is ready to run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from vsr.errors import ModelError, UsageError
from vsr.networks.base import Network, Upscaler
from vsr.networks.checkpoint import Checkpoint, read_checkpoint
from vsr.networks.digest import weights_digest
from vsr.networks.generative import is_generative
from vsr.networks.locating import find_weights, scale_in_name
from vsr.networks.recognition import fill, recognise
from vsr.networks.spandrel_models import SpandrelUpscaler, spandrel_upscaler
from vsr.networks.table import NETWORKS

__all__ = ["available_scales", "load_network"]

_BLEND = re.compile(r"(?P<first>.+?):(?P<second>.+)@(?P<share>[0-9.]+)")


def load_network(name_or_path: str | Path, scale: int | None = None) -> Network:
    """Weights by name or path, as a network in float32 on the CPU.

    ``scale`` picks among files of one name, among the scales that a file serves, and says the scale of weights that do
    not tell it; None is enough where only one is possible. ``A:B@0.3`` is the network with the weights 0.7·A + 0.3·B,
    both of one architecture. Raises `ModelError` for what cannot be loaded, and says what it is.
    """
    text = str(name_or_path)
    blend = None if Path(text).is_file() else _BLEND.fullmatch(text)
    if blend is None:
        return _load_file(_pick(text, scale), scale)
    share = _share(blend["share"], text)
    return _interpolate(load_network(blend["first"], scale), load_network(blend["second"], scale), share)


def available_scales(name_or_path: str | Path) -> tuple[int, ...]:
    """Scales that `load_network` can be asked for, in order; empty if the weights take any and do not tell."""
    text = str(name_or_path)
    blend = None if Path(text).is_file() else _BLEND.fullmatch(text)
    if blend is not None:
        return tuple(sorted({*available_scales(blend["first"])} & {*available_scales(blend["second"])}))
    files = find_weights(text)
    scales: set[int] = set()
    for named, path in files:
        if named is not None and len(files) > 1:
            scales.add(named)
        else:
            scales.update(_scales_of(read_checkpoint(path)))
    return tuple(sorted(scales))


def _pick(text: str, scale: int | None) -> Path:
    files = find_weights(text)
    if len(files) == 1:
        return files[0][1]
    by_scale = dict(files)
    chosen = by_scale.get(scale) or by_scale.get(None)
    if scale is None or chosen is None:
        held = ", ".join(f"×{named}" for named in sorted(key for key in by_scale if key is not None))
        wanted = "say which scale" if scale is None else f"there is none for ×{scale}"
        raise ModelError(f"{text}: weights for {held} are there; {wanted}")
    return chosen


def _told_scales(checkpoint: Checkpoint) -> tuple[int, ...]:
    """What the file says of its scale where the weights say nothing: its metadata, else its name."""
    written = checkpoint.metadata.get("vsr.scale", "")
    if written.isdecimal() and int(written) >= 1:
        return (int(written),)
    named = scale_in_name(checkpoint.path)
    return () if named is None else (named,)


def _scales_of(checkpoint: Checkpoint) -> tuple[int, ...]:
    found = recognise(checkpoint.shapes)
    if found is not None:
        return found.scales or _told_scales(checkpoint)
    return (_foreign(checkpoint).scale,)


def _choose(path: Path, held: tuple[int, ...], wanted: int | None) -> int:
    listed = ", ".join(f"×{scale}" for scale in held)
    if wanted is not None and wanted < 1:
        raise UsageError(f"a scale of {wanted} makes no sense; give 2, 3, 4, …")
    if wanted is not None and held and wanted not in held:
        raise ModelError(f"{path}: enlarges {listed}, not ×{wanted}")
    if wanted is None and len(held) != 1:
        why = f"serves {listed}" if held else "neither the weights nor the file's name tell the scale"
        raise ModelError(f"{path}: {why}; say which scale")
    return wanted or held[0]


def _foreign(checkpoint: Checkpoint) -> SpandrelUpscaler:
    upscaler = spandrel_upscaler(checkpoint.tensors, str(checkpoint.path))
    if upscaler is None:
        names = ", ".join(list(checkpoint.tensors)[:3])
        raise ModelError(
            f"{checkpoint.path}: weights of no network known here ({len(checkpoint.tensors)} tensors: {names}, …); "
            f"known: {', '.join(NETWORKS)}, and what spandrel recognises"
        )
    return upscaler


def _load_file(path: Path, wanted: int | None) -> Network:
    checkpoint = read_checkpoint(path)
    found = recognise(checkpoint.shapes)
    if found is None:
        foreign = _foreign(checkpoint)
        _choose(path, (foreign.scale,), wanted)
        return _network(foreign.architecture, foreign, checkpoint)
    scale = _choose(path, found.scales or _told_scales(checkpoint), wanted)
    return _network(found.name, fill(found, scale, checkpoint.tensors, str(path)), checkpoint)


def _network(name: str, module: Upscaler, checkpoint: Checkpoint) -> Network:
    module.eval().requires_grad_(False)
    return Network(
        name=name,
        module=module,
        scale=module.scale,
        colour=module.colour if isinstance(module, SpandrelUpscaler) else NETWORKS[name].colour,
        context_px=module.context_px,
        multiple=module.multiple,
        min_size=module.min_size,
        is_generative=is_generative(name, checkpoint),
        num_parameters=sum(parameter.numel() for parameter in module.parameters()),
        digest=weights_digest(_inner(module).state_dict()),
        source=str(checkpoint.path),
        metadata=checkpoint.metadata,
    )


def _inner(module: torch.nn.Module) -> torch.nn.Module:
    """Where the weights have the names of the file."""
    return module.model if isinstance(module, SpandrelUpscaler) else module


def _share(text: str, whole: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"{whole}: the share after @ must be a number from 0 to 1, got {text}")
    return share


def _interpolate(first: Network, second: Network, share: float) -> Network:
    """θ = (1 − α) θ_A + α θ_B (Wang et al., ESRGAN, 2018); counters are A's."""
    ours, theirs = first.module.state_dict(), second.module.state_dict()
    shapes = [{name: tuple(value.shape) for name, value in state.items()} for state in (ours, theirs)]
    if first.name != second.name or first.scale != second.scale or shapes[0] != shapes[1]:
        names = [f"{network.source} ({network.name} ×{network.scale})" for network in (first, second)]
        raise ModelError(f"cannot mix {names[0]} and {names[1]}: they must be of one architecture, size and scale")
    mixed = {
        name: torch.lerp(value, theirs[name], share) if value.is_floating_point() else value
        for name, value in ours.items()
    }
    first.module.load_state_dict(mixed)
    metadata: Mapping[str, str] = {"vsr.mixed": f"{1 - share:g} of {first.digest}, {share:g} of {second.digest}"}
    return replace(
        first,
        is_generative=(first.is_generative and share < 1) or (second.is_generative and share > 0),
        digest=weights_digest(_inner(first.module).state_dict()),
        source=f"{first.source}:{second.source}@{share:g}",
        metadata=metadata,
    )
