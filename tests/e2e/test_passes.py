"""Whole runs with passes: the same bytes however work is cut, recorded, made again, refused in one line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_reader import first_frames
from safetensors.torch import save_file
from videos import encode, scene

import vsr
from vsr.media.planes import planes_of
from vsr.networks.fdan import FDAN

Call = Callable[..., Any]
SETTINGS = {"method": "bicubic", "codec": "ffv1"}
PASS = "deflicker:radius_frames=4,local=false"
pytestmark = pytest.mark.usefixtures("no_leaks")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Forty frames, of which every other is darker, with a cut at 21."""
    dimmed = np.where(np.arange(40) % 2, 0.8, 1.0)[:, None, None, None]
    images = (scene(40, 64, 48, cuts=[21]) * dimmed).astype(np.uint8)
    return encode(tmp_path / "in.mkv", images, "-c:v", "ffv1")


def _made(source: Path, target: Path, **settings: Any) -> tuple[list[list[bytes]], Mapping[str, Any]]:
    [outcome] = vsr.upscale(source, target, passes=[PASS], settings={**SETTINGS, **settings})
    assert outcome.manifest is not None
    return [[p.tobytes() for p in planes_of(frame)] for frame in first_frames(target)], outcome.manifest


def test_segments_and_resumes_do_not_show(source: Path, tmp_path: Path) -> None:
    whole, manifest = _made(source, tmp_path / "whole.mkv")

    def interrupt(progress: vsr.Progress) -> None:
        if progress.frames_done >= 16:
            raise KeyboardInterrupt

    settings = {**SETTINGS, "segment_frames": 16}
    with pytest.raises(KeyboardInterrupt):
        vsr.upscale(source, tmp_path / "parts.mkv", passes=[PASS], settings=settings, on_progress=interrupt)
    parts, again = _made(source, tmp_path / "parts.mkv", segment_frames=16)
    assert len(again["segments"]) > len(manifest["segments"])
    assert any(segment["reused"] for segment in again["segments"])
    assert parts == whole


def test_passes_are_recorded_and_made_again(source: Path, tmp_path: Path) -> None:
    _, manifest = _made(source, tmp_path / "out.mkv")
    method = manifest["method"]
    assert (method["name"], method["evidence"]) == ("bicubic", "observation-model")
    [recorded] = method["passes"]
    assert (recorded["name"], recorded["place"], recorded["options"]["radius_frames"]) == ("deflicker", "before", 4)
    assert method["findings"]["deflicker_change"] > 0.05
    checks = vsr.verify(tmp_path / "out.mkv", recompute=True)
    assert all(check.passed for check in checks)
    assert checks[-1].detail.startswith("identical bytes")


def test_a_pass_alone_keeps_the_size_and_evens_brightness(call: Call, source: Path, tmp_path: Path) -> None:
    target = tmp_path / "even.mkv"
    run = call("upscale", source, "-o", target, "--scale", "1", "--pass", PASS, "--codec", "ffv1", "-q")
    assert (run.code, run.err) == (0, "")

    def levels(path: Path) -> np.ndarray[Any, Any]:
        return np.array([planes_of(frame)[0].mean() - 16.0 for frame in first_frames(path)])

    before, after = levels(source)[:21], levels(target)[:21]
    assert len(levels(target)) == 40
    assert np.median(np.abs(np.diff(after, 2))) < 0.2 * np.median(np.abs(np.diff(before, 2)))
    assert vsr.plan(source, tmp_path / "x.mkv", passes=["deflicker"], settings={"scale": 1}).settings.method == "none"


def test_the_plan_says_order_places_and_options(call: Call, source: Path, tmp_path: Path) -> None:
    run = call(
        "upscale", source, "-o", tmp_path / "x.mkv", "--method", "bicubic", "--dry-run",
        "--pass", "deflicker:place=after,strength=0.5", "--pass", "deflicker",
    )  # fmt: skip
    assert run.code == 0
    assert "deflicker, then bicubic, then deflicker" in run.out
    assert "deflicker with strength=0.5, after the enlarging (observation-model)" in run.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--pass", "deflikcer"],
            "no pass 'deflikcer'; known: deflicker, dust, degrain, grain, stabilize; did you mean 'deflicker'?",
        ),
        (["--pass", "deflicker:strenth=1"], "pass deflicker has no setting 'strenth'; did you mean 'strength'?"),
        (["--pass", "deflicker:strength"], "--pass wants NAME or NAME:key=value,key=value"),
        (["--pass", "deflicker:strength=2"], "strength is 2"),
        (["--pass", "deflicker:place=behind"], "place is before or after"),
        (["--method", "none"], "method none leaves frames at 64x48; give --scale 1"),
        (["--set", "deflicker.strength=0.5"], "deflicker is not in use; this run is by auto"),
        (["--set", "multiframe.quality=draft"], "multiframe is not in use; this run is by auto"),
        (["--set", "mutliframe.quality=draft"], "no method is called 'mutliframe'; did you mean 'multiframe'?"),
        (["--set", "auto.qualty=draft"], "auto has no setting 'qualty'; did you mean 'quality'?"),
        (["--seed", "3"], "seed is a setting of grain, network; this run is by auto"),
        (["--pass", "deflicker", "--set", "radius_frames=3"], "write auto.radius_frames or deflicker.radius_frames"),
        (["--pass", "deflicker", "--set", "passes=[]"], "contradict each other"),
    ],
)
def test_refusals(call: Call, source: Path, tmp_path: Path, arguments: list[str], said: str) -> None:
    run = call("upscale", source, "-o", tmp_path / "x.mkv", "--dry-run", *arguments)
    assert run.code == 2
    assert said in run.err
    assert len(run.err.splitlines()) == 1


