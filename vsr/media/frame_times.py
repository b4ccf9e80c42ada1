"""Times of decoded frames: the decoder's, repaired where they cannot be used, counted where there are none."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from vsr.media.damage import Damage, Timeline
from vsr.media.filtering import FrameCopier
from vsr.timestamps import Timestamp, TimestampRepairer, frame_ticks

__all__ = ["timed"]

_TS_DISCONT = 0x0200  # FFmpeg's AVFMT_TS_DISCONT, which PyAV gives among other bits as a plain number
_MAX_GAP_SECONDS = 10  # as FFmpeg has it (dts_delta_threshold)


def timed(
    frames: Iterable[av.VideoFrame],
    container: InputContainer,
    stream: VideoStream,
    damage: Damage,
    *,
    untimed_rate: Fraction | None,
    is_jump: Callable[[int, int], bool],
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    """``frames`` of ``stream`` in order, each with its time; held back while a time is in doubt (`LOOKAHEAD` at most).

    ``untimed_rate`` is frames a second of a stream without times of its own. ``is_jump`` says of a long gap between two
    times, in ticks, whether a broadcast's clock was reset there. Repairs are counted in ``damage``.
    """
    time_base = stream.time_base or Fraction(1, 1000)
    if untimed_rate is not None:
        yield from _count(frames, stream, time_base, untimed_rate)
        return
    max_gap = int(_MAX_GAP_SECONDS / time_base) if container.format.flags & _TS_DISCONT else None
    step = frame_ticks(time_base, stream.average_rate, stream.base_rate)
    yield from _repair(frames, TimestampRepairer(step, max_gap=max_gap, is_jump=is_jump), damage)


def _repair(
    frames: Iterable[av.VideoFrame], repairer: TimestampRepairer, damage: Damage
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    """``frames`` with times that rise; repairs are counted in ``damage``.

    Frames that wait for their times are copies, so that the decoder is as it is for readers who need not wait.
    """
    waiting: deque[av.VideoFrame] = deque()
    copier = FrameCopier()
    log = _MendingLog(damage)

    def resolved(times: Iterable[Timestamp]) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
        for time in times:
            log.add(time)
            yield time, waiting.popleft()

    for frame in frames:
        waiting.append(frame)
        yield from resolved(repairer.push(frame.pts))
        if waiting:
            waiting[-1] = copier.copy(frame)
    yield from resolved(repairer.finish())


class _MendingLog:
    """Tells ``damage`` what was repaired, frame by frame."""

    def __init__(self, damage: Damage) -> None:
        self._damage = damage
        self._ordinal = 0
        self._latest: int | None = None
        self._offset = 0

    def add(self, time: Timestamp) -> None:
        if time.kind:
            self._damage.repair(self._ordinal, time)
        on_clock = time.used - time.offset  # what the decoder gave, or would have given
        if time.offset != self._offset:
            assert self._latest is not None
            self._damage.join(Timeline(self._ordinal, self._latest, on_clock, time.offset))
        self._latest, self._offset = on_clock, time.offset
        self._ordinal += 1


def _count(
    frames: Iterable[av.VideoFrame], stream: VideoStream, time_base: Fraction, rate: Fraction
) -> Iterator[tuple[Timestamp, av.VideoFrame]]:
    """``frames`` of a stream without times, one after another at ``rate``; fields that are repeated count."""
    now = Fraction(0)
    for frame in frames:
        own_rate = stream.codec_context.framerate or stream.average_rate or Fraction(25)
        fields = round(2 * frame.duration * time_base * own_rate) if frame.duration else 2
        yield Timestamp(frame.pts, round(now / time_base)), frame
        now += Fraction(fields if fields in (3, 4, 6) else 2, 2) / rate
