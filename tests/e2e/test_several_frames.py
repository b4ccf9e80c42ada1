"""Whole runs with networks that are given several frames: windows and memory, in segments, by several workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from plain_reader import first_frames
from program import Run
from small_networks import Kind, small_network
from torch.nn.functional import pixel_shuffle

import vsr
from vsr.media.planes import planes_of
from vsr.networks import load_network

Clips = Callable[[str], Path]
Call = Callable[..., Run]
pytestmark = pytest.mark.usefixtures("no_leaks")

KINDS: tuple[Kind, ...] = ("window", "recurrent")


def _images(path: Path) -> list[list[bytes]]:
    return [[plane.tobytes() for plane in planes_of(frame)] for frame in first_frames(path)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_weights_as_the_method(call: Call, clips: Clips, tmp_path: Path, kind: Kind) -> None:
    weights, target = small_network(kind), tmp_path / "out.mp4"
    done = call("upscale", clips("plain"), "-o", target, "--method", weights, "--speed", "ultrafast", "-q")
    assert done.code == 0, done.err
    assert len(first_frames(target)) == len(first_frames(clips("plain")))
    method = json.loads(target.with_name("out.mp4.vsr.json").read_text(encoding="utf-8"))["method"]
    assert method["evidence"] == "learned"
    assert [part["digest"] for part in method["model"]["parts"]] == [load_network(weights).digest]
    assert all(check.passed for check in vsr.verify(target))


@pytest.mark.parametrize("kind", KINDS)
def test_lossless_frames_are_what_the_network_gives(clips: Clips, tmp_path: Path, kind: Kind) -> None:
    """Luma of a grey video of full range, against the module run by hand, frame after frame, ends repeated."""
    weights, target = small_network(kind, strength=0.3), tmp_path / "out.mkv"
    settings = {"method": str(weights), "codec": "ffv1", "precision": "float32"}
    settings |= {"degradation": "BD"} if kind == "recurrent" else {}
    vsr.upscale(clips("gray"), target, settings=settings)
    module = load_network(weights).module
    given_frames = first_frames(clips("gray"))
    white = 2.0 ** given_frames[0].format.components[0].bits - 1
    sources = [torch.from_numpy(planes_of(frame)[0].astype(np.float32)) / white for frame in given_frames]
    height, width = sources[0].shape
    if kind == "recurrent":
        frames = [source.expand(3, height, width) for source in sources]
    else:
        frames = [(16 + 219 * source[None]) / 255 for source in sources]
    before, results = torch.zeros(4 + 8, height, width), []
    for number in range(len(frames)):
        window = [frames[max(0, number - 1)], frames[number], frames[min(len(frames) - 1, number + 1)]]
        with torch.no_grad():
            given = module(torch.cat([*window, before][: 4 if kind == "recurrent" else 3])[None])
        before = given[0] if kind == "recurrent" else before
        luma = pixel_shuffle(given[:, :4], 2)[0, 0] if kind == "recurrent" else given[0, 0]
        results.append(((luma * 255 - 16) / 219 * white).round().clamp(0, white).numpy())
    for out, expected in zip(first_frames(target), results, strict=True):
        assert np.abs(planes_of(out)[0].astype(float) - expected).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind == "recurrent" else [pytest.mark.nightly]) for kind in KINDS]
)
def test_how_work_is_cut_does_not_show(clips: Clips, tmp_path: Path, kind: Kind) -> None:
    """Segments of a shot, one worker or two: the same images."""
    images, counts = [], []
    for frames, workers in ((48, 1), (240, 1), (48, 2)):
        target = tmp_path / f"{frames}-{workers}.mkv"
        settings: dict[str, Any] = {"method": str(small_network(kind)), "codec": "ffv1", "segment_frames": frames}
        [outcome] = vsr.upscale(clips("long"), target, settings=settings, workers=workers)
        assert outcome.manifest is not None
        images.append(_images(target))
        counts.append(len(outcome.manifest["segments"]))
    assert counts[0] == counts[2] > counts[1]
    assert images[0] == images[1] == images[2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clip", ["ten_bit", "rgb", "hdr", "alpha", "full_range", "size_change"])
def test_other_images(clips: Clips, tmp_path: Path, clip: str, kind: Kind) -> None:
    """What the image shows stays, in depth, range and alpha."""
    target = tmp_path / "out.mkv"
    settings = {"method": str(small_network(kind)), "codec": "ffv1", "deinterlace": "off"}
    vsr.upscale(clips(clip), target, end=3, settings=settings)
    [out], [source] = first_frames(target, 1), first_frames(clips(clip), 1)
    for plane, before in zip(planes_of(out), planes_of(source), strict=True):
        scale = 1 if clip != "alpha" else float(plane.max()) / max(1.0, float(before.max()))
        assert abs(float(plane.mean()) - scale * float(before.mean())) < 0.02 * max(1.0, float(plane.max()))
