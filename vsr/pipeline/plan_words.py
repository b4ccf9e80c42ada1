"""The plan of a run in words."""

from __future__ import annotations

from vsr.media.codecs import quality_in_words
from vsr.pipeline.job import Job

__all__ = ["plan_rows"]


def plan_rows(job: Job) -> list[tuple[str, str]]:
    """The plan in words."""
    video, encoder = job.video, job.encoder
    quality = quality_in_words(encoder.codec.name, lossless=encoder.lossless, quality=encoder.quality)
    rows = [
        ("input", job.source_url or str(job.info.path)),
        ("output", job.output_url or str(job.output)),
        ("size", f"{video.width}x{video.height} → {job.out_width}x{job.out_height}{_turn(job)}"),
        ("method", f"{job.settings.method} on {job.device} ({job.evidence})"),
        *job.prepared.plan_rows(),
        ("codec", f"{encoder.codec.name} {encoder.layout.name}, {quality} {encoder.speed}".rstrip(", ")),
        ("deinterlace", _deinterlacing(job)),
        ("copied", ", ".join(f"{s.kind} {s.index} ({s.codec})" for s in job.copied) or "nothing else to copy"),
    ]
    if job.shift:
        rows.append(("start", f"rebased: {float(job.shift):.6f} s taken off every time"))
    if job.settings.split:
        rows.append(("split", "one file for each run of one shape; their number is found by decoding"))
    rows += [("assumed", text) for text in job.assumptions]
    rows += [("dropped", text) for text in job.dropped]
    return rows


def _deinterlacing(job: Job) -> str:
    rest = "frames that show two moments"
    if job.is_film:
        found = f"film on video ({job.video.cadence})" if job.video.cadence else "film on video, where there is any"
        return f"{found}: its frames are put together, at their own rate; of the others, {rest}"
    if job.deinterlace != "auto":
        return job.deinterlace
    return rest + ("" if job.video.interlaced else "; the first ones do not")


def _turn(job: Job) -> str:
    is_turned = job.video.display.is_sideways and job.encoder.codec.kind == "video"
    return f", shown as {job.out_height}x{job.out_width}" if is_turned else ""
