"""Packets of streams that no output container can hold, in a ZIP file that needs no vsr to be read.

For stream 3 it holds ``stream-3.bin``, all payloads one after the other as they were in the source (what
``ffmpeg -map 0:3 -c copy -f data`` writes); ``stream-3.csv``, a line a packet with times in ticks, offset and size in
bytes; and ``stream-3.header`` where the codec has a header of its own. ``streams.json`` says what each one is.
Nothing is compressed, and the same source gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import av.error
from av.container import InputContainer

from vsr.media.demuxing import demux
from vsr.media.safe_open import open_input
from vsr.media.streams import StreamInfo

__all__ = ["INDEX_FILE", "write_kept"]

INDEX_FILE = "streams.json"
_COLUMNS = ("pts", "dts", "duration", "is_key", "offset", "size")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_BLOCK_BYTES = 1 << 20


class _Collected:
    """What is kept of one stream, so far."""

    def __init__(self, stream: Any, payloads: IO[bytes]) -> None:
        context = stream.codec_context
        self.header: bytes = bytes(context.extradata or b"") if context is not None else b""
        self.rows: list[tuple[int | None, ...]] = []
        self.size = 0
        self.num_untimed = 0
        self.payloads = payloads
        if stream.type == "attachment":
            self.payloads.write(stream.data)

    def add(self, packet: av.Packet[Any]) -> None:
        self.rows.append((packet.pts, packet.dts, packet.duration, int(packet.is_keyframe), self.size, packet.size))
        self.payloads.write(bytes(packet))
        self.size += packet.size


def write_kept(
    source: Path,
    streams: Sequence[StreamInfo],
    target: Path,
    *,
    shift: Fraction,
    trim: tuple[Fraction, Fraction] | None = None,
    deep: bool = False,
) -> dict[int, int]:
    """Write the packets of ``streams`` of ``source`` to ``target``; with ``trim`` those that begin in this time (s).

    ``shift`` (s) is what the output takes off the source's times; it is noted, the times stay the source's. Returns how
    many packets of which stream were left out because they have no time that ``trim`` could be compared with. Raises
    `InputError`, or `OSError` where the disk refuses.
    """
    with open_input(source, deep=deep) as container, ExitStack() as stack:
        collected = {
            stream.index: _Collected(
                container.streams[stream.index], stack.enter_context(tempfile.TemporaryFile(dir=target.parent))
            )
            for stream in streams
        }
        timed = [container.streams[stream.index] for stream in streams if stream.kind != "attachment"]
        for packet in _packets(container, timed) if timed else ():
            found = collected[packet.stream_index]
            seconds = _seconds(packet)
            if trim is None or (seconds is not None and trim[0] <= seconds < trim[1]):
                found.add(packet)
            elif seconds is None:
                found.num_untimed += 1
        _write_zip(target, streams, collected, shift)
    return {index: found.num_untimed for index, found in collected.items() if found.num_untimed}


def _packets(container: InputContainer, streams: Sequence[Any]) -> Iterator[av.Packet[Any]]:
    """As far as the file can be read, like everything else of it."""
    demuxer = demux(container, *streams)
    while True:
        try:
            packet = next(demuxer)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.size:
            yield packet


def _seconds(packet: av.Packet[Any]) -> Fraction | None:
    """When it begins; None where it does not say."""
    time = packet.pts if packet.pts is not None else packet.dts
    return None if time is None or packet.time_base is None else time * packet.time_base


def _write_zip(
    target: Path, streams: Sequence[StreamInfo], collected: Mapping[int, _Collected], shift: Fraction
) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        entries = [_describe(stream, collected[stream.index]) for stream in streams]
        about = {"shift_seconds": f"{shift.numerator}/{shift.denominator}", "streams": entries}
        archive.writestr(_member(INDEX_FILE), json.dumps(about, indent=1, ensure_ascii=False) + "\n")
        for stream in streams:
            one, stem = collected[stream.index], f"stream-{stream.index}"
            one.payloads.seek(0)
            with archive.open(_member(f"{stem}.bin"), "w", force_zip64=True) as member:
                shutil.copyfileobj(one.payloads, member, _BLOCK_BYTES)
            if one.header:
                archive.writestr(_member(f"{stem}.header"), one.header)
            if one.rows:
                text = io.StringIO(newline="")
                csv.writer(text, lineterminator="\n").writerows([_COLUMNS, *one.rows])
                archive.writestr(_member(f"{stem}.csv"), text.getvalue())


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _LONG_AGO)
    member.external_attr = 0o644 << 16
    return member


def _describe(stream: StreamInfo, collected: _Collected) -> dict[str, Any]:
    return {
        "index": stream.index,
        "kind": stream.kind,
        "codec": stream.codec,
        "tag": stream.tag,
        "id": stream.id,
        "time_base": f"{stream.time_base.numerator}/{stream.time_base.denominator}",
        "metadata": stream.metadata,
        "num_packets": len(collected.rows),
        "num_untimed_left_out": collected.num_untimed,
    }
