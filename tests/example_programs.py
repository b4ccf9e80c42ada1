"""Programs of `examples/` that are folders, run in this process."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import torch

__all__ = ["example_module"]


@contextmanager
def example_module(program: str, module: str) -> Iterator[ModuleType]:
    """``module`` of ``examples/program``, as Python runs it from its folder; nothing of it stays behind."""
    folder = Path(__file__).parents[1] / "examples" / program
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module(module)
    for path in folder.glob("*.py"):
        sys.modules.pop(path.stem, None)
    torch.set_num_threads(threads)
