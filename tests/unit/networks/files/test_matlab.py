"""MATLAB files: what our reader makes of them against SciPy's, and weights in MATLAB's order against a direct sum."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

from vsr.errors import ModelError
from vsr.networks import load_network
from vsr.networks.files import matlab
from vsr.networks.files.matlab import MatCell, MatStruct, read_matlab

RANDOM = np.random.default_rng(1)


def _cell(values: list[Any]) -> Any:
    cell = np.empty((1, len(values)), dtype=object)
    cell[0, :] = [None] * len(values)
    for index, value in enumerate(values):
        cell[0, index] = value
    return cell


def _structs(records: list[dict[str, Any]]) -> Any:
    dtype = [(name, object) for name in records[0]]
    array = np.empty((1, len(records)), dtype=dtype)
    for index, record in enumerate(records):
        for name, value in record.items():
            array[0, index][name] = value
    return array


@pytest.mark.parametrize("compressed", [True, False])
def test_against_scipy(compressed: bool, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        f"of_{dtype}": (RANDOM.random((3, 4, 2)) * 100).astype(dtype)
        for dtype in ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
    }
    values |= {"single": np.float64(2.5), "small_ints": np.arange(6.0).reshape(2, 3), "nothing": np.zeros((0, 3))}
    path = tmp_path / "values.mat"
    scipy.io.savemat(path, values, do_compression=compressed)
    ours, theirs = read_matlab(path), scipy.io.loadmat(path)
    assert set(ours) == set(values)
    for name in values:
        mine = ours[name]
        assert isinstance(mine, np.ndarray)
        np.testing.assert_array_equal(mine, theirs[name])
        assert mine.dtype == theirs[name].dtype or name == "single"


@pytest.mark.parametrize("compressed", [True, False])
def test_text_cells_and_structs(compressed: bool, tmp_path: Path) -> None:
    path = tmp_path / "values.mat"
    content = {
        "text": "größer",
        "cell": _cell(["a", np.eye(2), _cell(["deep"])]),
        "record": _structs([{"name": "x", "value": np.arange(3.0)}, {"name": "yy", "value": np.ones((2, 2))}]),
    }
    scipy.io.savemat(path, content, do_compression=compressed)
    found = read_matlab(path)
    assert found["text"] == "größer"
    cell, record = found["cell"], found["record"]
    assert isinstance(cell, MatCell)
    assert isinstance(record, MatStruct)
    assert cell.values[0] == "a"
    np.testing.assert_array_equal(cell.values[1], np.eye(2))
    assert cell.values[2] == MatCell(("deep",))
    assert [entry["name"] for entry in record.records] == ["x", "yy"]
    np.testing.assert_array_equal(record.records[1]["value"], np.ones((2, 2)))


def _element(order: str, kind: int, content: bytes) -> bytes:
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


def _matrix(order: str, name: bytes, values: np.ndarray[Any, Any], kind: int = 6) -> bytes:
    body = _element(order, 6, struct.pack(order + "II", kind, 0))
    body += _element(order, 5, struct.pack(f"{order}{values.ndim}i", *values.shape))
    body += _element(order, 1, name)
    body += _element(order, 9, values.astype(order + "f8").tobytes(order="F"))
    return _element(order, 14, body)


def _file(order: str, *elements: bytes) -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + (b"\x00\x01IM" if order == "<" else b"\x01\x00MI") + b"".join(elements)


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order: str, tmp_path: Path) -> None:
    values = np.arange(6.0).reshape(2, 3)
    path = tmp_path / "file.mat"
    path.write_bytes(_file(order, _matrix(order, b"name", values)))
    np.testing.assert_array_equal(read_matlab(path)["name"], values)


def test_compressed_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "_MAX_BYTES", 3 << 20)
    packed = zlib.compress(bytes(4 << 20), 9)
    path = tmp_path / "bomb.mat"
    path.write_bytes(_file("<", struct.pack("<II", 15, len(packed)) + packed))
    with pytest.raises(ModelError, match="it unpacks to more than 3 MiB"):
        read_matlab(path)


def _resized(length: int) -> bytes:
    """Six numbers that claim to be ``length`` × ``length``."""
    matrix = _matrix("<", b"x", np.zeros((2, 3)))
    return matrix.replace(struct.pack("<ii", 2, 3), struct.pack("<ii", length, length))


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (_matrix("<", b"handle", np.zeros((1, 1)), kind=16), "handle is of class 16"),
        (_matrix("<", b"object", np.zeros((1, 1)), kind=17), "object is of class 17"),
        (_matrix("<", b"z", np.zeros((1, 1)), kind=6 | 0x0800), "z is of class 6"),
        (_resized(9), "x has 6 numbers"),
        (_resized(1 << 20), "x claims the size"),
        (_element("<", 3, bytes(8)), "an array was expected, found type 3"),
        (struct.pack("<II", 14, 400) + bytes(16), "it ends in the middle of a variable"),
        (struct.pack("<II", 15, 8) + b"notzlib!", "damaged MATLAB file"),
    ],
    ids=["handle", "object", "complex", "size", "huge", "type", "cut", "zlib"],
)
def test_what_cannot_be_read(element: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file.mat"
    path.write_bytes(_file("<", element))
    with pytest.raises(ModelError, match=rf"file\.mat: .*{message}"):
        read_matlab(path)


def test_damage_anywhere_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "file-x2.mat"
    scipy.io.savemat(path, _srcnn(1)[0], do_compression=True)
    data = path.read_bytes()
    for place in RANDOM.integers(128, len(data), 60):
        path.write_bytes(data[:place])
        with pytest.raises(ModelError):
            load_network(path)
        changed = bytearray(data)
        changed[place] ^= 0x55
        path.write_bytes(changed)
        try:
            load_network(path)
        except ModelError as error:
            message = str(error)
        else:
            message = ""
        assert "\n" not in message


def test_other_content(tmp_path: Path) -> None:
    path = tmp_path / "file.mat"
    scipy.io.savemat(path, {"image": np.eye(3), "note": "x"})
    with pytest.raises(ModelError, match=r"a MATLAB file with 'image', 'note'; expected the weights of SRCNN"):
        load_network(path)


def _srcnn(middle: int) -> tuple[dict[str, Any], list[np.ndarray[Any, Any]]]:
    """A file as SRCNN's authors write it, and its filters as rows × columns × inputs × outputs."""
    shapes = [(9, 9, 1, 6), (middle, middle, 6, 4), (5, 5, 4, 1)]
    filters = [RANDOM.standard_normal(shape) for shape in shapes]
    flat = [
        each.reshape(shape[0] * shape[1], *shape[2:], order="F") for each, shape in zip(filters, shapes, strict=True)
    ]
    content = {
        "weights_conv1": flat[0][:, 0, :],
        "weights_conv2": flat[1].transpose(1, 0, 2),
        "weights_conv3": flat[2][:, :, 0].T,
        "biases_conv1": RANDOM.standard_normal((6, 1)),
        "biases_conv2": RANDOM.standard_normal((4, 1)),
        "biases_conv3": RANDOM.standard_normal((1, 1)),
    }
    return content, filters


