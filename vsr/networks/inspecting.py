"""What is known of weights, for people and for programs, and their conversion to ``.safetensors``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vsr.networks.base import Colour, Framework
from vsr.networks.loading import Weights, make_network, read_weights
from vsr.networks.locating import SHIPPED, SUFFIXES, scale_in_name, search_folders
from vsr.networks.saving import save_weights
from vsr.networks.spandrel_models import SpandrelUpscaler
from vsr.networks.spandrel_table import SPANDREL

__all__ = ["WeightsFacts", "convert_weights", "describe_weights", "find_installed_weights"]


@dataclass(frozen=True)
class WeightsFacts:
    """What a file of weights holds."""

    source: str
    format: str
    """``safetensors``, ``torch-zip``, ``torch-legacy``, ``matlab5`` or ``ncnn``, recognised by the content."""
    architecture: str
    """The row of `NETWORKS`, or spandrel's name."""
    title: str
    """Authors, year, venue; "" if not known."""
    framework: Framework | None
    scales: tuple[int, ...]
    """Magnifications; empty if the weights take any and neither metadata nor name tell."""
    colour: Colour
    value_range: int
    """Largest value that the network works with inside."""
    num_parameters: int
    context_px: Mapping[int, int | None]
    """Receptive field in input pixels, by scale; None: the whole image."""
    multiple: int
    """Sides of the input must be multiples of it."""
    min_size: int
    is_generative: bool
    digest: str
    """SHA-256 of the weights, whatever file they are in."""
    metadata: Mapping[str, str]
    """What the file says of itself."""
    card: str = ""
    """The model card beside weights that ship with vsr; "" for others."""


def _find_published(weights: Weights) -> tuple[str, Framework | None, tuple[int, ...], int]:
    """Title, framework, scales and value range of the architecture."""
    if isinstance(weights.found, SpandrelUpscaler):
        foreign = SPANDREL.get(weights.found.architecture_id)
        return (foreign.title if foreign else ""), None, (), 1
    row, _ = weights.found
    return row.title, row.framework, row.scales, row.value_range


def describe_weights(name_or_path: str | Path, scale: int | None = None) -> WeightsFacts:
    """Read weights by name, path or blend and say what they are; raises as `load_network`.

    ``scale`` picks among several files of one name, and stands for the scale of weights that do not tell theirs.
    """
    return _describe(read_weights(name_or_path, scale), scale)


def _describe(weights: Weights, scale: int | None) -> WeightsFacts:
    title, framework, usual, value_range = _find_published(weights)
    tried = weights.scales or ((scale,) if scale else usual)
    networks = {each: make_network(weights, each) for each in tried}
    first = networks[tried[0]]
    return WeightsFacts(
        source=weights.source,
        format=weights.checkpoint.kind,
        architecture=weights.name,
        title=title,
        framework=framework,
        scales=weights.scales,
        colour=first.colour,
        value_range=value_range,
        num_parameters=first.num_parameters,
        context_px={each: network.context_px for each, network in networks.items()},
        multiple=first.multiple,
        min_size=first.min_size,
        is_generative=first.is_generative,
        digest=first.digest,
        metadata=weights.checkpoint.metadata,
        card=_card(weights.checkpoint.path),
    )


def _card(path: Path) -> str:
    card = path.with_suffix(".md")
    return str(card) if path.parent == SHIPPED and card.is_file() else ""


def convert_weights(
    name_or_path: str | Path, output: Path, *, scale: int | None = None, overwrite: bool = False
) -> WeightsFacts:
    """Write weights, also blends, as ``.safetensors`` that say what they are; gives what the new file holds.

    ``scale`` is written for weights that do not tell theirs.
    """
    weights = read_weights(name_or_path, scale)
    facts = _describe(weights, scale)
    held = weights.scales or ((scale,) if scale else ())
    notes = dict(weights.checkpoint.metadata)
    notes["vsr.source"] = weights.source if weights.is_blend else weights.checkpoint.path.name
    if not weights.is_blend:
        notes["vsr.source_sha256"] = hashlib.sha256(weights.checkpoint.path.read_bytes()).hexdigest()
    notes["vsr.digest"] = facts.digest
    save_weights(
        output,
        weights.checkpoint.tensors if weights.mixture is None else weights.mixture.tensors(),
        architecture=weights.name,
        scale=held[0] if len(held) == 1 else None,
        is_generative=facts.is_generative,
        notes=notes,
        overwrite=overwrite,
    )
    return describe_weights(output, scale)


def find_installed_weights() -> Mapping[str, Mapping[int | None, Path]]:
    """Weights that can be asked for by name: name, scale (None: several in one file), and the file that is taken."""
    found: dict[str, dict[int | None, Path]] = {}
    for folder in search_folders():
        for suffix in SUFFIXES:
            for path in sorted(folder.glob(f"*{suffix}")) if folder.is_dir() else []:
                scale = scale_in_name(path)
                ends = f"-x{scale}"
                name, key = (path.stem.removesuffix(ends), scale) if path.stem.endswith(ends) else (path.stem, None)
                found.setdefault(name, {}).setdefault(key, path)
    return dict(sorted(found.items()))
