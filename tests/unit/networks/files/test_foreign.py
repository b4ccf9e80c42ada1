"""Files of Caffe, MXNet and TensorFlow, written here by hand after their descriptions: what is read, and refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vsr.errors import ModelError
from vsr.networks.files.checkpoint import read_checkpoint
from vsr.networks.files.mxnet import MXNET_MAGIC
from vsr.networks.files.tensorflow import TENSORFLOW_MAGIC

WEIGHT = np.arange(12, dtype="<f4").reshape(2, 1, 2, 3) / 8
BIAS = np.array([0.5, -1.5], "<f4")


def varint(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number: int, value: int | bytes) -> bytes:
    """A field of a message: an integer, or bytes with their length ahead."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def caffe(values: np.ndarray = WEIGHT) -> bytes:
    """A net with one layer in the present form and one in that of 2014."""
    shape = field(7, field(1, b"".join(varint(side) for side in WEIGHT.shape)))
    blob = shape + field(5, values.tobytes())
    layer = field(1, b"first") + field(2, b"Convolution") + field(7, blob)
    sides = b"".join(field(number, side) for number, side in zip((1, 2, 3, 4), (1, 1, 1, 2), strict=True))
    weights = b"".join(field(number, side) for number, side in zip((1, 2, 3, 4), WEIGHT.shape, strict=True))
    old = field(4, b"second") + field(6, weights + field(5, WEIGHT.tobytes()))
    return field(1, b"a net") + field(100, layer) + field(2, old + field(6, sides + field(5, BIAS.tobytes())))


def mxnet() -> bytes:
    def array(values: np.ndarray, kind: int) -> bytes:
        shape = struct.pack(f"<{values.ndim}q", *values.shape)
        return (
            struct.pack("<IiI", 0xF993FAC9, 0, values.ndim) + shape + struct.pack("<iii", 1, 0, kind) + values.tobytes()
        )

    names = b"".join(struct.pack("<Q", len(name)) + name for name in (b"arg:first.weight", b"aux:first.bias"))
    arrays = array(WEIGHT, 0) + array(BIAS.astype("<f2"), 2)
    return MXNET_MAGIC + struct.pack("<Q", 2) + arrays + struct.pack("<Q", 2) + names


def table(entries: list[tuple[bytes, bytes]], compressed: int = 0) -> bytes:
    """A sorted table with one block; keys are not shortened but for the second, which keeps a byte of the first."""
    block, previous = b"", b""
    for key, value in entries:
        kept = 1 if previous[:1] == key[:1] and previous else 0
        block += varint(kept) + varint(len(key) - kept) + varint(len(value)) + key[kept:] + value
        previous = key
    block += struct.pack("<II", 0, 1)
    where = varint(0) + varint(len(block))
    index = varint(0) + varint(1) + varint(len(where)) + b"z" + where + struct.pack("<II", 0, 1)
    trailer = bytes([compressed]) + b"\0\0\0\0"
    place = len(block) + len(trailer)
    footer = varint(0) + varint(0) + varint(place) + varint(len(index))
    return block + trailer + index + trailer + footer.ljust(40, b"\0") + TENSORFLOW_MAGIC


def shape_of(values: np.ndarray) -> bytes:
    return b"".join(field(2, field(1, side)) for side in values.shape)


KERNEL = np.ascontiguousarray(WEIGHT.transpose(2, 3, 1, 0))  # height, width, inputs, outputs


def tensorflow2(folder: Path, *, compressed: int = 0) -> Path:
    name = b"layer/%s/.ATTRIBUTES/VARIABLE_VALUE"
    kernel = field(1, 1) + field(2, shape_of(KERNEL)) + field(4, 8) + field(5, KERNEL.nbytes)
    bias = field(1, 1) + field(2, shape_of(BIAS)) + field(5, BIAS.nbytes)
    entries = [
        (b"", field(1, 1)),
        (b"count", field(1, 9) + field(5, 8)),
        (name % b"bias", bias),
        (name % b"kernel", kernel),
        (name % b"kernel/.OPTIMIZER_SLOT/m", kernel),
    ]
    path = folder / "net.index"
    path.write_bytes(table(entries, compressed))
    path.with_suffix(".data-00000-of-00001").write_bytes(BIAS.tobytes() + KERNEL.tobytes())
    return path


