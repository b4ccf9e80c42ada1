"""Whole runs with networks: every frame, what the manifest says, and what a change of weights does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from plain_reader import first_frames
from program import Run
from safetensors.torch import load_file, save_file
from small_networks import small_network

import vsr
from vsr.errors import MachineError, ModelError, UsageError
from vsr.media.planes import planes_of
from vsr.metrics import lr_psnr
from vsr.networks import load_network
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import segment_key

Clips = Callable[[str], Path]
Call = Callable[..., Run]
pytestmark = pytest.mark.usefixtures("no_leaks")


def _times(path: Path) -> list[Fraction]:
    return [Fraction(frame.pts) * frame.time_base for frame in first_frames(path)]


def _manifest(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.with_name(f"{path.name}.vsr.json").read_text(encoding="utf-8")))


def _files(manifest: dict[str, Any]) -> list[str]:
    return [segment["sha256"] for segment in manifest["segments"]]


def test_a_file_of_weights_as_the_method_in_mp4(call: Call, clips: Clips, tmp_path: Path) -> None:
    """From the command line: all frames at their times, the image that the network makes, and a full record."""
    weights, target = small_network("RGB"), tmp_path / "out.mp4"
    done = call("upscale", clips("plain"), "-o", target, "--method", weights, "--speed", "ultrafast", "-q")
    assert done.code == 0, done.err
    assert _times(target) == _times(clips("plain"))
    network = load_network(weights)
    manifest = _manifest(target)
    method = manifest["method"]
    assert (method["evidence"], method["generative"]) == ("generative", True)
    assert [part["digest"] for part in method["model"]["parts"]] == [network.digest]
    assert method["model"]["passes"] == [2]
    assert method["model"]["tiles_yx"] == [[64, 96]]
    assert method["model"]["parts"][0]["precision"]["name"] in ("float32", "float16", "bfloat16")
    assert method["assumed_degradation"] == "BI"
    for segment in manifest["segments"]:
        assert {"lr_psnr_db", "residual_over_noise", "input_noise_sigma"} <= set(segment["findings"])
    assert all(check.passed for check in vsr.verify(target))


def test_lossless_frames_are_what_the_network_gives(clips: Clips, tmp_path: Path) -> None:
    """Limited-range luma, through a network for Y, decoded by plain PyAV."""
    weights, target = small_network("Y", strength=0.3), tmp_path / "out.mkv"
    settings = {"method": str(weights), "codec": "ffv1", "scale": 3, "precision": "float32"}
    vsr.upscale(clips("plain"), target, end=4, settings=settings)
    module = load_network(weights, 3).module
    made, given = first_frames(target), first_frames(clips("plain"))
    for out, source in zip(made, given[:4], strict=True):
        luma = torch.from_numpy(planes_of(source)[0]).float()
        with torch.no_grad():
            expected = (module(luma[None, None] / 255)[0, 0] * 255).round().clamp(0, 255).numpy()
        assert np.abs(planes_of(out)[0].astype(float) - expected).max() <= 1


@pytest.mark.parametrize("clip", ["ten_bit", "rgb", "gray", "hdr", "alpha", "full_range", "four_two_two", "interlaced"])
@pytest.mark.parametrize("kind", ["Y", "RGB"])
def test_other_images(clips: Clips, tmp_path: Path, clip: str, kind: Any) -> None:
    """Depth, family, range and alpha stay; so does what the image shows."""
    target = tmp_path / "out.mkv"
    settings = {"method": str(small_network(kind)), "codec": "ffv1", "deinterlace": "off"}
    vsr.upscale(clips(clip), target, end=3, settings=settings)
    [out], [source] = first_frames(target, 1), first_frames(clips(clip), 1)
    if clip != "alpha":  # ProRes decodes to 12 bits, of which 16 are kept
        assert out.format.name == source.format.name.replace("yuvj", "yuv")
    for plane, before in zip(planes_of(out), planes_of(source), strict=True):
        scale = 1 if clip != "alpha" else float(plane.max()) / max(1.0, float(before.max()))
        assert abs(float(plane.mean()) - scale * float(before.mean())) < 0.02 * max(1.0, float(plane.max()))


@pytest.mark.parametrize("kind", ["Y", "RGB"])
def test_a_stream_that_changes_its_size(clips: Clips, tmp_path: Path, kind: Any) -> None:
    """Passes and tiles follow each size; the output has one."""
    target = tmp_path / "out.mp4"
    settings = {"method": str(small_network(kind)), "speed": "ultrafast"}
    vsr.upscale(clips("size_change"), target, settings=settings)
    assert len(first_frames(target)) == len(first_frames(clips("size_change")))


def test_how_work_is_cut_does_not_show(clips: Clips, tmp_path: Path) -> None:
    images = []
    for number, frames in enumerate((16, 240)):
        target = tmp_path / f"{number}.mkv"
        settings = {"method": str(small_network("RGB")), "codec": "ffv1", "segment_frames": frames, "consistent": True}
        vsr.upscale(clips("cfr"), target, settings=settings)
        images.append([[plane.tobytes() for plane in planes_of(frame)] for frame in first_frames(target)])
    assert images[0] == images[1]


def test_consistent_results_agree_with_the_input(clips: Clips, tmp_path: Path) -> None:
    """Measured from outside, on the stored luma."""
    target = {}
    for consistent in (False, True):
        target[consistent] = tmp_path / f"{consistent}.mkv"
        settings = {"method": str(small_network("Y", strength=0.3)), "codec": "ffv1", "consistent": consistent}
        [outcome] = vsr.upscale(clips("plain"), target[consistent], end=5, settings=settings)
    found = {}
    for consistent, path in target.items():
        scores = [
            lr_psnr(torch.from_numpy(planes_of(out)[0]).float(), torch.from_numpy(planes_of(source)[0]).double())
            for out, source in zip(first_frames(path), first_frames(clips("plain"))[:5], strict=True)
        ]
        found[consistent] = min(scores)
    assert found[False] < 40
    assert found[True] >= 45
    assert outcome.manifest is not None
    assert outcome.manifest["method"]["findings"]["lr_psnr_db"] == pytest.approx(found[True], abs=3)


def test_other_weights_make_new_segments_and_the_same_ones_reuse_them(clips: Clips, tmp_path: Path) -> None:
    """Resume: the key holds the weights' digest, not their place."""
    weights, moved = tmp_path / "weights.safetensors", tmp_path / "elsewhere.safetensors"
    shutil.copy(small_network("RGB"), weights)
    shutil.copy(small_network("RGB"), moved)

    def key(path: Path | str) -> str:
        job = vsr.plan(clips("plain"), tmp_path / "out.mp4", settings={"method": str(path)})
        from vsr.media.damage import Damage
        from vsr.media.reading import scan
        from vsr.timeline import Segment

        records = tuple(record for record, _ in scan(job.info, 1, Damage()))
        return segment_key(job, PlannedSegment(Segment(0, 0, 3, 0, 3), records[:3]))

    before = key(weights)
    assert key(moved) == before
    shutil.copy(small_network("RGB", seed=7), weights)
    assert key(weights) != before
    assert key(f"{moved}:{weights}@0.5") not in (before, key(weights))
    assert key(f"{moved}:{weights}@0") == before


