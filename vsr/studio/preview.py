"""One frame, restored as a run over the whole video restores it: the same samples, by the same code.

A run restores a shot in chains of a fixed length, whatever its segments; so the frame's chain is restored from its
first frame on, with what the method learns of the shot, and all but the frame is thrown away. A region alone is
quicker: the method is then given that part of each frame with a margin, as in ``vsr try``.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
import threading
import time
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsr.errors import MachineError, UsageError, VsrError
from vsr.frames import VideoFrame
from vsr.media.deinterlace import DEINTERLACE_CONTEXT
from vsr.media.display import Box, resized, shown, upright
from vsr.methods.findings import describe_findings, mean_findings
from vsr.pipeline.job import Job, Span
from vsr.pipeline.scan import PlannedSegment
from vsr.pipeline.storage import WorkFolder
from vsr.pipeline.trial import Part, part_of_frame, restored
from vsr.pipeline.worker import Pixels, SegmentWorker, in_source_frames
from vsr.studio.sources import Video
from vsr.timeline import Segment

__all__ = ["Preview", "Previewer", "Superseded", "plan_frame", "png"]

Image = NDArray[np.uint8]

_KEPT_PREVIEWS = 4
_KEPT_BYTES = 256 << 20
_FAST = 1  # of PNG's compression


class Superseded(VsrError):
    """Another preview was asked for meanwhile."""


@dataclass(frozen=True)
class Preview:
    """A frame before and after."""

    before: bytes
    """The decoded frame enlarged by Keys' cubic to the output's size; a PNG."""
    after: bytes
    width: int
    """Of both images, as they are shown."""
    height: int
    seconds: float
    sha256: str
    """Of the planes as the encoder gets them, one after the other."""
    is_whole: bool
    """Whether these are the samples of a run over the whole video; else they are of a part, or of other cuts."""
    found: tuple[str, ...]
    """What the method learnt of the frame, in words."""


OnStep = Callable[[str], None]


def plan_frame(video: Video, job: Job, ordinal: int, on_step: OnStep = lambda words: None) -> PlannedSegment:
    """The part of a run's plan that makes frame ``ordinal``: its chain, with the context and what is learnt from.

    Chains count from where the run enters the shot; for a frame that its span leaves out, from the shot's first frame.
    Waits until the video is known so far. Raises `UsageError` for a frame that is not known.
    """
    needs, each = job.prepared.capabilities, job.images_per_frame
    halo, calibration = (in_source_frames(job, count) for count in (needs.halo_frames, needs.adapt_frames))
    chain = math.lcm(needs.chain_frames, each) // each
    context = halo + DEINTERLACE_CONTEXT
    while not video.wait_for(ordinal + 1):
        on_step(f"reading the video up to frame {ordinal}")
    begin = video.shot_of(ordinal).start
    span = job.span if _is_in(video, ordinal, job.span) else Span()
    first = begin + _count_before(video, range(begin, ordinal), span.start)
    start = first + (ordinal - first) // chain * chain
    needed = max(start + chain + context, begin + calibration) + 1
    while not video.wait_for(needed):
        on_step(f"reading the video up to frame {needed}")
        if video.shot_of(ordinal).is_whole:
            break
    if video.is_closed:
        raise Superseded("the video was closed meanwhile")
    shot = video.shot_of(ordinal)
    stop = min(start + chain, shot.stop)
    if span.stop is not None:
        stop = start + _count_before(video, range(start, stop), span.stop)
    low, high = max(begin, start - context), min(shot.stop, stop + context)
    following = video.records(high, high + 1)
    return PlannedSegment(
        Segment(0, start, stop, max(begin, start - halo), min(shot.stop, stop + halo)),
        video.records(low, high),
        video.records(begin, min(begin + calibration, shot.stop)),
        following[0].pts if following else None,
    )


def _is_in(video: Video, ordinal: int, span: Span) -> bool:
    is_early = span.start is not None and _is_before(video, ordinal, span.start)
    return not is_early and (span.stop is None or _is_before(video, ordinal, span.stop))


def _is_before(video: Video, ordinal: int, bound: int | Fraction) -> bool:
    return (ordinal if isinstance(bound, int) else video.seconds(ordinal)) < bound


def _count_before(video: Video, ordinals: range, bound: int | Fraction | None) -> int:
    """How many of consecutive frames lie before a bound of a span; 0 for an open end."""
    if bound is None:
        return 0
    return bisect_left(ordinals, True, key=lambda ordinal: not _is_before(video, ordinal, bound))


class Previewer:
    """Restores frames one at a time; the latest request counts. What a method has loaded is kept for the next one."""

    def __init__(self) -> None:
        self._working = threading.Lock()
        self._latest = 0
        self._numbering = threading.Lock()
        self._kept: OrderedDict[str, Preview] = OrderedDict()
        self._worker: tuple[tuple[str, str], SegmentWorker, tempfile.TemporaryDirectory[str]] | None = None
        self.step = ""
        """What is being done, in words."""

    def close(self) -> None:
        """Give up what is being made and let go of everything."""
        self._number()
        with self._working:
            self._drop()
            self._kept.clear()

    def find(self, key: str) -> Preview | None:
        """A preview made before."""
        return self._kept.get(key)

    def make(self, video: Video, job: Job, ordinal: int, region: Box | None = None) -> tuple[str, Preview]:
        """Frame ``ordinal`` as ``job`` restores it, or its ``region``, with the key that `find` knows it by.

        Raises `Superseded` where another one is asked for meanwhile, and other `VsrError`.
        """
        mine, method = self._number(), repr((job.settings, job.encoder, job.prepared.options, job.prepared.key()))
        identity = f"{video.key}\0{ordinal}\0{region}\0{job.span}\0{method}"
        key = hashlib.sha256(identity.encode()).hexdigest()[:24]
        with self._working:
            self._go_on(mine)
            if (known := self._kept.get(key)) is not None:
                return key, known
            try:
                made = self._restore(video, job, ordinal, region, (video.key, method), mine)
            finally:
                self.step = ""
            self._kept[key] = made
            while len(self._kept) > _KEPT_PREVIEWS or (self._kept_bytes() > _KEPT_BYTES and len(self._kept) > 1):
                self._kept.popitem(last=False)
            return key, made

    def _number(self) -> int:
        with self._numbering:
            self._latest += 1
            return self._latest

    def _go_on(self, mine: int) -> None:
        if self._latest != mine:
            raise Superseded("another preview was asked for")

    def _kept_bytes(self) -> int:
        return sum(len(one.before) + len(one.after) for one in self._kept.values())

    def _restore(
        self, video: Video, job: Job, ordinal: int, region: Box | None, worker_key: tuple[str, str], mine: int
    ) -> Preview:
        began = time.perf_counter()

        def on_step(words: str) -> None:
            self._go_on(mine)
            self.step = words

        on_step("loading the method")
        planned = plan_frame(video, job, ordinal, on_step)
        look = video.record(ordinal).look
        part = None if region is None else part_of_frame(job.geometry(look), region)
        worker = self._worker_of(job, worker_key)
        on_step("looking at the shot")
        worker.adaptation(planned)
        index = (ordinal - planned.segment.start) * job.images_per_frame
        pixels: Pixels | None = None
        pts, findings = 0, dict[str, float]()
        with closing(restored(worker, job, planned, part)) as made:
            for number, one in enumerate(made):
                on_step(f"restoring frame {number + 1} of {index + 1}")
                if number == index:
                    pixels, pts, findings = one.pixels(), one.pts, dict(one.findings)
                    break
        if pixels is None:
            raise UsageError(f"the method leaves frame {ordinal} out")
        after = upright(shown(_image(job, pixels, ordinal, pts)), video.info.video.display)
        before = _enlarge(video, job, ordinal, part)
        is_alike = (job.settings.cut_threshold, job.settings.decoder_threads) == (
            video.cut_threshold,
            video.decoder_threads,
        )
        return Preview(
            before=png(before),
            after=png(after),
            width=after.shape[1],
            height=after.shape[0],
            seconds=time.perf_counter() - began,
            sha256=_digest(pixels),
            is_whole=part is None and is_alike and not job.is_film,
            found=tuple(describe_findings(mean_findings([(1, findings)]))),
        )

    def _worker_of(self, job: Job, key: tuple[str, str]) -> SegmentWorker:
        if self._worker is None or self._worker[0] != key:
            self._drop()
            folder = tempfile.TemporaryDirectory(prefix="vsr-studio-")
            self._worker = (key, SegmentWorker(job, WorkFolder(Path(folder.name))), folder)
        return self._worker[1]

    def _drop(self) -> None:
        if self._worker is not None:
            _, worker, folder = self._worker
            self._worker = None
            worker.close()
            folder.cleanup()


def _image(job: Job, pixels: Pixels, ordinal: int, pts: int) -> VideoFrame:
    planes = tuple(torch.from_numpy(plane) for plane in pixels)
    encoder = job.encoder
    return VideoFrame(planes, encoder.layout, encoder.color, ordinal, pts, encoder.time_base)


def _enlarge(video: Video, job: Job, ordinal: int, part: Part | None) -> Image:
    """The decoded frame at the output's size, where the output has it; upright."""
    display = video.info.video.display
    frame = video.coded_image(ordinal)
    if part is not None:
        box = part.shown
        cut = np.ascontiguousarray(frame[box.top : box.top + box.height, box.left : box.left + box.width])
        return upright(resized(cut, part.kept.height, part.kept.width), display)
    area = job.area(video.record(ordinal).look)
    large = np.zeros((job.out_height, job.out_width, 3), np.uint8)
    large[area.top : area.top + area.height, area.left : area.left + area.width] = resized(
        frame, area.height, area.width
    )
    return upright(large, display)


def _digest(pixels: Pixels) -> str:
    digest = hashlib.sha256()
    for plane in pixels:
        digest.update(np.ascontiguousarray(plane).data)
    return digest.hexdigest()


def png(image: Image) -> bytes:
    """A PNG of ``(H, W, 3)`` uint8 RGB, quickly made. Raises `MachineError`."""
    import cv2

    is_encoded, data = cv2.imencode(".png", image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, _FAST])
    if not is_encoded:
        raise MachineError(f"OpenCV made no PNG of {image.shape[1]}x{image.shape[0]}")
    return data.tobytes()
