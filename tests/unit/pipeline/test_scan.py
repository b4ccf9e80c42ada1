"""The plan: every frame in one segment, none across a cut, halos in the shot, early ones short."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.deinterlace import DEINTERLACE_CONTEXT
from vsr.media.probe import MediaInfo
from vsr.media.reading import scan
from vsr.pipeline.job import Span
from vsr.pipeline.scan import PlannedSegment, PlanRules, plan_segments

_TICKS = 40  # of 1 ms: 25 frames a second


def _record(ordinal: int, *, width: int = 32) -> FrameRecord:
    pts = ordinal * _TICKS
    return FrameRecord(ordinal, pts, pts, f"{ordinal:032x}", width, 24, "gray", interlaced=False, duration=_TICKS)


def _image(shot: int, width: int) -> av.VideoFrame:
    """A flat image, of quite another colour in each shot."""
    colours = [(200, 30, 30), (20, 180, 40), (30, 30, 220), (230, 230, 60), (10, 200, 220)]
    return av.VideoFrame.from_ndarray(np.full((24, width, 3), colours[shot % 5], np.uint8), format="rgb24")


def _frames(
    count: int, cuts: Iterable[int] = (), sizes: Iterable[int] = ()
) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """``count`` frames; a new shot at each of ``cuts``, another image width from each of ``sizes`` on."""
    cuts, sizes = sorted(cuts), sorted(sizes)
    images = {}
    for ordinal in range(count):
        shot = sum(cut <= ordinal for cut in cuts)
        width = 32 + 16 * (sum(size <= ordinal for size in sizes) % 2)
        if (shot, width) not in images:
            images[shot, width] = _image(shot, width)
        yield _record(ordinal, width=width), images[shot, width]


def _rules(
    cap: int = 240,
    halo: int = 0,
    chain: int = 1,
    span: Span = Span(),  # noqa: B008
    origin: Fraction = Fraction(0),
) -> PlanRules:
    return PlanRules(
        segment_frames=cap,
        halo_frames=halo,
        chain_frames=chain,
        calibration_frames=9,
        cut_threshold=3.0,
        span=span,
        origin=origin,
        time_base=Fraction(1, 1000),
    )


def _plan(rules: PlanRules, count: int, cuts: Iterable[int] = (), sizes: Iterable[int] = ()) -> list[PlannedSegment]:
    return list(plan_segments(_frames(count, cuts, sizes), rules))


def _check_plan(
    plan: list[PlannedSegment], rules: PlanRules, requested: range, bounds: Iterable[int], count: int
) -> None:
    """Everything a plan promises."""
    covered = [n for planned in plan for n in range(planned.segment.start, planned.segment.stop)]
    assert covered == list(requested)
    assert [planned.segment.index for planned in plan] == list(range(len(plan)))
    shots = [0, *sorted(bounds), count]
    context = rules.halo_frames + DEINTERLACE_CONTEXT
    for planned in plan:
        segment = planned.segment
        first = max(bound for bound in shots if bound <= segment.start)
        stop = min(bound for bound in shots if bound > segment.start)
        assert segment.stop <= stop, "a segment crosses a cut"
        assert segment.halo_start == max(first, segment.start - rules.halo_frames)
        assert segment.halo_stop == min(stop, segment.stop + rules.halo_frames)
        ordinals = [record.ordinal for record in planned.records]
        assert ordinals == list(range(max(first, segment.start - context), min(stop, segment.stop + context)))
        following = ordinals[-1] + 1
        assert planned.next_pts == (following * planned.records[-1].duration if following < count else None)
        heads = min(stop, first + rules.calibration_frames)
        assert [record.ordinal for record in planned.calibration] == list(range(first, heads))
        assert [record.ordinal for record in planned.core] == list(range(segment.start, segment.stop))


def test_segments_grow_from_short_to_the_cap() -> None:
    plan = _plan(_rules(cap=240), 1000)
    assert [planned.segment.num_frames for planned in plan][:4] == [48, 96, 240, 240]
    _check_plan(plan, _rules(), range(1000), (), 1000)


@pytest.mark.parametrize(("cap", "chain"), [(240, 48), (100, 48), (16, 48), (96, 7)])
def test_segments_hold_whole_chains(cap: int, chain: int) -> None:
    """Within a shot they start whole chains apart, however the cap falls."""
    rules = _rules(cap=cap, halo=4, chain=chain)
    plan = _plan(rules, 700, (131, 300))
    for planned in plan:
        shot = max(bound for bound in (0, 131, 300) if bound <= planned.segment.start)
        assert (planned.segment.start - shot) % chain == 0
    _check_plan(plan, rules, range(700), (131, 300), 700)


def test_no_segment_is_longer_than_the_cap_and_its_remainder() -> None:
    """The last of a shot may take a small rest with it instead of leaving a stub."""
    plan = _plan(_rules(cap=40), 517, (111, 300))
    assert max(planned.segment.num_frames for planned in plan) <= 40 + 40 // 4
    _check_plan(plan, _rules(cap=40), range(517), (111, 300), 517)


def test_size_changes_end_segments() -> None:
    _check_plan(_plan(_rules(cap=64), 200, (), (50, 120)), _rules(cap=64), range(200), (50, 120), 200)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 400),
    cap=st.integers(16, 120),
    halo=st.integers(0, 12),
    cuts=st.lists(st.integers(12, 380), max_size=3, unique=True),
    sizes=st.lists(st.integers(1, 380), max_size=2, unique=True),
)
def test_any_stream_is_partitioned(count: int, cap: int, halo: int, cuts: list[int], sizes: list[int]) -> None:
    rules = _rules(cap=cap, halo=halo)
    cuts = [cut for cut in cuts if cut < count - 4]
    sizes = [size for size in sizes if size < count]
    near = [c for c in cuts if any(abs(c - other) < 12 for other in (*sizes, *(o for o in cuts if o != c)))]
    cuts = [cut for cut in cuts if cut not in near]  # shots shorter than the detector's least length
    plan = _plan(rules, count, cuts, sizes)
    _check_plan(plan, rules, range(count), [*cuts, *sizes], count)
    assert max(p.segment.num_frames for p in plan) <= cap + max(halo + DEINTERLACE_CONTEXT, cap // 4)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 300),
    cap=st.integers(16, 100),
    halo=st.integers(0, 8),
    start=st.none() | st.integers(0, 320),
    length=st.none() | st.integers(1, 200),
    by_time=st.booleans(),
    cut=st.none() | st.integers(20, 250),
)
def test_spans_hold_exactly_the_frames_asked_for(
    count: int, cap: int, halo: int, start: int | None, length: int | None, by_time: bool, cut: int | None
) -> None:
    stop = None if length is None else (start or 0) + length

    def place(ordinal: int | None) -> int | Fraction | None:
        return Fraction(ordinal * _TICKS, 1000) if by_time and ordinal is not None else ordinal

    rules = _rules(cap=cap, halo=halo, span=Span(place(start), place(stop)))
    cuts = [cut] if cut is not None and cut < count - 4 else []
    plan = _plan(rules, count, cuts)
    requested = range(min(start or 0, count), min(count if stop is None else stop, count))
    covered = [n for planned in plan for n in range(planned.segment.start, planned.segment.stop)]
    assert covered == list(requested)
    for planned in plan:
        assert planned.segment.halo_start >= max(0, planned.segment.start - halo)
        assert not any(planned.segment.start < c < planned.segment.stop for c in cuts)


def test_the_halo_reaches_beyond_the_span_but_not_beyond_the_shot() -> None:
    """Frames outside what was asked for still help to restore those inside."""
    plan = _plan(_rules(halo=5, span=Span(60, 80)), 200, (58,))
    [only] = plan
    assert (only.segment.start, only.segment.stop) == (60, 80)
    assert (only.segment.halo_start, only.segment.halo_stop) == (58, 85)


def test_a_time_span_counts_from_the_start_of_the_file() -> None:
    """A transport stream that starts at ten hours: --start 1 is one second in."""
    rules = _rules(span=Span(Fraction(1), Fraction(2)), origin=Fraction(36000))
    shift = 36000 * 1000
    frames = [
        (FrameRecord(**{**record.__dict__, "pts": record.pts + shift, "decoded_pts": record.pts + shift}), image)
        for record, image in _frames(100)
    ]
    plan = list(plan_segments(frames, rules))
    assert [n for p in plan for n in range(p.segment.start, p.segment.stop)] == list(range(25, 50))


def test_a_span_stops_the_scan_soon_after_its_end() -> None:
    """The first seconds of a long film do not wait for the decode of all of it."""
    pulled = 0

    def counted() -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        nonlocal pulled
        for item in _frames(5000):
            pulled += 1
            yield item

    list(plan_segments(counted(), _rules(halo=3, span=Span(10, 40))))
    assert pulled < 80


def test_the_first_segment_is_handed_out_early() -> None:
    """Work starts after a second or two of scanning, however long the file is."""
    frames = _frames(5000)
    seen = 0

    def counted() -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
        nonlocal seen
        for item in frames:
            seen += 1
            yield item

    next(plan_segments(counted(), _rules(halo=3)))
    assert seen < 70


def test_memory_of_the_planner_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    from vsr.pipeline import scan as module

    most = 0
    original = module._Planner.add

    def add(self: module._Planner, record: FrameRecord) -> None:
        nonlocal most
        original(self, record)
        most = max(most, len(self._pending))

    monkeypatch.setattr(module._Planner, "add", add)
    list(plan_segments(_frames(3000), _rules(cap=100, halo=4, span=Span(2500, None))))
    assert most < 400


def test_an_empty_stream_has_no_segments() -> None:
    assert _plan(_rules(), 0) == []


@pytest.mark.parametrize("halo", [0, 3])
def test_cuts_of_a_real_clip_are_found(probed: Callable[[str], MediaInfo], halo: int) -> None:
    info = probed("cuts")
    rules = PlanRules(240, halo, 1, 9, 3.0, Span(), info.start, info.video.time_base)
    plan = list(plan_segments(scan(info, 1, Damage()), rules))
    starts = {planned.segment.start for planned in plan}
    assert {0, 37, 90} <= starts
    _check_plan(plan, rules, range(130), (37, 90), 130)


def test_the_plan_is_the_same_every_time(probed: Callable[[str], MediaInfo]) -> None:
    info = probed("long")
    rules = PlanRules(32, 2, 1, 9, 3.0, Span(), info.start, info.video.time_base)

    def once(threads: int) -> list[PlannedSegment]:
        return list(plan_segments(scan(info, threads, Damage()), rules))

    assert once(1) == once(1) == once(3)


def test_a_clip_that_changes_size_is_cut_there(probed: Callable[[str], MediaInfo]) -> None:
    info = probed("size_change")
    rules = PlanRules(240, 2, 1, 9, 3.0, Span(), info.start, info.video.time_base)
    plan = list(plan_segments(scan(info, 1, Damage()), rules))
    for planned in plan:
        assert len({record.geometry for record in planned.records}) == 1
    sizes = [planned.records[0].width for planned in plan]
    assert set(sizes) == {64, 96}
    assert all(a.segment.stop == b.segment.start for a, b in pairwise(plan))
    assert isinstance(info.path, Path)
