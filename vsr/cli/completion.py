"""What shells offer after an option: names with a word about each, from tables that need neither torch nor Ray.

Where nothing of it fits, or nothing is offered, the shells complete names of files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

__all__ = [
    "CLUSTERS",
    "DEINTERLACERS",
    "DEVICES",
    "DOWNSCALERS",
    "HEIGHTS",
    "PIPE_CONTAINERS",
    "SCALES",
    "WORKERS",
    "codecs",
    "fixed",
    "methods",
    "networks",
    "passes",
    "presets",
    "recipes",
    "screens",
]

Offer = list[tuple[str, str]]
"""Values and a word about each. Those that do not begin as what was typed are left out by typer."""


def fixed(*values: str) -> Callable[[], Offer]:
    """Offers ``values`` as they are."""
    return lambda: [(value, "") for value in values]


SCALES = fixed("2", "3", "4", "1.5", "1")
HEIGHTS = fixed("720", "1080", "1440", "2160")
DEVICES = fixed("auto", "cpu", "cuda", "cuda:1")
DEINTERLACERS = fixed("auto", "off", "film", "frame", "field")
DOWNSCALERS = fixed("rescale", "rescale-codec", "bicubic", "lanczos")
PIPE_CONTAINERS = fixed("y4m", "mkv", "nut")
WORKERS = fixed("auto", "1")
CLUSTERS = fixed("auto")


def methods() -> Offer:
    """Methods, and the weights that ship."""
    from vsr.catalogue import METHOD_ENTRIES

    return [*((name, entry.summary) for name, entry in METHOD_ENTRIES.items()), *networks()]


def networks() -> Offer:
    """Weights that ship, by name."""
    from importlib import resources

    scales: dict[str, list[str]] = {}
    for stem in _stems(resources.files("vsr") / "networks" / "weights", ".safetensors"):
        name, _, scale = stem.rpartition("-")
        scales.setdefault(name, []).append(scale)
    return [(name, f"network, {' '.join(found)}") for name, found in scales.items()]


def passes() -> Offer:
    """Passes."""
    from vsr.catalogue import PASS_ENTRIES

    return [(name, entry.summary) for name, entry in PASS_ENTRIES.items()]


def presets() -> Offer:
    """Presets that ship."""
    from vsr.pipeline.presets import list_presets

    return list(list_presets().items())


def screens() -> Offer:
    """Screens that sizes are named after."""
    from vsr.catalogue import SCREENS

    return [(name, f"{width}x{height}") for name, (width, height) in SCREENS.items()]


def codecs() -> Offer:
    """Codecs of outputs."""
    from vsr.media.codecs import CODECS

    return [(name, row.summary) for name, row in CODECS.items()]


def recipes() -> Offer:
    """Recipes of training that ship."""
    from vsr.pipeline.presets import configs_folder

    return [(name, "") for name in _stems(configs_folder() / "train", ".yaml")]


def _stems(folder: Traversable, suffix: str) -> list[str]:
    return sorted(entry.name.removesuffix(suffix) for entry in folder.iterdir() if entry.name.endswith(suffix))