@pytest.mark.parametrize("middle", [1, 3, 5])
def test_srcnn_in_column_order(middle: int, tmp_path: Path) -> None:
    content, filters = _srcnn(middle)
    path = tmp_path / "weights-x2.mat"
    scipy.io.savemat(path, content)
    network = load_network(path)
    state = network.module.state_dict()
    assert network.name == f"srcnn-9-{middle}-5"
    for layer, expected in enumerate(filters, 1):
        weight = state[f"conv{layer}.weight"].numpy()
        for row, column, source, target in [(0, 0, 0, 0), (0, -1, -1, -1), (-1, 0, 0, -1)]:
            assert weight[target, source, row, column] == np.float32(expected[row, column, source, target])
    np.testing.assert_array_equal(state["conv2.bias"].numpy(), content["biases_conv2"].ravel().astype("f4"))


def test_vdsr_as_matconvnet_writes_it(tmp_path: Path) -> None:
    filters = [RANDOM.standard_normal(shape).astype("f4") for shape in [(3, 3, 1, 8), (3, 3, 8, 8), (3, 3, 8)]]
    biases = [RANDOM.standard_normal((size, 1)).astype("f4") for size in (8, 8, 1)]
    path = tmp_path / "vdsr.mat"
    scipy.io.savemat(path, {"model": _structs([{"weight": _cell(filters), "bias": _cell(biases)}])})
    network = load_network(path, 3)
    state = network.module.state_dict()
    assert (network.name, network.num_parameters) == ("vdsr", 72 + 576 + 72 + 17)
    np.testing.assert_array_equal(state["residual_layer.0.conv.weight"].numpy()[5, 2], filters[1][:, :, 2, 5])
    np.testing.assert_array_equal(state["output.weight"].numpy()[0, 7], filters[2][:, :, 7])


