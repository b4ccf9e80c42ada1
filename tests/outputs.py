"""An output held against its source by plain PyAV: times of frames, packets of copied streams."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from plain_reader import PlainFile, first_frames, read_plain


def decoded_times(path: Path) -> list[Fraction]:
    return [Fraction(frame.pts) * frame.time_base for frame in first_frames(path)]


def nearest(seconds: Fraction, tick: Fraction) -> Fraction:
    whole, rest = divmod(abs(seconds), tick)
    rounded = (whole + (rest * 2 >= tick)) * tick
    return rounded if seconds >= 0 else -rounded


def check_times(source: list[Fraction], output: Path, shift: Fraction = Fraction(0)) -> Fraction:
    """Equal after one rounding; returns what Matroska moved everything by (it holds no negative times)."""
    stream = read_plain(output).video
    expected = [nearest(time - shift, stream.time_base) for time in source]
    assert len(stream.seconds) == len(expected)
    moved = stream.seconds[0] - expected[0]
    assert moved == 0 or output.suffix == ".mkv"
    assert [time - moved for time in stream.seconds] == expected
    known = [dts for dts in stream.dts if dts is not None]
    assert known == sorted(set(known))
    shown = decoded_times(output)
    assert shown == stream.seconds
    return moved


def check_copied(
    before: PlainFile, after: PlainFile, kind: str, *, shift: Fraction = Fraction(0), skipped: int = 0
) -> None:
    """Packets byte for byte, times moved by ``shift`` alone."""
    assert len(after.of(kind)) == len(before.of(kind))
    for given, got in zip(before.of(kind), after.of(kind), strict=True):
        assert got.payloads == given.payloads[skipped:]
        tick = max(given.time_base, got.time_base)
        for a, b in zip(given.pts[skipped:], got.pts, strict=True):
            assert abs((a * given.time_base - shift) - b * got.time_base) <= tick
