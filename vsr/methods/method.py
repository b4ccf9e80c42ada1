"""The contract of every method: frames of a shot in, better frames out.

`Method` is a row of the table, what a user can choose. `Method.prepare` resolves all that does not depend on frames and
gives a `Prepared`, which is pickled to the workers: everything outside this package sees only that. `Prepared.open`
makes the `Restorer` that computes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, get_args

import torch
from torch import Tensor

from vsr.catalogue import Evidence, Place
from vsr.frames import VideoFrame

if TYPE_CHECKING:
    from vsr.media.probe import VideoInfo

__all__ = [
    "NOT_ADAPTED",
    "Adaptation",
    "Capabilities",
    "Evidence",
    "Geometry",
    "Method",
    "OptionsT",
    "Place",
    "Prepared",
    "Rescaler",
    "Restorer",
    "part_of",
    "restore_shot",
    "weakest_evidence",
    "with_prefix",
]

Adaptation = Mapping[str, Tensor]
"""What a method learns of a shot from its first frames, by name: all that `Restorer.restore` needs to know of them."""

NOT_ADAPTED: Adaptation = MappingProxyType({})
"""Nothing learnt."""

OptionsT = TypeVar("OptionsT")


def weakest_evidence(classes: Iterable[Evidence]) -> Evidence:
    """What a result rests on that went through steps of these ``classes``: the least that one of them rests on."""
    order: tuple[Evidence, ...] = get_args(Evidence)
    return max(classes, key=order.index)


def part_of(adaptation: Adaptation, prefix: str) -> Adaptation:
    """Entries whose names start with ``prefix``, without it."""
    return {name.removeprefix(prefix): value for name, value in adaptation.items() if name.startswith(prefix)}


def with_prefix(adaptation: Adaptation, prefix: str) -> Adaptation:
    """The inverse of `part_of`."""
    return {prefix + name: value for name, value in adaptation.items()}


@dataclass(frozen=True)
class Geometry:
    """Sizes in luma samples before and after restoration."""

    width: int
    height: int
    out_width: int
    out_height: int

    def __post_init__(self) -> None:
        if min(self.width, self.height, self.out_width, self.out_height) < 1:
            raise ValueError(f"sizes must be positive: {self}")

    @property
    def scale_x(self) -> float:
        """Horizontal magnification."""
        return self.out_width / self.width

    @property
    def scale_y(self) -> float:
        """Vertical magnification."""
        return self.out_height / self.height


@dataclass(frozen=True)
class Capabilities:
    """What a prepared method needs of a video, and what its results rest on. Frames of any size are treated alike."""

    evidence: Evidence
    halo_frames: int = 0
    """Context frames on each side of a segment; fewer are given at the ends of a shot."""
    chain_frames: int = 1
    """Frames after which memory from frame to frame is reset, counted from the first frame that is not halo.

    Segments of a shot start whole multiples of it apart, so that results do not depend on where they are cut; 1 where
    every frame stands for itself.
    """
    adapt_frames: int = 0
    """First frames of a shot that `Restorer.adapt` learns from; 0: it learns nothing."""
    downscales: bool = False
    """Whether it makes the small frames that it enlarges: its restorers are `Rescaler`."""
    keeps_size: bool = False
    """Whether it gives frames of the size it is given, and no other: a pass."""
    bytes_per_pixel: int = 150
    """Memory that a worker holds for each pixel of the output, about, besides its libraries."""
    measures_agreement: bool = False
    """Whether its restorers tell how well results agree with what the enlarging step was given, or need not."""


class Restorer(Protocol):
    """Turns frames of one shot and of one size into better frames.

    A restorer is pure: the output for a chain of frames depends on these frames, on at most ``halo_frames`` frames of
    the same shot on each side, on the adaptation and on its options; never on how chains are shared out to segments, on
    threads or on the machine's load. It may keep bounded state while it restores.
    """

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """What the first ``adapt_frames`` frames of a shot (fewer in short shots) teach; the same for the same frames.

        Tensors are on the CPU.
        """
        ...

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One restored frame for every frame that is not halo, in order, with its pts and ordinal.

        Output planes are ``float32`` code values in the input's layout at ``out_width`` × ``out_height``
        (subsampled planes rounded up), unrounded and unclipped. All input frames have one size and layout; behind
        a pass their planes are ``float32`` code values in the layout's range, between whole ones, too.
        ``adaptation`` is what `adapt` gave for the shot, or nothing.
        """
        ...


class Rescaler(Restorer, Protocol):
    """A restorer that also makes the small frames which it enlarges best."""

    def downscale(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """One small frame for each, from ``out_width`` × ``out_height`` to ``width`` × ``height``.

        Planes are ``float32`` code values in the frame's layout, unrounded and unclipped. Frames stand for themselves.
        """
        ...


@dataclass(frozen=True)
class Prepared(ABC, Generic[OptionsT]):
    """A method with its options, its weights and its device, settled before any work. Can be pickled."""

    options: OptionsT
    device: str
    """``cpu`` or ``cuda:N``."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it needs and gives."""

    @property
    def learns_from(self) -> str | None:
        """The pass whose adaptation `Restorer.restore` is given in place of its own; it runs somewhere before it."""
        return None

    @property
    def torch_device(self) -> torch.device:
        """Where it computes."""
        return torch.device(self.device)

    def key(self) -> Mapping[str, Any]:
        """Besides options and device all that decides its results, as plain data and dataclasses."""
        return {}

    def describe(self) -> Mapping[str, Any]:
        """What the record of an output says of it, as plain data and dataclasses: ``model`` and ``estimator``."""
        return {"model": None, "estimator": None}

    def plan_rows(self) -> list[tuple[str, str]]:
        """Rows of the plan for people, in words."""
        return []

    @abstractmethod
    def open(self, geometry: Geometry) -> Restorer:
        """Make the restorer for frames of one size; a video may have several."""


@dataclass(frozen=True)
class Method(Generic[OptionsT]):
    """What a user can choose: a row of the table of methods, or weights by name or file."""

    name: str
    summary: str
    """One line for lists and help."""
    evidence: Evidence
    """What its results rest on at least; weights may say more."""
    options_type: type[OptionsT]
    """Frozen dataclass of its settings, each with a default."""
    prepare: Callable[[Geometry, OptionsT, str], Prepared[OptionsT]]
    """Resolves everything for frames of the usual size, options, and a device (``cpu`` or ``cuda:N``).

    Raises `ModelError` for weights that cannot be loaded or are no good, `MachineError` where memory is short.
    """
    is_as_recorded: Callable[[Mapping[str, Any]], bool] = lambda described: True
    """Whether it still has the weights of `Prepared.describe`, as a record holds them."""
    place: Place | None = None
    """Of a pass: where it stands unless it is put elsewhere. None: a method that sets the size."""
    recolour: Callable[[VideoInfo, OptionsT], VideoInfo] | None = None
    """Where samples mean something else behind it: the video as the encoder is to take it then. It is the last
    step. Raises `UsageError` for video that it cannot take."""


def restore_shot(prepared: Prepared[Any], geometry: Geometry, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    """``frames`` as one whole shot: its first ones are learnt from, then all are restored."""
    source, restorer = iter(frames), prepared.open(geometry)
    head = list(islice(source, prepared.capabilities.adapt_frames))
    adaptation = restorer.adapt(head) if head else NOT_ADAPTED
    yield from restorer.restore(chain(head, source), adaptation)
