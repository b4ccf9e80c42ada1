"""Which method a setting is for: sections named after methods, and keys that are written without one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vsr.errors import UsageError, nearest
from vsr.methods import METHODS, PASSES, is_network
from vsr.methods.registry import ADAPTORS
from vsr.pipeline.presets import Layer

__all__ = ["NETWORK", "SECTIONS", "Taker", "is_known", "share_out"]

NETWORK = "network"
"""The section of whichever network runs, also of weights that are named by a file."""

SECTIONS: Mapping[str, tuple[type[Any], ...]] = {
    **{row.name: (row.options_type,) for row in (*METHODS.values(), *PASSES.values())},
    NETWORK: tuple(dict.fromkeys(adaptor.options_type for adaptor in ADAPTORS.values())),
}
"""The classes of options behind each section; weights by name have sections like ``network``, too."""


def _split(key: str) -> tuple[str | None, str]:
    """The section of ``SECTION.KEY``, None where there is none, and the key."""
    section, dot, name = key.rpartition(".")
    return (section, name) if dot else (None, name)


def _keys(types: Iterable[type[Any]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.name for options_type in types for one in dataclasses.fields(options_type)))


def _keys_of(section: str) -> tuple[str, ...] | None:
    """The keys of a section; None where nothing is called so."""
    if section in SECTIONS:
        return _keys(SECTIONS[section])
    return _keys(SECTIONS[NETWORK]) if is_network(section) else None


def is_known(key: str) -> bool:
    """Whether ``SECTION.KEY``, or ``KEY`` of any section, is a setting of a method."""
    section, name = _split(key)
    if section is not None:
        return name in (_keys_of(section) or ())
    return any(name in _keys(types) for types in SECTIONS.values())


@dataclass
class Taker:
    """A method in use, and the settings it gets."""

    name: str
    """What the run calls it, and its own section."""
    options_type: type[Any]
    sections: Sequence[str]
    """Sections that are read for it, the more general ones first."""
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """What can be set."""
        return _keys([self.options_type])


def share_out(
    layers: Iterable[Layer], takers: Sequence[Taker], core: Collection[str], *, named: Layer | None = None
) -> dict[str, str]:
    """Give every taker what ``layers`` say for it, later ones on top.

    Keys in ``core`` go to no taker. What the layer ``named`` says must be for a method in use; presets may speak
    of others. Returns keys that were written without a section, with the section that they are taken for, but for those
    of shipped presets. Raises `UsageError`.
    """
    spelt: dict[str, str] = {}
    for layer in layers:
        sections: dict[str, dict[Any, Any]] = {}
        for key, value in layer.values.items():
            if key in core:
                continue
            if isinstance(value, Mapping):
                sections.setdefault(str(key), {}).update(value)
                continue
            section, name = _split(str(key))
            if section is not None:
                sections.setdefault(section, {})[name] = value
                continue
            owner = _owner(layer, name, takers, core, must_be_used=layer is named)
            if owner is not None:
                owner.values[name] = value
                if not layer.is_shipped:
                    spelt[name] = owner.name
        for section, values in sections.items():
            _check_section(layer, section, values)
        _give(layer, sections, takers, must_be_used=layer is named)
    return spelt


def _give(
    layer: Layer, sections: Mapping[str, Mapping[str, Any]], takers: Sequence[Taker], *, must_be_used: bool
) -> None:
    for taker in takers:
        for section in taker.sections:
            for key, value in sections.get(section, {}).items():
                if key in taker.keys:
                    taker.values[key] = value
                elif section != NETWORK or must_be_used:
                    raise UsageError(
                        f"{layer.prefix}{taker.name} has no setting {key!r}{nearest(str(key), taker.keys)}"
                    )
    used = {section for taker in takers for section in taker.sections}
    for section, values in sections.items():
        if must_be_used and section not in used and values:
            key = f"{section}.{next(iter(values))}"
            raise UsageError(f"{key}: {section} is not in use; this run is by {_running(takers)}")


def _owner(layer: Layer, key: str, takers: Sequence[Taker], core: Iterable[str], *, must_be_used: bool) -> Taker | None:
    """The only method in use that has ``key``."""
    owners = {taker.name: taker for taker in takers if key in taker.keys}
    if len(owners) > 1:
        spellings = " or ".join(f"{name}.{key}" for name in owners)
        raise UsageError(f"{layer.prefix}{key} may be meant for several methods; write {spellings}")
    if owners:
        return next(iter(owners.values()))
    others = [name for name, types in SECTIONS.items() if key in _keys(types)]
    if not others:
        known = [*core, *_keys(one for types in SECTIONS.values() for one in types)]
        raise UsageError(f"{layer.prefix}unknown setting {key!r}{nearest(key, known)} (see `vsr presets --keys`)")
    if must_be_used:
        raise UsageError(f"{key} is a setting of {', '.join(others)}; this run is by {_running(takers)}")
    return None


def _running(takers: Sequence[Taker]) -> str:
    return " and ".join(dict.fromkeys(taker.name for taker in takers))


def _check_section(layer: Layer, section: str, values: Mapping[Any, Any]) -> None:
    """Refuse a section that no method is called, and keys that no method of that name has."""
    keys = _keys_of(section)
    if keys is None:
        names = f"{', '.join(SECTIONS)}, and weights by name"
        near = nearest(section, SECTIONS)
        raise UsageError(f"{layer.prefix}no method is called {section!r}{near} (sections are {names})")
    for key in values:
        if key not in keys:
            raise UsageError(f"{layer.prefix}{section} has no setting {key!r}{nearest(str(key), keys)}")
