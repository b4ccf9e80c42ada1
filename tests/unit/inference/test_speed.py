"""Half precision that a build of PyTorch is slow at is not taken; that is found out once, and kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_networks import small_network

from vsr.inference import precision, speed
from vsr.inference.precision import choose_precision
from vsr.inference.speed import is_slow_here, measure_ratio
from vsr.networks import load_network

CPU = torch.device("cpu")


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Names that were measured; bfloat16 is sound, float16 is not."""
    names: list[str] = []

    def measure(name: str) -> float:
        names.append(name)
        return {"bfloat16": 0.4, "float16": 6.0}[name]

    monkeypatch.setattr(speed, "measure_ratio", measure)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    is_slow_here.cache_clear()
    yield names  # type: ignore[misc]
    is_slow_here.cache_clear()


def test_it_is_measured_once_a_machine(measured: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        is_slow_here.cache_clear()  # as in another process
        assert [is_slow_here(name, CPU) for name in ("bfloat16", "float16")] == [False, True]  # type: ignore[arg-type]
    assert measured == ["bfloat16", "float16"]
    kept = json.loads((tmp_path / "vsr" / "speed.json").read_text(encoding="utf-8"))
    assert all(torch.__version__ in key for key in kept)
    assert sorted(kept.values()) == [0.4, 6.0]


@pytest.mark.parametrize("content", ["", "[]", '{"a": "b"}', "{"])
def test_a_damaged_store_is_replaced(measured: list[str], tmp_path: Path, content: str) -> None:
    (tmp_path / "vsr").mkdir()
    (tmp_path / "vsr" / "speed.json").write_text(content, encoding="utf-8")
    assert is_slow_here("float16", CPU)
    assert list(json.loads((tmp_path / "vsr" / "speed.json").read_text(encoding="utf-8")).values()) == [6.0]


def test_without_a_place_to_keep_it_all_goes_on(
    measured: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not is_slow_here("bfloat16", CPU)


def test_gpus_are_not_timed(measured: list[str]) -> None:
    assert not is_slow_here("float16", torch.device("cuda:0"))
    assert measured == []


def test_auto_passes_over_what_is_slow(measured: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for a type gets it all the same."""
    monkeypatch.setattr(precision, "fast_half_types", lambda device: ("float16", "bfloat16"))
    network = load_network(small_network("RGB"))
    assert choose_precision(network, "auto", CPU).name == "bfloat16"
    assert choose_precision(network, "float16", CPU).name == "float16"


def test_a_ratio_is_a_ratio() -> None:
    """Of processor time, so that others on the machine hardly count; sound where the class promises it."""
    ratio = measure_ratio("bfloat16")
    assert 0.01 < ratio < 100
    if "bfloat16" in precision.fast_half_types(CPU):
        assert ratio < speed.SLOW
