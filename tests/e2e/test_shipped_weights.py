"""Weights that ship, used as they come: by name, with no network, in presets; and measured against their cards."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from program import Run

import vsr
from vsr.networks import Network, load_network
from vsr.networks.files import read_safetensors, write_safetensors
from vsr.networks.locating import SHIPPED
from vsr.pipeline import doctor
from vsr.training.config import make_config
from vsr.training.degradations import parse_chain
from vsr.training.validation import Validation

Clips = Callable[[str], Path]
Call = Callable[..., Run]
FILES = sorted(SHIPPED.glob("*.safetensors"))
_FOLDER = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No weights but those that ship, and no way out of this machine."""

    def refuse(*_: Any) -> None:
        raise AssertionError("something wants to reach the network")

    monkeypatch.delenv("VSR_MODELS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(socket.socket, "connect", refuse)


def _manifest(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.with_name(f"{path.name}.vsr.json").read_text(encoding="utf-8")))


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("method", "scale", "runs"),
    [("lite", 2, 2), ("lite", 3, 3), ("lite", 4, 4), ("real", 2, 2), ("real", 3, 4), ("video", 2, 2)],
)
def test_by_name(method: str, scale: int, runs: int, call: Call, clips: Clips, tmp_path: Path) -> None:
    """The weights for the scale of the job, or for the next larger; recorded as learned, with their digest."""
    target = tmp_path / "out.mp4"
    options = ["--method", method, "--scale", scale, "--speed", "ultrafast", "--end", 3, "-q"]
    done = call("upscale", clips("plain"), "-o", target, *options)
    assert done.code == 0, done.err
    record = _manifest(target)["method"]
    assert record["evidence"] == "learned"
    assert record["model"]["passes"] == [runs]
    assert [part["digest"] for part in record["model"]["parts"]] == [load_network(method, runs).digest]
    assert vsr.probe(target).video.width == scale * vsr.probe(clips("plain")).video.width


@pytest.mark.usefixtures("bare")
def test_lite_between_whole_magnifications(call: Call, clips: Clips, tmp_path: Path) -> None:
    """At x1.25 the weights for any scale are run and recorded; the output is verified by making it again."""
    target = tmp_path / "out.mkv"
    options = ["--method", "lite", "--scale", 1.25, "--codec", "ffv1", "--end", 3, "-q"]
    done = call("upscale", clips("plain"), "-o", target, *options)
    assert done.code == 0, done.err
    record = _manifest(target)["method"]
    assert (record["name"], record["model"]["method"], record["model"]["passes"]) == ("lite", "lite-any", [])
    assert [part["digest"] for part in record["model"]["parts"]] == [load_network("lite-any").digest]
    checks = vsr.verify(target, recompute=True)
    assert all(check.passed for check in checks), [check.detail for check in checks]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("preset", "method", "evidence"),
    [
        ("fast", "lite", "learned"),
        ("surveillance-network", "real", "learned"),
        ("surveillance", "multiframe", "observation-model"),
    ],
)
def test_presets(preset: str, method: str, evidence: str, clips: Clips, tmp_path: Path) -> None:
    """Which presets rest on a network, and that the one for evidence does not."""
    job = vsr.plan(clips("plain"), tmp_path / "out.mkv", preset=preset)
    assert (job.settings.method, job.evidence) == (method, evidence)


def test_presets_say_it(call: Call) -> None:
    """In the list, too."""
    lines = {line.split()[0]: line for line in call("presets").out.splitlines() if line.split()}
    assert "earned" in lines["fast"]
    assert "earned" in lines["surveillance-network"]
    assert "earned" not in lines["surveillance"]


@pytest.mark.usefixtures("bare")
def test_models_tells_of_them(call: Call) -> None:
    done = call("models", "list")
    assert "weights that ship with vsr" in done.out
    assert str(SHIPPED / "lite-x2.safetensors") in call("models", "show", "lite").out
    shown = json.loads(call("models", "show", "real", "--scale", 2, "--json").out)
    assert shown["card"] == str(SHIPPED / "real-x2.md")


@pytest.mark.usefixtures("bare")
def test_doctor_looks_at_them(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are whole; one with another's digest is a problem."""
    assert json.loads(call("doctor", "--json").out)["weights"] == {path.stem: "whole" for path in FILES}
    tensors, metadata = read_safetensors(FILES[0])
    write_safetensors(tmp_path / FILES[0].name, tensors, {**metadata, "vsr.digest": "0" * 64})
    monkeypatch.setattr(doctor, "SHIPPED", tmp_path)
    found = doctor.examine()
    assert found.problems == [f"{FILES[0].stem}: other weights than its digest says; install vsr again"]


def _validated(network: Network, images: Path) -> float:
    """As `vsr train` measures what its recipe made."""
    recipe = json.loads(network.metadata["vsr.training"])
    recipe.pop("step")
    config = make_config(recipe, network.source)
    chain = parse_chain(config.degradations, config.scale)
    return Validation([images], chain, config.scale, network.colour, torch.device("cpu")).measure(network).psnr_y


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [path for path in FILES if load_network(path).family == "frame"], ids=lambda path: path.stem
)
def test_figure_of_the_card(path: Path) -> None:
    """Set5, made small and worse as the recipe says, gives the card's mean to 0.02 dB.

    Mixtures, which suit many sources, are measured on clean ones, as `vsr.evaluate` does it: nothing was compressed.
    """
    images = _FOLDER / "images" / "Set5"
    if not images.exists():
        pytest.skip(f"{images} is not there; set VSR_TEST_DATA")
    network = load_network(path)
    if network.mixture is None:
        psnr_y = _validated(network, images)
    else:
        psnr_y = vsr.evaluate(network, network.scale, images, device="cpu").results[0].mean.psnr_y
    found = re.search(r"\*\*mean\*\* \| \*\*([0-9.]+) / ", path.with_suffix(".md").read_text(encoding="utf-8"))
    assert found is not None
    assert psnr_y == pytest.approx(float(found[1]), abs=0.02)
