"""Two videos side by side: measured, or judged by people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal

from vsr.api.arguments import PathLike, rate_of
from vsr.errors import UsageError
from vsr.report.blind import Opinions, make_blind_page
from vsr.report.blind import rank_opinions as rank_saved_opinions
from vsr.report.comparison import Comparison, Requested
from vsr.report.comparison import compare as compare_videos

__all__ = ["compare", "make_blind", "rank_opinions"]


def compare(
    first: PathLike,
    second: PathLike,
    reference: PathLike | None = None,
    *,
    every: int = 1,
    vmaf: bool = False,
    exact: bool = False,
    offset: Fraction | Literal["start"] | None = None,
    fps: str | Fraction | None = None,
    on_pair: Callable[[int], None] | None = None,
) -> Comparison:
    """Measure two videos against each other, or each against a ``reference``, frame by frame.

    Frames are paired by their times. Videos of one size: PSNR, SSIM, temporal PSNR. One larger than the other: LR-PSNR
    of the larger one. Always: sharpness.

    Args:
        first: a video file or an image sequence.
        second: the one to compare it with.
        reference: the ground truth, if there is one.
        every: measure one in so many of the frames that all have.
        vmaf: VMAF too.
        exact: use every window and row of large images, which are sampled otherwise.
        offset: seconds added to the times of ``second``; ``"start"``: all count from their first frame. By default
            what the manifest of one says that was made from the other, else 0.
        fps: rate of images that do not tell theirs.
        on_pair: called from this thread with the number of pairs measured so far.

    Raises `UsageError` where shapes do not fit or hardly any times agree, `InputError` for what is not a video. For
    example::

        print(vsr.compare("clip.mp4", "clip-2x.mp4").curve("lr_psnr").mean)
    """
    paths = Path(first), Path(second), None if reference is None else Path(reference)
    requested = Requested(every, vmaf, exact, offset)
    return compare_videos(*paths, requested=requested, fps=rate_of(fps), on_pair=on_pair)


def make_blind(
    first: PathLike,
    second: PathLike,
    target: PathLike,
    reference: PathLike | None = None,
    *,
    pairs: int = 12,
    seed: int = 0,
    offset: Fraction | Literal["start"] | None = None,
    fps: str | Fraction | None = None,
) -> Path:
    """Write one HTML page for opinions: which of two versions is better, without saying which is which.

    ``pairs`` frames are shown, left and right by lot (``seed``); choices are saved from the page as JSON. ``reference``
    can be looked at as the original. Otherwise as `compare`.
    """
    return make_blind_page(
        Path(first),
        Path(second),
        Path(target),
        reference=None if reference is None else Path(reference),
        num_pairs=pairs,
        seed=seed,
        requested=Requested(offset=offset),
        fps=rate_of(fps),
    )


def rank_opinions(files: Sequence[PathLike], *, by: Literal["file", "folder"] = "file") -> Opinions:
    """Rank versions by the choices that people saved from blind pages.

    The mean opinion rank and the strengths are those of the model of Bradley and Terry, with 95 % confidence intervals.

    Args:
        files: what the pages saved, one for each person and page. All versions must be joined by comparisons.
        by: what a version is: a ``"file"``, or all files of a ``"folder"``, for methods compared on several clips.

    Raises `InputError` for a file that is no record of choices, `UsageError` for versions that were never compared. For
    example::

        for version in vsr.rank_opinions(["ann.json", "ben.json"]).versions:
            print(version.name, version.rank, version.rank_interval)
    """
    if not files:
        raise UsageError("no files with choices")
    return rank_saved_opinions([Path(file) for file in files], by=by)
