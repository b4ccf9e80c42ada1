"""Tracks of cameras, phones and broadcasters: carried, or named and kept beside the output, or refused where asked."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from data_tracks import camera_clip
from plain_reader import read_plain
from program import Run
from videos import X264, broadcast, encode, ffmpeg, scene

import vsr

QUICK: dict[str, Any] = {"method": "bicubic", "scale": 1, "speed": "ultrafast"}
Call = Callable[..., Run]


def _without_times(path: Path, numbers: tuple[int, ...]) -> Path:
    """The same with some packets of the data stream as asynchronous metadata has them: no time in their headers."""
    data = bytearray(path.read_bytes())
    found = 0
    for start in range(0, len(data), 188):
        packet = data[start : start + 188]
        if ((packet[1] & 31) << 8) | packet[2] != _DATA_PID or not packet[1] & 0x40:
            continue
        header = start + packet.find(b"\x00\x00\x01")
        assert data[header + 7] & 0xC0 == 0x80
        if found in numbers:
            data[header + 7] &= 0x3F
            data[header + 9 : header + 14] = b"\xff" * 5  # stuffing
        found += 1
    path.write_bytes(bytes(data))
    return path


_SPLICE_NULL = bytes.fromhex("fc301100000000000000fffff0000000000000")
_DATA_PID = 0x101


def _as_scte35(path: Path) -> Path:
    """The data stream of a transport stream made over to splice information: announced as such, and in sections."""
    data = bytearray(path.read_bytes())
    for start in range(0, len(data), 188):
        packet = data[start : start + 188]
        if packet[4:8] == b"\x00\x02\xb0\x17":  # the table of the one programme, with two streams
            table = packet[5:17] + b"\x05\x04CUEI" + packet[17:27].replace(b"\x06", b"\x86", 1)
            table[2] += 6
            table[11] = 6
            table += _crc32_mpeg(bytes(table)).to_bytes(4, "big")
            data[start + 5 : start + 188] = table.ljust(183, b"\xff")
        elif ((packet[1] & 31) << 8) | packet[2] == _DATA_PID and packet[1] & 0x40:
            section = _SPLICE_NULL + _crc32_mpeg(_SPLICE_NULL).to_bytes(4, "big")
            header = bytes([packet[0], packet[1], packet[2], 0x10 | (packet[3] & 15)])
            data[start : start + 188] = (header + b"\x00" + section).ljust(188, b"\xff")
    path.write_bytes(bytes(data))
    return path


def _crc32_mpeg(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = ((crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    return crc


def _restore(source: Path, target: Path, **settings: Any) -> dict[str, Any]:
    [outcome] = vsr.upscale(source, target, settings=QUICK | settings)
    assert outcome.manifest is not None
    return dict(outcome.manifest)


@pytest.mark.parametrize("extension", ["mp4", "mov"])
def test_telemetry_of_gopro_is_carried_with_its_name(tmp_path: Path, extension: str) -> None:
    source, target = camera_clip(tmp_path / "gopro.mp4", b"gpmd"), tmp_path / f"out.{extension}"
    manifest = _restore(source, target)
    [given], [got] = read_plain(source).of("data"), read_plain(target).of("data")
    assert len(given.payloads) == 2
    assert got.payloads == given.payloads
    assert [a * got.time_base for a in got.pts] == [b * given.time_base for b in given.pts]
    assert b"gpmd" in target.read_bytes()
    assert manifest["output"]["copied_streams"] == [1, 2]
    assert manifest["output"]["dropped"] == []


def test_matroska_is_refused_for_what_mov_holds(tmp_path: Path) -> None:
    source = camera_clip(tmp_path / "gopro.mp4", b"gpmd")
    with pytest.raises(
        vsr.UsageError, match=r"data stream 2 \(bin_data, gpmd\); name the output \.mov, or give --keep"
    ):
        _restore(source, tmp_path / "out.mkv")


@pytest.mark.parametrize(
    ("code", "handler", "name"),
    [
        (b"mebx", b"meta", "data stream 2 (unknown, mebx)"),
        (b"rtmd", b"meta", "data stream 2 (unknown, rtmd)"),
        (b"camm", b"meta", "data stream 2 (unknown, camm)"),
        (b"zzzz", b"soun", "audio stream 2 (unknown, zzzz)"),
        (b"apac", b"soun", "audio stream 2 (apple_apac)"),
    ],
)
@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_what_nothing_holds_is_named_and_does_not_stop(
    tmp_path: Path, code: bytes, handler: bytes, name: str, extension: str
) -> None:
    source, target = camera_clip(tmp_path / "phone.mp4", code, handler), tmp_path / f"out.{extension}"
    requested = f"{name}: .{extension} cannot hold it"
    assert vsr.plan(source, target, settings=QUICK).dropped == (requested,)
    manifest = _restore(source, target)
    assert manifest["output"]["dropped"] == [requested]
    assert manifest["output"]["kept"] is None
    before, after = read_plain(source), read_plain(target)
    assert [stream.kind for stream in after.streams] == ["video", "audio"]
    assert after.of("audio")[0].payloads == before.of("audio")[0].payloads
    assert not list(tmp_path.glob("*.zip"))


def test_it_is_named_before_the_work(tmp_path: Path, call: Call) -> None:
    source = camera_clip(tmp_path / "phone.mp4", b"mebx")
    options = ("--method", "bicubic", "--scale", "1", "-o", tmp_path / "out.mp4")
    result = call("upscale", source, *options, "--dry-run", "-q")
    assert "dropped" in result.out
    assert "data stream 2 (unknown, mebx)" in result.out
    run = call("upscale", source, *options)
    assert run.code == 0
    assert run.err.splitlines()[0] == "vsr: phone.mp4: left out: data stream 2 (unknown, mebx): .mp4 cannot hold it"
    lines = [
        json.loads(line) for line in call("upscale", source, *options, "--overwrite", "--json-lines").out.splitlines()
    ]
    assert lines[0]["event"] == "left out"
    assert "mebx" in lines[0]["what"]


@pytest.mark.parametrize("how", ["strict", "evidence"])
def test_who_may_lose_nothing_refuses(tmp_path: Path, how: str) -> None:
    source, target = camera_clip(tmp_path / "phone.mp4", b"mebx"), tmp_path / "out.mp4"
    with pytest.raises(vsr.UsageError, match=rf"data stream 2 \(unknown, mebx\), and --{how} loses nothing unasked"):
        _restore(source, target, **{how: True})
    assert not target.exists()
    assert _restore(source, target, **{how: True}, keep_data=True)["output"]["kept"]["streams"] == [2]
    [outcome] = vsr.upscale(source, target, overwrite=True, settings=QUICK | {how: True, "drop_streams": True})
    assert outcome.manifest is not None
    assert outcome.manifest["output"]["kept"] is None
    assert not (tmp_path / "out.mp4.data.zip").exists()


def test_packets_are_kept_beside_the_output(tmp_path: Path, call: Call) -> None:
    source, target = camera_clip(tmp_path / "phone.mp4", b"mebx"), tmp_path / "out.mp4"
    manifest = _restore(source, target, keep_data=True)
    kept = tmp_path / "out.mp4.data.zip"
    assert manifest["output"]["kept"]["file"] == kept.name
    with av.open(str(source)) as container:
        packets = [packet for packet in container.demux(container.streams[2]) if packet.size]
    with zipfile.ZipFile(kept) as archive:
        about = json.loads(archive.read("streams.json"))["streams"][0]
        assert (about["index"], about["tag"], about["num_packets"]) == (2, "mebx", 2)
        assert archive.read("stream-2.bin") == b"".join(bytes(packet) for packet in packets)
        rows = list(csv.DictReader(io.StringIO(archive.read("stream-2.csv").decode())))
    assert [int(row["pts"]) for row in rows] == [packet.pts for packet in packets]
    assert [int(row["size"]) for row in rows] == [packet.size for packet in packets]
    assert call("verify", target).code == 0
    once = kept.read_bytes()
    vsr.upscale(source, target, overwrite=True, settings=QUICK | {"keep_data": True})
    assert kept.read_bytes() == once
    kept.write_bytes(once[:-1] + b"x")
    damaged = call("verify", target)
    assert damaged.code != 0
    assert "out.mp4.data.zip: changed" in damaged.out + damaged.err


@pytest.fixture
def phone(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A clip with a track that nothing holds, an output, and a file of somebody's where its packets would be kept."""
    source, target = camera_clip(tmp_path / "phone.mp4", b"mebx"), tmp_path / "out.mp4"
    taken = tmp_path / "out.mp4.data.zip"
    taken.write_bytes(b"somebody's own")
    return source, target, taken


