"""One method on an excerpt: its images, and what a run over the whole video would take.

What makes the images is what makes a run's: `SegmentWorker` for whole frames; for a part of them the same restorer,
given that part with a margin around it and what the method learnt of the whole frames.
"""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import torch

from vsr.errors import UsageError
from vsr.frames import VideoFrame
from vsr.media.convert import quantise
from vsr.media.display import Box, cut
from vsr.media.encode import EncoderSpec, segment_sink
from vsr.methods import Geometry
from vsr.methods.consistency import watched
from vsr.methods.findings import Findings
from vsr.pipeline.excerpt import Excerpt
from vsr.pipeline.job import Job
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.worker import Made, Pixels, SegmentWorker, in_source_frames

__all__ = ["Cost", "MethodTrial", "Part", "part_of_frame", "restored", "try_method", "weight_of_part"]

_MARGIN_PX = 24  # of the input around a part: more than the receptive field of the networks that ship
_GRID = 8  # samples: whole chroma blocks, and whole periods of the dither
_OUT_GRID = 4  # samples of the output: see `Box`
_LEAST_FRAMES = 3
_WEIGHED_FRAMES = 6
_KEY_FRAMES_APART = 240


@dataclass(frozen=True)
class Part:
    """A part of every frame, and what is restored for it."""

    shown: Box
    """In the input."""
    given: Box
    """The same with its margin."""
    geometry: Geometry
    """Of what is given."""
    kept: Box
    """What of the restored image is ``shown``."""
    is_on_grid: bool
    """Whether output samples lie where they lie in whole frames."""


@dataclass(frozen=True)
class _Axis:
    """A part along one axis, in samples; starts and lengths."""

    shown: tuple[int, int]
    given: tuple[int, int]
    kept: tuple[int, int]
    out_size: int
    is_on_grid: bool


def part_of_frame(geometry: Geometry, box: Box) -> Part | None:
    """``box`` widened to samples that lead to whole ones of the output, with a margin; None where that is all.

    ``geometry`` is that of whole frames. Raises `UsageError` for a box that reaches outside.
    """
    x = _along(box.left, box.width, geometry.width, geometry.out_width)
    y = _along(box.top, box.height, geometry.height, geometry.out_height)
    if (x.given[1], y.given[1]) == (geometry.width, geometry.height):
        return None
    return Part(
        shown=Box(y.shown[0], x.shown[0], y.shown[1], x.shown[1]),
        given=Box(y.given[0], x.given[0], y.given[1], x.given[1]),
        geometry=Geometry(x.given[1], y.given[1], x.out_size, y.out_size),
        kept=Box(y.kept[0], x.kept[0], y.kept[1], x.kept[1]),
        is_on_grid=x.is_on_grid and y.is_on_grid,
    )


