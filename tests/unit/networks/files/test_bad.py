"""Files that are no weights, damaged weights, or attacks: each refused with what it is, and nothing in it runs."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vsr.errors import ModelError
from vsr.networks import NETWORKS, load_network
from vsr.networks.fsrcnn import FSRCNN


def _state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return dict(FSRCNN(2).state_dict())


def _zip(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def _legacy(path: Path, content: Any) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=False)
    return path


WRITERS: list[Callable[[Path, Any], Path]] = [_zip, _legacy]


class _Attack:
    """Unpickled by Python's own unpickler it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, (str(self._mark),)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".mat", ".pt"])
def test_malicious_pickle_does_not_run(write: Callable[[Path, Any], Path], suffix: str, tmp_path: Path) -> None:
    mark = tmp_path / "it-ran"
    path = write(tmp_path / f"evil-x2{suffix}", {**_state(), "extra": _Attack(mark)})
    with pytest.raises(ModelError, match=r"evil-x2.*Python objects besides tensors.*would run code.*state_dict"):
        load_network(path)
    assert not mark.exists()
    torch.load(io.BytesIO(path.read_bytes()), weights_only=False)  # the attack itself works
    assert mark.exists()


def test_bare_malicious_pickle_does_not_run(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(_Attack(tmp_path / "it-ran")))
    with pytest.raises(ModelError, match="a Python pickle that torch did not write"):
        load_network(path)
    assert not (tmp_path / "it-ran").exists()


@pytest.mark.parametrize("write", WRITERS)
def test_whole_module_is_refused_with_the_reason(write: Callable[[Path, Any], Path], tmp_path: Path) -> None:
    path = write(tmp_path / "whole.pth", {"epoch": 3, "model": FSRCNN(2)})
    with pytest.raises(ModelError, match=r"vsr\.networks\.fsrcnn\.FSRCNN.*whole pickled module.*state_dict"):
        load_network(path, 2)


def test_torchscript_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "script.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("script/data.pkl", pickle.dumps({}))
        archive.writestr("script/code/__torch__.py", "class ReLU(Module): ...")
        archive.writestr("script/constants.pkl", pickle.dumps(()))
    with pytest.raises(ModelError, match=r"TorchScript program"):
        load_network(path)


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
def test_truncated_torch_file(write: Callable[[Path, Any], Path], share: float, tmp_path: Path) -> None:
    path = write(tmp_path / "weights-x2.pth", _state())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match=r"truncated or damaged"):
        load_network(path)


def test_bytes_changed_inside_a_zip_file(tmp_path: Path) -> None:
    """Whatever is changed: a network comes out, or one line says why not."""
    path = _zip(tmp_path / "weights-x2.pth", _state())
    data = bytearray(path.read_bytes())
    generator = np.random.default_rng(4)
    for place in [*range(0, 600, 7), *range(len(data) - 900, len(data), 11), *generator.integers(0, len(data), 60)]:
        changed = bytearray(data)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        with contextlib.suppress(ModelError):
            load_network(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_safetensors(share: float, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights-x2.safetensors"
    save_file(_state(), path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ModelError, match="truncated or damaged safetensors"):
        load_network(path)


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(ModelError, match="a pipe or a device"):
        load_network(tmp_path / "pipe.pth")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.pth: no such file; expected weights: \.safetensors"):
        load_network(tmp_path / "nothing.pth")
    with pytest.raises(ModelError, match="a folder"):
        load_network(tmp_path)


CONTENTS: list[tuple[bytes, str]] = [
    (b"", "the file is empty"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "pointer of Git LFS"),
    (b"<!DOCTYPE html><html></html>", "HTML"),
    (b"\x89PNG\r\n\x1a\n" + bytes(60), "PNG image"),
    (b"\x00\x00\x00\x18ftypisom" + bytes(60), "MP4 or MOV video"),
    (b"\x1a\x45\xdf\xa3" + bytes(60), "Matroska"),
    (b"\x89HDF\r\n\x1a\n" + bytes(60), "HDF5"),
    (b"MATLAB 7.3 MAT-file, Platform" + bytes(100), "7.3"),
    (b"hello, world\n" * 10, "a text file"),
    (bytes(range(1, 200)), "no format known"),
    (struct.pack("<Q", 1 << 60) + bytes(40), "no format known"),
    (b"P", "text file"),
]


@pytest.mark.parametrize(("content", "what"), CONTENTS, ids=[what for _, what in CONTENTS])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".mat"])
def test_other_files_are_named(content: bytes, what: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"file.*{what}.*expected weights"):
        load_network(path)


