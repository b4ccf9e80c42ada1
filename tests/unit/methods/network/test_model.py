"""What is settled of a network before work begins, and that later changes of its weights are noticed."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from small_networks import small_network

from vsr.errors import MachineError, ModelError
from vsr.inference import hardware
from vsr.methods import Geometry, find_method, is_network
from vsr.methods.network.model import has_same_weights, open_part, resolve_model
from vsr.networks import load_network

CPU = torch.device("cpu")
TWICE = Geometry(48, 32, 96, 64)


def _copy(folder: Path, kind: str = "RGB", **changes: float) -> Path:
    target = folder / f"weights-{kind}.safetensors"
    shutil.copy(small_network(kind, **changes), target)  # type: ignore[arg-type]
    return target


def test_what_it_says_is_what_the_weights_are() -> None:
    path = small_network("RGB")
    model = resolve_model(str(path), TWICE, CPU)
    network = load_network(path)
    [part] = model.parts
    assert (part.scale, part.colour, part.digest) == (2, "RGB", network.digest)
    assert part.num_parameters == network.num_parameters
    assert (model.passes, model.batch_frames) == ((2,), 1)
    assert model.tiles_yx == ((32, 48),)
    assert model.method == str(path)


@pytest.mark.parametrize(
    ("kind", "size", "passes", "scales"),
    [
        ("RGB", (96, 64), (2,), [2]),
        ("RGB", (144, 96), (2, 2), [2]),
        ("Y", (144, 96), (3,), [3]),
        ("Y", (288, 192), (2, 3), [2, 3]),
        ("Y", (24, 16), (), [2]),
    ],
)
def test_only_the_networks_in_use_are_settled(
    kind: str, size: tuple[int, int], passes: tuple[int, ...], scales: list[int]
) -> None:
    model = resolve_model(str(small_network(kind)), Geometry(48, 32, *size), CPU)  # type: ignore[arg-type]
    assert model.passes == passes
    assert [part.scale for part in model.parts] == scales
    assert len(model.tiles_yx) == len(passes)


def test_many_files_try_a_network_once(monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(small_network("RGB", seed=31))
    first = resolve_model(path, TWICE, CPU)
    monkeypatch.setattr("vsr.methods.network.model.choose_precision", lambda *_: pytest.fail("tried again"))
    assert resolve_model(path, TWICE, CPU) == first
    assert resolve_model(path, Geometry(20, 20, 50, 50), CPU).parts == first.parts


def test_evidence_is_the_networks() -> None:
    assert resolve_model(str(small_network("Y")), TWICE, CPU).evidence == "learned"
    assert resolve_model(str(small_network("RGB")), TWICE, CPU).evidence == "generative"


def test_paths_hold_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _copy(tmp_path)
    monkeypatch.chdir(tmp_path)
    model = resolve_model("weights-RGB.safetensors", TWICE, CPU)
    assert model.method == str(tmp_path / "weights-RGB.safetensors")
    blend = resolve_model("weights-RGB.safetensors:./weights-RGB.safetensors@0.5", TWICE, CPU)
    monkeypatch.chdir("/")
    open_part(model, model.parts[0])
    open_part(blend, blend.parts[0])


def test_a_blend_has_weights_of_its_own() -> None:
    first, second = small_network("RGB"), small_network("RGB", seed=2)
    whole = [resolve_model(str(path), TWICE, CPU).parts[0].digest for path in (first, second)]
    mixed = [resolve_model(f"{first}:{second}@{share}", TWICE, CPU).parts[0].digest for share in ("0", "0.3", "1")]
    assert mixed[0] == whole[0]
    assert mixed[2] == whole[1]
    assert len({*whole, *mixed}) == 3


def test_weights_that_change_after_the_plan_are_noticed(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    model = resolve_model(str(path), TWICE, CPU)
    manifest = asdict(model)
    assert has_same_weights(str(path), manifest)
    _copy(tmp_path, seed=9)
    assert not has_same_weights(str(path), manifest)
    known = open_part(model, model.parts[0])
    assert known.digest == model.parts[0].digest, "this process still has what it settled"
    for number in range(5):  # until it is forgotten
        resolve_model(str(small_network("RGB", seed=20 + number)), TWICE, CPU)
    with pytest.raises(ModelError, match="the weights have changed since the run was planned"):
        open_part(model, model.parts[0])


def test_names_and_files_of_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VSR_MODELS", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copy(small_network("RGB"), tmp_path / "mine-x2.safetensors")
    assert is_network("mine")
    assert is_network("fsrcnn")
    assert is_network("no/such/file.pth")
    assert is_network("a:b@0.3")
    assert not is_network("other")
    assert resolve_model("mine", TWICE, CPU).parts[0].scale == 2
    assert find_method("mine").name == "mine"


def test_a_network_too_large_for_the_machine_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "memory_bytes", lambda device: 1 << 20)
    with pytest.raises(MachineError, match="needs about"):
        resolve_model(str(small_network("RGB")), Geometry(480, 320, 960, 640), CPU)
