"""Film frames of telecined video: exactly those that are there, whatever the cadence, and none made up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telecine import Luma, film, shown, video, whole_frames

from vsr.media.cadence import PATTERNS, film_rate, find_cadence
from vsr.media.decode import FrameRecord
from vsr.media.film import FILM_TICKS, FilmFound, FilmReader, recover_film
from vsr.media.planes import fingerprint, planes_of

TICKS = 1001  # of 1/30000 s, that a frame of the video lasts


def frames_of(images: Luma, pix_fmt: str = "gray") -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    for number, image in enumerate(images):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "gray").reformat(format=pix_fmt)
        height, width = image.shape
        mark = fingerprint(planes_of(frame))
        pts = TICKS * number
        frame.pts, frame.time_base = pts, Fraction(1, 30000)
        yield FrameRecord(number, pts, pts, mark, width, height, pix_fmt, interlaced=True, duration=TICKS), frame


def recovered(images: Luma, pix_fmt: str = "gray") -> tuple[list[FrameRecord], list[Luma], FilmFound]:
    found, records, lumas = FilmFound(), list[FrameRecord](), list[Luma]()
    for record, frame in recover_film(frames_of(images, pix_fmt), found):
        assert record.fingerprint == fingerprint(planes_of(frame))
        records.append(record)
        lumas.append(np.asarray(planes_of(frame)[0], np.uint8))
    assert [record.ordinal for record in records] == list(range(len(records)))
    return records, lumas, found


def numbers(lumas: Sequence[Luma], frames: Luma) -> list[int | None]:
    """Which frames of the film they are; None: none."""
    known = {frame.tobytes(): number for number, frame in enumerate(frames)}
    return [known.get(luma.tobytes()) for luma in lumas]


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize("begin", [0, 1, 2, 3])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_pattern_from_any_field_on(pattern: str, begin: int, top_first: bool) -> None:
    frames = film(40)
    fields = shown(range(40), PATTERNS[pattern], begin=begin)
    records, lumas, found = recovered(video(frames, fields, top_first=top_first))
    assert numbers(lumas, frames) == whole_frames(fields)
    if (pattern, begin % 2) != ("2:2", 0):  # which is progressive
        assert found.film_frames == len(lumas)
        assert set(found.patterns) == {pattern}
    assert all(after.pts > before.pts for before, after in pairwise(records))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["3:2", "2:3:3:2", "2:2"]), st.integers(10, 25), st.integers(0, 4)),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_shots_in_cadences_of_their_own(shots: list[tuple[str, int, int]], top_first: bool) -> None:
    """Cut after the telecine: 99.5 % of the film frames come out exactly, and nothing else does."""
    length = sum(count for _, count, _ in shots)
    parts = [film(count, seed=seed) for seed, (_, count, _) in enumerate(shots)]
    frames = np.concatenate(parts)
    frames[:, 2:4, :8] = (np.arange(length) % 200)[:, None, None]
    fields, first = list[int](), 0
    for pattern, count, begin in shots:
        fields += shown(range(first, first + count), PATTERNS[pattern], begin=begin)
        first += count
    records, lumas, _ = recovered(video(frames, fields, top_first=top_first))
    got, expected = numbers(lumas, frames), whole_frames(fields)
    # where film comes first as video and then as film, a frame or two may be left as the video has them
    assert len(set(expected) - set(got)) <= 0.005 * len(expected) + len(shots) - 1
    assert got.count(None) <= len(shots) - 1
    assert all(after.pts > before.pts for before, after in pairwise(records))
    apart = [
        abs(record.pts - FILM_TICKS * record.sources[-1].pts) / (FILM_TICKS * TICKS)
        for record in records
        if record.weave is not None
    ]
    assert max(apart) <= 2, "frames of the video between a film frame's time and the last frame that shows it"


def test_film_frames_are_evenly_spaced_at_their_exact_rate() -> None:
    records, _, _ = recovered(video(film(60), shown(range(60), (2, 3), begin=1)))
    steps = {after.pts - before.pts for before, after in pairwise(records[1:])}
    assert steps == {FILM_TICKS * TICKS * 5 // 4}
    assert film_rate("3:2") * Fraction(30000, 1001) == Fraction(24000, 1001)


def test_a_cadence_goes_on_where_nothing_moves() -> None:
    moving = film(40)
    frames = np.concatenate([moving[:20], np.repeat(moving[19:20], 40, 0), moving[20:]])
    fields = shown(range(80), (2, 3))
    _, lumas, found = recovered(video(frames, fields))
    assert len(lumas) == 80
    assert all(np.array_equal(luma, frame) for luma, frame in zip(lumas, frames, strict=True))
    assert found.breaks == 0


@pytest.mark.parametrize("kind", ["progressive", "interlaced", "still"])
def test_what_is_not_film_stays_as_it_is(kind: str) -> None:
    moments = film(80)
    fields = {"progressive": shown(range(40), (2,)), "interlaced": list(range(80)), "still": [0] * 80}[kind]
    images = video(moments, fields)
    records, lumas, found = recovered(images)
    assert all(np.array_equal(luma, image) for luma, image in zip(lumas, images, strict=True))
    assert [record.pts for record in records] == [FILM_TICKS * TICKS * n for n in range(len(images))]
    assert (found.film_frames, found.other_frames, found.single_fields) == (0, len(images), 0)
    assert found.blended_frames == 0
    assert find_cadence(frame for _, frame in frames_of(images[:24])) is None


def test_blended_fields_are_counted_and_left() -> None:
    """24 frames a second shown as 50 fields, each a mixture of the two frames nearest to it."""
    frames = film(60, step=8, block=32).astype(float)
    times = np.arange(0, 58, 24000 / 1001 / 50)[:112]
    shares = (times % 1)[:, None, None]
    mixed = ((1 - shares) * frames[times.astype(int)] + shares * frames[times.astype(int) + 1]).round().astype(np.uint8)
    images = video(mixed, list(range(len(mixed))))
    _, lumas, found = recovered(images)
    assert all(np.array_equal(luma, image) for luma, image in zip(lumas, images, strict=True))
    assert found.film_frames == 0
    assert found.blended_frames >= 6, "those whose field mixes evenly"


def test_a_cadence_is_certain_from_the_first_frames() -> None:
    for pattern in ("3:2", "2:3:3:2", "2:2"):
        images = video(film(40), shown(range(40), PATTERNS[pattern], begin=1))
        assert find_cadence(frame for _, frame in frames_of(images[:24])) == pattern


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv422p10le", "nv12", "uyvy422"])
def test_all_planes_are_woven(pix_fmt: str) -> None:
    frames = film(30)
    fields = shown(range(30), (2, 3))
    coloured = [next(iter(frames_of(frame[None], pix_fmt)))[1] for frame in frames]
    expected = [fingerprint(planes_of(coloured[number])) for number in whole_frames(fields)]
    records, _, _ = recovered(video(frames, fields), pix_fmt)
    assert [record.fingerprint for record in records] == expected


def test_frames_are_read_again_from_any_place() -> None:
    images = video(film(40), shown(range(40), (2, 3), begin=1))

    class Kept:
        def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
            ordinals = [record.ordinal for record in records]
            assert ordinals == list(range(ordinals[0], ordinals[-1] + 1))
            return (frame for record, frame in frames_of(images) if record.ordinal in ordinals)

        def close(self) -> None:
            pass

    records, lumas, _ = recovered(images)
    for first, stop in ((0, len(records)), (7, 12), (10, 11), (3, 30)):
        again = list(FilmReader(Kept()).read(records[first:stop]))
        assert [planes_of(frame)[0].tobytes() for frame in again] == [luma.tobytes() for luma in lumas[first:stop]]
