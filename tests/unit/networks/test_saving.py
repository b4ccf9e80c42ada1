"""Writing weights: read back by the library, whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

from vsr.errors import MachineError, UsageError
from vsr.networks import saving
from vsr.networks.saving import save_weights

TENSORS = {
    "b.weight": torch.randn(3, 4, 3, 3).transpose(0, 1),
    "a.half": torch.randn(5).half(),
    "a.bfloat": torch.randn(7).bfloat16(),
    "counter": torch.tensor(3),
    "nothing": torch.zeros(0, 4),
}


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_weights(path, TENSORS, architecture="mine", scale=2, is_generative=True, notes={"author": "größer"})
    back = safetensors.torch.load_file(path)
    assert back.keys() == TENSORS.keys()
    for name, value in TENSORS.items():
        assert torch.equal(back[name], value)
        assert back[name].dtype == value.dtype
    with safe_open(path, framework="pt") as file:
        assert file.metadata() == {
            "author": "größer",
            "format": "pt",
            "vsr.architecture": "mine",
            "vsr.generative": "true",
            "vsr.scale": "2",
        }


def test_nothing_is_left_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *rest: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(saving, "write_safetensors", full)
    with pytest.raises(MachineError, match=r"weights\.safetensors: cannot be written \(No space left on device\)"):
        save_weights(tmp_path / "weights.safetensors", TENSORS, architecture="mine")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="is there already"):
        save_weights(path, TENSORS, architecture="mine")
    assert path.read_bytes() == b"mine"
    save_weights(path, TENSORS, architecture="mine", overwrite=True)
    assert safetensors.torch.load_file(path).keys() == TENSORS.keys()
