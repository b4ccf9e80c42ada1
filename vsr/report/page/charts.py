"""Curves over time as inline SVG: no script, no fixed width, readable in both colour schemes.

Lines live in a nested drawing that is stretched to any width; text and marks are placed beside it in per cent and
pixels, so that they are not stretched. Colours come from the page's style sheet by class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from vsr.timeline import format_seconds

__all__ = ["Chart", "Line", "Mark", "chart"]

_MOST_POINTS = 900
_HEIGHT, _TOP, _BOTTOM = 190, 22, 24  # pixels: of all, above and below the plot
_PLOT = _HEIGHT - _TOP - _BOTTOM
_UNITS = 1000  # width of the nested drawing
_TIME_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True)
class Line:
    """One curve: times in seconds and values; None breaks it."""

    label: str
    times: Sequence[float]
    values: Sequence[float | None]
    is_step: bool = False
    """Each value holds until the next time."""


@dataclass(frozen=True)
class Mark:
    """A frame that the page shows, as a link on the first curve."""

    seconds: float
    target: str
    """Id of the frame's element."""
    label: str


@dataclass(frozen=True)
class Chart:
    """A drawing and what it says in words."""

    title: str
    unit: str
    svg: str
    lines: Sequence[Line]
    summary: str


def chart(
    title: str,
    unit: str,
    lines: Sequence[Line],
    *,
    duration: float,
    decimals: int,
    cuts: Sequence[float] = (),
    marks: Sequence[Mark] = (),
    level: tuple[float, str] | None = None,
    from_zero: bool = False,
    low_is_good: bool = False,
) -> Chart | None:
    """A chart from 0 to ``duration`` seconds; None where there is not one finite value.

    ``level`` is a value worth a line of its own, with its name. ``from_zero``: the axis begins at 0, so that values
    which hardly differ look it. ``low_is_good``: the words name the greatest value instead of the least.
    """
    finite = [value for line in lines for value in line.values if value is not None and math.isfinite(value)]
    if not finite or duration <= 0:
        return None
    ticks = _ticks(min(0.0, *finite) if from_zero else min(finite), max(finite))
    frame = _Frame(duration, ticks[0], ticks[-1])
    summary = "; ".join(_words(line, unit, decimals, low_is_good, duration) for line in lines)
    parts = [
        f'<svg class="chart" role="img" width="100%" height="{_HEIGHT}" aria-label="{escape(f"{title}: {summary}")}">',
        *_grid(frame, ticks),
        *(f'<line class="cut" x1="{frame.x(cut):.2f}%" x2="{frame.x(cut):.2f}%" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
          for cut in cuts if 0 < cut < duration),
        *_level(frame, level),
        f'<svg y="{_TOP}" width="100%" height="{_PLOT}" viewBox="0 0 {_UNITS} {_PLOT}" preserveAspectRatio="none">',
        *(f'<path class="line line-{number}" d="{_path(line, frame)}"/>' for number, line in enumerate(lines)),
        "</svg>",
        *_marks(frame, lines[0], marks),
        "</svg>",
    ]  # fmt: skip
    return Chart(title, unit, "".join(parts), lines, summary)


@dataclass(frozen=True)
class _Frame:
    """Where times and values lie."""

    duration: float
    low: float
    high: float

    def x(self, seconds: float) -> float:
        """Per cent of the width."""
        return 100 * min(1.0, max(0.0, seconds / self.duration))

    def y(self, value: float) -> float:
        """Pixels below the top of the plot."""
        share = (value - self.low) / (self.high - self.low)
        return _PLOT * (1 - min(1.0, max(0.0, share)))


def _ticks(low: float, high: float) -> list[float]:
    """Three to five round numbers around the values."""
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - max(0.5, abs(low) * 0.05), high + max(0.5, abs(high) * 0.05)
    rough = (high - low) / 3
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _tick_text(value: float, step: float) -> str:
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{decimals + (1 if round(step * 10**decimals, 6) % 1 else 0)}f}"


def _grid(frame: _Frame, ticks: Sequence[float]) -> list[str]:
    parts = []
    step = ticks[1] - ticks[0]
    for tick in ticks:
        y = _TOP + frame.y(tick)
        parts.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="0" y="{y - 4:.1f}">{_tick_text(tick, step)}</text>')
    apart = next((each for each in _TIME_STEPS if frame.duration / each <= 6), _TIME_STEPS[-1])
    for number in range(1, int(frame.duration / apart) + 1):
        x = frame.x(number * apart)
        if x < 97:
            parts.append(f'<text class="tick time" x="{x:.2f}%" y="{_HEIGHT - 6}">{_clock(number * apart)}</text>')
    return parts