def tensorflow1(folder: Path) -> Path:
    tensors = {b"net/bias": ("biases", BIAS), b"net/kernel": ("weights", KERNEL)}
    heads, entries = b"", []
    for key, (part, values) in tensors.items():
        name = b"net/" + part.encode()
        heads += field(1, field(1, name) + field(2, shape_of(values)))
        piece = field(1, name) + field(3, field(5, values.tobytes()))
        entries.append((b"\0" + key, field(2, piece)))
    path = folder / "weights"
    path.write_bytes(table([(b"", field(1, heads)), *entries]))
    return path


def _check(path: Path, kind: str, names: tuple[str, str]) -> None:
    checkpoint = read_checkpoint(path)
    assert checkpoint.kind == kind
    assert set(names) <= set(checkpoint.tensors)
    assert torch.equal(checkpoint.tensors[names[0]], torch.from_numpy(WEIGHT.copy()))
    assert torch.equal(checkpoint.tensors[names[1]], torch.from_numpy(BIAS.copy()))


def test_caffe(tmp_path: Path) -> None:
    path = tmp_path / "net.caffemodel"
    path.write_bytes(caffe())
    _check(path, "caffe", ("second.weight", "second.bias"))
    assert torch.equal(read_checkpoint(path).tensors["first.weight"], torch.from_numpy(WEIGHT.copy()))


def test_mxnet(tmp_path: Path) -> None:
    path = tmp_path / "net.params"
    path.write_bytes(mxnet())
    _check(path, "mxnet", ("first.weight", "first.bias"))


def test_tensorflow(tmp_path: Path) -> None:
    _check(tensorflow2(tmp_path), "tensorflow", ("layer.weight", "layer.bias"))
    assert set(read_checkpoint(tmp_path / "net.index").tensors) == {"layer.weight", "layer.bias"}
    _check(tensorflow1(tmp_path), "tensorflow", ("net.weight", "net.bias"))


def _refusal(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        read_checkpoint(path)
    text = str(refused.value)
    assert "\n" not in text
    assert path.name in text
    return text


def test_what_is_refused_and_why(tmp_path: Path) -> None:
    path = tmp_path / "net"
    path.write_bytes(caffe(WEIGHT[:1]))
    assert "layer first should hold 12 numbers and holds 6" in _refusal(path)
    path.write_bytes(mxnet().replace(struct.pack("<I", 0xF993FAC9), struct.pack("<I", 0xF993FACA)))
    assert "sparse, or of another version" in _refusal(path)
    index = tensorflow2(tmp_path, compressed=1)
    assert "compressed" in _refusal(index)
    index = tensorflow2(tmp_path)
    data = index.with_suffix(".data-00000-of-00001")
    assert "name its net.index" in _refusal(data)
    data.write_bytes(data.read_bytes()[:-4])
    assert "lie outside its data" in _refusal(index)
    data.unlink()
    assert f"put {data.name} beside it" in _refusal(index)


@pytest.mark.parametrize("form", ["caffe", "mxnet", "tensorflow1"])
def test_a_name_that_cannot_be_printed_is_refused_in_one_line(form: str, tmp_path: Path) -> None:
    path = tensorflow1(tmp_path) if form == "tensorflow1" else tmp_path / "net"
    whole = path.read_bytes() if form == "tensorflow1" else caffe() if form == "caffe" else mxnet()
    name = {"caffe": b"first", "mxnet": b"weight", "tensorflow1": b"weights"}[form]
    assert name in whole
    path.write_bytes(whole.replace(name, b"\n" + name[1:]))
    said = _refusal(path)
    assert "a name in it is" in said
    assert "\n" not in said


@pytest.mark.parametrize("form", ["caffe", "mxnet", "tensorflow1", "tensorflow2"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_is_said_in_one_line_or_does_no_harm(
    form: str, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Cut off anywhere, or with a byte changed, a file is refused with `ModelError` or read as other numbers."""
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / "net"
    if form.startswith("tensorflow"):
        path = tensorflow1(folder) if form == "tensorflow1" else tensorflow2(folder)
    else:
        path.write_bytes(caffe() if form == "caffe" else mxnet())
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytes([whole[place] ^ data.draw(st.integers(1, 255))])
    broken = data.draw(st.sampled_from([whole[:place], whole[:place] + changed + whole[place + 1 :]]))
    path.write_bytes(broken)
    said = ""
    try:
        read_checkpoint(path)
    except ModelError as error:
        said = str(error)
    assert "\n" not in said
