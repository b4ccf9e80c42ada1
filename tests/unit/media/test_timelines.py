"""Streams beside a video pass to the next timeline where their own times jump alike."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from videos import X264, encode, scene, tone

from vsr.media.damage import Damage, Timeline
from vsr.media.decode import VideoTrack, decode_frames
from vsr.media.demuxing import open_for
from vsr.media.timelines import ClockJumps, StreamMove, _Jump, _move, stream_moves


def _s(text: str) -> Fraction:
    return Fraction(text)


def test_sparse_streams_pass_with_the_video() -> None:
    """Subtitles, some seconds apart: the first one after the jump is the first whose step is like the clock's."""
    jump = _Jump(place=100, seconds=_s("-60"), offset=_s("60.04"))
    subtitles = [(10, _s("6")), (60, _s("36")), (90, _s("54")), (130, _s("12")), (150, _s("24"))]
    move = _move(subtitles, [jump])
    assert move.runs == ((3, _s("60.04")),)
    assert move.first_seconds == 6
    assert [time + move.at(n) for n, (_, time) in enumerate(subtitles)] == [6, 36, 54, _s("72.04"), _s("84.04")]


@pytest.mark.parametrize("late", [-1, 0, 1, 3])
def test_interleaving_may_carry_packets_past_the_jump(late: int) -> None:
    """Sound of the old timeline after the first frame of the new one, or the other way round."""
    jump = _Jump(place=100 - late, seconds=_s("-4"), offset=_s("4.04"))
    sound = [(2 * n, Fraction(n, 10)) for n in range(50)] + [(100 + 2 * n, Fraction(9 + n, 10)) for n in range(50)]
    assert _move(sound, [jump]).runs == ((50, _s("4.04")),)


def test_streams_that_end_before_a_jump_or_begin_after_it() -> None:
    jump = _Jump(place=100, seconds=_s("-4"), offset=_s("4"))
    ended, late = [(2, _s("1")), (4, _s("2"))], [(120, _s("1")), (140, _s("2"))]
    assert [_move(ended, [jump]).at(n) for n in range(2)] == [0, 0]
    assert [_move(late, [jump]).at(n) for n in range(2)] == [4, 4]
    assert _move(late, [jump]).first_seconds == 5


def test_several_jumps(tmp_path: Path) -> None:
    """Three recordings in one file, found by their packets."""
    part = encode(tmp_path / "part.ts", scene(25, 64, 48), *X264, "-c:a", "mp2", inputs=tone(1.0))
    source = tmp_path / "joined.ts"
    source.write_bytes(part.read_bytes() * 3)
    tick, step = 90_000, 3600
    first = 1.4 * tick + step  # FFmpeg's muxer begins at 1.4 s
    last = int(first) + 24 * step
    lines = [Timeline(25 * n, last, int(first), 25 * step * n) for n in (1, 2)]
    [(index, move)] = stream_moves(source, 0, lines).items()
    assert index == 1
    assert [seconds for _, seconds in move.runs] == [1, 2]
    numbers = [number for number, _ in move.runs]
    assert numbers[1] == 2 * numbers[0]


_GAPS, _GAP_SECONDS, _GROUP = 200, 11, 10


@pytest.mark.parametrize("has_sound", [True, False])
def test_many_gaps_are_judged_by_one_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_sound: bool) -> None:
    """200 gaps of eleven seconds: frames that failed where the sound goes on, else the clock that was reset."""
    reads: list[Path] = []

    def count(path: Path, index: int) -> Any:
        reads.append(path)
        return open_for(path, index)

    monkeypatch.setattr("vsr.media.timelines.open_for", count)
    seconds = (_GAPS + 1) * (_GAP_SECONDS + 1)
    sound = ("-f", "lavfi", "-t", f"{seconds}", "-i", "sine=frequency=440:sample_rate=16000")
    source = encode(
        *(tmp_path / "gaps.ts", scene((_GAPS + 1) * _GROUP, 32, 32), *X264, "-bf", "0"),
        *(("-c:a", "mp2", "-b:a", "32k") if has_sound else ()),
        inputs=sound if has_sound else (),
        times=f"(N/25+floor(N/{_GROUP})*{_GAP_SECONDS})/TB",
    )
    damage = Damage()
    times = [pts for pts, _ in decode_frames(VideoTrack(source, 0), damage)]
    assert reads == [source]
    assert len(damage.timelines) == (0 if has_sound else _GAPS)
    long_steps = sum(after - before > 90_000 for before, after in pairwise(times))
    assert long_steps == (_GAPS if has_sound else 0)


def test_only_sound_inside_a_gap_counts(tmp_path: Path) -> None:
    """Its last packet before the gap and its first one after it may lie a little inside."""
    source = encode(tmp_path / "short.ts", scene(25, 32, 32), *X264, "-c:a", "mp2", inputs=tone(1.0))
    with av.open(str(source)) as container:
        sound = sorted(packet.pts for packet in container.demux(container.streams.audio[0]) if packet.pts is not None)
    jumps = ClockJumps(source, 0)
    second = 90_000
    assert not jumps.is_jump(sound[0] - 20 * second, sound[-1] + 20 * second)
    assert not jumps.is_jump(sound[0] - 2 * second, sound[-1] + 9 * second)
    assert jumps.is_jump(sound[-1] - second, sound[-1] + 20 * second), "a second of it is no sound that goes on"
    assert not jumps.is_jump(sound[-1] - second - 1, sound[-1] + 20 * second)
    assert jumps.is_jump(sound[0] - 20 * second, sound[0] + second)
    assert not jumps.is_jump(sound[0] - 20 * second, sound[0] + second + 1)


def test_the_expression_for_ffmpeg() -> None:
    move = StreamMove(((5, _s("1.5")), (9, _s("-2"))), None)
    assert move.expression() == "round((gte(N,5)*(3/2)+gte(N,9)*(-7/2))/TB)"
    assert [move.at(n) for n in (0, 4, 5, 8, 9, 50)] == [0, 0, _s("1.5"), _s("1.5"), -2, -2]
