"""What a batch takes for done before, and what it does not."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_tracks import camera_clip
from filelock import FileLock
from program import Run
from videos import ffmpeg

import vsr
from vsr.api import pair_outputs
from vsr.pipeline.manifest import load_manifest, manifest_path
from vsr.pipeline.seal import record_pieces, seal

pytestmark = pytest.mark.usefixtures("no_leaks")
Clips = Callable[[str], Path]


def _turn_clock(seconds: float, *paths: Path) -> None:
    for path in paths:
        os.utime(path, (time.time() + seconds,) * 2)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An hour old, and of one size in bytes, so that only its time tells that one was replaced."""
    folder = tmp_path / "seq"
    folder.mkdir()
    for number, colour in enumerate(("blue", "red", "lime"), 1):
        ffmpeg("-f", "lavfi", "-i", f"color={colour}:s=32x24", "-frames:v", "1", str(folder / f"{number:04d}.bmp"))
    _turn_clock(-3600, *folder.iterdir(), folder)
    return folder


@pytest.mark.parametrize("name", ["", "%04d.bmp"])
def test_images(images: Path, quick: dict[str, Any], name: str) -> None:
    settings = {"method": quick["method"], "fps": "24"}
    output = f"{images.parent}/out/"
    source = images / name
    runs = [vsr.upscale([source], output, settings=settings) for _ in range(2)]
    assert [outcome.was_done for [outcome] in runs] == [False, True]
    shutil.copyfile(images / "0003.bmp", images / "0001.bmp")
    _turn_clock(10, images / "0001.bmp")
    with pytest.raises(vsr.UsageError, match="exists; give --overwrite"):
        _raise(vsr.upscale([source], output, settings=settings))


def test_a_rate_beside_a_video(images: Path, clips: Clips, quick: dict[str, Any]) -> None:
    """It is for the images; of the video it is said that it has no effect."""
    settings = {"method": quick["method"], "fps": "24"}
    outcomes = vsr.upscale([images, clips("plain")], f"{images.parent}/out/", settings=settings)
    assert [outcome.error for outcome in outcomes] == [None, None]
    said = ["fps 24 means nothing" in str(outcome.manifest and outcome.manifest["assumptions"]) for outcome in outcomes]
    assert said == [False, True]


def test_fewer_images(images: Path, quick: dict[str, Any]) -> None:
    settings = {"method": quick["method"], "fps": "24"}
    output = f"{images.parent}/out/"
    vsr.upscale([images / "%04d.bmp"], output, settings=settings)
    (images / "0003.bmp").unlink()
    with pytest.raises(vsr.UsageError, match="exists; give --overwrite"):
        _raise(vsr.upscale([images / "%04d.bmp"], output, settings=settings))


