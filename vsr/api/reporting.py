"""The page about an output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vsr.api.arguments import PathLike
from vsr.report.page import PageOptions, make_page

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
    """Write one HTML page about an output of `upscale`; returns where.

    Args:
        output: the output, with its manifest beside it.
        target: the page; by default ``OUTPUT.report.html`` beside it.
        reference: the ground truth, for PSNR and SSIM.
        frames: how many frames are shown.
        video: whether a short video is part of the page.
        max_bytes: size that the page is not to exceed.
        on_step: called from this thread with the stage and the number of frames compared so far.

    Raises `VerificationError` where the manifest is missing or speaks of another file.
    """
    options = PageOptions(num_frames=frames, with_video=video, most_bytes=max_bytes)
    against = None if reference is None else Path(reference)
    place = None if target is None else Path(target)
    return make_page(Path(output), place, reference=against, options=options, on_step=on_step)
