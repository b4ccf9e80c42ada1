"""Frames as they are: decoded, converted without loss, and written as numbered images with their times."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch

from vsr.errors import InputError, MachineError, UsageError
from vsr.frames import VideoFrame
from vsr.media.convert import quantise
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.encode import encode_image
from vsr.media.ffmpeg import ffmpeg_version
from vsr.media.framemd5 import FrameHasher, hash_frames
from vsr.media.image_text import with_text
from vsr.media.images import TIMING_FILE, Timing, frame_numbers, place_of
from vsr.media.looks import Changes, color_of
from vsr.media.planes import frame_layout, planes_of
from vsr.media.reading import scan
from vsr.pipeline.assemble import partial_path
from vsr.pipeline.chain import write_checksums
from vsr.pipeline.headers import add_header, first_timecode
from vsr.pipeline.job import Job, Span
from vsr.pipeline.manifest import FORMAT, manifest_path, output_files
from vsr.pipeline.provenance import image_text
from vsr.pipeline.publishing import publish
from vsr.pipeline.request import Request
from vsr.pipeline.run import check_output
from vsr.pipeline.seal import record_pieces, seal
from vsr.pipeline.settings import load_settings
from vsr.pipeline.sidecar import (
    canonical,
    describe_encoder,
    device_class,
    file_digest,
    software_versions,
    write_atomically,
)
from vsr.timeline import format_seconds

__all__ = ["Exported", "export_frames"]

_AS_THEY_ARE = {"method": "bicubic", "scale": 1, "deinterlace": "off", "drop_streams": True}


@dataclass(frozen=True)
class Exported:
    """Frames that were exported."""

    output: Path
    manifest: Mapping[str, Any]
    """What ``DIR.vsr.json`` says."""


def export_frames(
    path: Path,
    output: Path,
    span: Span,
    *,
    fps: str | None,
    video_stream: int | None = None,
    overwrite: bool,
    on_frame: Callable[[int], None] = lambda count: None,
) -> Exported:
    """Write the frames of ``span`` to ``output``, a pattern such as ``frames/%06d.png``, without any restoration.

    Each image's number is that of its frame in the video, from 0, or that of its image in a sequence.

    Each keeps all that was decoded: layouts that images cannot hold are widened (to RGB with the stream's own
    matrix, at 16 bits for 8), which the manifest names. Interlaced frames keep both fields. Raises a `VsrError`; then
    the folder's name is as before.
    """
    job = _plan(path, output, span, {"fps": fps, "video_stream": video_stream})
    check_output(job, overwrite)
    partial, damage = partial_path(job), Damage()
    with FrameHasher() as hasher:
        try:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            written = []
            for record in _write(job, partial, damage, hasher):
                written.append(record)
                on_frame(len(written))
            if not written:
                raise InputError(f"{path}: no frame lies between --start and --end")
            (partial / TIMING_FILE).write_text(_timing(job, written).to_json(), encoding="utf-8")
            publish(partial, place_of(job.output), replace=overwrite)
        except OSError as error:
            raise MachineError(f"cannot write {output}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        checksums = write_checksums(job, hasher.rows())
    manifest = _manifest(job, written, damage, checksums)
    seal(manifest)
    write_atomically(manifest_path(job.output), "".join(record_pieces(manifest)))
    return Exported(output, manifest)


def _plan(path: Path, output: Path, span: Span, choice: Mapping[str, Any]) -> Job:
    settings, options = load_settings("default", {**_AS_THEY_ARE, **choice})
    job = Request(path, output, settings, options, span).plan()
    codec = job.encoder.codec
    if codec.kind != "images" or codec.lossless != "always":
        raise UsageError(
            f"{output}: frames are written as images without loss (png, tiff, dpx, exr); name the output like "
            f"{output.stem if codec.kind != 'images' else output.parent}/%06d.png"
        )
    return job


def _is_before(job: Job, record: FrameRecord, bound: int | Fraction) -> bool:
    if isinstance(bound, int):
        return record.ordinal < bound
    return record.pts * job.video.time_base - job.info.start < bound


def _write(job: Job, folder: Path, damage: Damage, hasher: FrameHasher) -> Iterator[FrameRecord]:
    """Decode from the start, write the requested frames to ``folder``, and name each one."""
    start, stop, number_of = job.span.start, job.span.stop, frame_numbers(job.info)
    words = image_text("frames", "interpolation", job.info.metadata)
    words = dataclasses.replace(words, comment=f"{_conversion(job)}; no model took part, no generative one either")
    for record, frame in hash_frames(scan(job.info, job.settings.decoder_threads, damage), hasher):
        if start is not None and _is_before(job, record, start):
            continue
        if stop is not None and not _is_before(job, record, stop):
            return
        planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
        color = color_of(job.video, record.look)
        image = VideoFrame(planes, frame_layout(frame), color, record.ordinal, record.pts, job.video.time_base)
        spec = dataclasses.replace(job.encoder, width=record.width, height=record.height)
        data = with_text(encode_image(quantise(image, job.target), spec), add_header(job, words, record.ordinal))
        (folder / (job.output.name % number_of(record.ordinal))).write_bytes(data)
        yield record


def _conversion(job: Job) -> str:
    source, target = job.video.layout, job.encoder.layout
    if source == target:
        return f"frame as decoded, {source.name}"
    by = (
        f" with matrix {job.video.color.matrix} of the source"
        if (source.family, target.family) == ("yuv", "rgb")
        else ""
    )
    return f"frame as decoded, from {source.name} to {target.name}{by}"


def _timing(job: Job, records: list[FrameRecord]) -> Timing:
    return Timing(
        time_base=job.video.time_base,
        pts=tuple(record.pts for record in records),
        color=job.encoder.color,
        sample_aspect_ratio=job.video.sample_aspect_ratio,
        timecode=first_timecode(job, records[0].ordinal),
    )


def _manifest(job: Job, records: list[FrameRecord], damage: Damage, checksums: Mapping[str, Any]) -> dict[str, Any]:
    """As `vsr.pipeline.manifest` writes them, where frames were not restored."""
    info, changes, number_of = job.info, Changes(job.info), frame_numbers(job.info)
    for record in records:
        changes.add(record)
    return {
        "format": FORMAT,
        "kind": "frames",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "input": {
            "path": str(info.path.absolute()),
            "size_bytes": info.size_bytes,
            "sha256": None if info.images else file_digest(info.path),
            "container": info.container,
            "video": canonical(job.video),
        },
        "output": {
            "path": str(job.output),
            "files": {path.name: file_digest(path) for path in output_files(job.output)},
            "encoder": describe_encoder(job),
            "dropped": list(job.dropped),
        },
        "checksums": dict(checksums),
        "times": {"num_frames": len(records), "exact": True},
        "method": {
            "name": "frames",
            "evidence": "interpolation",
            "generative": False,
            "says": f"{_conversion(job)}; no generative model took part",
        },
        "frames": [_name(job, record, number_of(record.ordinal)) for record in records],
        "changes": {"count": changes.count, "first": canonical(changes.changes)},
        "settings": {
            "fps": job.settings.fps,
            "video_stream": job.settings.video_stream,
            "decoder_threads": job.settings.decoder_threads,
        },
        "span": canonical(job.span),
        "assumptions": list(job.assumptions),
        "damage": dataclasses.asdict(damage),
        "device": device_class("cpu"),
        "versions": software_versions() | {"ffmpeg_program": ffmpeg_version()},
        "segments": [],
    }


def _name(job: Job, record: FrameRecord, number: int) -> dict[str, Any]:
    seconds = record.pts * job.video.time_base - job.info.start
    return {
        "file": job.output.name % number,
        "ordinal": record.ordinal,
        "pts": record.pts,
        "time": format_seconds(seconds),
        "interlaced": record.interlaced,
    }
