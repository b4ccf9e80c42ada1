"""What lies beside each finished segment: its key, its packets' times, and how it was made.

The key is a digest of everything that decides the segment's bytes: the decoded images and times it was made
from, every resolved setting, the versions of vsr and of the libraries that compute, and the class of device. A
segment on disk counts only if its sidecar carries the key asked for and the digest of the file as it is.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import platform
import threading
import uuid
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vsr.errors import Interrupted
from vsr.inference import device_class
from vsr.kernels import compiler_version
from vsr.media.packets import PacketTable
from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.storage import WorkFolder

__all__ = [
    "SegmentPaths",
    "SegmentResult",
    "adaptation_key",
    "canonical",
    "describe_encoder",
    "describe_method",
    "device_class",
    "file_digest",
    "load_result",
    "segment_key",
    "software_versions",
    "store_result",
    "write_atomically",
]

_BLOCK_BYTES = 1 << 22
_NOT_DECIDING = (
    *("sidecars", "drop_streams", "keep_data", "strict", "evidence", "device", "segment_frames", "cut_threshold"),
    *("num_cpus", "num_gpus", "attempts", "stall_seconds"),
    "method",  # what it is made of counts, not what it is called or where its weights are kept
)
"""Settings that decide what is made, where and by whom, but no byte of a segment."""


@dataclass(frozen=True)
class SegmentResult:
    """A finished segment."""

    index: int
    key: str
    start: int
    """Ordinal of the first source frame."""
    stop: int
    """Ordinal after the last source frame."""
    packets: PacketTable
    digest: str
    """SHA-256 of the segment file."""
    seconds: float
    """Wall time it took to make."""
    worker: str
    """Who made it."""
    findings: Mapping[str, float] = field(default_factory=dict)
    """Means over its images of what the restorer learnt, by name; see `vsr.methods.findings`."""
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """The same image by image, where it changes."""
    reused: bool = False
    """Whether it was found finished."""


@dataclass(frozen=True)
class SegmentPaths:
    """Where a segment lives in a work folder."""

    media: Path
    sidecar: Path

    @classmethod
    def of(cls, work: Path, index: int, key: str) -> SegmentPaths:
        """Names carry the key, so segments of other settings never collide."""
        stem = f"segment-{index:06d}-{key[:16]}"
        return cls(work / f"{stem}.bin", work / f"{stem}.json")

    def temporary(self) -> Path:
        """A name for one attempt at the media file."""
        return self.media.with_name(f"{self.media.stem}.{uuid.uuid4().hex}.tmp")


def canonical(value: Any) -> Any:
    """``value`` as plain JSON data, equal for equal meaning (fractions as ``n/d``, paths as text, bytes as SHA-256)."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: canonical(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): canonical(item) for key, item in value.items()}
    if hasattr(value, "items"):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(item) for item in value]
    if isinstance(value, array):
        return value.tolist()
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    return value


@functools.cache
def software_versions() -> dict[str, str]:
    """Versions of everything that computes images or bytes."""
    from av import library_versions as ffmpegs

    names = ("torch", "opencv-python", "av", "numpy", "imageio-ffmpeg", "spandrel")
    found = {"vsr": version("vsr"), "python": platform.python_version()}
    found |= {name: version(name) for name in names}
    found["numba"] = compiler_version()
    return found | {name: ".".join(map(str, numbers)) for name, numbers in ffmpegs.items()}


def describe_encoder(job: Job) -> dict[str, Any]:
    """The encoder's settings as plain data, its codec by name."""
    return {**canonical(job.encoder), "codec": job.encoder.codec.name}


def _deciding(job: Job) -> dict[str, Any]:
    settings = job.settings.model_dump()
    for name in _NOT_DECIDING:
        del settings[name]
    return {
        "settings": settings,
        "method": describe_method(job),
        "encoder": describe_encoder(job),
        "color": canonical(job.video.color),
        "deinterlace": job.deinterlace,
        "deinterlacer": job.deinterlacer,
        "versions": software_versions(),
        "device": device_class(job.device),
    }


def describe_method(job: Job) -> dict[str, Any]:
    """All of the method that decides its results, as plain data."""
    prepared = job.prepared
    return {"kind": type(prepared).__name__, "options": canonical(prepared.options), **canonical(prepared.key())}


def segment_key(job: Job, planned: PlannedSegment) -> str:
    """The digest of everything that decides the bytes of this segment (64 hex digits)."""
    content = {
        **_deciding(job),
        "segment": canonical(planned.segment) | {"index": None},
        "calibration": _of_calibration(planned),
        "frames": [[r.pts, r.fingerprint, r.interlaced, r.fields] for r in planned.records],
        "look": planned.records[0].look,
        "next": planned.next_pts if job.images_per_frame > 1 else None,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def adaptation_key(job: Job, planned: PlannedSegment) -> str:
    """The digest of everything that decides what the method learns of the shot of ``planned`` (64 hex digits)."""
    content = {**_deciding(job), "calibration": _of_calibration(planned), "look": planned.records[0].look}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _of_calibration(planned: PlannedSegment) -> list[Any]:
    return [[r.fingerprint, r.interlaced, r.fields] for r in planned.calibration]


def file_digest(path: Path, stop: threading.Event | None = None) -> str:
    """SHA-256 of a file, as hex. Raises `Interrupted` soon after ``stop`` is set."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            if stop is not None and stop.is_set():
                raise Interrupted(f"{path}: digest not finished")
    return digest.hexdigest()


def write_atomically(path: Path, text: str | Iterable[str]) -> None:
    """Write ``text``, whole or in pieces, under a temporary name, sync it, and rename it to ``path``."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")  # short: path may be as long as names get
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines([text] if isinstance(text, str) else text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def store_result(work: WorkFolder, result: SegmentResult) -> None:
    """Commit the segment's file, then write and commit its sidecar: the last step, which makes the segment count."""
    paths = SegmentPaths.of(work.path, result.index, result.key)
    data = {f.name: canonical(getattr(result, f.name)) for f in dataclasses.fields(result) if f.name != "packets"}
    data["packets"] = result.packets.rows()
    work.commit(paths.media)
    write_atomically(paths.sidecar, json.dumps(data))
    work.commit(paths.sidecar)


def load_result(work: WorkFolder, index: int, key: str) -> SegmentResult | None:
    """The finished segment with this key, if it is there and whole; else None."""
    paths = SegmentPaths.of(work.path, index, key)
    if work.fetch(paths.sidecar.name).exists():
        work.fetch(paths.media.name)
    try:
        data = json.loads(paths.sidecar.read_text(encoding="utf-8"))
        if data["key"] != key or file_digest(paths.media) != data["digest"]:
            return None
        packets = PacketTable.from_rows(data.pop("packets"))
        curves = {name: array("d", values) for name, values in data.pop("curves").items()}
        return SegmentResult(**{**data, "packets": packets, "curves": curves, "reused": True})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # missing, half-written by other hands, or of another version: it is made again