def test_a_key_without_a_section_is_taken_for_the_only_method_that_has_it(
    call: Call, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "x.mkv"
    flat = call("upscale", source, "-o", target, "--dry-run", "--set", "quality=draft")
    assert flat.code == 0
    assert flat.err == "vsr: quality: taken for auto.quality; write it so where several methods run\n"
    named = call("upscale", source, "-o", target, "--dry-run", "--set", "auto.quality=draft")
    plans = [run.out.partition("\nestimate")[0] for run in (flat, named)]
    assert (named.code, named.err) == (0, "")
    assert plans[0] == plans[1]


def test_presets_name_passes(source: Path, tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text(
        "extends: film\nmethod: bicubic\npasses: [deflicker, {deflicker: {place: after}}]\ndeflicker: {local: false}\n"
    )
    job = vsr.plan(source, tmp_path / "x.mkv", preset=str(tmp_path / "old.yaml"))
    assert [(one.place, one.options["local"]) for one in job.settings.passes] == [("before", False), ("after", False)]
    assert job.title == "deflicker + bicubic + deflicker"
    assert vsr.plan(source, tmp_path / "x.mkv", preset=str(tmp_path / "old.yaml"), passes=[]).settings.passes == ()


def test_sdr_as_hdr_in_a_file(source: Path, tmp_path: Path) -> None:
    """Read by FFmpeg: 10 bits, PQ, BT.2020, the display and the light; brightness as BT.2408 has it."""
    target = tmp_path / "hdr.mp4"
    [outcome] = vsr.upscale(source, target, passes=["sdr-to-hdr"], settings={"scale": 1, "crf": 4})
    assert outcome.manifest is not None
    assert outcome.manifest["method"]["evidence"] == "interpolation"
    video = vsr.probe(target).video
    assert (video.codec, video.pix_fmt) == ("hevc", "yuv420p10le")
    assert (video.color.primaries, video.color.transfer, video.color.matrix) == (9, 16, 9)
    assert video.mastering is not None
    assert (video.mastering.max_luminance, video.mastering.min_luminance) == (251, Fraction(1, 10_000))
    assert (video.content_light.max_cll, video.content_light.max_fall) == (251, 0)
    one, other = (planes_of(first_frames(path)[0])[0].astype(float) for path in (source, target))
    nits = 203 * np.clip((one - 16) / 219, 0, None) ** 2.4  # the scene is nearly grey in the mean
    power = (nits / 10_000) ** 0.1593017578125
    codes = 64 + 876 * ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    assert np.corrcoef(codes.ravel(), other.ravel())[0, 1] > 0.98
    assert abs(float(codes.mean() - other.mean())) < 25


@pytest.mark.slow
def test_a_network_that_makes_hdr_as_it_enlarges(call: Call, source: Path, tmp_path: Path) -> None:
    """The tags that the pass writes; nothing but passes ahead of it, and no output of 8 bits."""
    weights, target = tmp_path / "fdan-x2.safetensors", tmp_path / "hdr.mp4"
    torch.manual_seed(1)
    save_file(FDAN(2, width=8, blocks=1).state_dict(), weights)
    run = call("upscale", source, "-o", target, "--method", weights, "--scale", "2", "--set", "peak_nits=600", "-q")
    assert run.code == 0, run.err
    video = vsr.probe(target).video
    assert (video.width, video.pix_fmt) == (2 * vsr.probe(source).video.width, "yuv420p10le")
    assert (video.color.primaries, video.color.transfer, video.color.matrix) == (9, 16, 9)
    assert video.mastering is not None
    assert (video.mastering.max_luminance, video.content_light.max_cll) == (600, 600)
    for words, hint in ((["--pass", "sdr-to-hdr"], "is the last step"), (["--pix-fmt", "yuv420p"], "video of 10 bits")):
        run = call("upscale", source, "-o", tmp_path / "no.mp4", "--method", weights, "--scale", "2", *words)
        assert (run.code, run.err.count("\n")) == (2, 1)
        assert hint in run.err
    assert not list(tmp_path.glob("no*"))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--pass", "sdr-to-hdr", "--pass", "grain:sigma_codes=2"], "is the last step: name it last"),
        (["--pass", "sdr-to-hdr:place=before"], "is the last step"),
        (["--pass", "sdr-to-hdr", "--pix-fmt", "yuv420p"], "makes video of 10 bits, not"),
        (["--pass", "sdr-to-hdr:white_nits=5"], "takes 80 to 1000"),
        (["--pass", "sdr-to-hdr:network=nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_sdr_to_hdr_refuses_in_one_line(
    options: list[str], hint: str, call: Call, source: Path, tmp_path: Path
) -> None:
    run = call("upscale", source, "-o", tmp_path / "out.mp4", "--scale", "1", *options)
    assert run.code in (2, 3, 4)
    assert hint in run.err
    assert run.err.count("\n") == 1
    assert not list(tmp_path.glob("out*"))
