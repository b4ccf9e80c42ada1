"""``vsr train`` as a person or a script uses it."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from program import Run
from small_networks import small_network
from videos import scene

import vsr
from vsr.networks import load_network
from vsr.networks.files import read_safetensors
from vsr.training.checkpoint import load_checkpoint

Call = Callable[..., Run]
PROGRAM = [sys.executable, "-c", "from vsr.cli import main; main()", "train"]
TINY: dict[str, Any] = {
    "network": "espcn", "scale": 2, "patch_px": 12, "batch": 4, "steps": 8, "threads": 1, "data_workers": 1,
    "checkpoint_every": 3, "log_every": 2, "validate_every": 4, "warmup_steps": 2, "keep_pictures": 1,
}  # fmt: skip
NOISY = ["bicubic", {"shuffled": [{"gaussian-noise": {"sigma": [1, 4]}}, "jpeg"]}]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        image.fromarray(scene(1, 97, 74, seed=number)[0]).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    """``config(key=value…)`` writes a configuration of a very small run."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "config.yaml"
        path.write_text(yaml.safe_dump({**TINY, **changes}))
        return path

    return write


def _tensors(out: Path) -> dict[str, torch.Tensor]:
    [path] = out.glob("*-x*.safetensors")
    return read_safetensors(path)[0]


def _same(first: Path, second: Path) -> bool:
    one, other = _tensors(first), _tensors(second)
    states = [load_checkpoint(out) for out in (first, second)]
    assert states[0] is not None
    assert states[1] is not None
    assert states[0].tensors.keys() == states[1].tensors.keys()
    assert one.keys() == other.keys()
    equal = all(torch.equal(one[key], other[key]) for key in one)
    return equal and all(torch.equal(value, states[1].tensors[key]) for key, value in states[0].tensors.items())


def _losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.slow
def test_from_images_to_a_larger_video(
    call: Call, config: Callable[..., Path], images: Path, tmp_path: Path, clips: Callable[[str], Path]
) -> None:
    out = tmp_path / "run"
    arguments = ("train", config(validate_on=[str(images)]), "--data", images, "--out", out)
    done = call(*arguments)
    assert done.code == 0, done.err
    assert "espcn-x2.safetensors: 8 steps" in done.out
    assert "4 images" in done.err
    assert {entry.name for entry in out.iterdir()} - {".lock"} == {
        "checkpoint.safetensors", "curves.png", "espcn-x2.md", "espcn-x2.safetensors", "log.jsonl", "images",
        "run.json",
    }  # fmt: skip
    card = (out / "espcn-x2.md").read_text()
    assert "8 of 8 steps" in card
    assert "| images/0 |" in card
    network = load_network(out / "espcn-x2.safetensors")
    assert (network.name, network.scale, network.is_generative) == ("espcn", 2, False)
    assert f"`{network.digest}`" in card
    [row] = vsr.evaluate(network, 2, images).results
    assert f"{row.mean.psnr_y:.2f}" in card, "the card's figures are those of vsr evaluate"
    log = (out / "log.jsonl").read_text()
    again = call(*arguments)
    assert "done before" in again.out
    assert (out / "log.jsonl").read_text() == log
    larger = tmp_path / "larger.mp4"
    done = call("upscale", clips("cfr"), "-o", larger, "--method", out / "espcn-x2.safetensors", "--end", 3, "-q",
                "--speed", "ultrafast")  # fmt: skip
    assert done.code == 0, done.err
    assert vsr.probe(larger).video.width == 2 * vsr.probe(clips("cfr")).video.width


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "optimiser"), [pytest.param("lite", "muon", marks=pytest.mark.nightly), ("espcn", "adam")]
)
def test_killed_and_continued_it_ends_with_the_same_weights(
    config: Callable[..., Path], images: Path, tmp_path: Path, network: str, optimiser: str
) -> None:
    """With random degradations whose regions several steps share, and a discriminator that learns as well."""
    more = {"loss": "1*L1 + 0.01*LSGAN", "degradations": NOISY, "reuse": 8, "validate_every": 100}
    path = config(network=network, optimiser=optimiser, steps=40, **more)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    vsr.train(path, whole, data=images)
    wait_for, kills = random.randrange(1, 30), 0
    running = subprocess.Popen([*PROGRAM, str(path), "--data", str(images), "-q", "--out", str(killed)])
    while running.poll() is None:
        log = killed / "log.jsonl"
        if (
            log.exists()
            and log.read_text().count("\n") * 2 >= wait_for
            and (killed / "checkpoint.safetensors").exists()
        ):
            running.send_signal(signal.SIGKILL)
            running.wait()
            kills += 1
            break
        time.sleep(0.002)
    assert kills == 1, f"it ended before the kill, waiting for step {wait_for}"
    saved = load_checkpoint(killed)
    assert saved is not None
    assert saved.step < 40
    vsr.train(path, killed, data=images)
    assert _same(whole, killed)
    assert _losses(killed) == _losses(whole)


