"""What output pictures take over from the headers of the source's: the ICC profile, and frame by frame those of DPX."""

from __future__ import annotations

import dataclasses

from vsr.media.dpx import DpxHeader, read_dpx_header
from vsr.media.icc import kept_profile
from vsr.media.picture_text import PictureText
from vsr.pipeline.job import Job

__all__ = ["first_timecode", "headed"]


def headed(job: Job, words: PictureText, ordinal: int) -> PictureText:
    """``words`` for a picture made from frame ``ordinal`` of the source, with the headers that it takes over."""
    profile = kept_profile(job.video.icc, job.encoder.codec.name, job.encoder.layout.family)
    return dataclasses.replace(words, profile=profile, dpx=_dpx_header(job, ordinal))


def first_timecode(job: Job, first: int) -> str | None:
    """Timecode of an output that begins with frame ``first``; None where it is not known."""
    header = _dpx_header(job, first)
    if header is not None:
        return header.timecode
    return job.video.timecode if first == 0 else None


def _dpx_header(job: Job, ordinal: int) -> DpxHeader | None:
    """None unless both source and output are DPX, a picture for a picture."""
    if job.encoder.codec.name != "dpx" or job.video.dpx is None or job.pictures_per_frame > 1:
        return None
    header = read_dpx_header(job.info.images[ordinal])
    if header is None:
        return None
    resized = (job.out_width, job.out_height) != (job.video.width, job.video.height)
    return header.for_new_picture(resized=resized, deinterlaced=job.deinterlace != "off")
