"""Unusable times: each is repaired with the least change, counted by kind, reported, and refused by --strict."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest
from plain_reader import PlainStream, first_frames, read_plain
from program import Run
from videos import X264, encode, ffmpeg, scene, tone

import vsr
from vsr.pipeline.seal import record_pieces, seal

Call = Callable[..., Run]
SETTINGS: dict[str, Any] = {"method": "lanczos", "scale": 1.0, "speed": "ultrafast", "encoder_threads": 2}
MS = 40
pytestmark = pytest.mark.usefixtures("no_leaks")


def _timed(path: Path, times: Sequence[int]) -> Path:
    """Images that each stand alone (MJPEG in Matroska), shown at these milliseconds, in this order in the file."""
    images = scene(len(times), 64, 48)
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        stream.time_base = Fraction(1, 1000)
        for number, (image, time) in enumerate(zip(images, times, strict=True)):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                packet.pts, packet.dts, packet.time_base = time, number - len(times), Fraction(1, 1000)
                output.mux(packet)
    with av.open(str(path)) as made:  # the file does say what it should
        assert [packet.pts for packet in made.demux(video=0) if packet.size] == list(times)
    return path


def _restore(source: Path, output: Path, **settings: Any) -> dict[str, Any]:
    [outcome] = vsr.upscale(source, output, settings=SETTINGS | settings)
    assert outcome.manifest is not None
    return dict(outcome.manifest)


def _moved(plain: PlainStream) -> list[int]:
    """Times in milliseconds from the first one."""
    return [round((time - plain.seconds[0]) * 1000) for time in plain.seconds]


REGULAR = [MS * n for n in range(40)]
OUTLIER = [*REGULAR[:20], REGULAR[20] + 7_000, *REGULAR[21:]]
EARLY = [*REGULAR[:20], 3, *REGULAR[21:]]
SWAPPED = [REGULAR[n + (n % 4 == 2) - (n % 4 == 3)] for n in range(40)]
BACK = [*REGULAR[:20], *REGULAR[:20]]


@pytest.mark.parametrize(
    ("times", "kind", "count"),
    [
        pytest.param(OUTLIER, "outlying_times", 1, id="one frame far ahead"),
        pytest.param(EARLY, "outlying_times", 1, id="one frame far back"),
        pytest.param(SWAPPED, "sorted_times", 20, id="out of order"),
        pytest.param(BACK, "timelines", 1, id="the clock restarts"),
    ],
)
def test_each_fault_is_repaired_by_its_own_rule(
    times: list[int], kind: str, count: int, call: Call, tmp_path: Path
) -> None:
    source = _timed(tmp_path / "in.mkv", times)
    manifest = _restore(source, tmp_path / "out.mp4")
    assert _moved(read_plain(tmp_path / "out.mp4").video) == REGULAR
    damage = manifest["damage"]
    found = {name: damage[name] for name in ("outlying_times", "sorted_times", "missing_times", "repeated_times")}
    found["timelines"] = len(damage["timelines"])
    assert {name: number for name, number in found.items() if number} == {kind: count}
    assert damage["repaired_times"] == len(damage["repaired"]) == (count if kind != "timelines" else 0)
    assert damage["events"]

    done = call("upscale", source, "-o", tmp_path / "strict.mp4", "--scale", 1, "--method", "lanczos", "--strict")
    assert done.code == 3
    words = {"outlying_times": "far off", "sorted_times": "out of order", "timelines": "jump of the clock"}
    assert words[kind] in done.one_line()
    assert not (tmp_path / "strict.mp4").exists()
    result = call("upscale", source, "-o", tmp_path / "loose.mp4", "--scale", 1, "--method", "lanczos")
    assert words[kind] in result.out + result.err
    deep = call("probe", "--deep", source)
    assert "frame 20" in deep.out or kind == "sorted_times"


def test_packed_b_frames_of_xvid(tmp_path: Path) -> None:
    """Two frames in one chunk: the decoder gives right times in the wrong order."""
    source = encode(tmp_path / "in.avi", scene(25, 64, 48), "-c:v", "libxvid", "-bf", "2")
    decoded = [frame.pts for frame in first_frames(source)]
    assert decoded != sorted(decoded)
    assert sorted(decoded) == list(range(decoded[0], decoded[0] + len(decoded)))
    manifest = _restore(source, tmp_path / "out.mp4")
    assert _moved(read_plain(tmp_path / "out.mp4").video) == [MS * n for n in range(len(decoded))]
    wrong = sum(time != decoded[0] + n for n, time in enumerate(decoded))
    assert manifest["damage"]["sorted_times"] == manifest["damage"]["repaired_times"] == wrong


def test_what_is_right_stays(tmp_path: Path, call: Call) -> None:
    """A variable rate with a long pause, and a still that lasts."""
    times = [0, 33, 100, 140, 9_000, 9_010, 60_000, 60_040]
    source = _timed(tmp_path / "in.mkv", times)
    manifest = _restore(source, tmp_path / "out.mp4", strict=True)
    assert _moved(read_plain(tmp_path / "out.mp4").video) == times
    assert not manifest["damage"]["repaired_times"]


def _broadcast(path: Path, seed: int, offset: int = 0) -> Path:
    extra = ("-c:a", "mp2", "-b:a", "64k", "-output_ts_offset", str(offset))
    return encode(path, scene(50, 64, 48, seed=seed), *X264, "-g", "25", *extra, inputs=tone(2.0))


@pytest.mark.parametrize("offsets", [(0, 0), (0, 100), (100, 0)], ids=["same", "later", "earlier"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_joined_broadcasts_are_one_timeline_with_their_sound(
    offsets: tuple[int, int], container: str, tmp_path: Path
) -> None:
    """As ffmpeg has it when it copies the same file."""
    parts = [_broadcast(tmp_path / f"{n}.ts", n, offset) for n, offset in enumerate(offsets)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    ffmpeg("-i", str(joined), "-c", "copy", str(tmp_path / f"judge.{container}"))
    manifest = _restore(joined, tmp_path / f"out.{container}")
    judge, found = read_plain(tmp_path / f"judge.{container}"), read_plain(tmp_path / f"out.{container}")
    assert _moved(found.video) == _moved(judge.video) == [MS * n for n in range(100)]
    [sound], [requested] = found.of("audio"), judge.of("audio")
    assert sound.digest == requested.digest
    tick = max(sound.time_base, Fraction(1, 1000))
    assert all(abs(a - b) <= 2 * tick for a, b in zip(sound.seconds, requested.seconds, strict=True))
    between = [stream.seconds[0] - file.video.seconds[0] for file, stream in ((found, sound), (judge, requested))]
    assert abs(between[0] - between[1]) <= 2 * tick
    [jump] = manifest["damage"]["timelines"]
    assert jump["ordinal"] == 50


@pytest.mark.parametrize("count", [2, 7, 9, 10])
def test_a_short_recording_joined_to_a_longer_one(count: int, tmp_path: Path) -> None:
    """The first one is not moved before the start of the file: MP4 shows nothing that lies there."""
    joined = tmp_path / "joined.ts"
    parts = [
        encode(tmp_path / f"{n}.ts", scene(frames, 64, 48, seed=n), *X264, "-bf", "0", inputs=tone(frames * 0.04))
        for n, frames in enumerate((count, 20))
    ]
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    damage = _restore(joined, tmp_path / "out.mp4")["damage"]
    found = read_plain(tmp_path / "out.mp4").video
    assert 0 <= found.seconds[0] < Fraction(1, 20)  # sound may begin a little earlier
    assert _moved(found) == [MS * n for n in range(count + 20)]
    assert len(first_frames(tmp_path / "out.mp4")) == count + 20
    assert (damage["outlying_times"], len(damage["timelines"])) == ((0, 1) if count >= 8 else (count, 0))
    assert all(check.passed for check in vsr.verify(tmp_path / "out.mp4"))


def test_a_part_of_joined_broadcasts(tmp_path: Path) -> None:
    """A span across the join: times count on the one timeline, sound is cut where the frames are."""
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(_broadcast(tmp_path / f"{n}.ts", n).read_bytes() for n in range(3)))
    vsr.upscale(joined, tmp_path / "out.mkv", start=Fraction(3), end=Fraction(5), settings=SETTINGS)
    found = read_plain(tmp_path / "out.mkv")
    assert _moved(found.video) == [MS * n for n in range(50)]
    [sound] = found.of("audio")
    assert Fraction(19, 10) <= sound.seconds[-1] - sound.seconds[0] <= Fraction(2)
    assert max(after - before for before, after in pairwise(sound.seconds)) < Fraction(3, 100)


def test_images_that_fail_in_a_broadcast_leave_the_sound_where_it_is(tmp_path: Path) -> None:
    """Eleven seconds without frames while the sound goes on are no jump of the clock."""
    source = tmp_path / "gap.ts"
    chosen = "select='lt(t,1)+gte(t,12.5)'"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=14", *tone(14)),
        *("-vf", chosen, "-fps_mode", "passthrough", *X264, "-c:a", "mp2", str(source)),
    )
    manifest = _restore(source, tmp_path / "out.mp4")
    given, found = read_plain(source), read_plain(tmp_path / "out.mp4")
    assert _moved(found.video) == _moved(given.video)
    assert not manifest["damage"]["timelines"]
    ends = [file.of("audio")[0].seconds[-1] - file.video.seconds[-1] for file in (given, found)]
    assert abs(ends[0] - ends[1]) < Fraction(1, 1000)


def _change(output: Path, change: Callable[[dict[str, Any], Path], None]) -> None:
    """Change the records of ``output`` and seal them again, as another version might have written them."""
    path, sums = (output.with_name(output.name + suffix) for suffix in (".vsr.json", ".input.framemd5"))
    manifest = json.loads(path.read_text())
    change(manifest, sums)
    manifest["checksums"]["input"]["sha256"] = hashlib.sha256(sums.read_bytes()).hexdigest()
    del manifest["record_sha256"]
    seal(manifest)
    path.write_text("".join(record_pieces(manifest)))


def _as_before_least_change(manifest: dict[str, Any], sums: Path) -> None:
    del manifest["damage"]["repaired"]


def _by_another_rule(manifest: dict[str, Any], sums: Path) -> None:
    """The outlier's frame a tick after the one before it, in the records and in the output's times alike."""
    head, rows = [], []
    for line in sums.read_text().splitlines():
        (head if line.startswith("#") else rows).append(line)
    fields = rows[20].split(",")
    assert fields[2].strip() == "800"
    rows[20] = ",".join([*fields[:1], f"{761:>11}", f"{761:>11}", *fields[3:]])
    sums.write_text("\n".join([*head, *rows]) + "\n")
    manifest["damage"]["repaired"][0]["used"] = 761


def test_verify_judges_by_the_rule(tmp_path: Path, call: Call) -> None:
    source = _timed(tmp_path / "in.mkv", OUTLIER)
    for number, (change, words) in enumerate(
        [
            (_as_before_least_change, "by the rule of an earlier version"),
            (_by_another_rule, "frame 20 and 0 more have times that the rule does not give"),
        ]
    ):
        output = tmp_path / f"out{number}.mkv"
        _restore(source, output)
        fine = call("verify", output)
        assert fine.code == 0, fine.out
        assert "1 frames had a time far off" in fine.out
        _change(output, change)
        done = call("verify", output)
        assert done.code != 0
        assert words in done.out


def test_verify_compares_the_outputs_times(tmp_path: Path, call: Call) -> None:
    """Times that rise are not enough: they are those of the input's frames."""
    source = _timed(tmp_path / "in.mkv", REGULAR)
    output = tmp_path / "out.mkv"
    _restore(source, output)

    def shift(manifest: dict[str, Any], sums: Path) -> None:
        manifest["times"]["container_shift_seconds"] = "1/50"

    _change(output, shift)
    done = call("verify", output)
    assert done.code != 0
    assert "frame 0 and 39 more are not at the input's times" in done.out


def test_fields_follow_their_timeline(tmp_path: Path, call: Call) -> None:
    """Two frames for each, across a join."""
    source = tmp_path / "in.ts"
    part = encode(tmp_path / "part.ts", scene(20, 64, 48), "-c:v", "mpeg2video", "-flags", "+ildct+ilme")
    source.write_bytes(part.read_bytes() * 2)
    _restore(source, tmp_path / "out.mp4", deinterlace="field")
    assert _moved(read_plain(tmp_path / "out.mp4").video) == [20 * n for n in range(80)]
    done = call("verify", tmp_path / "out.mp4")
    assert done.code == 0, done.out
