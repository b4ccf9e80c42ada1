"""The demonstration: film a photograph, lose its detail, win it back, measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr import api
from vsr.demo.clip import make_clip, make_tone
from vsr.demo.score import ClipScore, bicubic_rgb, score_clip
from vsr.media.clips import read_rgb, write_clip
from vsr.report.side_by_side import Panel, write_side_by_side

__all__ = ["DemoResult", "run_demo"]

_CRF = 16
_SCALE = 2


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration made and measured."""

    recorded: Path
    """The low-resolution video."""
    restored: Path
    """The video that ``vsr upscale`` made of it."""
    picture: Path
    """Side by side."""
    description: str
    score: ClipScore
    seconds: float
    num_frames: int


def run_demo(
    folder: Path,
    *,
    num_frames: int,
    settings: dict[str, Any] | None = None,
    on_progress: Callable[[api.Progress], None] | None = None,
) -> DemoResult:
    """Make a clip in ``folder``, restore it with the default method, and score it against the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    clip = make_clip(num_frames, scale=_SCALE)
    recorded, restored = folder / "recorded.mp4", folder / "restored.mp4"
    seconds = num_frames / clip.fps
    write_clip(recorded, clip.lr_frames, clip.fps, crf=_CRF, audio=make_tone(seconds))
    outcome = api.upscale(
        recorded,
        restored,
        overwrite=True,
        on_progress=on_progress,
        settings={"scale": _SCALE, **(settings or {})},
    )[0]
    assert outcome.manifest is not None
    seen = list(read_rgb(recorded))
    better = list(read_rgb(restored))
    score = score_clip(better, clip.hr_frames, seen)
    middle = num_frames // 2
    picture = folder / "side-by-side.png"
    size = clip.hr_frames[middle].shape[:2]
    panels = [
        Panel("recorded", seen[middle]),
        Panel("bicubic", bicubic_rgb(seen[middle], (size[0], size[1]))),
        Panel("vsr", better[middle]),
        Panel("truth", clip.hr_frames[middle]),
    ]
    write_side_by_side(picture, panels)
    return DemoResult(recorded, restored, picture, clip.description, score, outcome.manifest["seconds"], num_frames)
