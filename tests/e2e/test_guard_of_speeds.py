"""Nothing that takes most of the time has become slower (ADR 102)."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "guard.py"


@pytest.fixture(scope="module")
def guard() -> ModuleType:
    spec = importlib.util.spec_from_file_location("guard", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["guard"] = module
    spec.loader.exec_module(module)
    return module


def test_what_is_slower_quicker_or_new_is_named(guard: ModuleType) -> None:
    stored = {"same": 2.0, "slower": 2.0, "quicker": 2.0}
    found = {"same": 2.2, "slower": 2.4, "quicker": 1.6, "new": 1.0}
    assert guard.changes(found, stored) == pytest.approx({"slower": 0.2, "quicker": -0.2, "new": float("inf")})


@pytest.mark.nightly
def test_nothing_has_become_slower(guard: ModuleType) -> None:
    stored = json.loads(guard.STORED.read_text()) if guard.STORED.exists() else {}
    if guard.processor() not in stored:
        pytest.skip("no ratios of this processor are stored: python benchmarks/guard.py --store")
    assert guard.changes(guard.measure(), stored[guard.processor()]) == {}
