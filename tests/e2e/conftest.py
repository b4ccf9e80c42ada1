"""What whole-run tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from program import Run, caller

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
