"""From the input's frames to the output's: checksums, seals, labels; one changed bit is found and named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

import vsr
from vsr.media.ffmpeg import run_ffmpeg

Clips = Callable[[str], Path]
Runs = Callable[..., tuple[Path, dict[str, Any]]]
pytestmark = pytest.mark.usefixtures("no_leaks")


def _md5s(text: str) -> list[str]:
    return [line.rpartition(",")[2].strip() for line in text.splitlines() if not line.startswith("#")]


def _ffmpeg_md5s(path: Path, *options: str) -> list[str]:
    done = run_ffmpeg(
        [
            "-v",
            "error",
            "-copyts",
            "-i",
            str(path),
            "-map",
            "0:v:0",
            *options,
            "-fps_mode",
            "passthrough",
            "-f",
            "framemd5",
            "-",
        ]
    )
    return _md5s(done.stdout)


def _flip(path: Path, place: float, bit: int = 3) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1 << bit
    path.write_bytes(data)


def _failed(output: Path) -> dict[str, str]:
    return {check.what: check.detail for check in vsr.verify(output) if not check.passed}


@pytest.fixture
def copied(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> Callable[..., tuple[Path, Path]]:
    """An input of its own and an output made from it, both to be damaged at will."""

    def make(name: str = "cfr", **changes: Any) -> tuple[Path, Path]:
        source = tmp_path / f"in{clips(name).suffix}"
        shutil.copy(clips(name), source)
        output = tmp_path / "out.mp4"
        vsr.upscale(source, output, settings=quick | changes)
        assert not _failed(output)
        return source, output

    return make


def test_checksums_are_ffmpegs(copied: Any) -> None:
    source, output = copied()
    assert _md5s(output.with_name("out.mp4.input.framemd5").read_text()) == _ffmpeg_md5s(source)
    assert _md5s(output.with_name("out.mp4.framemd5").read_text()) == _ffmpeg_md5s(output, "-c", "copy")


def test_evidence_checks_the_decoded_output(copied: Any) -> None:
    _, output = copied(evidence=True)
    manifest = json.loads(output.with_name("out.mp4.vsr.json").read_text())
    assert manifest["checksums"]["output"]["of"] == "decoded frames"
    assert _md5s(output.with_name("out.mp4.framemd5").read_text()) == _ffmpeg_md5s(output)


def test_a_bit_of_the_input(copied: Any) -> None:
    source, output = copied()
    _flip(source, 0.4)
    failed = _failed(output)
    assert list(failed) == ["input"]
    assert "is not the file that was restored" in failed["input"]
    assert "differ" in failed["input"]


def test_a_bit_of_the_output_names_the_frame(copied: Any) -> None:
    _, output = copied()
    with av.open(str(output)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    places = sorted(packet.pts for packet in packets)
    hit = packets[20]
    data = bytearray(output.read_bytes())
    data[hit.pos + hit.size // 2] ^= 1
    output.write_bytes(data)
    failed = _failed(output)
    assert list(failed) == ["output bytes"]
    assert f"1 frame(s) differ: {places.index(hit.pts)} (" in failed["output bytes"]


def test_a_bit_outside_the_images(copied: Any) -> None:
    _, output = copied()
    data = output.read_bytes()
    place = data.index(b"A small clip")
    output.write_bytes(data[:place] + b"a" + data[place + 1 :])
    assert "the change is outside the frames" in _failed(output)["output bytes"]


@pytest.mark.parametrize("place", [0.01, 0.3, 0.5, 0.77, 0.99])
def test_a_bit_of_the_manifest(copied: Any, place: float) -> None:
    _, output = copied("plain")
    path = output.with_name("out.mp4.vsr.json")
    _flip(path, place, 0)
    try:
        failed = _failed(output)
    except vsr.VerificationError as error:  # no JSON any more
        failed = {"record": str(error)}
    assert list(failed) == ["record"]
    assert "out.mp4.vsr.json" in failed["record"]


@pytest.mark.parametrize("which", ["input", "output"])
def test_a_bit_of_the_checksums(copied: Any, which: str) -> None:
    _, output = copied("plain")
    suffix = "input.framemd5" if which == "input" else "framemd5"
    _flip(output.with_name(f"out.mp4.{suffix}"), 0.6)
    assert list(_failed(output)) == [f"{which} checksums"]


def test_a_changed_manifest_is_not_taken_for_done(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> None:
    """Of a batch, only inputs whose record is sound are left as they are."""
    inputs = [clips("plain"), clips("rich")]
    vsr.upscale(inputs, tmp_path / "done", settings=quick)
    again = vsr.upscale(inputs, tmp_path / "done", settings=quick)
    assert [outcome.was_done for outcome in again] == [True, True]
    _flip(tmp_path / "done" / "plain.mp4.vsr.json", 0.5, 0)
    third = vsr.upscale(inputs, tmp_path / "done", overwrite=False, settings=quick)
    assert [outcome.was_done for outcome in third] == [False, True]


def test_verify_takes_the_record_too(copied: Any) -> None:
    _, output = copied("plain")
    assert all(check.passed for check in vsr.verify(f"{output}.vsr.json"))


def test_made_again(copied: Any) -> None:
    _, output = copied("plain")
    [*_, last] = vsr.verify(output, recompute=True)
    assert (last.what, last.passed) == ("made again", True)
    assert "identical bytes" in last.detail
    assert {path.name for path in output.parent.iterdir()} >= {"out.mp4"}
    assert not [path for path in output.parent.iterdir() if path.name.startswith(".vsr-recompute")]


def test_not_made_again_from_another_input(copied: Any) -> None:
    source, output = copied("plain")
    _flip(source, 0.5)
    [*_, last] = vsr.verify(output, recompute=True)
    assert not last.passed
    assert last.detail.startswith("not made: ")


@pytest.mark.parametrize(("extension", "clip"), [("mp4", "plain"), ("mov", "plain"), ("mkv", "plain"), ("mov", "rich")])
def test_every_container_says_what_took_part(run: Runs, extension: str, clip: str) -> None:
    output, manifest = run(clip, extension, drop_streams=True)
    with av.open(str(output)) as container:
        said = [value for value in container.metadata.values() if value.startswith("vsr ")]
    assert len(said) == 1
    assert "no generative model took part" in said[0]
    assert manifest["method"]["generative"] is False


def test_tags_of_the_source_stay(run: Runs, clips: Clips) -> None:
    for extension in ("mp4", "mov", "mkv"):
        output, _ = run("cfr", extension)
        with av.open(str(output)) as container:
            assert container.metadata["title"] == "A small clip"


def test_images_say_it_too(run: Runs) -> None:
    output, _ = run("plain", "png", scale=1)
    for path in sorted(output.parent.glob("*.png")):
        with Image.open(path) as image:
            image.load()
            assert "no generative model took part" in image.text["Comment"]
    assert not _failed(output)


def test_one_changed_sample_of_an_image_sequence_as_input(run: Runs, tmp_path: Path, quick: dict[str, Any]) -> None:
    frames, _ = run("plain", "tiff", scale=1)
    output = tmp_path / "back.mkv"
    vsr.upscale(frames, output, settings={"method": "lanczos", "codec": "ffv1"})
    assert not _failed(output)
    victim = frames.parent / "000007.tiff"
    _flip(victim, 0.3, 0)
    assert "1 frame(s) differ: 7 (" in _failed(output)["input"]


def test_evidence_refuses_on_the_command_line(call: Any, clips: Clips, tmp_path: Path) -> None:
    done = call("upscale", clips("plain"), "-o", tmp_path / "x.mp4", "--evidence", "--set", "multiframe.half=true")
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert "half precision" in done.err


def test_damage_is_counted_by_kind(run: Runs) -> None:
    _, manifest = run("damaged_ts", "mp4", deinterlace="off")
    damage = manifest["damage"]
    kinds = ("missing_times", "repeated_times", "outlying_times", "sorted_times")
    assert damage["repaired_times"] == sum(damage[name] for name in kinds)
    assert damage["repeated_frames"] >= 0


def test_a_folder_of_that_name_may_hold_outputs(clips: Any, tmp_path: Path) -> None:
    (tmp_path / ".vsr").mkdir()
    output = tmp_path / ".vsr" / "out.mp4"
    vsr.upscale(clips("plain"), output, end=2, settings={"method": "bicubic", "scale": 1})
    assert all(check.passed for check in vsr.verify(output.with_name("out.mp4.vsr.json")))


def test_sidecars_in_a_hidden_folder_are_found(call: Any, clips: Any, tmp_path: Path) -> None:
    output, hidden = tmp_path / "out.mp4", tmp_path / ".vsr"
    command = ("upscale", clips("plain"), "-o", output, "--method", "bicubic", "--scale", 1, "--end", 4)
    assert call(*command, "--sidecars", "folder").code == 0
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == ["out.mp4"]
    names = {"out.mp4.vsr.json", "out.mp4.framemd5", "out.mp4.input.framemd5"}
    assert {path.name for path in hidden.iterdir()} == names
    assert all(check.passed for check in vsr.verify(output, recompute=True))
    assert all(check.passed for check in vsr.verify(hidden / "out.mp4.vsr.json"))
    assert vsr.make_report(output).is_file()
    again = call(*command, "--sidecars", "folder", "--overwrite")
    assert again.code == 0, again.err
    assert {path.name for path in hidden.iterdir()} == names
    assert call(*command, "--overwrite").code == 0
    assert names < {path.name for path in tmp_path.iterdir()}
    assert not list(hidden.iterdir())
    settings = {"method": "bicubic", "scale": 1, "sidecars": "folder"}
    assert vsr.api.done_before(clips("plain"), output, end=4, settings=settings) is not None  # the same frames
    with (tmp_path / "out.mp4.framemd5").open("a") as file:
        file.write("#\n")
    assert [check.what for check in vsr.verify(output) if not check.passed] == ["output checksums"]
    (hidden / "notes.txt").write_text("mine")
    refused = call(*command, "--sidecars", "folder", "--overwrite")
    assert (refused.code, "notes.txt: is not of vsr" in refused.one_line()) == (2, True)
    (hidden / "notes.txt").unlink()
    images = tmp_path / "f" / "%03d.png"
    vsr.upscale(clips("plain"), images, end=2, settings={"method": "bicubic", "scale": 1, "sidecars": "folder"})
    assert (hidden / "f.vsr.json").is_file()
    assert all(check.passed for check in vsr.verify(images))
