"""Making one segment: decode, restore and encode side by side. What comes out depends on what goes in alone."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import av
import numpy as np
import torch
from numpy.typing import NDArray

from vsr.errors import InputError, MachineError
from vsr.frames import VideoFrame
from vsr.inference.allocator import keep_freed_memory
from vsr.inference.hardware import limit_cores
from vsr.media.convert import quantise
from vsr.media.deinterlace import DEINTERLACE_CONTEXT, deinterlace
from vsr.media.encode import SegmentSink, segment_sink
from vsr.media.film import FilmReader
from vsr.media.fitting import Area, pad
from vsr.media.looks import color_of
from vsr.media.packets import PacketTable
from vsr.media.planes import frame_layout, planes_of
from vsr.media.reading import Reader, open_reader
from vsr.methods import NOT_ADAPTED, Adaptation, Geometry, Restorer
from vsr.methods.consistency import watched
from vsr.methods.findings import Findings
from vsr.overlap import Overlap
from vsr.pipeline.adapting import load_adaptation, store_adaptation
from vsr.pipeline.job import Job
from vsr.pipeline.preview import Preview
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.sidecar import (
    SegmentPaths,
    SegmentResult,
    adaptation_key,
    file_digest,
    load_result,
    segment_key,
    store_result,
)
from vsr.pipeline.storage import WorkFolder
from vsr.timeline import Segment

__all__ = [
    "Finish",
    "Made",
    "Pixels",
    "SegmentWorker",
    "fix_threads",
    "in_source_frames",
]

_QUEUE_FRAMES = 3
_LARGE_BYTES = 256 << 20  # of a restored frame: larger ones are rounded before they wait, one at a time

Pixels = tuple[NDArray[np.generic], ...]
"""The planes of an image, rounded."""

Finish = Callable[[], SegmentResult]
"""The rest of a segment's work once all its images are encoded."""


