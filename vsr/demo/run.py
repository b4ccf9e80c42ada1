"""The demonstration: film photographs, lose their detail, win it back, measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsr import api
from vsr.demo.clip import DemoClip, make_clip, make_ordinary_clip, make_tone
from vsr.demo.score import ClipScore, bicubic_rgb, mean_psnr, score_clip
from vsr.errors import MachineError, UsageError, VerificationError
from vsr.media.clips import read_rgb, write_clip
from vsr.pipeline.manifest import load_manifest
from vsr.pipeline.sidecar import file_digest
from vsr.report.side_by_side import Panel, write_side_by_side

__all__ = ["DemoResult", "run_demo"]

_SCALE = 2
_ORDINARY_FRAMES = 12  # at most; more of a still camera show no more
_COMPARED = ("lanczos", "multiframe", "lite")
_NAMES = (
    ("recorded.mp4", "restored.mp4", "side-by-side.png"),
    ("ordinary.mp4", "ordinary-restored.mp4", "ordinary-side-by-side.png"),
)


class _Files(NamedTuple):
    recorded: Path
    restored: Path
    image: Path


@dataclass(frozen=True)
class DemoResult:
    """What the demonstration made of one clip, and measured."""

    clip: str
    """The clip's name."""
    recorded: Path
    """The low-resolution video."""
    restored: Path
    """The video that ``vsr upscale`` made of it."""
    image: Path
    """Side by side."""
    description: str
    score: ClipScore
    """That of ``restored``."""
    psnrs: Mapping[str, float]
    """By method, the mean PSNR in dB of what ``vsr upscale`` writes, for reports; the last is that of ``restored``."""
    seconds: float
    """What ``restored`` took."""


def run_demo(
    folder: Path,
    *,
    num_frames: int,
    method: str | None = None,
    on_progress: Callable[[api.Progress], None] | None = None,
) -> list[DemoResult]:
    """Make two clips in ``folder``, restore them, and score the results against the ground truth.

    Without ``method``, the default is shown beside others. Raises `UsageError` where the folder holds files of these
    names that no earlier demonstration made.
    """
    places = [_Files(*(folder / name for name in names)) for names in _NAMES]
    _prepare(folder, places)
    clips = (
        make_clip(num_frames, scale=_SCALE),
        make_ordinary_clip(min(num_frames, _ORDINARY_FRAMES), scale=_SCALE),
    )
    return [_show(clip, files, method, on_progress) for clip, files in zip(clips, places, strict=True)]


def _show(
    clip: DemoClip, files: _Files, method: str | None, on_progress: Callable[[api.Progress], None] | None
) -> DemoResult:
    recorded, restored, image = files
    seconds = len(clip.lr_frames) / clip.fps
    write_clip(recorded, clip.lr_frames, clip.fps, crf=clip.crf, audio=make_tone(seconds))
    seen = list(read_rgb(recorded))

    def restore(output: Path, name: str | None) -> float:
        settings = {"scale": _SCALE} | ({} if name is None else {"method": name})
        outcome = api.upscale(recorded, output, overwrite=True, on_progress=on_progress, settings=settings)[0]
        assert outcome.manifest is not None
        return float(outcome.manifest["seconds"])

    took = restore(restored, method)
    better = list(read_rgb(restored))
    _draw(image, clip, seen, better)
    psnrs = {}
    with TemporaryDirectory() as scratch:
        for name in _COMPARED if method is None else ():
            output = Path(scratch, f"{name}.mp4")
            restore(output, name)
            psnrs[name] = mean_psnr(list(read_rgb(output)), clip.hr_frames)
    score = score_clip(better, clip.hr_frames, seen)
    psnrs[method or "vsr"] = score.mean.psnr_restored
    return DemoResult(clip.name, *files, clip.description, score, psnrs, took)


def _draw(image: Path, clip: DemoClip, seen: Sequence[NDArray[np.uint8]], better: Sequence[NDArray[np.uint8]]) -> None:
    """The middle frame of all versions."""
    middle = len(seen) // 2
    hr = clip.hr_frames[middle]
    panels = [
        Panel("recorded", seen[middle]),
        Panel("bicubic", bicubic_rgb(seen[middle], (hr.shape[0], hr.shape[1]))),
        Panel("vsr", better[middle]),
        Panel("ground truth", hr),
    ]
    write_side_by_side(image, panels)


def _prepare(folder: Path, places: Sequence[_Files]) -> None:
    """Make the folder, or see that what will be replaced in it is an earlier demonstration's."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise UsageError(f"{folder}: is a file; name a folder with -o") from error
    except OSError as error:
        raise MachineError(f"{folder}: cannot be made ({error.strerror or error})") from error
    foreign = [place.name for files in places if not _is_ours(files) for place in files if place.exists()]
    if foreign:
        raise UsageError(
            f"{folder}: holds {', '.join(foreign)}, which no earlier vsr demo made; name another folder with -o"
        )


def _is_ours(files: _Files) -> bool:
    """Whether an earlier demonstration made what is there, if anything, whole or up to where it was stopped."""
    recorded, restored, _ = files
    taken = [place for place in files if place.exists()]
    if not taken:
        return True
    if taken == [recorded]:
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
