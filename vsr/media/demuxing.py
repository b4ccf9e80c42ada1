"""Reading packets where PyAV gives up: FFmpeg may add streams to a file while it is read.

FLV and MPEG program streams need not name their streams at the start. PyAV knows those that FFmpeg found when it opened
the file, and its reading ends with an `IndexError` at the first packet of any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

    Packets of streams that FFmpeg has added since the file was opened are passed over; ``on_stranger`` is called for
    each. Raises what FFmpeg meets, as PyAV does.
    """
    while True:
        try:
            yield from container.demux(*streams)
        except IndexError:
            if on_stranger is not None:
                on_stranger()
        else:
            return


def frames_of(container: InputContainer, stream: Any) -> Iterator[av.VideoFrame]:
    """The decoded frames of ``stream`` over the same packets as `demux`. Raises what FFmpeg meets."""
    sequences = SequenceWatch(stream)
    for packet in demux(container, stream):
        if sequences.begins_anew(packet):
            yield from sequences.drain()
        yield from packet.decode()


def open_for(path: Path, index: int) -> InputContainer:
    """`open_input`, reading as far into the file as it takes to meet stream ``index``."""
    container = open_input(path)
    if index < len(container.streams):
        return container
    container.close()
    return open_input(path, deep=True)
