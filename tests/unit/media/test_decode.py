"""Frames are found exactly: every window of every awkward clip equals the linear decode, however it is reached."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from videos import AWKWARD

from vsr.errors import InputError
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord, VideoTrack, decode_linear
from vsr.media.frame_reader import FrameReader
from vsr.media.planes import fingerprint, planes_of
from vsr.media.probe import MediaInfo

Probed = Callable[[str], MediaInfo]


def _records(info: MediaInfo, threads: int = 1) -> list[FrameRecord]:
    return [record for record, _ in decode_linear(VideoTrack(info.path, info.video.index, threads), Damage())]


def _reader(info: MediaInfo, overlap_frames: int = 4, threads: int = 1) -> FrameReader:
    track = VideoTrack(info.path, info.video.index, threads)
    return FrameReader(track, info.video.time_base, overlap_frames=overlap_frames)


def _independent_fingerprints(path: Path) -> list[str]:
    """Every frame by plain PyAV: no seek, no segments, nothing of `vsr.media.decode`."""
    found = []
    with av.open(f"file:{path}") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                found += [fingerprint(planes_of(frame)) for frame in packet.decode()]
            except av.error.FFmpegError:
                continue
    return found


def _check(frames: Iterator[av.VideoFrame], records: Sequence[FrameRecord]) -> None:
    got = [(frame.pts, fingerprint(planes_of(frame))) for frame in frames]
    assert got == [(record.decoded_pts, record.fingerprint) for record in records]


@pytest.mark.parametrize("name", AWKWARD)
def test_linear_decode_gives_what_any_decoder_gives(probed: Probed, name: str) -> None:
    info = probed(name)
    records = _records(info)
    assert [record.fingerprint for record in records] == _independent_fingerprints(info.path)
    assert [record.ordinal for record in records] == list(range(len(records)))
    assert all(a.pts < b.pts for a, b in pairwise(records))


@pytest.mark.parametrize("name", AWKWARD)
def test_segment_after_segment_with_halo(probed: Probed, name: str) -> None:
    """What a run does: windows in order that overlap by their halos, one reader for all."""
    info = probed(name)
    records = _records(info)
    with _reader(info, overlap_frames=8) as reader:
        for start in range(0, len(records), 24):
            window = records[max(0, start - 4) : start + 28]
            _check(reader.read(window), window)


@pytest.mark.parametrize("name", AWKWARD)
def test_windows_in_any_order(probed: Probed, name: str) -> None:
    """One reader, random windows: backward, far ahead, overlapping, single frames."""
    info = probed(name)
    records = _records(info)
    rng = random.Random(7)
    with _reader(info) as reader:
        for _ in range(14):
            start = rng.randrange(len(records))
            window = records[start : start + rng.choice((1, 1, 3, 17, 40))]
            _check(reader.read(window), window)


@pytest.mark.parametrize("name", AWKWARD)
def test_fresh_reader_for_each_window(probed: Probed, name: str) -> None:
    """What workers on other machines do: each opens the file and seeks for itself."""
    info = probed(name)
    records = _records(info)
    for start in [*range(49, len(records), 13), len(records) - 1]:
        with _reader(info, overlap_frames=0) as reader:
            window = records[start : start + 5]
            _check(reader.read(window), window)


def test_far_frames_are_reached_by_seeking(probed: Probed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clip with plain key frames is not decoded from its start for every segment."""
    info = probed("long")
    records = _records(info)
    from_start: list[int] = []
    original = FrameReader._from_start
    monkeypatch.setattr(FrameReader, "_from_start", lambda self: from_start.append(1) or original(self))
    with _reader(info) as reader:
        _check(reader.read(records[100:110]), records[100:110])
    assert not from_start


def test_reading_on_needs_no_seek(probed: Probed, monkeypatch: pytest.MonkeyPatch) -> None:
    info = probed("intra_refresh")
    records = _records(info)
    with _reader(info, overlap_frames=8) as reader:
        _check(reader.read(records[:60]), records[:60])
        monkeypatch.setattr(FrameReader, "_after_seek", lambda *_: pytest.fail("seeked"))
        monkeypatch.setattr(FrameReader, "_from_start", lambda *_: pytest.fail("started over"))
        _check(reader.read(records[52:120]), records[52:120])


