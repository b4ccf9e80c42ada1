"""The page about an output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vsr.api.arguments import PathLike
from vsr.errors import UsageError
from vsr.pipeline.manifest import manifest_path
from vsr.pipeline.seal import read_sealed
from vsr.report.page import PageOptions, make_page
from vsr.report.page.make import page_path
from vsr.report.still import make_still_page
from vsr.stills.verify import is_still

__all__ = ["make_report"]


def make_report(
    output: PathLike,
    target: PathLike | None = None,
    *,
    reference: PathLike | None = None,
    frames: int = 12,
    video: bool = True,
    max_bytes: int = 8_000_000,
    on_step: Callable[[str, int], None] | None = None,
) -> Path:
    """Write one HTML page about an output of `upscale` or `still`; returns where.

    Args:
        output: the output, with its manifest beside it.
        target: the page; by default ``OUTPUT.report.html`` beside it.
        reference: the ground truth, for PSNR and SSIM of a video.
        frames: how many frames of a video are shown.
        video: whether a short video is part of a video's page.
        max_bytes: size that the page is not to exceed.
        on_step: called from this thread with the stage and the number of frames compared so far.

    Raises `VerificationError` where the manifest is missing or speaks of another file.
    """
    path = manifest_path(Path(output))
    if path.is_file() and is_still(read_sealed(path)[0]):
        if reference is not None:
            raise UsageError(f"{output}: is a still; a reference is for videos")
        place = page_path(Path(output)) if target is None else Path(target)
        say = on_step or (lambda stage, frames: None)
        return make_still_page(Path(output), place, most_bytes=max_bytes, on_step=say)
    options = PageOptions(num_frames=frames, with_video=video, most_bytes=max_bytes)
    against = None if reference is None else Path(reference)
    page = None if target is None else Path(target)
    return make_page(Path(output), page, reference=against, options=options, on_step=on_step)
