"""What a linear decode skipped, concealed or repaired, counted by kind and described in words."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from vsr.timestamps import Timestamp

__all__ = ["Damage", "LeadCounter", "RepairedTime", "Timeline", "describe_damage", "describe_times"]

_MAX_EVENTS = 100


@dataclass(frozen=True)
class RepairedTime:
    """A frame whose own time could not be used."""

    ordinal: int
    kind: str
    """``missing``, ``repeated``, ``outlier`` or ``sorted``; see `vsr.timestamps`."""
    decoded: int | None
    """What the decoder gave, in ticks."""
    used: int


@dataclass(frozen=True)
class Timeline:
    """A run of frames on a clock that restarts, as where recordings were joined."""

    ordinal: int
    """Its first frame."""
    before: int
    """Latest decoded time on the timeline before it, in ticks."""
    after: int
    """Earliest decoded time on it."""
    offset: int
    """Ticks that were added to its decoded times."""


@dataclass
class Damage:
    """What a linear decode had to conceal, skip or repair."""

    decode_errors: int = 0
    """Packets the decoder refused."""
    corrupt_frames: int = 0
    """Frames the decoder flagged as damaged (shown with concealment)."""
    read_errors: int = 0
    """Places where the container could not be read on."""
    lead_packets: int = 0
    """Packets at the start that give no frame, since what they refer to is not in the file."""
    change_packets: int = 0
    """Packets after a change of the stream that give no frame, for the same reason."""
    empty_packets: int = 0
    """Samples without data: the frame before goes on; no damage."""
    repaired_times: int = 0
    """Frames whose own time could not be used; of these:"""
    missing_times: int = 0
    """… so many had none,"""
    repeated_times: int = 0
    """… that of the frame before,"""
    outlying_times: int = 0
    """… one far off those of their neighbours,"""
    sorted_times: int = 0
    """… or right times in the wrong order."""
    repeated_frames: int = 0
    """Frames with the very samples of the frame before; no damage, but nothing new either."""
    timelines: list[Timeline] = field(default_factory=list)
    """Where the clock jumps for good, and what follows was joined to what comes before."""
    repaired: list[RepairedTime] = field(default_factory=list)
    """Each of the ``repaired_times``."""
    events: list[str] = field(default_factory=list)
    """The first hundred things that happened, in words."""

    def note(self, text: str) -> None:
        """Record one event in words (counters are the caller's)."""
        if len(self.events) < _MAX_EVENTS:
            self.events.append(text)

    def repair(self, ordinal: int, time: Timestamp) -> None:
        """Record that a frame's time was repaired."""
        self.repaired_times += 1
        self.missing_times += time.kind == "missing"
        self.repeated_times += time.kind == "repeated"
        self.outlying_times += time.kind == "outlier"
        self.sorted_times += time.kind == "sorted"
        self.repaired.append(RepairedTime(ordinal, time.kind, time.decoded, time.used))
        self.note(f"frame {ordinal}: time {time.decoded} became {time.used} ({time.kind})")

    def join(self, timeline: Timeline) -> None:
        """Record that the clock restarts."""
        self.timelines.append(timeline)
        self.note(
            f"frame {timeline.ordinal}: the clock jumps from {timeline.before} to {timeline.after}; "
            "what follows was joined to what comes before"
        )

    @property
    def total(self) -> int:
        """Number of things that went wrong with frames."""
        return self.decode_errors + self.corrupt_frames + self.read_errors + self.lead_packets + self.change_packets

    @property
    def words(self) -> list[str]:
        """All that went wrong with frames and times, a line for each kind."""
        return describe_damage(asdict(self))


_OF_FRAMES = (
    ("lead_packets", "packets at the start give no frame (the stream begins between key frames)"),
    (
        "change_packets",
        "packets after a change of the stream give no frame (what follows it begins between key frames)",
    ),
    ("decode_errors", "packets could not be decoded"),
    ("corrupt_frames", "frames are damaged and were concealed by the decoder"),
    ("read_errors", "places in the file could not be read"),
)
_OF_TIMES = (
    ("missing_times", "frames had no time"),
    ("repeated_times", "frames had the time of the one before"),
    ("outlying_times", "frames had a time far off their neighbours'"),
    ("sorted_times", "frames had their times out of order"),
)


def describe_damage(damage: Mapping[str, Any]) -> list[str]:
    """What went wrong with frames and times, a line for each kind; ``damage`` is a `Damage` as plain data."""
    return [f"{damage[name]} {what}" for name, what in _OF_FRAMES if damage.get(name)] + describe_times(damage)


def describe_times(damage: Mapping[str, Any]) -> list[str]:
    """What was repaired of the times, a line for each kind."""
    lines = [f"{damage[name]} {what}" for name, what in _OF_TIMES if damage.get(name)]
    if jumps := len(damage.get("timelines", ())):
        lines.append(f"{jumps} lasting jump{'s' if jumps > 1 else ''} of the clock, joined at a frame's length")
    return lines


class LeadCounter:
    """Counts the packets at the start of a stream that give no frame: those shown before the first frame comes.

    What edit lists hide is flagged and not counted. In streams without times it is what comes before the first key
    frame. ``is_after_change``: what begins is not the stream but what follows a change in it.
    """

    _MOST = 512  # packets looked at after the first frame: what refers back follows its key frame closely

    def __init__(self, damage: Damage, *, is_after_change: bool = False) -> None:
        self._damage = damage
        self._is_after_change = is_after_change
        self._times: deque[int | None] = deque()
        self._before_key = 0
        self._seen_key = False
        self._first: int | None = None
        self._is_past = self._is_reported = False
        self._left = self._MOST

    def packet(self, pts: int | None, *, is_key: bool) -> None:
        """A packet goes to the decoder."""
        if self._is_past:
            if self._left and pts is not None and self._first is not None and pts < self._first:
                self._tell(1)
            self._left = max(0, self._left - 1)
            return
        self._seen_key |= is_key
        self._before_key += not self._seen_key
        self._times.append(pts)

    def frame(self, pts: int | None) -> None:
        """A frame comes out."""
        if self._is_past:
            return
        self._is_past, self._first = True, pts
        if pts is not None and None not in self._times:
            self._tell(sum(time is not None and time < pts for time in self._times))
        elif self._seen_key:
            self._tell(self._before_key)
        self._times.clear()

    def _tell(self, count: int) -> None:
        if not count:
            return
        if not self._is_reported:
            what = f"a change of the stream at pts {self._first}" if self._is_after_change else "the start"
            self._damage.note(f"packets that follow {what} refer to what is not in the file")
        self._is_reported = True
        if self._is_after_change:
            self._damage.change_packets += count
        else:
            self._damage.lead_packets += count
