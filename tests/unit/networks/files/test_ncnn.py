"""Files of ncnn, written here by hand after its documentation: what is read, and what is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact
from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet

from vsr.errors import ModelError
from vsr.networks import load_network
from vsr.networks.files.ncnn import read_ncnn

FLOAT16 = struct.pack("<I", 0x01306B47)
PARAM = """7767517
4 4
Input            data   0 1 data
Convolution      first  1 1 data a 0=1 1=3 4=1 5=1 6=9 9=1
Convolution      second 1 1 a b 0=3 1=1 11=1 6=3
PixelShuffle     out    1 1 b out 0=1
"""


def _numbers() -> tuple[np.ndarray, float, np.ndarray]:
    return np.arange(9, dtype="<f2") / 8, 0.25, np.array([1.5, -2.0, 3.0], "<f4")


def _write(folder: Path, text: str = PARAM, numbers: bytes | None = None) -> Path:
    """Nine float16 weights, padded to 20 bytes, and a bias; then three float32 weights."""
    half, bias, single = _numbers()
    packed = FLOAT16 + half.tobytes() + b"\0\0" + struct.pack("<f", bias) + struct.pack("<I", 0) + single.tobytes()
    path = folder / "small.param"
    path.write_text(text)
    path.with_suffix(".bin").write_bytes(packed if numbers is None else numbers)
    return path


def test_weights_of_both_types_and_biases_are_read(tmp_path: Path) -> None:
    half, bias, single = _numbers()
    tensors = read_ncnn(_write(tmp_path))
    assert list(tensors) == ["first.weight", "first.bias", "second.weight"]
    assert all(tensor.dtype == torch.float32 for tensor in tensors.values())
    assert tensors["first.weight"].shape == (1, 1, 3, 3)
    assert tensors["first.weight"].flatten().tolist() == half.astype(float).tolist()
    assert tensors["first.bias"].tolist() == [bias]
    assert tensors["second.weight"].shape == (3, 1, 1, 1)
    assert tensors["second.weight"].flatten().tolist() == single.tolist()


def _refusal(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        load_network(path, 2)
    text = str(refused.value)
    assert "\n" not in text
    assert path.name in text
    return text


def test_a_missing_bin_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path)
    path.with_suffix(".bin").unlink()
    assert "put small.bin beside it" in _refusal(path)


@pytest.mark.parametrize("lost", [1, 4, 13, 20, 40, 43])
def test_a_bin_that_is_cut_off_is_refused(lost: int, tmp_path: Path) -> None:
    path = _write(tmp_path)
    whole = path.with_suffix(".bin").read_bytes()
    path.with_suffix(".bin").write_bytes(whole[:-lost])
    assert "its .bin ends" in _refusal(path)


def test_a_bin_with_more_than_the_layers_hold_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path)
    path.with_suffix(".bin").write_bytes(path.with_suffix(".bin").read_bytes() + b"\0" * 4)
    assert "4 bytes more than the layers hold" in _refusal(path)


LAST = "PixelShuffle     out    1 1 b out 0=1"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("4 4\n", "5 4\n", "tells 5 layers and lists 4"),
        ("4 4\n", "four\n", "counts of layers and blobs"),
        ("6=9", "6=10", "10 weights, which do not make 1 kernels of 3x3"),
        ("6=9", "6=999999999", "its .bin ends within layer first"),
        ("0=1 1=3", "0=0 1=3", "do not make 0 kernels"),
        ("0=1 1=3", "0=x 1=3", "settings of layer first cannot be read"),
        ("0=1 1=3", "nonsense 1=3", "settings of layer first cannot be read"),
        (
            "Convolution      second",
            "Deconvolution    second",
            "is of type Deconvolution; convolutions and PReLUs alone are read",
        ),
        ("Input            data   0 1 data", "Input data", "layer 'Input data' cannot be read"),
        (
            "PixelShuffle     out    1 1 b out 0=1",
            "Interp out 1 1 b out 0=3 1=0.5 2=0.5",
            "makes the result smaller by 0.5",
        ),
        (
            "PixelShuffle     out    1 1 b out 0=1",
            "Interp out 1 1 b out 0=3 1=x",
            "settings of layer out cannot be read",
        ),
        (LAST, "PReLU out 1 1 b out", "settings of layer out cannot be read"),
        (LAST, "PReLU out 1 1 b out 0=1", "its .bin ends within layer out"),
    ],
)
def test_a_damaged_param_is_refused(old: str, new: str, why: str, tmp_path: Path) -> None:
    assert old in PARAM
    assert why in _refusal(_write(tmp_path, PARAM.replace(old, new, 1)))


def test_quantised_weights_are_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, numbers=struct.pack("<I", 0x000D4B38) + b"\0" * 60)
    assert "neither float32 nor float16 (type 0x000d4b38)" in _refusal(path)


def test_the_bin_alone_and_the_binary_form_say_what_they_are(tmp_path: Path) -> None:
    path = _write(tmp_path)
    assert "name its .param" in _refusal(path.with_suffix(".bin"))
    path.write_bytes(struct.pack("<i", 7767517) + b"\0" * 40)
    assert "binary form" in _refusal(path)


def test_sound_files_of_no_known_network_are_refused(tmp_path: Path) -> None:
    assert "weights of no network known here" in _refusal(_write(tmp_path))


def _export(folder: Path, kernels: list[tuple[str, torch.Tensor, torch.Tensor | None]]) -> Path:
    """Layers ``(kind, weights, biases)`` with the names and in the form that exporters give them."""
    lines, numbers = ["Input input 0 1 data"], b""
    for place, (kind, weights, biases) in enumerate(kernels):
        one = f"0={len(weights)}"
        if biases is not None:
            one += f" 1={weights.shape[-1]} 4=1 5=1 6={weights.numel()}"
            numbers += struct.pack("<I", 0)
        lines.append(f"{kind} {kind[:4]}_{place} 1 1 {place} {place + 1} {one}")
        numbers += b"".join(one.numpy().astype("<f4").tobytes() for one in (weights, biases) if one is not None)
    text = "\n".join(["7767517", f"{len(lines)} {len(lines)}", *lines, ""])
    path = folder / "exported.param"
    path.write_text(text)
    path.with_suffix(".bin").write_bytes(numbers)
    return path


def test_real_esrgan_compact_is_recognised_by_its_layers(tmp_path: Path) -> None:
    state = SRVGGNetCompact(num_feat=8, num_conv=3, upscale=4).state_dict()
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    layers = [(state[f"{name}.weight"], state.get(f"{name}.bias")) for name in names]
    path = _export(tmp_path, [("PReLU" if b is None else "Convolution", w, b) for w, b in layers])
    network = load_network(path)
    assert (network.name, network.scale) == ("RealESRGAN Compact", 4)
    loaded = network.module.state_dict()
    assert all(torch.equal(loaded[f"model.{name}"], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("num_blocks", [1, 2])
def test_rrdb_is_recognised_by_its_layers(tmp_path: Path, num_blocks: int) -> None:
    reference = RRDBNet(num_filters=8, num_blocks=num_blocks, scale=4)
    state = reference.state_dict()
    names = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    path = _export(tmp_path, [("Convolution", state[f"{name}.weight"], state[f"{name}.bias"]) for name in names])
    network = load_network(path)
    assert (network.name, network.scale) == ("ESRGAN", 4)
    image = torch.rand(1, 3, 12, 12)
    with torch.inference_mode():
        assert torch.equal(network.module(image), reference(image))
