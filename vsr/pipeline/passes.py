"""The passes of a run, as users name them and as they are recorded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ConfigDict

from vsr.errors import UsageError, nearest
from vsr.methods import find_pass
from vsr.methods.method import Place

__all__ = ["PassChoice", "PassRequest", "parse_pass", "parse_passes", "titled"]

_PLACE = "place"
_COMMA = re.compile(r",(?![^\[]*\])")  # not inside of brackets


class PassChoice(BaseModel):
    """A pass with all its options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    place: Place
    options: dict[str, Any]


class PassRequest(BaseModel):
    """A pass as it was asked for: options that are not given are the section's, or as usual."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    place: Place | None = None
    options: dict[str, Any] = {}


def parse_pass(text: str) -> PassRequest:
    """``NAME``, or ``NAME:key=value,key=value``, with values read as YAML. Raises `UsageError`."""
    name, _, assignments = text.partition(":")
    options: dict[str, Any] = {}
    for assignment in _COMMA.split(assignments) if assignments.strip() else ():
        key, sign, value = assignment.partition("=")
        if not sign or not key.strip():
            raise UsageError(f"--pass wants NAME or NAME:key=value,key=value, got {text!r}")
        try:
            options[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"pass {text!r}: {value!r} is not a valid value") from error
    return _request(name.strip(), options)


def parse_passes(said: Any) -> list[PassRequest]:
    """What a preset or ``settings`` say under ``passes``: a list of ``NAME[:key=value]`` and ``{NAME: {key: value}}``.

    Raises `UsageError`.
    """
    if said is None:
        return []
    if isinstance(said, str) or not isinstance(said, Sequence):
        raise UsageError(f"passes is a list, for example [deflicker], got {said!r}")
    return [_parse_one(one) for one in said]


def _parse_one(one: Any) -> PassRequest:
    if isinstance(one, PassRequest):
        return one
    if isinstance(one, str):
        return parse_pass(one)
    if isinstance(one, Mapping) and len(one) == 1:
        [(name, options)] = one.items()
        if isinstance(options, Mapping) or options is None:
            return _request(str(name), dict(options or {}))
    raise UsageError(f"a pass is NAME, NAME:key=value or {{NAME: {{key: value}}}}, got {one!r}")


def _request(name: str, options: dict[str, Any]) -> PassRequest:
    find_pass(name)
    place = options.pop(_PLACE, None)
    if place is not None and place not in get_args(Place):
        raise UsageError(f"pass {name}: place is before or after, got {place!r}{nearest(str(place), get_args(Place))}")
    return PassRequest(name=name, place=place, options=options)


def titled(method: str, passes: Iterable[PassChoice]) -> str:
    """A run's methods in their order, in words."""
    listed = list(passes)
    before, after = ([one.name for one in listed if one.place == place] for place in get_args(Place))
    return " + ".join([*before, method, *after])
