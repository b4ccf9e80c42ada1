"""What images take over from the source's: the ICC profile, and frame by frame the headers of DPX and OpenEXR."""

from __future__ import annotations

import dataclasses

from vsr.media.dpx import DpxHeader, read_dpx_header
from vsr.media.exr import ExrHeader, read_exr_header
from vsr.media.icc import keep_profile
from vsr.media.image_text import ImageText
from vsr.media.tiff import TiffHeader, read_tiff_header
from vsr.media.transfers import dpx_code
from vsr.pipeline.job import Job, goes_with_frames

__all__ = ["add_header", "first_timecode"]


def add_header(job: Job, words: ImageText, ordinal: int) -> ImageText:
    """``words`` for an image made from frame ``ordinal`` of the source, with the headers that it takes over."""
    profile = keep_profile(job.video.icc, job.encoder.codec.name, job.encoder.layout.family)
    return dataclasses.replace(words, profile=profile, header=_header(job, ordinal))


def first_timecode(job: Job, first: int) -> str | None:
    """Timecode of an output that begins with frame ``first``; None where it is not known, and of film.

    A timecode counts the frames of the video that film was on.
    """
    if job.is_film:
        return None
    header = _header(job, first)
    if isinstance(header, (DpxHeader, ExrHeader)):
        return header.timecode
    return job.video.timecode if first == 0 else None


def _header(job: Job, ordinal: int) -> DpxHeader | ExrHeader | TiffHeader | None:
    """None unless source and output are of one kind, an image for an image."""
    if not goes_with_frames(job.video, job.encoder) or job.images_per_frame > 1 or job.is_film:
        return None
    path = job.info.images[ordinal]
    resized = (job.out_width, job.out_height) != (job.video.width, job.video.height)
    if job.encoder.codec.name == "exr":
        return read_exr_header(path)
    if job.encoder.codec.name == "tiff":
        tags = read_tiff_header(path)
        return None if tags is None else tags.for_new_image(resized=resized)
    header = read_dpx_header(path)
    if header is None:
        return None
    if job.video.input_transfer is not None:
        header = dataclasses.replace(header, transfer=dpx_code(job.video.input_transfer))
    return header.for_new_image(resized=resized, deinterlaced=job.deinterlace != "off")
