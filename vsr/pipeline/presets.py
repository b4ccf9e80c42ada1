"""Presets: YAML files of settings, each of which states what differs from the preset that it extends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from vsr.errors import UsageError, nearest

__all__ = ["SIZE_KEYS", "Layer", "configs_folder", "list_presets", "read_preset"]

SIZE_KEYS = ("scale", "size", "height", "to")
"""Keys of which one replaces the others."""

_PARENT = "extends"


@dataclass(frozen=True)
class Layer:
    """What one preset says by itself, or the user."""

    place: str
    """Where it was said, in words; empty for what the user says."""
    values: Mapping[str, Any]
    """Values by key, and sections of them by the name of a method."""
    is_shipped: bool = False

    @property
    def prefix(self) -> str:
        """What messages about it begin with."""
        return f"{self.place}: " if self.place else ""


def list_presets() -> dict[str, str]:
    """Names of the presets that ship with vsr, with the first line of each (its summary)."""
    return {
        name.removesuffix(".yaml"): text.partition("\n")[0].lstrip("# ")
        for name, text in sorted(_load_shipped().items())
    }


def configs_folder() -> Path:
    """Where the presets that ship are, and in ``train`` the recipes: in the wheel, or beside the code."""
    installed = Path(str(resources.files("vsr"))) / "configs"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "configs"


def _load_shipped() -> dict[str, str]:
    return {place.name: place.read_text(encoding="utf-8") for place in configs_folder().glob("*.yaml")}


def read_preset(name: str) -> list[Layer]:
    """The preset called ``name``, or in that file, behind those that it extends.

    Raises `UsageError` for what is not there or is not a preset.
    """
    layers: list[Layer] = []
    seen: list[str] = []
    requested: str | None = name
    while requested is not None:
        if requested in seen:
            raise UsageError(f"preset {name} extends itself: {' → '.join([*seen, requested])}")
        seen.append(requested)
        layer = _read(requested)
        values = dict(layer.values)
        parent = values.pop(_PARENT, None)
        layers.insert(0, Layer(layer.place, values, layer.is_shipped))
        requested = None if parent is None else _parent(requested, parent, layer)
    return layers


def _parent(child: str, parent: Any, layer: Layer) -> str:
    """The name of a parent, or its file, which is looked for beside that of the child."""
    if not isinstance(parent, str):
        raise UsageError(f"{layer.place}: extends names one preset, got {parent!r}")
    is_file = Path(parent).suffix in (".yaml", ".yml")
    return str(Path(child).parent / parent) if is_file and not layer.is_shipped else parent


def _read(name: str) -> Layer:
    shipped = _load_shipped()
    if f"{name}.yaml" in shipped:
        text, place = shipped[f"{name}.yaml"], f"preset {name}"
    elif Path(name).suffix in (".yaml", ".yml"):
        try:
            text, place = Path(name).read_text(encoding="utf-8"), name
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read preset file {name}: {error}") from error
    else:
        names = [key.removesuffix(".yaml") for key in shipped]
        raise UsageError(f"no preset {name!r}; known: {', '.join(sorted(names))}{nearest(name, names)}")
    try:
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{place}: is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UsageError(f"{place}: must be a list of `key: value` lines")
    return Layer(place, values, f"{name}.yaml" in shipped)
