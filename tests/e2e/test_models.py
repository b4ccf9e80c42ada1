"""``vsr models`` as a person or a script uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from program import Run
from small_networks import small_network

from vsr.networks import NETWORKS, load_network
from vsr.networks.carn import carn_m
from vsr.networks.fsrcnn import FSRCNN

Call = Callable[..., Run]


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The only folder in which weights are looked for by name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("VSR_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def _fsrcnn(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    torch.save(FSRCNN(2).state_dict(), path)
    return path


def test_alone_it_says_what_there_is(call: Call) -> None:
    done = call("models")
    assert done.code == 0
    assert all(word in done.out for word in ("list", "show", "convert"))
    assert done.err == ""


def test_list(call: Call, folder: Path) -> None:
    empty = call("models", "list")
    assert empty.code == 0
    assert all(name in empty.out for name in NETWORKS)
    assert "none; docs/networks.md" in empty.out
    assert "RCAN" in empty.out
    _fsrcnn(folder / "fsrcnn-x2.pth")
    assert str(folder / "fsrcnn-x2.pth") in call("models", "list").out
    grouped = call("models", "list", "--family", "progressive", "--paper", "Lai").out
    assert grouped.splitlines()[0] == "networks, progressive"
    assert {line.split()[0] for line in grouped.splitlines()[1:]} == {"lapsrn", "ms-lapsrn"}


def test_list_as_json(call: Call, folder: Path) -> None:
    _fsrcnn(folder / "fsrcnn-x2.pth")
    _fsrcnn(folder / "other.pth")
    done = call("models", "list", "--json")
    content = json.loads(done.out)
    assert [row["name"] for row in content["networks"]] == list(NETWORKS)
    rows = {row["name"]: row for row in content["networks"]}
    assert rows["edsr"]["num_parameters"]["2"] == 40_729_627
    assert rows["vdsr"]["context_px"] == {"2": 12, "3": 8, "4": 7}
    assert rows["rdn"]["value_range"] == 255
    own = {name: files for name, files in content["weights"].items() if not any(file["ships"] for file in files)}
    assert own == {
        "fsrcnn": [{"scale": 2, "path": str(folder / "fsrcnn-x2.pth"), "ships": False}],
        "other": [{"scale": None, "path": str(folder / "other.pth"), "ships": False}],
    }
    assert content["folders"][0] == str(folder)


def test_show_network(call: Call, folder: Path) -> None:
    shown = call("models", "show", "fsrcnn")
    assert shown.code == 0
    assert "ECCV 2016" in shown.out
    assert "12,809" in shown.out
    assert "none found" in shown.out
    _fsrcnn(folder / "fsrcnn-x2.pth")
    content = json.loads(call("models", "show", "fsrcnn", "--json").out)
    assert content["framework"] == "post-upsampling"
    assert content["weights"][0]["scale"] == 2


def test_show_file(call: Call, folder: Path) -> None:
    path = folder.parent / "weights.pth"
    torch.save(carn_m(2).state_dict(), path)
    content = json.loads(call("models", "show", path, "--json").out)
    network = load_network(path, 2)
    assert content["architecture"] == "carn-m"
    assert content["format"] == "torch-zip"
    assert content["scales"] == [2, 3, 4]
    assert content["num_parameters"] == 414_811
    assert content["context_px"] == {"2": 21, "3": 21, "4": 21}
    assert content["digest"] == network.digest
    assert content["is_generative"] is False
    shown = call("models", "show", path).out
    assert network.digest in shown
    assert "×2, ×3, ×4" in shown


def test_show_weights_by_name_and_blend(call: Call, folder: Path) -> None:
    _fsrcnn(folder / "mine-x2.pth", 1)
    _fsrcnn(folder / "yours-x2.pth", 2)
    assert json.loads(call("models", "show", "mine", "--json").out)["scales"] == [2]
    blend = json.loads(call("models", "show", "mine:yours@0.25", "--json").out)
    assert blend["digest"] == load_network("mine:yours@0.25").digest


def test_show_weights_that_do_not_tell_their_scale(call: Call, folder: Path) -> None:
    path = _fsrcnn(folder.parent / "weights.pth")
    content = json.loads(call("models", "show", path, "--json").out)
    assert content["scales"] == []
    assert set(content["context_px"]) == {"2", "3", "4"}


def test_convert(call: Call, folder: Path) -> None:
    path = _fsrcnn(folder.parent / "weights.pth")
    output = folder / "fsrcnn-x3.safetensors"
    done = call("models", "convert", path, output, "--scale", "3", "--json")
    assert done.code == 0
    content = json.loads(done.out)
    metadata = content["metadata"]
    assert metadata["vsr.architecture"] == "fsrcnn"
    assert metadata["vsr.scale"] == "3"
    assert metadata["vsr.source"] == "weights.pth"
    assert metadata["vsr.digest"] == content["digest"] == load_network(path, 3).digest
    images = torch.rand(1, 1, 6, 5)
    assert torch.equal(load_network("fsrcnn", 3)(images), load_network(path, 3)(images))
    again = call("models", "convert", path, output, "--scale", "3")
    assert again.code == 2
    assert "is there already" in again.err
    assert call("models", "convert", path, output, "--scale", "3", "--force").code == 0
    assert list(folder.iterdir()) == [output]


def test_convert_keeps_all_scales_and_twice_gives_the_same_bytes(call: Call, folder: Path) -> None:
    path = folder.parent / "weights.pth"
    torch.save(carn_m(2).state_dict(), path)
    for name in ("one", "two"):
        assert call("models", "convert", path, folder / f"{name}.safetensors").code == 0
    assert (folder / "one.safetensors").read_bytes() == (folder / "two.safetensors").read_bytes()
    assert [load_network("one", scale).scale for scale in (2, 3, 4)] == [2, 3, 4]


def test_convert_a_blend(call: Call, folder: Path) -> None:
    _fsrcnn(folder / "mine-x2.pth", 1)
    _fsrcnn(folder / "yours-x2.pth", 2)
    assert call("models", "convert", "mine:yours@0.25", folder / "both-x2.safetensors").code == 0
    assert load_network("both").digest == load_network("mine:yours@0.25").digest
    assert "mine-x2.pth" in load_network("both").metadata["vsr.source"]


@pytest.mark.parametrize("command", ["show", "convert"])
def test_bad_weights(command: str, call: Call, tmp_path: Path) -> None:
    """One line, exit code 4, no output."""
    path = tmp_path / "weights-x2.pth"
    path.write_bytes(_fsrcnn(tmp_path / "whole.pth").read_bytes()[:9000])
    output = tmp_path / "out.safetensors"
    for wrong, message in [
        (path, "truncated or damaged"),
        (tmp_path / "no.pth", "no such file"),
        ("absent", "no weights"),
    ]:
        done = call("models", command, wrong, *([output] if command == "convert" else []))
        assert done.code == 4
        assert message in done.one_line()
    assert not output.exists()


def test_convert_to_another_format_is_refused(call: Call, tmp_path: Path) -> None:
    done = call("models", "convert", _fsrcnn(tmp_path / "a-x2.pth"), tmp_path / "b.pth")
    assert done.code == 2
    assert ".safetensors" in done.err


def test_convert_to_onnx(call: Call, tmp_path: Path) -> None:
    """Another program gets what torch gives, for any size; the file says what it is."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs vsr[onnx]")
    weights, output = _fsrcnn(tmp_path / "a-x2.pth"), tmp_path / "a.onnx"
    done = call("models", "convert", weights, output, "--json")
    assert done.code == 0, done.err
    assert float(json.loads(done.out)["largest_difference"]) < 1e-4
    session = onnxruntime.InferenceSession(output, providers=["CPUExecutionProvider"])
    network, given = load_network(weights), torch.rand(1, 1, 33, 21)
    [found] = session.run(None, {"images": given.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), network.module(given), rtol=0, atol=1e-4)
    notes = session.get_modelmeta().custom_metadata_map
    assert (notes["vsr.architecture"], notes["vsr.digest"], notes["vsr.scale"]) == ("fsrcnn", network.digest, "2")
    assert call("models", "convert", weights, output).code == 2, "it is there already"


def test_convert_to_onnx_of_one_size(call: Call, tmp_path: Path) -> None:
    """A network that interpolates ahead works on sizes themselves."""
    pytest.importorskip("onnxruntime", reason="needs vsr[onnx]")
    weights, output = small_network("Y"), tmp_path / "a.onnx"
    refused = call("models", "convert", weights, output, "--scale", "2")
    assert refused.code == 2
    assert "one size of images alone; give it: --size 640x360" in refused.one_line()
    done = call("models", "convert", weights, output, "--scale", "2", "--size", "32x20")
    assert done.code == 0, done.err
    assert "1x1x20x32" in done.out
    for size in ("32", "0x9", "ax9"):
        assert call("models", "convert", weights, output, "--size", size, "--force").code == 2


def test_convert_into_a_folder_that_is_not_there(call: Call, tmp_path: Path) -> None:
    done = call("models", "convert", _fsrcnn(tmp_path / "a-x2.pth"), tmp_path / "no" / "b.safetensors")
    assert done.code == 5
    assert "cannot be written" in done.err
