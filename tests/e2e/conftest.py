"""What whole-run tests share."""

from __future__ import annotations

import runpy
import shutil
import signal
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from object_store import ObjectStore
from program import Run, caller
from recipes import Recipe, command_of
from store_runs import STORE_SETTINGS
from videos import X264, encode, scene

import vsr

Clips = Callable[[str], Path]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """``call("upscale", path, …)`` runs the program in this process and gives exit code and what it printed."""
    return caller(monkeypatch, capfd)


@pytest.fixture
def run(clips: Clips, tmp_path: Path, quick: dict[str, Any]) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """``run(clip, extension, start=…, end=…, **settings)`` upscales and gives output path and manifest."""

    def go(
        clip: str | Path, extension: str = "mp4", *, start: Any = None, end: Any = None, **changes: Any
    ) -> tuple[Path, dict[str, Any]]:
        source = clip if isinstance(clip, Path) else clips(clip)
        codec = changes.get("codec")
        if codec in ("ffv1", "prores", "av1"):
            quick.pop("speed", None)
        if codec == "av1":
            quick["speed"] = "13"
        name = "%06d" if extension in ("png", "tiff", "dpx", "exr") else "out"
        target = tmp_path / (f"frames-{extension}/{name}.{extension}" if name != "out" else f"out.{extension}")
        settings = quick | changes
        if name != "out":
            settings.pop("speed", None)
        [outcome] = vsr.upscale(source, target, start=start, end=end, settings=settings)
        assert outcome.manifest is not None
        return target, dict(outcome.manifest)

    return go


@pytest.fixture
def bucket(objects: ObjectStore) -> str:
    """A new bucket of the test's own."""
    return objects.make_bucket(f"bucket-{uuid.uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def reel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty segments of small frames."""
    return encode(tmp_path_factory.mktemp("reel") / "reel.mp4", scene(640, 64, 48), *X264, "-g", "40")


@pytest.fixture(scope="session")
def expected(reel: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What comes out between files."""
    target = tmp_path_factory.mktemp("expected") / "out.mp4"
    vsr.upscale(reel, target, settings=STORE_SETTINGS)
    return target.read_bytes()


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Recipe:
    """``recipe("film_archive", …)`` runs the script and gives exit code and what it printed.

    Its own main block, in this process, which spares starting torch.
    """

    def run(name: str, *arguments: object) -> Run:
        command = command_of(name, *arguments)
        monkeypatch.setattr(sys, "argv", command)
        before = signal.getsignal(signal.SIGTERM)
        capfd.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                runpy.run_path(command[0], run_name="__main__")
        finally:
            signal.signal(signal.SIGTERM, before)
        caught = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return Run(ended.value.code, caught.out, caught.err)

    return run


@pytest.fixture
def reels(clips: Clips, tmp_path: Path) -> Path:
    folder = tmp_path / "reels"
    folder.mkdir()
    for name in ("plain", "cfr"):
        shutil.copy(clips(name), folder / f"{name}.mp4")
    return folder