def _along(start: int, length: int, size: int, out_size: int) -> _Axis:
    if not 0 <= start < size or length < 1 or start + length > size:
        raise UsageError(f"the region reaches from {start} to {start + length}; the image has {size} pixels there")
    scale = Fraction(out_size, size)
    unit = math.lcm(_GRID, _GRID * scale.denominator // math.gcd(_GRID * scale.denominator, scale.numerator))
    is_on_grid = unit <= size // 4
    unit = unit if is_on_grid else _GRID
    margin = -(-_MARGIN_PX // unit) * unit
    first, last = start // unit * unit, min(size, -(-(start + length) // unit) * unit)
    low, high = max(0, first - margin), min(size, last + margin)
    top, bottom = (round((place - low) * scale / _OUT_GRID) * _OUT_GRID for place in (first, last))
    out = round((high - low) * scale)
    return _Axis((first, last - first), (low, high - low), (top, min(bottom, out) - top), out, is_on_grid)


@dataclass(frozen=True)
class Cost:
    """What a whole frame takes, estimated from what was measured; seconds on this machine as it was then."""

    restore_seconds: float
    encode_seconds: float
    cpu_seconds: float
    """Of all cores together."""
    num_bytes: float
    """Encoded."""

    def seconds(self, decode_seconds: float, workers: int) -> float:
        """A frame's share of the time of a run, in which decoding, restoring and encoding go on side by side."""
        cores = os.cpu_count() or 1
        busy = (self.cpu_seconds + 2 * decode_seconds) / cores
        return max(busy, decode_seconds, self.encode_seconds / min(workers, cores), self.restore_seconds / workers)


@dataclass(frozen=True)
class MethodTrial:
    """What a method made of an excerpt."""

    job: Job
    pixels: tuple[Pixels, ...]
    """Planes as the encoder gets them, of the first frames of the excerpt."""
    pts: tuple[int, ...]
    findings: Mapping[str, float]
    """Means; see `vsr.methods.findings`."""
    cost: Cost
    sizes: tuple[int, ...]
    """Bytes of its images, encoded, in coded order."""
    ran_out: bool
    """Whether its time was over before the excerpt was."""

    def image(self, number: int) -> VideoFrame:
        """One of the images, for looking at."""
        planes = tuple(torch.from_numpy(plane) for plane in self.pixels[number])
        encoder = self.job.encoder
        return VideoFrame(planes, encoder.layout, encoder.color, number, self.pts[number], encoder.time_base)


def _plan(job: Job, excerpt: Excerpt) -> PlannedSegment:
    needs = job.prepared.capabilities
    halo, adapt_frames = (in_source_frames(job, number) for number in (needs.halo_frames, needs.adapt_frames))
    segment, learnt_from = excerpt.planned(halo, adapt_frames)
    return PlannedSegment(segment, excerpt.records, learnt_from)


def weight_of_part(job: Job, excerpt: Excerpt, part: Part | None) -> float:
    """Bytes of a sample of whole frames over those of a sample of ``part``, measured on some frames of the input."""
    if part is None:
        return 1.0
    with tempfile.TemporaryDirectory(prefix="vsr-try-") as folder:
        worker = SegmentWorker(job, WorkFolder(Path(folder)), excerpt.reader())
        core = [one for one in worker.frames(_plan(job, excerpt)) if not one.is_halo][:_WEIGHED_FRAMES]
        whole, small = (
            sum(_encoded_sizes(job.encoder, [(one.pts, quantise(one, job.target)) for one in images], Path(folder)))
            for images in (core, [cut(one, part.shown) for one in core])
        )
    given = core[0].width * core[0].height
    return (whole / given) / (small / (part.shown.width * part.shown.height))


def try_method(
    job: Job, excerpt: Excerpt, part: Part | None, *, most_seconds: float | None, part_weight: float = 1.0
) -> MethodTrial:
    """Restore the excerpt, or ``part`` of it, until it ends or ``most_seconds`` are over (then three frames at least).

    ``part_weight``: see `weight_of_part`.
    """
    needs = job.prepared.capabilities
    planned = _plan(job, excerpt)
    segment = planned.segment
    whole = job.geometry(excerpt.records[0].look)
    with tempfile.TemporaryDirectory(prefix="vsr-try-") as folder:
        worker = SegmentWorker(job, WorkFolder(Path(folder)), excerpt.reader())
        worker.adaptation(planned)  # kept there, so that what follows is timed without it
        began, cpu = time.perf_counter(), time.process_time()
        times, made, findings = list[float](), list[tuple[int, Pixels]](), Findings()
        ran_out = False
        with closing(restored(worker, job, planned, part)) as images:
            for one in images:
                made.append((one.pts, one.pixels()))
                findings.add(one.findings)
                times.append(time.perf_counter())
                is_late = most_seconds is not None and times[-1] - began > most_seconds
                if is_late and len(made) >= _LEAST_FRAMES and len(made) < segment.num_frames:
                    ran_out = True
                    break
        cpu = time.process_time() - cpu
        pixels = tuple(planes for _, planes in made)
        shown = pixels[0][0].shape
        began_encoding, encode_cpu = time.perf_counter(), time.process_time()
        sizes = _encoded_sizes(job.encoder, made, Path(folder))
        encode = (time.perf_counter() - began_encoding) / len(made)
        encode_cpu = (time.process_time() - encode_cpu) / len(made)
    given = whole if part is None else part.geometry
    larger = whole.out_width * whole.out_height / (given.out_width * given.out_height)
    seen = job.out_width * job.out_height / (shown[0] * shown[1])
    restore = _per_frame(began, times, needs.chain_frames)
    share = restore / max(1e-9, times[-1] - began)
    cost = Cost(
        restore_seconds=restore * larger,
        encode_seconds=encode * seen,
        cpu_seconds=cpu * share * larger + encode_cpu * seen,
        num_bytes=_bytes_per_frame(sizes) * seen * part_weight,
    )
    return MethodTrial(job, pixels, tuple(pts for pts, _ in made), findings.means(), cost, tuple(sizes), ran_out)


def restored(
    worker: SegmentWorker, job: Job, planned: PlannedSegment, part: Part | None
) -> Generator[Made, None, None]:
    """The restored core of ``planned``: whole frames as a run makes them, or ``part`` of each. Close it."""
    if part is None:
        yield from worker.restored(planned)
        return
    adaptation = worker.adaptation(planned)
    restorer = job.prepared.open(part.geometry)
    images = (cut(image, part.given) for image in worker.frames(planned))
    for frame in watched(job.prepared, restorer, images, adaptation, part.geometry):
        yield Made(frame.pts, frame.findings, partial(quantise, cut(frame, part.kept), job.target))


def _per_frame(began: float, times: Sequence[float], chain_frames: int) -> float:
    """Seconds for one frame of many: what the first one takes longer counts once a chain, or not at all."""
    if len(times) < 2:
        return times[0] - began
    usual = (times[-1] - times[0]) / (len(times) - 1)
    return usual if chain_frames == 1 else usual + max(0.0, times[0] - began - usual) / chain_frames


def _encoded_sizes(spec: EncoderSpec, images: Sequence[tuple[int, Pixels]], folder: Path) -> list[int]:
    """Bytes of each image, ``(time, planes)``, encoded as ``spec`` says at the size that it has, in coded order."""
    height, width = images[0][1][0].shape
    sink = segment_sink(folder / "encoded", replace(spec, width=width, height=height))
    try:
        for pts, planes in images:
            sink.write(planes, pts)
        packets = sink.close()
    except BaseException:
        sink.abort()
        raise
    return [packet.size for packet in packets]


def _bytes_per_frame(sizes: Sequence[int]) -> float:
    """Of a long segment: a key frame now and then, and the rest."""
    if len(sizes) < 2:
        return float(sizes[0])
    rest = sum(sizes[1:]) / (len(sizes) - 1)
    return rest + (sizes[0] - rest) / _KEY_FRAMES_APART
