"""One image from a video, and frames as they are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from vsr.api.arguments import PathLike, position_of
from vsr.pipeline.job import Span
from vsr.stills.boxes import Box
from vsr.stills.frames import Exported
from vsr.stills.frames import export_frames as write_frames
from vsr.stills.make import OnStep as OnStillStep
from vsr.stills.options import Motion, Source, StillOptions
from vsr.stills.run import Still, run_still
from vsr.timeline import parse_position

__all__ = ["export_frames", "still"]


def still(
    path: PathLike,
    output: PathLike,
    *,
    at: str | int | Fraction,
    roi: str | tuple[int, int, int, int] | None = None,
    frames: int = 30,
    scale: float = 4.0,
    motion: Motion = "auto",
    psf_sigma_px: float | None = None,
    regularization: float | None = None,
    evidence: bool = True,
    fps: str | None = None,
    video_stream: int | None = None,
    input_transfer: str | None = None,
    overwrite: bool = False,
    on_step: OnStillStep | None = None,
) -> Still:
    """Make one still of ``path`` from the frames around a time; see `vsr.stills`.

    Args:
        path: a video, a folder of images or a pattern.
        output: a PNG or TIFF file. Beside it go ``NAME.support.png``, ``NAME.confidence.png`` and the record
            ``OUTPUT.vsr.json``.
        at: a frame number (``120``) or a time (``"1:02.5"``, ``"62.5s"``): the still is what that frame shows.
        roi: x, y, width and height of the region, in pixels of that frame; by default the whole image.
        frames: frames used at most.
        scale: how many times as large the still is.
        motion: how the region may move: translation, affine, homography, or auto.
        psf_sigma_px: standard deviation of the camera's blur, in pixels; estimated by default.
        regularization: strength of smoothing; estimated by default.
        evidence: compute in double precision, so that other machines come to the same image.
        fps: rate of images that do not tell theirs.
        video_stream: number, in the file, of the video stream that is meant; by default the best.
        input_transfer: transfer that the source has, whatever it says of itself: a name of FFmpeg's,
            ``printing-density`` or ``logarithmic``.
        overwrite: replace files that exist.
        on_step: called with what is being done and the share done, 0…1 or None.

    The example makes ``plate.png``::

        vsr.still("yard.mp4", "plate.png", at="0:12.4", roi="612,340,96,32")
    """
    region = Box.parse(roi) if isinstance(roi, str) else None if roi is None else Box(*roi)
    options = StillOptions(
        roi=region,
        frames=frames,
        scale=scale,
        motion=motion,
        psf_sigma_px=psf_sigma_px,
        regularization=regularization,
        evidence=evidence,
    )
    place = parse_position(at) if isinstance(at, str) else at
    report = on_step or (lambda what, done: None)
    source = Source(Path(path), fps, video_stream, input_transfer)
    return run_still(source, Path(output), place, options, overwrite=overwrite, on_step=report)


def export_frames(
    path: PathLike,
    output: PathLike,
    *,
    start: str | int | Fraction | None = None,
    end: str | int | Fraction | None = None,
    fps: str | None = None,
    video_stream: int | None = None,
    overwrite: bool = False,
    on_frame: Callable[[int], None] | None = None,
) -> Exported:
    """Write frames as they were decoded to ``output``, a pattern such as ``frames/%06d.png``, with their times.

    ``start`` and ``end`` are frame numbers or times. Nothing is restored; what images cannot hold is converted
    without loss, which the manifest names. ``video_stream`` is the number, in the file, of the video stream that is
    meant. ``on_frame`` gets the number of frames written so far.
    """
    span = Span(position_of(start), position_of(end))
    report = on_frame or (lambda count: None)
    return write_frames(
        Path(path), Path(output), span, fps=fps, video_stream=video_stream, overwrite=overwrite, on_frame=report
    )