def _net(params: dict[str, Any], layers: list[str]) -> dict[str, Any]:
    return {
        "net": _structs(
            [
                {
                    "params": _structs([{"name": name, "value": value} for name, value in params.items()]),
                    "layers": _structs([{"name": name} for name in layers]),
                }
            ]
        )
    }


def _pair(name: str, *shape: int) -> dict[str, Any]:
    return {
        f"{name}_f": RANDOM.standard_normal(shape).astype("f4") * 0.1,
        f"{name}_b": RANDOM.standard_normal((shape[3] if len(shape) == 4 else 1, 1)).astype("f4"),
    }


def test_lapsrn_counts_its_levels_down(tmp_path: Path) -> None:
    params = _pair("input_conv", 3, 3, 1, 4)
    for level in (1, 2):
        params |= _pair(f"level{level}_conv1", 3, 3, 4, 4) | _pair(f"level{level}_conv2", 3, 3, 4, 4)
        params |= _pair(f"level{level}_upconv", 3, 3, 4, 4) | _pair(f"level{level}_residual_conv", 3, 3, 4)
        params[f"level{level}_img_up_f"] = RANDOM.standard_normal((4, 4)).astype("f4")
    path = tmp_path / "lapsrn.mat"
    scipy.io.savemat(path, _net(params, ["input_conv"]))
    network = load_network(path)
    state = network.module.state_dict()
    assert (network.name, network.scale) == ("lapsrn", 4)
    np.testing.assert_array_equal(state["convt_I1.weight"].numpy()[0, 0], params["level2_img_up_f"])
    np.testing.assert_array_equal(
        state["convt_F2.0.cov_block.4.weight"].numpy()[3, 1], params["level1_upconv_f"][:, :, 1, 3]
    )
    assert network(torch.rand(1, 1, 5, 7)).shape == (1, 1, 20, 28)


@pytest.mark.parametrize("recursions", [2, 5])
def test_ms_lapsrn_carries_its_recursions(recursions: int, tmp_path: Path) -> None:
    params = _pair("input_conv", 3, 3, 1, 4) | _pair("conv1", 3, 3, 4, 4) | _pair("conv2", 3, 3, 4, 4)
    params |= _pair("upconv", 3, 3, 4, 4) | _pair("residual_conv", 3, 3, 4)
    params["img_up_f"] = RANDOM.standard_normal((4, 4)).astype("f4")
    layers = [f"x2SR_level1_R{index}_conv1" for index in range(1, recursions + 1)]
    path = tmp_path / "ms.mat"
    scipy.io.savemat(path, _net(params, layers))
    network = load_network(path, 2)
    assert network.name == "ms-lapsrn"
    assert int(network.module.get_buffer("recursions")) == recursions
    # 1 of the input, 2 a recursion, 1 of the residual after twice the size, and the deconvolution
    assert network.context_px in (2 * recursions + 2, 2 * recursions + 3)
    torch.save(network.module.state_dict(), tmp_path / "ms.pth")
    again = load_network(tmp_path / "ms.pth", 2)
    images = torch.rand(1, 1, 4, 5)
    assert torch.equal(again(images), network(images))
    assert again.digest == network.digest
