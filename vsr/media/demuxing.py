"""Reading packets where PyAV gives up: FFmpeg may add streams to a file while it is read.

FLV and MPEG program streams need not name their streams at the start. PyAV knows those that FFmpeg found when it opened
the file. It passes over packets of any other, and may end with an `IndexError` when all are read.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from vsr.media.safe_open import open_input
from vsr.media.sequences import SequenceWatch

__all__ = ["demux", "frames_of", "open_for"]


def demux(
    container: InputContainer, *streams: Any, on_stranger: Callable[[], None] | None = None
) -> Iterator[av.Packet[Any]]:
    """The packets of ``streams``, or of all, as ``container.demux`` gives them, to the end of the file.

    Packets of streams that FFmpeg has added since the file was opened are passed over; at the end ``on_stranger`` is
    called once for each such stream. Raises what FFmpeg meets, as PyAV does.
    """
    with suppress(IndexError):  # of flushing a stream that PyAV does not know; those that it knows are flushed before
        yield from container.demux(*streams)
    if on_stranger is not None:
        for _ in range(_count_strangers(container)):
            on_stranger()


def _count_strangers(container: InputContainer) -> int:
    """Streams of ``container``, read to its end, that PyAV does not know.

    It refuses to read a stream with a number beyond those that FFmpeg has, so it is asked for numbers of another file.
    """
    known = len(container.streams)
    with av.open(io.BytesIO(), "w", format="nut") as other:
        for _ in range(known):
            other.add_stream("pcm_s16le", rate=8000)
        for count in itertools.count():
            try:
                for _ in container.demux(other.add_stream("pcm_s16le", rate=8000)):
                    pass
            except ValueError:
                return count
            except IndexError:
                continue
    raise AssertionError("numbers do not end")


def frames_of(container: InputContainer, stream: Any) -> Iterator[av.VideoFrame]:
    """The decoded frames of ``stream`` over the same packets as `demux`. Raises what FFmpeg meets."""
    sequences = SequenceWatch(stream)
    for packet in demux(container, stream):
        if sequences.restarts(packet):
            yield from sequences.drain()
        yield from packet.decode()


def open_for(path: Path, index: int) -> InputContainer:
    """`open_input`, reading as far into the file as it takes to meet stream ``index``."""
    container = open_input(path)
    if index < len(container.streams):
        return container
    container.close()
    return open_input(path, deep=True)