def fix_threads(job: Job, cores: float | None = None) -> None:
    """Set thread counts and kernels that shape results to the plan's constants, for this process.

    ``cores`` of the processor are left to it, None: all; they make nothing but speed, as does memory that it keeps.
    """
    import cv2

    limit_cores(cores)
    keep_freed_memory()
    torch.set_num_threads(job.settings.torch_threads)
    cv2.setNumThreads(job.settings.torch_threads)
    cv2.setUseOptimized(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # float32 means float32


def in_source_frames(job: Job, images: int) -> int:
    """Source frames that hold ``images`` images, rounded up."""
    return -(-images // job.images_per_frame)


@dataclass(frozen=True)
class Made:
    """A restored frame that waits for the encoder."""

    pts: int
    findings: Mapping[str, float]
    pixels: Callable[[], Pixels]
    """Its planes, rounded to the output's layout."""


def _round(job: Job, area: Area, frame: VideoFrame) -> Pixels:
    """The planes of a restored frame in the output's layout and at its size."""
    return pad(quantise(frame, job.target), area, job.target, job.out_width, job.out_height)


def _as_they_are(pixels: Pixels) -> Pixels:
    return pixels


@contextmanager
def _writing(work: WorkFolder) -> Iterator[None]:
    """Refusals of the disk as `MachineError`."""
    try:
        yield
    except OSError as error:
        raise MachineError(f"cannot write segment in {work.path}: {error.strerror or error}") from error


class SegmentWorker:
    """Makes segments of one job, keeping the source open and the restorer ready between them."""

    def __init__(self, job: Job, work: WorkFolder, reader: Reader | None = None, *, cores: float | None = None) -> None:
        """``reader`` gives the source's frames where they cannot be read from a file; ``cores`` as in `fix_threads`."""
        fix_threads(job, cores)
        self._job, self._work = job, work
        halo_frames = in_source_frames(job, job.prepared.capabilities.halo_frames)
        overlap_frames = 2 * (halo_frames + DEINTERLACE_CONTEXT)
        if job.is_film:
            overlap_frames = 2 * overlap_frames + 8  # of the video, which has more frames than the film
        self._reader = reader or open_reader(job.info, job.settings.decoder_threads, overlap_frames)
        if job.is_film:
            self._reader = FilmReader(self._reader)
        self._restorers: dict[Geometry, Restorer] = {}  # the latest: a video hardly ever changes size
        self._adaptation: tuple[str, Adaptation] | None = None  # of the latest shot, by its key
        self._preview = Preview(job.preview)

    def close(self) -> None:
        """Let go of the source."""
        self._reader.close()

    def encode(self, planned: PlannedSegment) -> Generator[int, None, Finish]:
        """Give every image of ``planned`` to its encoder; returns what remains to be done, in any thread.

        So the next segment can start while this one's encoder is drained. Yields the number of images
        encoded so far. A segment that is found finished is not made again. Raises `InputError` where the source
        cannot give these frames again, `MachineError` on a full disk.
        """
        key = segment_key(self._job, planned)
        found = load_result(self._work, planned.segment.index, key)
        if found is not None:
            return lambda: found
        began = time.monotonic()
        self._work.make_copy()
        paths = SegmentPaths.of(self._work.path, planned.segment.index, key)
        temporary = paths.temporary()
        with _writing(self._work):
            sink = segment_sink(temporary, self._job.encoder)
        try:
            findings = yield from self.feed(planned, sink)
        except BaseException:
            sink.abort()
            raise
        return partial(self._finish, planned, key, paths, temporary, sink, began, findings)

    def feed(self, planned: PlannedSegment, sink: SegmentSink) -> Generator[int, None, Findings]:
        """Decode, restore and encode side by side; returns what the restorer found.

        Yields the number of images given to ``sink`` so far.
        """
        depth = 1 if self._are_large else _QUEUE_FRAMES
        with Overlap(self.restored(planned), depth, "restore") as restored:
            findings = Findings()
            for count, made in enumerate(restored, 1):
                sink.write(made.pixels(), made.pts)
                findings.add(made.findings)
                yield count
        return findings

    @property
    def _are_large(self) -> bool:
        """Whether restored frames are so large that none should wait unrounded."""
        layout = self._job.video.layout
        sizes = [layout.plane_size(n, self._job.out_width, self._job.out_height) for n in range(layout.num_planes)]
        return sum(height * width for height, width in sizes) * 4 > _LARGE_BYTES

    def restored(self, planned: PlannedSegment) -> Iterator[Made]:
        """Restored frames as they wait for the encoder, with what they tell of their agreement with the input."""
        job, head = self._job, planned.records[0]
        geometry = job.geometry(head.look)
        restorer = self._restorer(geometry)
        adaptation = self._adapt(planned, restorer)
        area = job.area(head.look)
        with Overlap(self._preview.watch(self.frames(planned)), _QUEUE_FRAMES, "decode") as decoded:
            for frame in watched(job.prepared, restorer, decoded, adaptation, geometry):
                self._preview.offer(frame)
                if self._are_large:
                    made = Made(frame.pts, frame.findings, partial(_as_they_are, _round(job, area, frame)))
                else:
                    made = Made(frame.pts, frame.findings, partial(_round, job, area, frame))
                del frame  # the next one is made before this name is used again
                yield made
                del made

    def _finish(
        self,
        planned: PlannedSegment,
        key: str,
        paths: SegmentPaths,
        temporary: Path,
        sink: SegmentSink,
        began: float,
        findings: Findings,
    ) -> SegmentResult:
        """Drain the encoder, check what it made, and give the file its name; the sidecar comes last."""
        try:
            packets = PacketTable.of(sink.close())
            self._check(planned, packets.pts.tolist())
            with _writing(self._work):
                os.replace(temporary, paths.media)
        except BaseException:
            sink.abort()
            raise
        result = SegmentResult(
            index=planned.segment.index,
            key=key,
            start=planned.segment.start,
            stop=planned.segment.stop,
            packets=packets,
            digest=file_digest(paths.media),
            seconds=round(time.monotonic() - began, 3),
            findings=findings.means(),
            curves=findings.curves(),
            worker=f"{socket.gethostname()}:{os.getpid()}",
        )
        with _writing(self._work):
            store_result(self._work, result)
        return result

    def adaptation(self, planned: PlannedSegment) -> Adaptation:
        """What the method learns of the shot of ``planned``."""
        return self._adapt(planned, self._restorer(self._job.geometry(planned.records[0].look)))

    def _restorer(self, geometry: Geometry) -> Restorer:
        if geometry not in self._restorers:
            self._restorers = {geometry: self._job.prepared.open(geometry)}
        return self._restorers[geometry]

    def _adapt(self, planned: PlannedSegment, restorer: Restorer) -> Adaptation:
        """What the method learns of the shot, found in the work folder or learnt now and left there."""
        calibration = planned.calibration
        if not calibration:
            return NOT_ADAPTED
        key = adaptation_key(self._job, planned)
        if self._adaptation is None or self._adaptation[0] != key:
            adaptation = load_adaptation(self._work, key)
            if adaptation is None:
                first, stop = calibration[0].ordinal, calibration[-1].ordinal + 1
                images = self.frames(PlannedSegment(Segment(0, first, stop, first, stop), calibration))
                adaptation = restorer.adapt(list(images))
                with _writing(self._work):
                    store_adaptation(self._work, key, adaptation)
            self._adaptation = (key, adaptation)
        return self._adaptation[1]

    def _check(self, planned: PlannedSegment, pts: Iterable[int]) -> None:
        expected = [time for record in planned.core for time in _times(self._job, planned, record.ordinal)]
        if sorted(pts) != expected:
            raise InputError(
                f"segment {planned.segment.index}: {len(expected)} frames expected, {len(list(pts))} encoded, "
                "or at other times"
            )

    def frames(self, planned: PlannedSegment) -> Iterator[VideoFrame]:
        """Progressive images of the halo range, as the restorer takes them."""
        job, segment = self._job, planned.segment
        each = job.images_per_frame
        color = color_of(job.video, planned.records[0].look)
        images = self._progressive(planned)
        for count, image in enumerate(images):
            record = planned.records[count // each]
            if not segment.halo_start <= record.ordinal < segment.halo_stop:
                continue
            yield VideoFrame(
                planes=tuple(torch.from_numpy(plane) for plane in planes_of(image)),
                layout=frame_layout(image),
                color=color,
                ordinal=record.ordinal,
                pts=_times(job, planned, record.ordinal)[count % each],
                time_base=job.encoder.time_base,
                is_halo=not segment.start <= record.ordinal < segment.stop,
            )

    def _progressive(self, planned: PlannedSegment) -> Iterator[av.VideoFrame]:
        """The frames of ``planned``, deinterlaced as the job wants them."""
        mode, records = self._job.deinterlace, planned.records
        frames = self._reader.read(records)
        only_interlaced = mode in ("auto", "film")
        if mode == "off" or (only_interlaced and all(record.fields == "progressive" for record in records)):
            return frames
        with_fields = zip(frames, (record.fields for record in records), strict=True)
        rate: Literal["frame", "field"] = "field" if mode == "field" else "frame"
        return deinterlace(with_fields, rate, only_interlaced=only_interlaced, by=self._job.deinterlacer)


def _times(job: Job, planned: PlannedSegment, ordinal: int) -> list[int]:
    """Times of the images made from frame ``ordinal``, in ticks of the output."""
    place = ordinal - planned.records[0].ordinal
    record = planned.records[place]
    if job.images_per_frame == 1:
        return [record.pts]
    if place + 1 < len(planned.records):
        length = planned.records[place + 1].pts - record.pts
    elif place:
        length = record.pts - planned.records[place - 1].pts
    else:
        length = record.duration or round(1 / (job.video.average_rate or 25) / job.video.time_base)
    if place + 1 == len(planned.records) and planned.next_pts is not None:
        length = min(length, planned.next_pts - record.pts)  # the next shot may begin sooner
    return [2 * record.pts, 2 * record.pts + max(1, length)]
