"""Frames on their way to a GPU, beside the work on those before them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import torch

from vsr.frames import VideoFrame

__all__ = ["upload_ahead"]


def upload_ahead(batches: Iterable[Sequence[VideoFrame]], device: torch.device) -> Iterator[list[VideoFrame]]:
    """The same batches with their planes on ``device``.

    On CUDA the next batch is sent from pinned memory, on a stream of its own, while the caller works on this one.
    """
    if device.type != "cuda":
        yield from (list(batch) for batch in batches)
        return
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    sent: tuple[list[VideoFrame], torch.cuda.Event] | None = None
    for batch in batches:
        following = _send(batch, device, stream)
        if sent is not None:
            yield _arrived(*sent, device)
        sent = following
    if sent is not None:
        yield _arrived(*sent, device)


def _send(
    batch: Sequence[VideoFrame], device: torch.device, stream: torch.cuda.Stream
) -> tuple[list[VideoFrame], torch.cuda.Event]:
    frames = []
    with torch.cuda.stream(stream):
        for frame in batch:
            planes = tuple(plane.pin_memory().to(device, non_blocking=True) for plane in frame.planes)
            frames.append(replace(frame, planes=planes))
        event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(stream)
    return frames, event


def _arrived(frames: list[VideoFrame], event: torch.cuda.Event, device: torch.device) -> list[VideoFrame]:
    """What was sent, for use on the current stream."""
    current = torch.cuda.current_stream(device)
    current.wait_event(event)
    for frame in frames:
        for plane in frame.planes:
            plane.record_stream(current)  # its memory is not given away before this stream is done with it
    return frames