def test_what_lies_where_packets_would_be_kept_stays(
    phone: tuple[Path, Path, Path], call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    source, target, taken = phone
    words = ("upscale", source, "-o", target, "--method", "bicubic", "--scale", "1")
    for more in ((), ("--dry-run",)):
        refused = call(*words, "--keep-data", *more)
        assert refused.code == 2
        assert refused.err.splitlines() == [f"vsr: {taken} exists; give --overwrite to replace it"]
        assert not target.exists()
    assert call(*words).code == 0, "nothing is to be kept, so it is in nobody's way"
    assert taken.read_bytes() == b"somebody's own"
    again = call(*words, "--overwrite")
    assert again.code == 0
    assert taken.read_bytes() == b"somebody's own"
    assert f"{taken} stays: it is not what an earlier run put there" in caplog.text
    assert call(*words, "--overwrite", "--keep-data").code == 0
    assert zipfile.is_zipfile(taken)


def test_kept_packets_that_were_changed_since_stay(tmp_path: Path) -> None:
    source, target = camera_clip(tmp_path / "phone.mp4", b"mebx"), tmp_path / "out.mp4"
    _restore(source, target, keep_data=True)
    kept = tmp_path / "out.mp4.data.zip"
    with zipfile.ZipFile(kept, "a") as archive:
        archive.writestr("notes.txt", "somebody's own")
    vsr.upscale(source, target, overwrite=True, settings=QUICK)
    assert zipfile.ZipFile(kept).read("notes.txt") == b"somebody's own"


def test_what_comes_there_while_the_run_is_at_work_stays(phone: tuple[Path, Path, Path]) -> None:
    source, target, taken = phone
    taken.unlink()

    def put(progress: vsr.Progress) -> None:
        if progress.stage == "assembling":
            taken.write_bytes(b"somebody's own")

    settings = QUICK | {"keep_data": True}
    with pytest.raises(vsr.UsageError, match=r"out\.mp4\.data\.zip has come to be while the run was at work"):
        vsr.upscale(source, target, settings=settings, on_progress=put)
    assert taken.read_bytes() == b"somebody's own"
    taken.rename(taken.with_suffix(".moved"))
    [outcome] = vsr.upscale(source, target, settings=settings)
    assert outcome.manifest is not None
    assert all(segment["reused"] for segment in outcome.manifest["segments"])
    assert zipfile.is_zipfile(taken)


@pytest.mark.parametrize("keep_data", [True, False])
def test_killed_between_kept_packets_and_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep_data: bool
) -> None:
    """The run that follows takes it for what it is, and removes it if nothing is to be kept any more."""
    source, target = camera_clip(tmp_path / "phone.mp4", b"mebx"), tmp_path / "out.mp4"

    class Killed(BaseException):
        pass

    def kill(*arguments: object, **more: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("vsr.pipeline.run.write_manifest", kill)
        with pytest.raises(Killed):
            _restore(source, target, keep_data=True)
    kept = tmp_path / "out.mp4.data.zip"
    assert kept.exists()
    _restore(source, target, keep_data=keep_data)
    assert kept.exists() == keep_data
    assert all(check.passed for check in vsr.verify(target))


def test_subtitles_and_attachments_can_be_kept_too(tmp_path: Path) -> None:
    words, letters = tmp_path / "words.srt", tmp_path / "letters.txt"
    words.write_text("1\n00:00:00,100 --> 00:00:00,300\nhello\n")
    letters.write_text("attached")
    source = encode(
        *(tmp_path / "full.mkv", scene(10, 64, 48), *X264, "-map", "0", "-map", "1", "-c:s", "ass"),
        *("-attach", str(letters), "-metadata:s:t", "mimetype=text/plain"),
        inputs=("-i", str(words)),
    )
    with pytest.raises(vsr.UsageError, match=r"subtitle stream 1 \(ass\), attachment stream 2"):
        _restore(source, tmp_path / "out.mp4")
    _restore(source, tmp_path / "out.mp4", keep_data=True)
    with zipfile.ZipFile(tmp_path / "out.mp4.data.zip") as archive:
        assert b"hello" in archive.read("stream-1.bin")
        assert b"[Script Info]" in archive.read("stream-1.header")
        assert archive.read("stream-2.bin") == b"attached"


@pytest.mark.parametrize("codec", ["klv", "smpte_2038"])
def test_data_of_broadcasts(tmp_path: Path, codec: str) -> None:
    source = broadcast(tmp_path / "drone.ts", codec)
    manifest = _restore(source, tmp_path / "out.mp4", keep_data=True)
    [named] = manifest["output"]["dropped"]
    assert named.startswith(f"data stream 1 ({codec})")
    with zipfile.ZipFile(tmp_path / "out.mp4.data.zip") as archive:
        assert archive.read("stream-1.bin") == b"".join(read_plain(source).of("data")[0].payloads)


def test_splice_information(tmp_path: Path) -> None:
    source = _as_scte35(broadcast(tmp_path / "channel.ts", "bin_data"))
    with av.open(str(source)) as container:
        assert container.streams.data[0].name == "scte_35"
    [named] = _restore(source, tmp_path / "out.mp4")["output"]["dropped"]
    assert named == "data stream 1 (scte_35): .mp4 cannot hold it"


def test_a_part_keeps_the_packets_of_its_time(tmp_path: Path) -> None:
    source = camera_clip(tmp_path / "phone.mp4", b"mebx")
    vsr.upscale(source, tmp_path / "out.mp4", start=5, settings=QUICK | {"keep_data": True})
    with zipfile.ZipFile(tmp_path / "out.mp4.data.zip") as archive:
        assert json.loads(archive.read("streams.json"))["shift_seconds"] == "1/5"
        assert b"second" in archive.read("stream-2.bin")
        assert b"first" not in archive.read("stream-2.bin")


def test_a_part_counts_the_packets_that_have_no_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whether they belong to it nobody can tell; of the whole video they are kept like all others."""
    source = _without_times(broadcast(tmp_path / "drone.ts", "klv"), (3, 7))
    with av.open(str(source)) as container:
        found = [(packet.pts, bytes(packet)) for packet in container.demux(container.streams.data[0]) if packet.size]
    assert [pts is None for pts, _ in found] == [number in (3, 7) for number in range(10)]
    [outcome] = vsr.upscale(source, tmp_path / "out.mp4", start=5, settings=QUICK | {"keep_data": True})
    assert outcome.manifest is not None
    words = "2 packets of data stream 1 (klv): without a time that says whether the part restored has them"
    assert words in outcome.manifest["output"]["dropped"]
    assert f"drone.ts: left out: {words}" in caplog.text
    with zipfile.ZipFile(tmp_path / "out.mp4.data.zip") as archive:
        about = json.loads(archive.read("streams.json"))["streams"][0]
        assert (about["num_packets"], about["num_untimed_left_out"]) == (4, 2)
        assert archive.read("stream-1.bin") == b"".join(found[number][1] for number in (5, 6, 8, 9))
    whole = _restore(source, tmp_path / "whole.mp4", keep_data=True)
    assert not any("without a time" in one for one in whole["output"]["dropped"])
    with zipfile.ZipFile(tmp_path / "whole.mp4.data.zip") as archive:
        assert archive.read("stream-1.bin") == b"".join(payload for _, payload in found)


def test_a_timecode_track_is_still_a_timecode(tmp_path: Path) -> None:
    source = encode(tmp_path / "tape.mov", scene(10, 64, 48), *X264, "-timecode", "01:02:03:04")
    assert _restore(source, tmp_path / "out.mov")["output"]["copied_streams"] == [1]
    ffmpeg("-i", str(tmp_path / "out.mov"), "-map", "0:1", "-c", "copy", "-f", "data", str(tmp_path / "out.bin"))
    ffmpeg("-i", str(source), "-map", "0:1", "-c", "copy", "-f", "data", str(tmp_path / "source.bin"))
    assert (tmp_path / "out.bin").read_bytes() == (tmp_path / "source.bin").read_bytes()
