"""The demonstration: film a photograph, lose its detail, win it back, measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr import api
from vsr.demo.clip import make_clip, make_tone
from vsr.demo.score import ClipScore, bicubic_rgb, score_clip
from vsr.errors import MachineError, UsageError, VerificationError
from vsr.media.clips import read_rgb, write_clip
from vsr.pipeline.manifest import load_manifest
from vsr.pipeline.sidecar import file_digest
from vsr.report.side_by_side import Panel, write_side_by_side

__all__ = ["DemoResult", "run_demo"]

_CRF = 16
_SCALE = 2
_RECORDED, _RESTORED, _PICTURE = "recorded.mp4", "restored.mp4", "side-by-side.png"


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
    """Make a clip in ``folder``, restore it with the default method, and score it against the truth.

    Raises `UsageError` where the folder holds files of these names that no earlier demonstration made.
    """
    _prepare(folder)
    clip = make_clip(num_frames, scale=_SCALE)
    recorded, restored = folder / _RECORDED, folder / _RESTORED
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
    picture = folder / _PICTURE
    size = clip.hr_frames[middle].shape[:2]
    panels = [
        Panel("recorded", seen[middle]),
        Panel("bicubic", bicubic_rgb(seen[middle], (size[0], size[1]))),
        Panel("vsr", better[middle]),
        Panel("truth", clip.hr_frames[middle]),
    ]
    write_side_by_side(picture, panels)
    return DemoResult(recorded, restored, picture, clip.description, score, outcome.manifest["seconds"], num_frames)


def _prepare(folder: Path) -> None:
    """Make the folder, or see that what will be replaced in it is an earlier demonstration's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{folder}: is a file; name a folder with -o") from error
    except OSError as error:
        raise MachineError(f"{folder}: cannot be made ({error.strerror or error})") from error
    taken = [name for name in (_RECORDED, _RESTORED, _PICTURE) if (folder / name).exists()]
    if taken and not _is_ours(folder, taken):
        raise UsageError(
            f"{folder}: holds {', '.join(taken)}, which no earlier vsr demo made; name another folder with -o"
        )


def _is_ours(folder: Path, taken: Sequence[str]) -> bool:
    """Whether an earlier demonstration made what is there, whole or up to where it was stopped."""
    recorded, restored = folder / _RECORDED, folder / _RESTORED
    if taken == [_RECORDED]:
        return restored.with_name(f".{restored.name}.vsr-work").is_dir()
    try:
        manifest = load_manifest(restored)
        source, [digest] = manifest["input"], manifest["output"]["files"].values()
        return (
            Path(source["path"]).name == recorded.name
            and source["sha256"] == file_digest(recorded)
            and digest == file_digest(restored)
        )
    except (VerificationError, FileNotFoundError):
        return False
