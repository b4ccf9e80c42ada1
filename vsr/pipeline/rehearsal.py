"""The output's container opened before any work, with the real streams: what it refuses is known then.

Tables say which codecs a container holds; only its muxer knows whether it takes this very stream, whose parameters may
be damaged, missing or of a rare kind. So two small images, encoded as the output's will be, are put together with the
first packets of all copied streams in a scratch file. Damage further in is met by a copy of them to nowhere, while the
source is being read anyway.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch

from vsr.errors import UsageError
from vsr.media.codecs import CONTAINERS
from vsr.media.containers import holds
from vsr.media.encode import EncoderSpec, segment_sink
from vsr.media.images import is_animation
from vsr.media.mux import SegmentFile, copy_refusal, refusal
from vsr.media.packets import PacketTable
from vsr.media.probe import probe_streams
from vsr.media.streams import StreamInfo
from vsr.media.timelines import StreamMove
from vsr.pipeline.assemble import mux_job
from vsr.pipeline.job import Job
from vsr.pipeline.streams import Lost, resolve, without

__all__ = ["leave_out", "refuse_copies", "rehearse"]

_SIDE = 128  # samples: more than any encoder's smallest
_NUM_IMAGES = 2


def rehearse(job: Job) -> Job:
    """``job`` without the streams that its container refuses, as far as the settings allow to leave them out.

    Raises `UsageError` where they do not, with the container that takes the streams where there is one.
    """
    if job.container == "y4m" or is_animation(job.output):
        return job  # images, which need no muxer
    with tempfile.TemporaryDirectory(prefix="vsr-") as folder:
        stage = _Stage(job, Path(folder))
        if stage.refusal(job.container, job.copied) is None:
            return job
        if (reason := stage.refusal(job.container, ())) is not None:
            raise UsageError(f"{job.output.name}: its header cannot be written: {reason}; name another container")
        taken: list[StreamInfo] = []
        lost = []
        for stream in job.copied:
            reason = stage.refusal(job.container, [*taken, stream])
            if reason is None:
                taken.append(stream)
            else:
                lost.append(Lost(stream, _explain(job, reason), stage.holders(stream), is_ordinary=False))
    return leave_out(job, lost)


def leave_out(job: Job, lost: Sequence[Lost]) -> Job:
    """``job`` without streams that it was to copy. Raises `UsageError` where the settings do not allow it."""
    kept, words = resolve(lost, job.output, _container(job), job.settings)
    return replace(job, copied=without(job.copied, lost), kept=(*job.kept, *kept), dropped=(*job.dropped, *words))


def refuse_copies(
    job: Job, stop: threading.Event, moves: Mapping[int, StreamMove] = MappingProxyType({})
) -> tuple[Lost, ...]:
    """The streams of ``job.copied`` that cannot be copied to their end, found by copying all of the source to nowhere.

    ``moves`` are those of `MuxJob`. Of a part of a video nothing is tried: what it will be is not known yet. Raises
    `Interrupted` soon after ``stop`` is set.
    """
    flowing = tuple(stream for stream in job.copied if stream.kind not in ("attachment", "cover"))
    if not flowing or job.span:
        return ()

    def refusal(streams: Sequence[StreamInfo], container: str) -> str | None:
        planned = replace(job, copied=tuple(streams), container=container)
        mux = mux_job(planned, last_duration=1, shift=job.shift, moves=moves)
        return copy_refusal(mux, Path(os.devnull), stop=stop)

    if refusal(flowing, job.container) is None:
        return ()
    lost = []
    for stream in flowing:
        if (reason := refusal([stream], job.container)) is not None:
            others = (name for name in CONTAINERS.values() if name != job.container and holds(name, stream))
            takers = tuple(name for name in dict.fromkeys(others) if refusal([stream], name) is None)
            lost.append(Lost(stream, _explain(job, reason), takers, is_ordinary=False))
    return tuple(lost)


def _container(job: Job) -> str:
    return "mkv" if job.encoder.codec.kind == "images" else job.container


def _explain(job: Job, reason: str) -> str:
    return f".{_container(job)} refuses it: {reason}"


class _Stage:
    """A scratch folder, and two images as the output's encoder makes them."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job, self._folder = job, folder
        self._encoder = _small(job.encoder)
        self._step = max(1, round(1 / job.encoder.frame_rate / job.encoder.time_base))
        self._sample = self._encode() if job.encoder.codec.kind == "video" else None

    def _encode(self) -> SegmentFile:
        path, layout = self._folder / "sample", self._encoder.layout
        sizes = [layout.plane_size(n, self._encoder.width, self._encoder.height) for n in range(layout.num_planes)]
        planes = tuple(torch.zeros(size, dtype=layout.dtype).numpy() for size in sizes)
        sink = segment_sink(path, self._encoder)
        try:
            start = round(self._job.shift / self._encoder.time_base)
            for number in range(_NUM_IMAGES):
                sink.write(planes, start + number * self._step)
            return SegmentFile(path, PacketTable.of(sink.close()))
        except BaseException:
            sink.abort()
            raise

    def refusal(self, container: str, streams: Sequence[StreamInfo]) -> str | None:
        """Why ``container`` does not take ``streams`` of the source beside the video; None where it does."""
        planned = replace(self._job, container=container, encoder=self._encoder, copied=tuple(streams))
        mux = mux_job(planned, last_duration=self._step, shift=self._job.shift)
        scratch = self._folder / f"scratch.{mux.container}"
        if self._sample is not None:
            reason = refusal([self._sample], mux, scratch)
        else:
            reason = copy_refusal(mux, scratch, only_first=True) if streams else None
        covers = sum(stream.kind == "cover" for stream in streams)
        if reason is None and covers and sum(stream.kind == "cover" for stream in probe_streams(scratch)) != covers:
            return "its muxer leaves the video out" + (" beside these tags" if container == "mp4" else "")
        return reason

    def holders(self, stream: StreamInfo) -> tuple[str, ...]:
        """Other containers that take ``stream`` beside this video."""
        others = [name for name in self._job.encoder.codec.containers if name in CONTAINERS.values()]
        return tuple(
            name
            for name in others
            if name != self._job.container and holds(name, stream) and self.refusal(name, [stream]) is None
        )


def _small(encoder: EncoderSpec) -> EncoderSpec:
    """The same with a small image, of sides that fill as much of the last chroma sample or slice as the real ones."""
    width, height = (min(side, _SIDE + side % 4) for side in (encoder.width, encoder.height))
    return replace(encoder, width=width, height=height)
