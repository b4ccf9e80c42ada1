"""Charts: parsable drawings with the right points in them, and the same in words."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from vsr.report.page.charts import Line, Mark, chart


def _points(svg: str, line: int = 0) -> list[tuple[float, float]]:
    path = next(p for p in ET.fromstring(svg).iter("path") if p.get("class") == f"line line-{line}")
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path.get("d") or "")]


def test_points_lie_where_they_belong() -> None:
    drawn = chart("Some", "dB", [Line("output", [0, 1, 2, 4], [30, 50, 40, 30])], duration=4, decimals=1)
    assert drawn is not None
    points = _points(drawn.svg)
    assert [x for x, _ in points] == [0, 250, 500, 1000]
    heights = [y for _, y in points]
    assert heights[0] == heights[3] > heights[2] > heights[1]
    assert drawn.summary == "output: mean 37.5 dB, least 30.0 dB at 0:00:00.000"
    assert "mean 37.5 dB" in (ET.fromstring(drawn.svg).get("aria-label") or "")


def test_gaps_and_infinities_break_the_line() -> None:
    drawn = chart("x", "", [Line("output", [0, 1, 2, 3, 4], [1, None, 2, math.inf, 3])], duration=4, decimals=0)
    assert drawn is not None
    assert drawn.svg.count("M") == 3
    assert chart("x", "", [Line("output", [0, 1], [None, math.inf])], duration=1, decimals=0) is None


def test_steps_hold_to_the_end() -> None:
    drawn = chart("x", "", [Line("output", [0, 2], [1, 3], is_step=True)], duration=4, decimals=0)
    assert drawn is not None
    assert [x for x, _ in _points(drawn.svg)] == [0, 500, 500, 1000]


def test_many_points_are_thinned_and_keep_their_extremes() -> None:
    values = [40.0 + math.sin(n / 50) for n in range(20_000)]
    values[12_345] = 20.0
    drawn = chart("x", "dB", [Line("output", [n / 25 for n in range(20_000)], values)], duration=800, decimals=1)
    assert drawn is not None
    points = _points(drawn.svg)
    assert len(points) <= 900
    lowest = max(points, key=lambda point: point[1])
    assert lowest[0] == pytest.approx(1000 * 12_345 / 20_000, abs=0.1)


def test_marks_are_links_with_names_and_text_is_escaped() -> None:
    mark = Mark(2.0, "frame-3", "Frame 3 <at> 0:00:02")
    drawn = chart("A & B", "", [Line("<b>", [0, 4], [1, 2])], duration=4, decimals=0, cuts=[0, 2, 9], marks=[mark])
    assert drawn is not None
    tree = ET.fromstring(drawn.svg)
    [link] = list(tree.iter("a"))
    assert (link.get("href"), link.get("aria-label")) == ("#frame-3", "Frame 3 <at> 0:00:02")
    assert [line.get("x1") for line in tree.iter("line") if line.get("class") == "cut"] == ["50.00%"]


@pytest.mark.parametrize(("low", "high"), [(0, 0), (3, 3), (-2, 1), (0.91, 0.93), (1e-7, 3e-7), (12, 61234)])
def test_any_range_has_a_few_round_ticks_around_it(low: float, high: float) -> None:
    drawn = chart("x", "", [Line("output", [0, 1], [low, high])], duration=1, decimals=2)
    assert drawn is not None
    texts = [t.text or "" for t in ET.fromstring(drawn.svg).iter("text") if t.get("class") == "tick"]
    values = [float(text) for text in texts]
    assert 2 <= len(values) <= 6
    assert values[0] <= low + 1e-9
    assert values[-1] >= high - 1e-9 * max(1, high)
    assert len(set(texts)) == len(texts)


def test_constants_from_zero_and_the_worst_by_name() -> None:
    flat = Line("output", [0, 2], [0.421, 0.422], is_step=True)
    drawn = chart("Blur", "px", [flat], duration=4, decimals=2, from_zero=True)
    assert drawn is not None
    assert drawn.summary == "output: 0.42 px throughout"
    ticks = [e.text for e in ET.fromstring(drawn.svg).iter("text") if e.get("class") == "tick"]
    assert (ticks[0], ticks[-1]) == ("0.0", "0.6")
    residual = Line("output", [0, 3], [1.0, 5.0], is_step=True)
    worst = chart("Residual", "", [residual], duration=4, decimals=1, low_is_good=True)
    assert worst is not None
    assert worst.summary == "output: mean 2.0, greatest 5.0 at 0:00:03.000"
