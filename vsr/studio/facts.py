"""What the page shows of videos, plans, choices and jobs: plain data, times as exact text and as numbers to draw by."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.catalogue import SCREENS
from vsr.media.codecs import CODECS
from vsr.media.transfers import TRANSFERS
from vsr.methods import METHODS, PASSES
from vsr.networks.locating import SHIPPED
from vsr.pipeline.job import Job as Plan
from vsr.pipeline.plan_words import plan_rows
from vsr.pipeline.presets import list_presets
from vsr.studio.choices import Order
from vsr.studio.jobs import Job
from vsr.studio.places import Root
from vsr.studio.queue import command_of
from vsr.studio.sources import Video
from vsr.timeline import format_seconds

__all__ = ["choices_facts", "describe_plan", "frame_facts", "index_facts", "job_facts", "video_facts"]

_NETWORKS = {
    "lite": "a small network, one frame at a time: a good image in little time (learned)",
    "video": "a network that carries what it saw from frame to frame (learned)",
    "real": "a network for heavily compressed and noisy sources (learned)",
}
_ORDER = ("auto", "lite", "real", "multiframe", "video", "zssr", "selfex", "lanczos", "bicubic")


def choices_facts() -> dict[str, Any]:
    """What there is to choose from."""
    methods = {name: f"{row.summary} ({row.evidence})" for name, row in METHODS.items() if name != "none"}
    shipped = {path.name.partition("-x")[0] for path in SHIPPED.glob("*.safetensors")}
    methods |= {name: summary for name, summary in _NETWORKS.items() if name in shipped}
    ordered = sorted(methods, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER))
    return {
        "presets": _rows(list_presets()),
        "methods": _rows({name: methods[name] for name in ordered}),
        "passes": _rows({name: row.summary for name, row in PASSES.items()}),
        "codecs": _rows({name: row.summary for name, row in CODECS.items() if row.kind == "video"}),
        "screens": list(SCREENS),
        "transfers": list(TRANSFERS),
    }


def _rows(table: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "summary": summary} for name, summary in table.items()]


def video_facts(root: Root, name: str, video: Video) -> dict[str, Any]:
    """What does not change while a video is open."""
    info, stream = video.info, video.info.video
    sideways = stream.display.is_sideways
    width, height = (stream.height, stream.width) if sideways else (stream.width, stream.height)
    aspect = stream.sample_aspect_ratio
    rate = stream.average_rate or stream.base_rate
    others = [f"{one.kind} {one.index}: {one.codec} {one.language or ''}".strip() for one in info.streams]
    rows = [
        ("length", "unknown" if info.duration is None else format_seconds(info.duration)),
        ("image", f"{stream.width}x{stream.height}, {stream.codec}, {stream.pix_fmt}"),
        ("rate", "unknown" if rate is None else f"{float(rate):.6g} frames a second"),
        ("scan", f"interlaced, {stream.field_order}" if stream.interlaced else "progressive"),
        *([("pixel aspect", str(aspect))] if aspect != 1 else []),
        *([("turned", f"{stream.display.rotation:g}°")] if stream.display else []),
        *([("timecode", stream.timecode)] if stream.timecode else []),
        *(("stream", one) for one in others if not one.startswith("video")),
        *(("assumed", one) for one in stream.assumptions),
    ]
    return {
        "id": video.key,
        "name": name,
        "path": str(info.path),
        "coded": {"width": stream.width, "height": stream.height},
        "shown": {"width": width, "height": height},
        "aspect": float(1 / aspect if sideways else aspect),
        "turns": round(stream.display.rotation / 90) % 4,
        "mirrored": stream.display.mirrored,
        "seconds": None if info.duration is None else float(info.duration),
        "frames": stream.num_frames_from_header,
        "rows": rows,
        "folder": root.name_of(info.path.parent) if info.path.parent != root.folder else "",
    }


def index_facts(video: Video) -> dict[str, Any]:
    """How far the pass over a video is, and what it has found."""
    known = video.num_known
    return {
        "known": known,
        "complete": video.is_complete,
        "last": None if not known else float(video.seconds(known - 1)),
        "cuts": video.cuts,
        "thumbnails": video.thumbnails,
        "error": None if video.error is None else str(video.error),
        "damage": list(video.damage.words),
    }


def frame_facts(video: Video, ordinal: int) -> dict[str, Any]:
    """A frame's number and its exact time, as ``--at`` takes them."""
    seconds = video.seconds(ordinal)
    record = video.record(ordinal)
    shot = video.shot_of(ordinal)
    return {
        "frame": ordinal,
        "time": format_seconds(seconds),
        "seconds": float(seconds),
        "exact": _exact(seconds),
        "fields": record.fields,
        "shot": [shot.start, shot.stop],
    }


def _exact(seconds: Fraction) -> str:
    return f"{seconds.numerator}/{seconds.denominator}"


def describe_plan(plan: Plan) -> dict[str, Any]:
    """What a run would do."""
    return {
        "rows": plan_rows(plan)[2:],
        "width": plan.out_width,
        "height": plan.out_height,
        "method": plan.settings.method,
        "evidence": plan.evidence,
        "dropped": list(plan.dropped),
    }


def job_facts(job: Job, order: Order, newest: Path) -> dict[str, Any]:
    """A job as the page lists it, with its command; ``newest`` is where its newest frames may be."""
    return {
        "id": job.id,
        "kind": job.kind,
        "input": job.choice["input"],
        "output": job.choice["output"],
        "state": job.state,
        "priority": job.priority,
        "added": job.added,
        "finished": job.finished,
        "seconds": job.seconds,
        "error": job.error,
        "progress": job.progress,
        "command": command_of(order.words),
        "newest": _describe_changes(newest),
        "has_output": job.state == "done" and order.output.is_file(),
        "has_page": job.state == "done" and order.page is not None and order.page.is_file(),
    }


def _describe_changes(path: Path) -> str | None:
    """When a file was changed last; None where there is none."""
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return None