def test_a_batch_notices_that_weights_changed(clips: Clips, tmp_path: Path) -> None:
    sources = tmp_path / "in"
    sources.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(clips("plain"), sources / name)
    weights = tmp_path / "weights.safetensors"
    shutil.copy(small_network("RGB"), weights)
    settings = {"method": str(weights), "speed": "ultrafast", "precision": "float32"}

    def run() -> list[bool]:
        return [outcome.was_done for outcome in vsr.upscale(sources, tmp_path / "out", end=3, settings=settings)]

    assert run() == [False, False]
    assert run() == [True, True]
    shutil.copy(small_network("RGB", seed=7), weights)
    outcomes = vsr.upscale(sources, tmp_path / "out", end=3, settings=settings)
    assert all(isinstance(outcome.error, UsageError) and "exists" in str(outcome.error) for outcome in outcomes)


def test_a_name_and_the_dry_run(call: Call, clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    shutil.copy(small_network("RGB"), tmp_path / "mine-x2.safetensors")
    target = tmp_path / "out.mp4"
    planned = call("upscale", clips("plain"), "-o", target, "--method", "mine", "--scale", "3", "--dry-run", "-q")
    assert planned.code == 0, planned.err
    assert "x2 in tiles up to 96x64, then x2 in tiles up to 192x128" in planned.out
    assert load_network("mine").digest[:12] in planned.out
    assert not target.exists()


def _harmed(folder: Path, name: str) -> Path:
    path = folder / f"{name}.safetensors"
    state = load_file(small_network("RGB"))
    if name == "nan":
        state["body.0.weight"][0, 0, 0, 0] = float("nan")
    elif name == "huge":
        state["body.0.weight"] *= 1e38
        state["body.2.weight"] *= 1e30
    elif name == "other":
        state = {"something": torch.zeros(3)}
    save_file(state, path)
    if name == "cut":
        path.write_bytes(small_network("RGB").read_bytes()[:-100])
    return path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nan", "NaN or infinite"),
        ("huge", "not finite for an ordinary image"),
        ("other", "no network known"),
        ("cut", ""),
    ],
)
def test_weights_that_are_no_good(call: Call, clips: Clips, tmp_path: Path, name: str, words: str) -> None:
    target, weights = tmp_path / "out.mp4", _harmed(tmp_path, name)
    done = call("upscale", clips("plain"), "-o", target, "--method", weights, "-q")
    assert done.code == 4
    assert words in done.one_line()
    assert weights.name in done.one_line()
    assert not target.exists()


