"""A finished segment is reused only where everything that decides its bytes is the same, and the bytes are whole."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from vsr import api
from vsr.media.decode import FrameRecord
from vsr.media.packets import PacketTable, PacketTimes
from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import (
    SegmentPaths,
    SegmentResult,
    canonical,
    file_digest,
    load_result,
    segment_key,
    store_result,
    write_atomically,
)
from vsr.pipeline.storage import WorkFolder
from vsr.timeline import Segment

Clips = Callable[[str], Path]


def _planned(**changes: Any) -> PlannedSegment:
    records = tuple(
        FrameRecord(n, n * 512, n * 512, f"{n:032x}", 96, 64, "yuv420p", interlaced=False, duration=512)
        for n in range(4)
    )
    return PlannedSegment(Segment(0, 0, 3, 0, 4), tuple(replace(record, **changes) for record in records))


def _job(clips: Clips, clip: str = "plain", output: str = "out.mp4", **settings: Any) -> Job:
    return api.plan(clips(clip), output, settings={"method": "lanczos", "speed": "ultrafast"} | settings)


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 3},
        {"size": "100x100"},
        {"crf": 30},
        {"speed": "veryfast"},
        {"codec": "hevc"},
        {"method": "bicubic"},
        {"pix_fmt": "yuv444p"},
        {"lossless": True},
        {"deinterlace": "frame"},
        {"encoder_threads": 3},
        {"decoder_threads": 2},
        {"torch_threads": 3},
    ],
    ids=str,
)
def test_what_decides_the_bytes_changes_the_key(clips: Clips, change: dict[str, Any]) -> None:
    assert segment_key(_job(clips, **change), _planned()) != segment_key(_job(clips), _planned())


@pytest.mark.parametrize(
    "change",
    [{"cut_threshold": 5.0}, {"segment_frames": 100}, {"strict": True}, {"drop_streams": True}, {"device": "cpu"}],
    ids=str,
)
def test_what_does_not_decide_them_does_not(clips: Clips, change: dict[str, Any]) -> None:
    assert segment_key(_job(clips, **change), _planned()) == segment_key(_job(clips), _planned())


@pytest.mark.parametrize(
    "change", [{"fingerprint": "f" * 32}, {"pts": 7}, {"interlaced": True}], ids=lambda change: next(iter(change))
)
def test_other_frames_have_another_key(clips: Clips, change: dict[str, Any]) -> None:
    job = _job(clips)
    assert segment_key(job, _planned(**change)) != segment_key(job, _planned())


def test_another_range_has_another_key(clips: Clips) -> None:
    job, planned = _job(clips), _planned()
    keys = {
        segment_key(job, PlannedSegment(segment, planned.records))
        for segment in (Segment(0, 0, 3, 0, 4), Segment(0, 0, 2, 0, 4), Segment(0, 0, 3, 0, 3), Segment(0, 1, 3, 0, 4))
    }
    assert len(keys) == 4
    renumbered = PlannedSegment(Segment(9, 0, 3, 0, 4), planned.records)
    assert segment_key(job, renumbered) == segment_key(job, planned)


def test_other_versions_have_another_key(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _job(clips)
    before = segment_key(job, _planned())
    monkeypatch.setattr("vsr.pipeline.sidecar.software_versions", lambda: {"vsr": "9"})
    assert segment_key(job, _planned()) != before


def test_another_kind_of_processor_has_another_key(clips: Clips, monkeypatch: pytest.MonkeyPatch) -> None:
    job = _job(clips)
    before = segment_key(job, _planned())
    monkeypatch.setattr("vsr.pipeline.sidecar.device_class", lambda device: "another")
    assert segment_key(job, _planned()) != before


def test_the_name_of_the_output_does_not_matter(clips: Clips) -> None:
    assert segment_key(_job(clips, output="a.mp4"), _planned()) == segment_key(_job(clips, output="b.mp4"), _planned())


def _stored(folder: Path, key: str = "k" * 64) -> tuple[SegmentPaths, SegmentResult]:
    paths = SegmentPaths.of(folder, 3, key)
    paths.media.write_bytes(b"segment bytes")
    packets = PacketTable.of([PacketTimes(-5, is_key=True, size=7), PacketTimes(0, is_key=False, size=6)])
    result = SegmentResult(3, key, 10, 12, packets, file_digest(paths.media), 0.5, "here")
    result = replace(result, findings={"noise_sigma": 0.015}, curves={"noise_sigma": array("d", [0.01, 0.02])})
    store_result(WorkFolder(folder), result)
    return paths, result


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    _, result = _stored(tmp_path)
    assert load_result(WorkFolder(tmp_path), 3, result.key) == replace(result, reused=True)
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".bin", ".json"]


@pytest.mark.parametrize("damage", [b"segment bytez", b"segment byte", b"", b"segment bytes+"])
def test_changed_bytes_do_not_count(tmp_path: Path, damage: bytes) -> None:
    paths, result = _stored(tmp_path)
    paths.media.write_bytes(damage)
    assert load_result(WorkFolder(tmp_path), 3, result.key) is None


def test_another_key_does_not_count(tmp_path: Path) -> None:
    _stored(tmp_path)
    assert load_result(WorkFolder(tmp_path), 3, "x" * 64) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"key": 1}', '"text"', "\x00"])
def test_broken_sidecars_do_not_count(tmp_path: Path, text: str) -> None:
    paths, result = _stored(tmp_path)
    paths.sidecar.write_text(text)
    assert load_result(WorkFolder(tmp_path), 3, result.key) is None


@pytest.mark.parametrize("field", ["packets", "digest", "start", "seconds"])
def test_sidecars_with_a_missing_field_do_not_count(tmp_path: Path, field: str) -> None:
    paths, result = _stored(tmp_path)
    data = json.loads(paths.sidecar.read_text())
    del data[field]
    paths.sidecar.write_text(json.dumps(data))
    assert load_result(WorkFolder(tmp_path), 3, result.key) is None


def test_binary_rubbish_as_sidecar_does_not_count(tmp_path: Path) -> None:
    paths, result = _stored(tmp_path)
    paths.sidecar.write_bytes(b"\xff\xfe\x80")
    assert load_result(WorkFolder(tmp_path), 3, result.key) is None


@pytest.mark.parametrize("missing", ["media", "sidecar"])
def test_missing_files_do_not_count(tmp_path: Path, missing: str) -> None:
    paths, result = _stored(tmp_path)
    getattr(paths, missing).unlink()
    assert load_result(WorkFolder(tmp_path), 3, result.key) is None


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.json"
    write_atomically(path, "old")

    def fail(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


def test_names_of_attempts_never_repeat(tmp_path: Path) -> None:
    paths = SegmentPaths.of(tmp_path, 0, "k" * 64)
    names = {paths.temporary().name for _ in range(100)}
    assert len(names) == 100
    assert all(name.endswith(".tmp") for name in names)


def test_canonical_data_is_plain_and_equal_for_equal_meaning(clips: Clips) -> None:
    job = _job(clips)
    text = json.dumps(canonical(job.encoder), sort_keys=True)
    assert text == json.dumps(canonical(_job(clips).encoder), sort_keys=True)
    assert canonical(Fraction(2, 4)) == canonical(Fraction(1, 2)) == "1/2"
    assert canonical({"a": (1, Path("x"))}) == {"a": [1, "x"]}
