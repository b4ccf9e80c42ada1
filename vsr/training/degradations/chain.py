"""From the configuration's list to what is done to images."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from vsr.errors import UsageError, nearest
from vsr.training.degradations.base import Step
from vsr.training.degradations.blur import GaussianBlur, MotionBlur
from vsr.training.degradations.compression import Jpeg, Video
from vsr.training.degradations.footage import FootageBlur
from vsr.training.degradations.learnt import Learnt
from vsr.training.degradations.noise import GaussianNoise, PoissonNoise
from vsr.training.degradations.order import Shuffled
from vsr.training.degradations.resize import Resize, Sinc
from vsr.training.degradations.shrink import Bicubic

__all__ = ["DEGRADATIONS", "Chain", "parse_chain"]

DEGRADATIONS: Mapping[str, type[Step]] = MappingProxyType(
    {
        "bicubic": Bicubic,
        "gaussian-blur": GaussianBlur,
        "motion-blur": MotionBlur,
        "footage-blur": FootageBlur,
        "resize": Resize,
        "sinc": Sinc,
        "gaussian-noise": GaussianNoise,
        "poisson-noise": PoissonNoise,
        "jpeg": Jpeg,
        "video": Video,
        "learnt": Learnt,
    }
)
"""By the name in a configuration. ``shuffled`` takes a list of them."""

_SHUFFLED = "shuffled"
_BY_RUN = "scale"  # set for all by the run


@dataclass(frozen=True)
class Chain:
    """Degradations one after the other, of which one shrinks."""

    parts: tuple[Step, ...]

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """``(T, C, H, W)`` float32 in 0…255 → ``(T, C, H / scale, W / scale)``; unrounded where the last step is."""
        for part in self.parts:
            images = part(images, generator)
        return images

    @property
    def steps(self) -> tuple[Step, ...]:
        """All degradations, taken out of their groups."""
        return tuple(step for part in self.parts for step in part.steps())

    @property
    def is_linear(self) -> bool:
        """Whether it may be done to luma alone."""
        return all(step.is_linear for step in self.steps)

    @property
    def is_random(self) -> bool:
        """Whether it differs from time to time."""
        return any(step.is_random for step in self.steps) or any(isinstance(part, Shuffled) for part in self.parts)

    @property
    def num_frames(self) -> int:
        """Consecutive frames that are degraded together."""
        return max(step.num_frames for step in self.steps)

    def with_step(self, old: Step, new: Step) -> Chain:
        """The same with one step replaced, wherever it stands."""

        def changed(part: Step) -> Step:
            if isinstance(part, Shuffled):
                return replace(part, parts=tuple(changed(inner) for inner in part.parts))
            return new if part is old else part

        return Chain(tuple(changed(part) for part in self.parts))


def parse_chain(items: Sequence[Any], scale: int) -> Chain:
    """What a configuration's ``degradations`` mean: names, or names with options (``gaussian-blur: {sigma: [0, 2]}``).

    Raises `UsageError` for unknown names and options, with the nearest known, and unless exactly one step shrinks.
    """
    parts = tuple(_parse(item, scale) for item in items)
    shrinking = sum(step.shrinks() for step in Chain(parts).steps)
    if shrinking != 1:
        raise UsageError(f"degradations: exactly one must make images small (bicubic or learnt), {shrinking} do")
    return Chain(parts)


def _parse(item: Any, scale: int) -> Step:
    if isinstance(item, str):
        name, options = item, None
    elif isinstance(item, Mapping) and len(item) == 1:
        name, options = next(iter(item.items()))
    else:
        raise UsageError(f"degradations: {item!r} is neither a name nor `name: {{option: value}}`")
    if name == _SHUFFLED:
        if not isinstance(options, list) or not options:
            raise UsageError("degradations: shuffled wants a list of degradations")
        return Shuffled(tuple(_parse(inner, scale) for inner in options))
    known = [*DEGRADATIONS, _SHUFFLED]
    if name not in DEGRADATIONS:
        raise UsageError(f"degradations: unknown {name!r}{nearest(str(name), known)}; known: {', '.join(known)}")
    return _make(str(name), options or {}, scale)


def _make(name: str, options: Any, scale: int) -> Step:
    kind = DEGRADATIONS[name]
    fields = [field.name for field in dataclasses.fields(kind)]
    settable = [field for field in fields if field != _BY_RUN]
    if not isinstance(options, Mapping):
        raise UsageError(f"degradations: {name}: wants options as {{option: value}}, got {options!r}")
    for option in options:
        if option not in settable:
            raise UsageError(
                f"degradations: {name} has no option {option!r}{nearest(str(option), settable)}; "
                f"it has {', '.join(settable) or 'none'}"
            )
    given = {**options, **({_BY_RUN: scale} if _BY_RUN in fields else {})}
    try:
        made: Step = TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"degradations: {name}.{where} = {first.get('input')!r}: {first['msg']}") from error
    return made
