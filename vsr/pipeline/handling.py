"""What a job does where its source changes in mid-stream, in words."""

from __future__ import annotations

from vsr.media.decode import FrameRecord
from vsr.media.looks import color_of
from vsr.pipeline.job import Job

__all__ = ["describe_handling"]


def describe_handling(job: Job, what: str, record: FrameRecord) -> str:
    """What becomes of images from ``record`` on, where ``what`` changes; see `vsr.media.looks.Change`."""
    if what == "scan":
        return _scan(job, record)
    if what in ("size", "pixel aspect"):
        return _shape(job, record)
    if what == "pixel format":
        return f"written as {job.encoder.layout.name}"
    color, target = color_of(job.video, record.look), job.encoder.color
    if (color.primaries, color.transfer) != (target.primaries, target.transfer):
        return "matrix and range are converted, primaries and transfer are not"
    return "converted"


def _scan(job: Job, record: FrameRecord) -> str:
    if job.deinterlace == "field":
        return "every field becomes a frame"
    if record.fields == "progressive":
        return "deinterlaced all the same" if job.deinterlace == "frame" else "left as it is"
    return "left combed" if job.deinterlace == "off" else "deinterlaced"


def _shape(job: Job, record: FrameRecord) -> str:
    area = job.area(record.look)
    if (area.width, area.height) == (job.out_width, job.out_height):
        return "scaled to the whole output"
    bars = "above and below" if area.width == job.out_width else "left and right"
    return f"fitted to {area.width}x{area.height} of the output, black {bars}"