def test_a_read_that_was_left_half_way_does_no_harm(probed: Probed) -> None:
    info = probed("open_gop_hevc")
    records = _records(info)
    with _reader(info) as reader:
        half = reader.read(records[60:90])
        for _ in range(7):
            next(half)
        half.close()  # type: ignore[attr-defined]
        _check(reader.read(records[62:80]), records[62:80])
        _check(reader.read(records[10:20]), records[10:20])


def test_a_closed_reader_opens_again(probed: Probed) -> None:
    info = probed("vfr")
    records = _records(info)
    reader = _reader(info)
    _check(reader.read(records[60:64]), records[60:64])
    reader.close()
    _check(reader.read(records[64:70]), records[64:70])
    reader.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(windows=st.lists(st.tuples(st.integers(0, 149), st.integers(1, 50)), min_size=1, max_size=4))
@pytest.mark.parametrize("name", ["open_gop_hevc", "intra_refresh", "mpeg2_ts"])
def test_any_sequence_of_windows(probed: Probed, name: str, windows: list[tuple[int, int]]) -> None:
    info = probed(name)
    records = _CACHE.setdefault(name, _records(info))
    with _reader(info, overlap_frames=3) as reader:
        for start, length in windows:
            window = records[start : start + length]
            _check(reader.read(window), window)


_CACHE: dict[str, list[FrameRecord]] = {}


def test_frames_that_are_not_in_the_file_are_refused(probed: Probed) -> None:
    """A changed file must not be taken for the one that was planned."""
    info = probed("plain")
    records = _records(info)
    other = [replace(record, fingerprint="0" * 32) for record in records[5:8]]
    with _reader(info) as reader, pytest.raises(InputError, match="frame 5 decodes differently"):
        list(reader.read(other))


def test_a_frame_that_changes_in_mid_window_is_refused(probed: Probed) -> None:
    info = probed("long")
    records = _records(info)
    window = [*records[60:66], replace(records[66], fingerprint="0" * 32), *records[67:70]]
    with _reader(info) as reader:
        frames = reader.read(window)
        for record in records[60:66]:
            assert fingerprint(planes_of(next(frames))) == record.fingerprint
        with pytest.raises(InputError, match="frame 66"):
            next(frames)


@pytest.mark.parametrize("threads", [1, 3])
def test_frame_threads_lose_no_frame(probed: Probed, threads: int) -> None:
    """Decoders with threads hold frames back; all must come out, and be the same ones."""
    info = probed("open_gop_hevc")
    assert [r.fingerprint for r in _records(info, threads)] == _independent_fingerprints(info.path)


def test_damage_is_counted(probed: Probed) -> None:
    info = probed("damaged")
    damage = Damage()
    count = sum(1 for _ in decode_linear(VideoTrack(info.path, info.video.index), damage))
    assert damage.total > 0
    assert damage.decode_errors + damage.corrupt_frames > 0
    assert damage.events
    assert count <= 150


def test_an_undamaged_file_has_no_damage(probed: Probed) -> None:
    for name in ("cfr", "vfr", "open_gop_hevc", "vp9", "av1", "mpeg4_avi"):
        info, damage = probed(name), Damage()
        list(decode_linear(VideoTrack(info.path, info.video.index), damage))
        assert damage == Damage(), name


def test_repeated_and_missing_times_are_repaired_to_rising_ones(clips: Callable[[str], Path], tmp_path: Path) -> None:
    """Raw H.264 in a transport stream joined to itself: the clock jumps back."""
    twice = tmp_path / "twice.ts"
    data = clips("open_gop_ts").read_bytes()
    twice.write_bytes(data + data)
    damage = Damage()
    records = [record for record, _ in decode_linear(VideoTrack(twice, 0), damage)]
    assert len(records) > 290
    assert all(a.pts < b.pts for a, b in pairwise(records))
    with FrameReader(VideoTrack(twice, 0), av.open(str(twice)).streams.video[0].time_base, overlap_frames=4) as reader:
        for start in (0, 100, 160, 250):
            window = records[start : start + 10]
            _check(reader.read(window), window)