STAGES = [{"scale": 3, "steps": 5, "patch_px": 8}, {"degradations": ["bicubic"], "steps": 6}]


@pytest.mark.slow
def test_a_curriculum_is_its_stages_one_after_another(
    config: Callable[..., Path], images: Path, tmp_path: Path
) -> None:
    """By hand the same weights: each stage is begun with those of the one before, what does not fit at random."""
    whole = vsr.train(config(degradations=NOISY, curriculum=STAGES), tmp_path / "whole", data=images)
    start: str | None = None
    for number, stage in enumerate([*STAGES, {}]):
        path = config(**{"degradations": NOISY, **stage})
        start = str(vsr.train(path, tmp_path / f"{number}", data=images, start_from=start).weights)
    assert _tensors(whole.out).keys() == _tensors(tmp_path / "2").keys()
    assert all(torch.equal(value, _tensors(tmp_path / "2")[key]) for key, value in _tensors(whole.out).items())
    assert {entry.name for entry in whole.out.iterdir()} >= {"stage-1", "stage-2", "run.json"}
    assert load_network(whole.out / "stage-1" / "espcn-x3.safetensors", 3).scale == 3


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_a_curriculum_goes_on_where_it_was(
    config: Callable[..., Path], images: Path, tmp_path: Path, stage: int
) -> None:
    path, notes = config(degradations=NOISY, curriculum=STAGES), [""]
    whole, ended = (tmp_path / name for name in ("whole", "ended"))
    vsr.train(path, whole, data=images)

    def end(progress: vsr.TrainingProgress) -> None:
        notes.append(progress.note)
        if progress.step >= 4 and (f"stage {stage} of 3" in progress.note or (stage == 3 and not progress.note)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        vsr.train(path, ended, data=images, on_progress=end)
    assert not list(ended.glob("espcn-x2.safetensors"))
    moved = ended.rename(tmp_path / "moved")
    vsr.train(path, moved, data=images)
    assert _same(whole, moved)
    assert _losses(whole / "stage-2") == _losses(moved / "stage-2")


@pytest.mark.nightly
@pytest.mark.slow
def test_two_workers_learn_as_one_does(config: Callable[..., Path], images: Path, tmp_path: Path) -> None:
    """From a teacher as well: each worker asks it for its part of the images."""
    events: list[Any] = []
    path = config(network="lite", steps=12, log_every=1, data_workers=0, teacher=str(small_network("Y")))
    for workers in (1, 2):
        out = tmp_path / str(workers)
        outcome = vsr.train(path, out, data=images, workers=workers, on_progress=events.append)
        assert outcome.steps == 12
    alone, together = _losses(tmp_path / "1"), _losses(tmp_path / "2")
    assert len(alone) == len(together) == 12
    assert together == pytest.approx(alone, rel=2e-2)
    assert together[0] == pytest.approx(alone[0], rel=1e-5)
    one, other = _tensors(tmp_path / "1"), _tensors(tmp_path / "2")
    assert max(float((one[key] - other[key]).abs().max()) for key in one) < 1e-2
    assert sum(event.step == 12 for event in events) == 2


def test_an_error_of_a_worker_is_reported_as_it_is(call: Call, config: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = call("train", config(), "--data", tmp_path / "empty", "--out", tmp_path / "o", "--workers", 2, "-q")
    assert done.code == 3
    assert "holds no image" in done.one_line()


def test_fitting_to_a_video_alone(
    call: Call, config: Callable[..., Path], images: Path, tmp_path: Path, clips: Callable[[str], Path]
) -> None:
    first = vsr.train(config(network="lite", steps=2, data_workers=0), tmp_path / "first", data=images)
    footage = config(
        degradations=["bicubic", "video"], name="camera", steps=3, patch_px=8, shots_per_video=3, data_workers=0
    )
    out = tmp_path / "fitted"
    arguments = ("train", footage, "--set", "network=lite", "--from", first.weights, "--data", clips("cfr").parent)
    done = call(*arguments, "--out", out, "--json-lines")
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["event"] for line in lines][-1] == "done"
    assert lines[-1]["weights"].endswith("camera-x2.safetensors")
    before, after = _tensors(tmp_path / "first"), _tensors(out)
    change = max(float((before[key] - after[key]).abs().max()) for key in before)
    assert 0 < change < 0.05
    assert "lite-x2.safetensors" in (out / "camera-x2.md").read_text()


def test_learning_from_a_teacher(config: Callable[..., Path], images: Path, tmp_path: Path) -> None:
    """It changes what is learnt, is named on the card, and a generative one makes the pupil's weights generative."""
    kinds: dict[str, dict[str, Any]] = {
        "alone": {}, "taught": {"teacher": "lite"}, "made up": {"teacher": ["lite", str(small_network("RGB"))]}
    }  # fmt: skip
    for name, changes in kinds.items():
        vsr.train(config(network="lite", steps=3, data_workers=0, **changes), tmp_path / name, data=images)
    cards = {name: (tmp_path / name / "lite-x2.md").read_text() for name in kinds}
    assert "50% of the ground truth replaced by what `lite` made" in cards["taught"]
    assert f"what `lite` and `{small_network('RGB').name}` made" in cards["made up"]
    assert not any(torch.equal(_tensors(tmp_path / "alone")["tail.weight"], _tensors(tmp_path / name)["tail.weight"])
                   for name in ("taught", "made up"))  # fmt: skip
    generative = [load_network(tmp_path / name / "lite-x2.safetensors").is_generative for name in kinds]
    assert generative == [False, False, True]
    assert ["Not for evidence" in card for card in cards.values()] == generative
    started = vsr.train(
        config(network="lite", steps=1, data_workers=0, start_from=str(tmp_path / "made up" / "lite-x2.safetensors")),
        tmp_path / "begun",
        data=images,
    )
    assert load_network(started.weights).is_generative


def test_another_scale_begins_with_what_fits(
    call: Call, config: Callable[..., Path], images: Path, tmp_path: Path
) -> None:
    first = vsr.train(config(network="lite", steps=2, data_workers=0), tmp_path / "first", data=images)
    done = call("train", config(network="lite", scale=3, steps=1, data_workers=0), "--from", first.weights, "--data",
                images, "--out", tmp_path / "o")  # fmt: skip
    assert done.code == 0, done.err
    assert "reset: tail.bias, tail.weight" in done.err


@pytest.mark.slow
def test_a_loss_that_is_no_number_stops_it_and_keeps_the_checkpoint(
    call: Call, config: Callable[..., Path], images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "o"
    diverging = config(loss="1e38*L2", clip_norm=None, learning_rate=1.0, warmup_steps=0, steps=400, checkpoint_every=1,
                  schedule="constant", ema=0, network="srcnn-9-1-5", precision="float32", patch_px=8)  # fmt: skip
    done = call("train", diverging, "--data", images, "--out", out, "-q")
    assert done.code == 4, done.err
    line = done.one_line()
    assert "the loss is" in line or "the gradient is" in line
    saved = load_checkpoint(out)
    if saved is None:
        assert "there is no checkpoint yet" in line
    else:
        assert f"the checkpoint of step {saved.step} is kept" in line
        assert f"step {saved.step + 1}:" in line
        assert all(bool(torch.isfinite(value).all()) for value in saved.tensors.values() if value.is_floating_point())


def test_errors_are_one_line(call: Call, config: Callable[..., Path], images: Path, tmp_path: Path) -> None:
    path, data = config(data_workers=0, steps=2), ("--data", images)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.png").write_bytes((images / "0.png").read_bytes())
    (tmp_path / "mixed" / "a.mp4").write_bytes(b"x")
    other = vsr.train(path, tmp_path / "used", data=images)
    cases: dict[str, tuple[list[Any], int, str]] = {
        "no data": ([path], 2, "--data"),
        "empty": ([path, "--data", tmp_path / "empty"], 3, "holds no image"),
        "broken": ([path, "--data", tmp_path / "broken"], 3, "a.png"),
        "mixed": ([path, "--data", tmp_path / "mixed"], 3, "separate them"),
        "missing": ([path, "--data", tmp_path / "nowhere"], 3, "no such folder"),
        "too small": ([path, *data, "--set", "patch_px=60"], 3, "none of 4 images is large enough"),
        "architecture": ([path, *data, "--set", "network=espnc"], 2, "did you mean 'espcn'"),
        "key": ([path, *data, "--set", "stepps=3"], 2, "did you mean 'steps'"),
        "degradation": ([path, *data, "--set", "degradations=[bicubick]"], 2, "did you mean 'bicubic'"),
        "loss": ([path, *data, "--set", "loss=1*L9"], 2, "no loss 'L9'"),
        "window": ([path, *data, "--set", "loss=SSIM", "patch_px=4"], 2, "too small for the loss SSIM"),
        "teacher": ([path, *data, "--set", "teacher=no.pth"], 4, "no.pth"),
        "weights": ([path, *data, "--from", tmp_path / "no.pth"], 4, "no.pth"),
        "other weights": ([path, *data, "--from", other.weights, "--set", "network=lite"], 4, "holds espcn, not lite"),
        "vgg": ([path, *data, "--set", "loss=Content", "patch_px=16"], 4, "VGG-19"),
        "recipe": (["lit-x2", *data], 2, "did you mean 'lite-x2'"),
        "shares": ([path, *data, "--workers", 3], 2, "cannot be shared evenly"),
        "device": ([path, *data, "--set", "device=cuda:77"], 2, "is not here"),
        "validation": ([path, *data, "--set", f"validate_on={tmp_path / 'empty'}"], 3, "holds no image"),
    }
    for name, (arguments, code, message) in cases.items():
        done = call("train", *arguments, "--out", tmp_path / f"out-{name}".replace(" ", "-"), "-q")
        assert (done.code, done.out) == (code, ""), (name, done.err)
        assert message in done.one_line(), name
    done = call("train", path, *data, "--out", tmp_path / "used", "--set", "batch=2", "-q")
    assert done.code == 2
    assert "belongs to a run with batch 4, now it is 2" in done.one_line()
    done = call("train", path, *data, "--out", tmp_path / "mixed", "-q")
    assert (done.code, "holds other things" in done.one_line()) == (2, True)
    assert sorted(entry.name for entry in (tmp_path / "mixed").iterdir()) == ["a.mp4", "a.png"]
    assert not (tmp_path / "out-recipe").exists()