def test_other_zip_archive(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<w/>")
    with pytest.raises(ModelError, match="zip archive that torch did not write"):
        load_network(path)


def test_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({}))
        archive.writestr("archive/data/0", bytes(50_000_000))
    with pytest.raises(ModelError, match="unpacks to far more than it holds"):
        load_network(path)


@pytest.mark.parametrize("write", WRITERS)
def test_tensor_that_claims_more_than_the_file_holds(write: Callable[[Path, Any], Path], tmp_path: Path) -> None:
    huge = torch.zeros(1).expand(56, 1, 300_000, 300_000)
    path = write(tmp_path / "huge-x2.pth", {**_state(), "first_part.0.weight": huge})
    with pytest.raises(ModelError, match=r"first_part\.0\.weight claims 5,040,000,000,000 numbers"):
        load_network(path)


def test_legacy_file_that_claims_more_memory_than_there_is(tmp_path: Path) -> None:
    path = _legacy(tmp_path / "huge-x2.pth", OrderedDict(weight=torch.zeros(0x01020304)))
    data = path.read_bytes()
    claimed = b"J" + struct.pack("<i", 0x01020304)
    assert claimed in data
    path.write_bytes(data[: 1 << 16].replace(claimed, b"\x8a\x06" + (1 << 46).to_bytes(6, "little")))
    with pytest.raises(ModelError, match="asks for more memory than there is"):
        load_network(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_not_finite(value: float, tmp_path: Path) -> None:
    state = _state()
    state["mid_part.4.weight"][3, 2, 1, 0] = value
    with pytest.raises(ModelError, match=r"mid_part\.4\.weight has 1 of 1,296 weights that are NaN or infinite"):
        load_network(_zip(tmp_path / "weights-x2.pth", state))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3), "one tensor without a name"),
        ([torch.zeros(3)], "holds list"),
        ({"epoch": 3, "best": 0.1}, "no weights in it; it holds 'epoch', 'best'"),
        ({}, "no weights in it; it holds nothing"),
        ({"state_dict": {"a": 1}}, "no weights in it; it holds 'a'"),
        ({"a": torch.zeros(3, dtype=torch.complex64)}, "sparse, quantised or complex"),
        ({"a": torch.eye(3).to_sparse()}, "sparse, quantised or complex"),
        ({"a": torch.zeros(3, device="meta")}, "a has a shape but no values"),
    ],
    ids=["tensor", "list", "no-tensors", "empty", "wrapped", "complex", "sparse", "meta"],
)
def test_no_state_dict(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        load_network(_zip(tmp_path / "file.pth", content))


@pytest.mark.parametrize("name", ["fsrcnn", "vdsr", "espcn", "carn-m", "lapsrn"])
def test_weights_that_do_not_fit_what_they_look_like(name: str, tmp_path: Path) -> None:
    """One tensor too many, one of another shape: refused by name, never loaded by half."""
    row = NETWORKS[name]
    state = {key: value.contiguous() for key, value in row.build(row.scales[0]).state_dict().items()}
    path = tmp_path / f"weights-x{row.scales[0]}.pth"
    bias = [key for key in state if key.endswith(".bias")][-1]
    for changed in ({**state, "surplus.weight": torch.zeros(2)}, {**state, bias: torch.zeros(1234)}):
        torch.save(changed, path)
        with pytest.raises(ModelError, match=rf"surplus\.weight|{bias}|no network known here"):
            load_network(path, row.scales[0])


def test_reading_leaves_no_open_file(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(_state(), buffer)
    path = tmp_path / "weights-x2.pth"
    path.write_bytes(buffer.getvalue())
    load_network(path)
    path.unlink()
