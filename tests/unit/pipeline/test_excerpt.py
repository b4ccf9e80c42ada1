"""The excerpt that methods are tried on: its frames are the video's, and what it says of itself is so."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from videos import X264, encode, scene

from vsr.errors import UsageError
from vsr.media.damage import Damage
from vsr.media.planes import planes_of
from vsr.media.probe import MediaInfo, probe_media
from vsr.media.reading import scan, scan_from
from vsr.pipeline import excerpt as module
from vsr.pipeline.excerpt import Excerpt, Needs, find_excerpt

NEEDS = Needs(halo_frames=6, chain_frames=48, adapt_frames=9)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> MediaInfo:
    """150 frames, a new shot at 70; a key frame every 20."""
    path = tmp_path_factory.mktemp("excerpt") / "clip.mp4"
    return probe_media(encode(path, scene(150, 128, 96, cuts=(70,)), *X264, "-g", "20"))


def _find(info: MediaInfo, at: int | Fraction | None = None, num_frames: int = 20, needs: Needs = NEEDS) -> Excerpt:
    return find_excerpt(info, needs, at=at, num_frames=num_frames, threads=1, cut_threshold=3.0)


def _planes(frame: Any) -> list[bytes]:
    return [np.ascontiguousarray(plane).tobytes() for plane in planes_of(frame)]


def test_its_frames_are_those_of_a_linear_decode(video: MediaInfo) -> None:
    found = _find(video, at=80)
    whole = {record.ordinal: (record, _planes(frame)) for record, frame in scan(video, 1, Damage())}
    assert (found.start, found.stop) == (80, 100)
    assert found.from_start
    assert found.knows_shot
    assert [record.ordinal for record in found.calibration] == list(range(70, 79)), "the shot's first frames"
    assert [record.ordinal for record in found.records] == list(range(71, 109)), (
        "the halo and the deinterlacer's context"
    )
    for ordinal, frame in found.frames.items():
        assert _planes(frame) == whole[ordinal][1]
    assert set(found.frames) == set(range(70, 109))


@pytest.mark.parametrize(("at", "ordinal"), [(0, 0), (Fraction(4), 100), (Fraction("3.99"), 100), (149, 149)])
def test_a_place_is_a_frame_or_a_time(video: MediaInfo, at: int | Fraction, ordinal: int) -> None:
    assert _find(video, at=at).start == ordinal


def test_it_stays_in_its_shot(video: MediaInfo) -> None:
    found = _find(video, at=60)
    assert (found.start, found.stop) == (60, 70)
    assert found.records[-1].ordinal == 69
    assert not found.is_in_step
    assert _find(video, at=48).is_in_step
    assert _find(video, at=70 + 48).is_in_step


@pytest.mark.parametrize("at", [150, Fraction(6), Fraction(4000)])
def test_a_place_after_the_end_is_refused(video: MediaInfo, at: int | Fraction) -> None:
    with pytest.raises(UsageError, match="lies after the last frame"):
        _find(video, at=at)


def test_the_chosen_place_shows_much_and_moves(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    images = np.full((120, 96, 128, 3), 40, np.uint8)
    images[60:] = rng.integers(0, 255, (96 // 4, 128 // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    for number in range(60, 120):
        images[number] = np.roll(images[60], number, axis=1)
    found = _find(probe_media(encode(tmp_path / "late.mp4", images, *X264)), num_frames=30)
    assert found.start == 60
    assert found.is_in_step
    assert found.cuts == (60,)
    assert found.motion_codes > 5


def test_a_place_in_a_long_video_is_reached_by_a_seek(video: MediaInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOKED_AT_SAMPLES", 0)
    monkeypatch.setattr(module, "_FEWEST", 10)
    needs = Needs(halo_frames=4, chain_frames=48, adapt_frames=5)
    found = _find(video, at=Fraction(5), num_frames=6, needs=needs)
    assert not found.from_start
    assert not found.knows_shot
    whole = {record.pts: _planes(frame) for record, frame in scan(video, 1, Damage())}
    for record in found.records:
        assert _planes(found.frames[record.ordinal]) == whole[record.pts]
    assert found.core[0].pts * video.video.time_base == 5
    assert len(found.core) == 6


def test_a_shot_that_begins_after_the_seek_is_known(video: MediaInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOKED_AT_SAMPLES", 0)
    monkeypatch.setattr(module, "_FEWEST", 40)
    found = _find(video, at=Fraction(75, 25), num_frames=6, needs=Needs(0, 1, 5))
    assert not found.from_start
    assert found.knows_shot
    assert [record.pts * video.video.time_base * 25 for record in found.calibration] == [70, 71, 72, 73, 74]


def test_of_a_long_video_the_liveliest_place_is_looked_at(
    video: MediaInfo, monkeypatch: pytest.MonkeyPatch, clips: Callable[[str], Path]
) -> None:
    monkeypatch.setattr(module, "_LOOKED_AT_SAMPLES", 0)
    monkeypatch.setattr(module, "_FEWEST", 10)
    found = _find(video, num_frames=6, needs=Needs(0, 1, 0))
    assert not found.from_start
    assert len(found.core) == 6


def test_frames_begin_where_requested(tmp_path: Path) -> None:
    from vsr.media.images import probe_images

    folder = tmp_path / "images"
    folder.mkdir()
    encode(folder / "%03d.png", scene(12, 64, 48), pix_fmt="rgb24")
    info = probe_images(folder / "%03d.png", Fraction(25))
    expected = [(record.pts, _planes(frame)) for record, frame in scan(info, 1, Damage())][7:]
    got = [(record.pts, _planes(frame)) for record, frame in scan_from(info, 1, Damage(), Fraction(7, 25))]
    assert got == expected
