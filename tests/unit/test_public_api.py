"""What ``import vsr`` offers, and what it costs."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import vsr

HEAVY = ("torch", "av", "cv2", "ray", "numpy", "pydantic", "scenedetect", "kornia", "rich")


def modules() -> list[str]:
    return [m.name for m in pkgutil.walk_packages(vsr.__path__, "vsr.")]


def test_all_names_exist_and_are_sorted() -> None:
    assert list(vsr.__all__) == sorted(vsr.__all__)
    for name in vsr.__all__:
        assert getattr(vsr, name) is not None


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="upskale"):
        vsr.upskale  # noqa: B018


@pytest.mark.parametrize("name", modules())
def test_module_exports_what_it_defines(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for exported in getattr(module, "__all__", ()):
        assert hasattr(module, exported), f"{name}.__all__ names {exported}, which is not there"


@pytest.mark.parametrize("name", modules())
def test_public_definitions_are_exported(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__file__ is not None
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    defined = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef)) and n.name[0] != "_"}
    assert defined <= set(getattr(module, "__all__", ())), f"{name}: add to __all__ or mark with an underscore"


@pytest.mark.parametrize("statement", ["import vsr", "import vsr.cli"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    program = f"import sys; {statement}; print(' '.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["upscale", "--help"], ["presets"]])
def test_a_command_that_computes_nothing_loads_nothing_heavy(words: list[str]) -> None:
    assert _loaded_by(words, ("torch", "ray", "kornia", "numpy", "av", "cv2")) == []


def test_what_a_file_says_is_shown_before_torch_is_loaded(clips: Callable[[str], Path]) -> None:
    assert _loaded_by(["probe", str(clips("plain")), "--quick"], ("torch", "ray", "scipy", "cv2", "kornia")) == []
    whole = _loaded_by(["probe", str(clips("plain"))], ("torch", "ray", "kornia", "skimage", "torchvision"))
    assert whole == ["torch"]


def _loaded_by(words: list[str], names: tuple[str, ...]) -> list[str]:
    """Which of the modules a command has loaded by its end."""
    program = (
        f"import sys; sys.argv = ['vsr', *{words!r}];"
        "from vsr.cli import app; from vsr.cli.console import run_guarded; code = run_guarded(app);"
        f"print('loaded', *[name for name in {names!r} if name in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()[1:]


def test_a_function_does_not_load_what_others_need() -> None:
    others = ("vsr.evaluation", "vsr.report", "vsr.stills", "vsr.training", "vsr.verifying", "jinja2", "ray")
    program = f"import sys, vsr; vsr.upscale; print(' '.join(m for m in {others!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_numerics_import_without_video_libraries() -> None:
    """GPU machines may have only torch and numpy."""
    blocked = ("av", "cv2", "kornia", "scenedetect", "pydantic", "typer", "ray", "skimage", "scipy", "xxhash")
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}));"
        "import vsr.observation, vsr.solvers, vsr.metrics, vsr.methods, vsr.registration"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
