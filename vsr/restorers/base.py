"""The contract that every restorer fulfils: frames in, better frames out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from vsr.frames import VideoFrame

__all__ = ["Evidence", "Geometry", "Restorer"]

Evidence = Literal["interpolation", "observation-model", "learned", "generative"]
"""What a result rests on: the pixels of its own frame, recorded frames through an imaging model, a learned
prior, or invention."""


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


class Restorer(Protocol):
    """Turns a run of frames of one shot into better frames.

    A restorer is pure: the output for a chain of frames depends on these frames, on at most ``halo_frames`` frames of
    the same shot on each side, on the frames that `for_shot` saw, and on its options; never on how chains are shared
    out to segments, on threads or on the machine's load. It may keep bounded state while it streams.
    """

    @property
    def halo_frames(self) -> int:
        """Context frames wanted on each side of a segment (fewer are given at the ends of a shot)."""
        ...

    @property
    def chain_frames(self) -> int:
        """Frames after which the restorer starts afresh, counted from the first frame that is not halo.

        Segments of a shot start whole multiples of it apart, so that results do not depend on where they are
        cut; 1 where every frame stands for itself.
        """
        ...

    @property
    def evidence(self) -> Evidence:
        """What its results rest on."""
        ...

    @property
    def survey_frames(self) -> int:
        """First frames of a shot that `for_shot` wants to see; 0 where shots are all alike."""
        ...

    def for_shot(self, frames: Sequence[VideoFrame]) -> Restorer:
        """The restorer with what the first ``survey_frames`` of a shot (fewer in short shots) tell of it settled."""
        ...

    def stream(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """One restored frame for every frame that is not halo, in order, with its pts and ordinal.

        Output planes are ``float32`` code values in the input's layout at ``out_width`` × ``out_height``
        (subsampled planes rounded up), unrounded and unclipped. All input frames have one size and layout.
        """
        ...