def _raise(outcomes: list[vsr.Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error


@pytest.fixture
def made(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> Callable[[], bool]:
    """A batch of one clip, ``plain.mp4``; whether it is taken for done before."""
    source = shutil.copyfile(clips("plain"), tmp_path / "plain.mp4")

    def is_done() -> bool:
        [outcome] = vsr.upscale([source], f"{tmp_path}/out/", settings=quick)
        return outcome.was_done

    assert not is_done()
    return is_done


def test_images_replaced_while_they_were_worked_on(images: Path, quick: dict[str, Any]) -> None:
    settings = {"method": quick["method"], "fps": "24"}

    def replace_one(progress: vsr.Progress) -> None:
        if progress.stage == "assembling":
            shutil.copyfile(images / "0003.bmp", images / "0001.bmp")

    vsr.upscale([images], f"{images.parent}/out/", settings=settings, on_progress=replace_one)
    with pytest.raises(vsr.UsageError, match="exists; give --overwrite"):
        _raise(vsr.upscale([images], f"{images.parent}/out/", settings=settings))


def test_what_a_killed_run_left_is_removed(made: Callable[[], bool], tmp_path: Path) -> None:
    """Killed between its manifest and the end, it leaves all segments; not while another run has them."""
    left = tmp_path / "out" / ".plain.mp4.vsr-work"
    left.mkdir()
    (left / "segment-0.mkv").write_bytes(b"segment")
    with FileLock(left / "lock"):
        assert made()
        assert left.exists()
    other = left / "segment-00000-0123456789abcdef.json"
    other.write_text("{}")
    assert made()
    assert left.exists(), "a run with other settings was stopped, and goes on from there"
    other.unlink()
    assert made()
    assert not left.exists()


def test_an_output_cut_short(made: Callable[[], bool], tmp_path: Path) -> None:
    output = tmp_path / "out" / "plain.mp4"
    assert made()
    os.truncate(output, 100)
    assert not made()


@pytest.mark.parametrize("name", ["plain.mp4", "out/plain.mp4"])
def test_a_file_of_a_later_time_is_read(made: Callable[[], bool], tmp_path: Path, name: str) -> None:
    """The source as well as the output."""
    file = tmp_path / name
    _turn_clock(10, file)
    assert made(), "touched, not changed"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    _turn_clock(10, file)
    assert not made()


def test_records_without_sizes(made: Callable[[], bool], tmp_path: Path) -> None:
    output = tmp_path / "out" / "plain.mp4"
    manifest = load_manifest(output)
    assert manifest["output"].pop("size_bytes") == output.stat().st_size
    seal(manifest)
    manifest_path(output).write_text("".join(record_pieces(manifest)))
    assert made()
    os.truncate(output, 100)
    assert not made()


@pytest.mark.parametrize("number", [1, 2])
def test_an_output_folder_that_holds_only_previews(clips: Clips, tmp_path: Path, number: int) -> None:
    """As a killed run leaves it."""
    inputs = [clips("plain"), clips("cfr")][:number]
    shutil.copyfile(clips("plain"), tmp_path / "plain.mp4.png")
    pairs = pair_outputs(inputs, tmp_path, make_folder=True)
    assert [output for _, output in pairs] == [tmp_path / f"{path.stem}.mp4" for path in inputs]


@pytest.mark.parametrize("written", ["scan", "scan/%06d.dpx", "."])
def test_images_become_a_video_where_its_codec_is_named(
    clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    vsr.export_frames(clips("plain"), tmp_path / "scan" / "%06d.dpx", end=2)
    (tmp_path / "scan" / "timing.json").unlink()
    monkeypatch.chdir(tmp_path / "scan" if written == "." else tmp_path)
    expected = {None: "scan/%06d.dpx", "ffv1": "scan.mov", "av1": "scan.mp4"}
    for codec, name in expected.items():
        [(_, output)] = pair_outputs([written], f"{tmp_path}/out/", make_folder=False, codec=codec, fps="24")
        assert output == tmp_path / "out" / name


def test_a_dry_run_of_a_batch_half_done(
    call: Callable[..., Run], clips: Clips, tmp_path: Path, quick: dict[str, Any]
) -> None:
    words = ["--method", quick["method"], "--speed", quick["speed"]]
    output = f"{tmp_path}/out/"
    assert call("upscale", clips("plain"), "-o", output, "-q", *words).code == 0
    planned = call("upscale", clips("plain"), clips("cfr"), "-o", output, "--dry-run", *words)
    assert planned.code == 0, planned.err
    assert planned.out.count("done before: ") == 1
    one = call("upscale", clips("plain"), "-o", tmp_path / "out" / "plain.mp4", "--dry-run", *words)
    assert one.code == 2, "a single file is no batch"
    other = call("upscale", clips("plain"), "-o", output, "--dry-run", *words, "--scale", "3")
    assert (other.code, "give --overwrite" in other.one_line()) == (2, True)


def test_a_rate_for_images_leaves_videos_as_they_are(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    vsr.export_frames(clips("plain"), tmp_path / "scan" / "%06d.png", end=2)
    (tmp_path / "scan" / "timing.json").unlink()
    inputs = [clips("cfr"), tmp_path / "scan"]
    first = vsr.upscale(inputs, tmp_path / "out", settings=quick)
    assert [outcome.error is None for outcome in first] == [True, False]
    for done in ([True, False], [True, True]):
        outcomes = vsr.upscale(inputs, tmp_path / "out", settings={**quick, "fps": "24"})
        assert [outcome.error for outcome in outcomes] == [None, None]
        assert [outcome.was_done for outcome in outcomes] == done
    slower = vsr.upscale(inputs, tmp_path / "out", settings={**quick, "fps": "12"})
    assert [outcome.was_done for outcome in slower] == [True, False]


@pytest.mark.parametrize("harm", ["missing", "longer", "other bytes", "touched"])
def test_kept_packets_count(tmp_path: Path, quick: dict[str, Any], harm: str) -> None:
    source, output = camera_clip(tmp_path / "phone.mp4", b"mebx"), f"{tmp_path}/out/"
    settings = quick | {"keep_data": True}
    runs = [vsr.upscale([source], output, settings=settings) for _ in range(2)]
    assert [outcome.was_done for [outcome] in runs] == [False, True]
    kept = tmp_path / "out" / "phone.mp4.data.zip"
    data = kept.read_bytes()
    if harm == "missing":
        kept.unlink()
    else:
        kept.write_bytes({"longer": data + b"x", "other bytes": data[:-1] + b"x", "touched": data}[harm])
        _turn_clock(10, kept)
    [outcome] = vsr.upscale([source], output, settings=settings)
    assert outcome.was_done == (harm == "touched")