def test_no_such_file_and_no_such_name(call: Call, clips: Clips, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    missing = call("upscale", clips("plain"), "-o", target, "--method", tmp_path / "none.pth", "-q")
    assert missing.code == 4
    assert "none.pth" in missing.one_line()
    unknown = call("upscale", clips("plain"), "-o", target, "--method", "srcn-9-5-5", "-q")
    assert unknown.code == 2
    assert "did you mean 'srcnn-9-5-5'" in unknown.one_line()


def test_more_memory_than_there_is(clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vsr.inference import hardware

    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 1 << 18)
    with pytest.raises(MachineError, match=r"needs about .* use a smaller network or smaller tiles"):
        vsr.upscale(clips("plain"), tmp_path / "out.mp4", settings={"method": str(small_network("RGB"))})


def test_weights_that_change_during_the_run(clips: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a worker elsewhere saw another file: nothing is made of mixed weights."""
    weights = tmp_path / "weights.safetensors"
    shutil.copy(small_network("RGB"), weights)
    monkeypatch.setattr("vsr.methods.network.model._KEPT", 0)  # as in another process

    def spoil(*_: Any) -> None:
        shutil.copy(small_network("RGB", seed=8), weights)

    monkeypatch.setattr("vsr.pipeline.run.FileRun.open", spoil_then_open(spoil))
    with pytest.raises(ModelError, match="the weights have changed since the run was planned"):
        vsr.upscale(clips("plain"), tmp_path / "out.mp4", settings={"method": str(weights)})
    assert not (tmp_path / "out.mp4").exists()


def spoil_then_open(spoil: Callable[..., None]) -> Callable[[Any], None]:
    from vsr.pipeline.run import FileRun

    opened = FileRun.open

    def go(run: Any) -> None:
        spoil()
        opened(run)

    return go


def test_blended_networks(clips: Clips, tmp_path: Path) -> None:
    first, second = small_network("RGB"), small_network("RGB", seed=2)
    target = tmp_path / "out.mp4"
    settings = {"method": f"{first}:{second}@0.3", "speed": "ultrafast"}
    [outcome] = vsr.upscale(clips("plain"), target, end=2, settings=settings)
    assert outcome.manifest is not None
    [part] = outcome.manifest["method"]["model"]["parts"]
    assert part["source"] == f"{first}:{second}@0.3"


@pytest.mark.nightly
def test_workers_make_the_same_bytes(clips: Clips, tmp_path: Path) -> None:
    settings = {"method": str(small_network("RGB")), "speed": "ultrafast", "segment_frames": 16, "num_cpus": 0.5}
    found = []
    for workers in (1, 2):
        [outcome] = vsr.upscale(clips("cfr"), tmp_path / f"{workers}.mp4", workers=workers, settings=settings)
        assert outcome.manifest is not None
        found.append(_files(dict(outcome.manifest)))
    assert found[0] == found[1]
    with av.open(str(tmp_path / "2.mp4")) as made:
        assert made.streams.video[0].frames == len(_times(clips("cfr")))
