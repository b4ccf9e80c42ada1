"""Where each stream of the source goes: copied into the output, kept in a file beside it, or left out by name.

What another container could hold is never left out unasked. What none here can hold (cameras' metadata tracks, codecs
that FFmpeg does not know) does not stop an ordinary run, but it stops one that may lose nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsr.errors import UsageError
from vsr.media.containers import holders, holds
from vsr.media.images import is_animation, is_single_image
from vsr.media.probe import MediaInfo
from vsr.media.streams import StreamInfo
from vsr.pipeline.beside import find_beside
from vsr.pipeline.settings import Settings

__all__ = [
    "Lost",
    "StreamPlan",
    "find_kept_path",
    "loses_nothing",
    "plan_streams",
    "resolve",
    "select_requested",
    "without",
]


@dataclass(frozen=True)
class Lost:
    """A stream that the output cannot hold."""

    stream: StreamInfo
    reason: str
    """In words."""
    holders: tuple[str, ...]
    """Containers that would hold it."""
    is_ordinary: bool = True
    """Whether it is of a kind that nothing here holds; else there is something wrong with it."""

    @property
    def may_go(self) -> bool:
        """Whether an ordinary run goes on without it."""
        return self.is_ordinary and not self.holders


@dataclass(frozen=True)
class StreamPlan:
    """The streams of the source besides its video."""

    copied: tuple[StreamInfo, ...]
    """Those that the output gets, in its order."""
    kept: tuple[StreamInfo, ...]
    """Those whose packets go into `find_kept_path`."""
    dropped: tuple[str, ...]
    """What the output does not hold, in words."""


def find_kept_path(output: Path) -> Path:
    """Where the packets are kept that ``output`` cannot hold."""
    return find_beside(output, ".data.zip")


def plan_streams(
    info: MediaInfo, output: Path, container: str, settings: Settings, *, keeps_timecode: bool
) -> StreamPlan:
    """Which streams of ``info`` go where; ``keeps_timecode``: the output has the source's frames, from its first on.

    Raises `UsageError` where something would be lost unasked.
    """
    copied, lost, dropped = [], [], []
    if is_single_image(output):
        others = [stream for stream in info.streams if stream.index != info.video.index]
        return StreamPlan((), (), tuple(f"{stream}: one image has no place for it" for stream in others))
    if is_animation(output):
        others = [one for one in info.streams if one.index != info.video.index and one.codec != "chapters"]
        return StreamPlan((), (), tuple(f"{stream}: {output.suffix.lower()} holds images alone" for stream in others))
    for stream in info.streams:
        if stream.index == info.video.index:
            continue
        if stream.codec == "chapters":
            continue  # the chapters themselves are copied; the muxer makes a new track for them where it needs one
        if stream.codec == "timecode" and not keeps_timecode:
            continue  # named with the other things that a part of a video loses, or that film does
        if stream.codec == "timecode" and container in ("mkv", "mp4") and info.video.timecode:
            dropped.append(f"{stream}: rewritten from its timecode, since .{container} cannot take a copy")
        elif holds(container, stream):
            copied.append(stream)
        else:
            lost.append(Lost(stream, f".{container} cannot hold it", holders(stream)))
    if container == "mkv":
        copied.sort(key=lambda stream: stream.kind == "cover")  # attached files come last there
    kept, words = resolve(lost, output, container, settings)
    return StreamPlan(tuple(copied), kept, (*dropped, *words))


def resolve(
    lost: Sequence[Lost], output: Path, container: str, settings: Settings
) -> tuple[tuple[StreamInfo, ...], tuple[str, ...]]:
    """The streams among ``lost`` whose packets are kept, and all of them in words. Raises `UsageError`."""
    if settings.keep_data:
        place = find_kept_path(output).name
        return tuple(one.stream for one in lost), tuple(
            f"{one.stream}: {one.reason}; its packets are kept in {place}" for one in lost
        )
    if asked := select_requested(lost, settings):
        raise UsageError(_refusal(asked, container, settings))
    return (), tuple(f"{one.stream}: {one.reason}" for one in lost)


def select_requested(lost: Sequence[Lost], settings: Settings) -> list[Lost]:
    """Those of the streams ``lost`` that do not go unless the settings say so."""
    if settings.drop_streams:
        return []
    return [one for one in lost if not one.may_go or settings.strict or settings.evidence]


def _refusal(refused: Sequence[Lost], container: str, settings: Settings) -> str:
    names = ", ".join(str(one.stream) for one in refused)
    reasons = {one.reason for one in refused} - {f".{container} cannot hold it"}
    why = f" ({'; '.join(sorted(reasons))})" if reasons else ""
    ways = "give --keep-data to keep the packets beside the output, or --drop-streams to do without"
    if all(one.may_go for one in refused):
        return f"nothing here can hold a copy of {names}{why}, and {loses_nothing(settings)}; {ways}"
    return f".{container} cannot hold {names}{why}; {_hint(refused)}, or {ways}"


def loses_nothing(settings: Settings) -> str:
    """Which setting does not allow to lose what an ordinary run may, in words."""
    return f"{'--evidence' if settings.evidence else '--strict'} loses nothing unasked"


def _hint(refused: Sequence[Lost]) -> str:
    """The container that holds them all, or why there is none."""
    fitting = [name for name in refused[0].holders if all(name in one.holders for one in refused)]
    if fitting:
        return f"name the output .{fitting[0]}"
    unheld = next((one.stream for one in refused if not one.holders), None)
    if unheld is not None:
        return f"no container here holds stream {unheld.index}"
    return "no single container holds them all"


def without(streams: Iterable[StreamInfo], lost: Sequence[Lost]) -> tuple[StreamInfo, ...]:
    """``streams`` less those that are ``lost``."""
    gone = {one.stream.index for one in lost}
    return tuple(stream for stream in streams if stream.index not in gone)
