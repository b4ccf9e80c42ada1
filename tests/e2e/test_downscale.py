"""``vsr downscale`` and back: an ordinary small file that says which pair made it, and refusals in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from outputs import decoded_times
from plain_reader import first_frames, with_records
from program import Run
from small_networks import small_network
from videos import ffmpeg

import vsr
from vsr.media.planes import planes_of
from vsr.metrics import psnr
from vsr.observation import resample

Call = Callable[..., Run]
Clips = Callable[[str], Path]
pytestmark = pytest.mark.usefixtures("no_leaks")
LOSSLESS = ["--lossless", "--speed", "ultrafast"]


@pytest.fixture(autouse=True)
def models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where a small pair is found by the name ``duo``."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copy(small_network("pair", strength=0.1), folder / "duo-x2.safetensors")
    monkeypatch.setenv("VSR_MODELS", str(folder))
    return folder


def _manifest(output: Path) -> dict[str, Any]:
    return dict(json.loads(output.with_name(f"{output.name}.vsr.json").read_text()))


def _lumas(path: Path) -> list[torch.Tensor]:
    return [torch.from_numpy(planes_of(frame)[0]).double() for frame in first_frames(path)]


def test_down_and_up_again(call: Call, clips: Clips, tmp_path: Path) -> None:
    small, again = tmp_path / "small.mp4", tmp_path / "again.mp4"
    source = clips("cfr")
    done = call("downscale", source, "-o", small, "--method", "duo", *LOSSLESS)
    assert done.code == 0, done.err
    assert decoded_times(small) == decoded_times(source)
    for made, large in zip(_lumas(small), _lumas(source), strict=True):
        height, width = large.shape
        assert made.shape == (height // 2, width // 2)
        assert psnr(made, resample(large, (height // 2, width // 2), kernel="bicubic"), peak=255) > 30, (
            "an ordinary one"
        )
    assert vsr.probe(small).video.layout.name == "yuv444p", "it hides detail in chroma"
    pair = _manifest(small)["method"]["pair"]
    assert (pair["name"], pair["scale"], len(pair["digest"])) == ("duo", 2, 64)
    assert f"pair duo x2 {pair['digest']}" in vsr.probe(small).metadata["encoder"]
    assert call("verify", small, "--recompute").code == 0
    done = call("upscale", small, "-o", again, *LOSSLESS)
    assert done.code == 0, done.err
    method = _manifest(again)["method"]
    assert (method["name"], method["pair"], method["evidence"]) == ("duo", pair, "learned")
    assert decoded_times(again) == decoded_times(source)
    assert all(psnr(one, other, peak=255) > 25 for one, other in zip(_lumas(again), _lumas(source), strict=True))
    assert call("verify", again, "--recompute").code == 0
    assert {entry.name for entry in tmp_path.iterdir()} == with_records("small.mp4") | with_records("again.mp4")


def test_segments_do_not_show_and_a_stopped_run_goes_on(clips: Clips, tmp_path: Path) -> None:
    settings = {"codec": "ffv1", "segment_frames": 16}
    vsr.downscale(clips("cfr"), tmp_path / "whole.mkv", method="duo", settings={"codec": "ffv1"})

    def interrupt(progress: vsr.Progress) -> None:
        if progress.frames_done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vsr.downscale(clips("cfr"), tmp_path / "out.mkv", method="duo", on_progress=interrupt, settings=settings)
    [outcome] = vsr.downscale(clips("cfr"), tmp_path / "out.mkv", method="duo", settings=settings)
    assert outcome.manifest is not None
    assert any(segment["reused"] for segment in outcome.manifest["segments"])
    assert all(map(torch.equal, _lumas(tmp_path / "out.mkv"), _lumas(tmp_path / "whole.mkv")))


def test_images_carry_the_mark_too(call: Call, clips: Clips, tmp_path: Path) -> None:
    small = tmp_path / "small" / "%04d.png"
    small.parent.mkdir()
    assert call("downscale", clips("cfr"), "-o", small, "--method", "duo", "--end", "2").code == 0
    assert call("upscale", small.parent, "-o", tmp_path / "again.mkv", "--codec", "ffv1").code == 0
    assert _manifest(tmp_path / "again.mkv")["method"]["name"] == "duo"


def test_four_times_smaller_is_twice_and_comes_back_whole(call: Call, clips: Clips, tmp_path: Path) -> None:
    small, again = tmp_path / "small.mkv", tmp_path / "again.mkv"
    source = clips("cfr")
    assert call("downscale", source, "-o", small, "--method", "duo", "--scale", "4", "--codec", "ffv1").code == 0
    assert "--scale 4 gives back" in call("upscale", small, "-o", again, "--dry-run").out
    assert call("upscale", small, "-o", again, "--codec", "ffv1", "--scale", "4").code == 0
    [large], [frame] = first_frames(source, 1), first_frames(again, 1)
    assert (frame.width, frame.height) == (large.width, large.height)


def test_a_batch_that_follows_marks_is_done_once(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    vsr.downscale(clips("plain"), tmp_path / "in" / "one.mkv", method="duo", settings={"codec": "ffv1"})
    again = [vsr.upscale(tmp_path / "in", f"{tmp_path}/out/", settings={"speed": "ultrafast"}) for _ in range(2)]
    assert [outcome.was_done for [outcome] in again] == [False, True]


def _marked(call: Call, clips: Clips, folder: Path) -> Path:
    small = folder / "small.mp4"
    assert call("downscale", clips("plain"), "-o", small, "--method", "duo", *LOSSLESS).code == 0
    return small


def test_what_does_not_match_is_refused(call: Call, clips: Clips, tmp_path: Path, models: Path) -> None:
    small, target = _marked(call, clips, tmp_path), tmp_path / "out.mp4"
    stripped = tmp_path / "stripped.mp4"
    ffmpeg("-i", str(small), "-map_metadata", "-1", "-c:v", "libx264", str(stripped))
    other = tmp_path / "other-x2.safetensors"
    shutil.copy(small_network("pair", strength=0.2), other)

    done = call("upscale", stripped, "-o", target, "--method", "duo")
    assert done.code == 3
    assert "does not say which pair made it small" in done.one_line()
    assert "--set unmatched=true" in done.one_line()

    done = call("upscale", small, "-o", target, "--method", other)
    assert done.code == 3
    assert "was made small by duo x2" in done.one_line()

    shutil.copy(other, models / "duo-x2.safetensors")
    done = call("upscale", small, "-o", target)
    assert done.code == 4
    assert "has other weights here" in done.one_line()

    (models / "duo-x2.safetensors").unlink()
    done = call("upscale", small, "-o", target)
    assert done.code == 4
    assert "the pair duo x2" in done.one_line()
    assert "is not here" in done.one_line()
    assert not target.exists()


def test_what_does_not_match_is_enlarged_where_it_is_asked_for(call: Call, clips: Clips, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    asked = ["--method", "duo", "--set", "unmatched=true", "--speed", "ultrafast"]
    assert call("upscale", clips("plain"), "-o", target, *asked).code == 0
    assert any("does not say which pair" in said for said in _manifest(target)["assumptions"])


def test_another_method_is_warned_of_the_pair(call: Call, clips: Clips, tmp_path: Path) -> None:
    small = _marked(call, clips, tmp_path)
    done = call("upscale", small, "-o", tmp_path / "out.mp4", "--method", "lanczos", "--dry-run")
    assert "made small by duo x2" in done.out
    evidence = call("upscale", small, "-o", tmp_path / "out.mp4", "--evidence", "--dry-run")
    assert "multiframe" in evidence.out, "evidence mode takes no learned method, whatever a mark says"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--scale", "3"], 2, "it makes frames 2, 4, 8 times smaller"),
        (["--scale", "1"], 2, "makes nothing smaller"),
        (["--scale", "nan"], 2, "makes nothing smaller"),
        (["--scale", "two"], 2, "not a number"),
        (["--method", "lite"], 2, "lite only enlarges"),
        (["--method", "duoo"], 2, "no method 'duoo'"),
        (["--set", "size=10x10"], 2, "size is not a setting of downscaling"),
        (["--evidence"], 2, "No such option"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused(
    call: Call, clips: Clips, tmp_path: Path, options: list[str], code: int, words: str
) -> None:
    method = [] if "--method" in options else ["--method", "duo"]
    done = call("downscale", clips("plain"), "-o", tmp_path / "small.mp4", *method, *options)
    assert done.code == code
    assert words in done.err
    assert not any(tmp_path.iterdir())


def test_odd_sizes_are_refused_ahead_of_the_work(call: Call, tmp_path: Path) -> None:
    odd = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=63x50:r=10:d=1", "-c:v", "ffv1", "-pix_fmt", "yuv444p", str(odd))
    done = call("downscale", odd, "-o", tmp_path / "small.mkv", "--method", "duo")
    assert done.code == 3
    assert "63x50: to make them 2 times smaller" in done.one_line()
    assert call("downscale", odd, "-o", tmp_path / "small.mkv", "--method", "bicubic", "--codec", "ffv1").code == 0


def test_chroma_as_it_was_asked_for(call: Call, clips: Clips, tmp_path: Path) -> None:
    asked = ["downscale", clips("plain"), "-o", tmp_path / "small.mp4", "--method", "duo", "--dry-run"]
    assert "yuv444p: the pair hides detail in chroma" in call(*asked).out
    coarse = call(*asked, "--pix-fmt", "yuv420p")
    assert "h264 yuv420p" in coarse.out
    assert "yuv420p: chroma coarser than luma loses most" in coarse.out
    assert "av1 yuv420p" in call(*asked, "--codec", "av1").out


def test_a_pair_for_codecs_is_small_as_videos_are(call: Call, clips: Clips, tmp_path: Path) -> None:
    small, back = tmp_path / "small.mp4", tmp_path / "back.mkv"
    done = call("downscale", clips("plain"), "-o", small, "--method", "rescale-codec", "--crf", 20)
    assert done.code == 0, done.err
    assert "takes part of what the pair hides" not in done.out + done.err
    assert vsr.probe(small).video.layout.name == "yuv420p"
    assert call("upscale", small, "-o", back).code == 0
    assert _manifest(back)["method"]["name"] == _manifest(small)["method"]["name"] == "rescale-codec"


def test_the_plan_says_what_the_encoder_takes(call: Call, clips: Clips, tmp_path: Path) -> None:
    words = "compression takes part of what the pair hides"
    asked = ["downscale", clips("plain"), "-o", tmp_path / "small.mkv", "--dry-run"]
    assert f"h264, crf 18: {words}" in call(*asked, "--method", "duo", "--crf", 18).out
    for options in (["--method", "duo", "--lossless"], ["--method", "duo", "--codec", "ffv1"], ["--method", "bicubic"]):
        assert words not in call(*asked, *options).out
