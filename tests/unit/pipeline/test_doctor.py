"""What ``vsr doctor`` says of machines on which something is missing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from vsr.errors import MachineError
from vsr.inference.backends import Backend
from vsr.pipeline import doctor


def test_an_ffmpeg_that_does_not_work_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise MachineError("no ffmpeg here")

    monkeypatch.setattr(doctor, "ffmpeg_version", refuse)
    assert doctor.examine().problems == ["no ffmpeg here"]


def test_weights_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose card is left, and all of them."""
    monkeypatch.setattr(doctor, "SHIPPED", tmp_path)
    assert [text.endswith("holds none of the weights that ship; install vsr again") for text in _problems()] == [True]
    (tmp_path / "lite-x2.md").write_text("A card.")
    [problem] = _problems()
    assert problem.startswith("lite-x2: ")
    assert "no such file" in problem


def test_what_computes_networks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is no problem: torch is always there."""
    monkeypatch.setattr(Backend, "is_installed", property(lambda backend: backend.name == "torch"))
    report = doctor.examine()
    assert report.backends["torch"] == torch.__version__.partition("+")[0]
    assert report.backends["openvino"] == "not installed: pip install 'vsr[openvino]'"
    assert report.problems == []
    assert ("backend  onnxruntime", "not installed: pip install 'vsr[onnx]'") in report.rows()


def _problems() -> list[str]:
    return doctor.examine().problems


@pytest.mark.parametrize("is_known", [True, False])
def test_a_gpu_that_cannot_be_used_is_a_problem(monkeypatch: pytest.MonkeyPatch, is_known: bool) -> None:
    """As with a driver that is broken, or a GPU too old for this torch."""

    def refuse(device: torch.device, dtype: torch.dtype) -> float:
        if device.type == "cuda" or dtype == torch.float16:
            raise RuntimeError("no kernel image is available\nCompile with TORCH_USE_CUDA_DSA")
        return 1.0 if dtype == torch.float32 else 0.5

    def find(index: int) -> SimpleNamespace:
        if not is_known:
            raise RuntimeError("no kernel image is available")
        return SimpleNamespace(total_memory=2**30)

    monkeypatch.setattr(doctor, "_seconds_of_convolution", refuse)
    monkeypatch.setattr(doctor, "device_class", str)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", find)
    report = doctor.examine()
    assert report.problems == ["cuda:0 cannot be used: no kernel image is available"]
    assert len(report.devices) == 1 + is_known
    assert report.precision == {
        "float32 on cpu": "1.0x float32",
        "bfloat16 on cpu": "2.0x float32",
        "float16 on cpu": "not supported",
    }