def _clock(seconds: float) -> str:
    text = format_seconds(seconds)
    hours, minutes, rest = text.split(":")
    rest = rest.rstrip("0").rstrip(".") if "." in rest else rest
    whole, dot, part = rest.partition(".")
    rest = f"{whole.rjust(2, '0')}{dot}{part}"
    return f"{hours}:{minutes}:{rest}" if hours != "0" else f"{int(minutes)}:{rest}"


def _level(frame: _Frame, level: tuple[float, str] | None) -> list[str]:
    if level is None or not frame.low < level[0] < frame.high:
        return []
    y = _TOP + frame.y(level[0])
    return [
        f'<line class="level" x1="0" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>',
        f'<text class="tick end" x="100%" y="{y - 4:.1f}">{escape(level[1])}</text>',
    ]


def _path(line: Line, frame: _Frame) -> str:
    """Points of at most `_MOST_POINTS` bins: of each the least and the greatest value, in their order."""
    points = _thin(line)
    parts, is_open, last = [], False, 0.0
    for seconds, value in points:
        if value is None or not math.isfinite(value):
            is_open = False
            continue
        x, y = frame.x(seconds) * _UNITS / 100, frame.y(value)
        if is_open and line.is_step:
            parts.append(f"L{x:.1f} {last:.1f}")
        parts.append(f"{'L' if is_open else 'M'}{x:.1f} {y:.1f}")
        is_open, last = True, y
    if is_open and line.is_step:
        parts.append(f"L{_UNITS} {last:.1f}")
    elif len(parts) == 1:
        parts.append("h3")  # a single point must be seen
    return "".join(parts)


def _thin(line: Line) -> list[tuple[float, float | None]]:
    points = list(zip(line.times, line.values, strict=True))
    if len(points) <= _MOST_POINTS or line.is_step:
        return points
    size = -(-2 * len(points) // _MOST_POINTS)
    kept: list[tuple[float, float | None]] = []
    for start in range(0, len(points), size):
        part = points[start : start + size]
        known = [point for point in part if point[1] is not None and math.isfinite(point[1])]
        if len(known) < len(part):
            kept.append((part[0][0], None))
        if known:
            ends = {min(known, key=lambda p: p[1] or 0.0), max(known, key=lambda p: p[1] or 0.0)}
            kept += sorted(ends)
    return kept


def _marks(frame: _Frame, line: Line, marks: Sequence[Mark]) -> list[str]:
    parts = []
    for mark in marks:
        value = _value_at(line, mark.seconds)
        y = _TOP + (frame.y(value) if value is not None else _PLOT)
        parts.append(
            f'<a href="#{escape(mark.target)}" aria-label="{escape(mark.label)}">'
            f'<circle class="mark" cx="{frame.x(mark.seconds):.2f}%" cy="{y:.1f}" r="4.5"/></a>'
        )
    return parts


def _value_at(line: Line, seconds: float) -> float | None:
    """The value at the last time that is not after ``seconds``."""
    before = [value for time, value in zip(line.times, line.values, strict=True) if time <= seconds + 1e-6]
    value = before[-1] if before else None
    return value if value is not None and math.isfinite(value) else None


def _mean(line: Line, duration: float) -> float:
    """Of the finite values; steps count by how long they hold."""
    lengths = [1.0] * len(line.times)
    if line.is_step:
        lengths = [max(end - start, 1e-9) for start, end in pairwise([*line.times, duration])]
    weighed = [
        (value, length)
        for value, length in zip(line.values, lengths, strict=True)
        if value is not None and math.isfinite(value)
    ]
    return math.fsum(value * length for value, length in weighed) / math.fsum(length for _, length in weighed)


def _words(line: Line, unit: str, decimals: int, low_is_good: bool, duration: float) -> str:
    known = [(v, t) for t, v in zip(line.times, line.values, strict=True) if v is not None and math.isfinite(v)]
    if not known:
        return f"{line.label}: no value"
    mean = _mean(line, duration)
    worst, at = max(known, key=lambda point: point[0]) if low_is_good else min(known)
    named = "greatest" if low_is_good else "least"
    suffix = f" {unit}" if unit else ""
    if line.is_step and len({f"{value:.{decimals}f}" for value, _ in known}) == 1:
        return f"{line.label}: {mean:.{decimals}f}{suffix} throughout"
    return (
        f"{line.label}: mean {mean:.{decimals}f}{suffix}, {named} {worst:.{decimals}f}{suffix} at {format_seconds(at)}"
    )
