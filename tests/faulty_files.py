"""What is wrong, or only unusual, with the files of `many_files`: done as they are encoded, or afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
from videos import ffmpeg

__all__ = ["AT_ONCE", "DAMAGES", "LATER", "AtOnce", "copy_of", "fits"]

Another = Callable[..., Path]
"""Makes a file like the one at hand: ``another(seed)`` with other images, ``another(seed, size)`` of another size."""
Fault = Callable[[Path, random.Random, Another], Path]

_STREAMED = ("ts", "m2ts", "mpg", "vob", "h264", "hevc", "m1v", "m2v", "m4v", "mjpeg", "h261", "h263", "vvc")
_TIMED = ("mp4", "mov", "mkv", "webm", "ts", "nut", "flv")


@dataclass(frozen=True)
class AtOnce:
    """How a file is encoded that is to be unusual."""

    containers: tuple[str, ...]
    options: tuple[str, ...] = ()
    filters: str = ""
    times: str = ""
    codecs: tuple[str, ...] = ()
    """Empty for all."""


AT_ONCE = {
    "variable rate": AtOnce(_TIMED, times="'(N*3600+mod(N*N*37,5)*700)/90000/TB'"),
    "long pause": AtOnce(_TIMED, times="'(N*3600+gt(N,6)*900000)/90000/TB'"),
    "interlaced": AtOnce(
        ("mkv", "ts", "mpg", "vob", "mp4", "mov", "mxf", "m2ts", "avi", "m2v", "h264"),
        ("-flags", "+ildct+ilme"),
        "interlace=scan=tff:lowpass=off",
        codecs=("h264", "mpeg2video"),
    ),
    "negative start": AtOnce(("mkv",), ("-output_ts_offset", "-0.3", "-avoid_negative_ts", "disabled")),
    "late start": AtOnce(("ts", "m2ts", "mkv", "mp4", "mov", "mpg", "vob"), ("-output_ts_offset", "3723.4")),
    "far start": AtOnce(("ts", "m2ts", "mkv", "vob", "mpg"), ("-output_ts_offset", "90000")),
    "late sound": AtOnce(("ts", "mkv", "mp4", "mov", "mpg", "avi", "flv", "wmv", "webm", "ogg")),
    "late video": AtOnce(("mkv", "mp4", "mov", "ts", "flv"), times="'(N*3600+60000)/90000/TB'"),
    "fragments": AtOnce(("mp4", "mov"), ("-movflags", "frag_keyframe+empty_moov")),
    "live": AtOnce(("mkv", "webm"), ("-live", "1")),
    "one frame": AtOnce(
        (*_STREAMED, "mp4", "mov", "mkv", "webm", "avi", "flv", "ogg", "nut", "y4m", "gif", "apng", "ivf", "obu", "wmv")
    ),
}
"""By name."""


def copy_of(source: Path, target: Path, *, before: Sequence[str] = (), after: Sequence[str] = ()) -> None:
    """A stream copy by ffmpeg, with options for its input and for its output."""
    streams = ("-map", "0", "-copy_unknown")
    if target.suffix in (".mp4", ".mov"):  # their muxers make the tracks of chapters and timecode themselves
        streams = ("-map", "0:v", "-map", "0:a?", "-map", "0:s?")
    if target.suffix == ".mkv":
        after = (*after, "-allow_raw_vfw", "1")
    ffmpeg(*before, "-i", str(source), *streams, "-c", "copy", *after, str(target))


def _truncated(path: Path, rng: random.Random, another: Another) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * rng.uniform(0.5, 0.95))])
    return path


def _flipped(path: Path, rng: random.Random, another: Another) -> Path:
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(2, 12)):
        data[rng.randrange(len(data) // 6, len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(bytes(data))
    return path


def _noise(path: Path, rng: random.Random, another: Another) -> Path:
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data) // 4, max(len(data) // 4 + 1, len(data) - 400))
    data[place : place + 300] = rng.randbytes(len(data[place : place + 300]))
    path.write_bytes(bytes(data))
    return path


def _zeros(path: Path, rng: random.Random, another: Another) -> Path:
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data) // 4, len(data))
    data[place : place + 2000] = bytes(len(data[place : place + 2000]))
    path.write_bytes(bytes(data))
    return path


def _cut_lead(path: Path, rng: random.Random, another: Another) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[int(len(data) * rng.uniform(0.1, 0.4)) :])
    return path


def _joined(path: Path, rng: random.Random, another: Another) -> Path:
    path.write_bytes(path.read_bytes() + another(1).read_bytes())
    return path


def _resized(path: Path, rng: random.Random, another: Another) -> Path:
    path.write_bytes(path.read_bytes() + another(1, (96, 64)).read_bytes())
    return path


def _tail(path: Path, rng: random.Random, another: Another) -> Path:
    path.write_bytes(path.read_bytes() + rng.randbytes(700))
    return path


def _head(path: Path, rng: random.Random, another: Another) -> Path:
    path.write_bytes(rng.randbytes(300) + path.read_bytes())
    return path


def _empty(path: Path, rng: random.Random, another: Another) -> Path:
    path.write_bytes(b"")
    return path


def _header_alone(path: Path, rng: random.Random, another: Another) -> Path:
    path.write_bytes(path.read_bytes()[:48])
    return path


def _text(path: Path, rng: random.Random, another: Another) -> Path:
    path.write_text("This is not a video, whatever its name says.\n" * 20)
    return path


def _misnamed(path: Path, rng: random.Random, another: Another) -> Path:
    return path.rename(path.with_suffix(".avi" if path.suffix != ".avi" else ".mp4"))


def _doubled_block(path: Path, rng: random.Random, another: Another) -> Path:
    data = path.read_bytes()
    start = rng.randrange(len(data) // 3, 2 * len(data) // 3) // 188 * 188
    stop = start + 188 * rng.randint(4, 12)
    path.write_bytes(data[:stop] + data[start:])
    return path


def _swapped_blocks(path: Path, rng: random.Random, another: Another) -> Path:
    data = path.read_bytes()
    size = 188 * rng.randint(2, 5)
    start = len(data) // 3 // 188 * 188
    a, b, c = start, start + size, start + 2 * size
    path.write_bytes(data[:a] + data[b:c] + data[a:b] + data[c:])
    return path


def _filtered(*filters: str) -> Fault:
    """A stream copy whose first video stream goes through bitstream filters."""

    def change(path: Path, rng: random.Random, another: Another) -> Path:
        whole = path.rename(path.with_stem("whole"))
        copy_of(whole, path, after=("-bsf:v:0", ",".join(filters)))
        return path

    return change


def _edit_list(path: Path, rng: random.Random, another: Another) -> Path:
    whole = path.rename(path.with_stem("whole"))
    copy_of(whole, path, before=("-ss", "0.2"))
    return path


def _noise_in_packets(path: Path, rng: random.Random, another: Another) -> Path:
    """Payloads overwritten from somewhere in the middle; containers stay whole."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size > 40 and packet.pos is not None]
        for packet in rng.sample(packets, min(3, len(packets))):
            assert packet.pos is not None
            start = packet.pos + packet.size // 2
            data[start : packet.pos + packet.size] = rng.randbytes(packet.pos + packet.size - start)
    path.write_bytes(bytes(data))
    return path


_ANY = ("*",)
_LATER: dict[str, tuple[Fault, tuple[str, ...]]] = {
    "truncated": (_truncated, _ANY),
    "bits flipped": (_flipped, _ANY),
    "noise": (_noise, _ANY),
    "noise in packets": (_noise_in_packets, ("mp4", "mov", "mkv", "avi", "flv", "wmv", "webm", "mxf", "3gp")),
    "zeros": (_zeros, _ANY),
    "cut lead": (_cut_lead, _STREAMED),
    "joined": (_joined, (*_STREAMED, "ogg", "obu", "dv")),
    "resized": (_resized, ("ts", "mpg", "h264", "hevc", "m2v", "mjpeg")),
    "garbage behind": (_tail, _ANY),
    "garbage ahead": (_head, ("ts", "mpg", "vob", "h264", "m2v", "mjpeg", "m1v")),
    "empty": (_empty, ("mp4",)),
    "header alone": (_header_alone, ("mkv", "mov", "avi", "ts", "gif")),
    "text": (_text, ("mp4", "mkv", "ts")),
    "misnamed": (_misnamed, ("mkv", "mp4", "ts", "flv", "ogg", "gif", "nut")),
    "doubled block": (_doubled_block, ("ts", "mpg", "m2v", "h264")),
    "swapped blocks": (_swapped_blocks, ("ts", "mpg")),
    "outlier": (_filtered("setts=pts='PTS+if(eq(N,7),700/TB,0)'"), ("mkv", "mov", "mp4", "ts")),
    "repeated time": (_filtered("setts=pts='if(eq(mod(N,5),3),PREV_OUTPTS,PTS)':dts='DTS-9'"), ("mkv",)),
    "clock back": (_filtered("setts=pts='PTS-if(gte(N,5),0.3/TB,0)':dts='DTS-0.5/TB'"), ("mkv",)),
    "no times": (_filtered("setts=pts=NOPTS"), ("avi",)),
    "long gap": (
        _filtered("setts=pts='PTS+if(gte(N,8),36000/TB,0)':dts='DTS+if(gte(N,8),36000/TB,0)'"),
        ("mkv", "mov"),
    ),
    "frames lost": (_filtered("noise=drop='eq(mod(n,5),3)'"), ("mkv", "mp4", "mov", "ts", "flv", "webm", "avi")),
    "no key frame": (_filtered("noise=drop='eq(n,0)'"), ("mkv", "ts", "flv", "mp4", "webm")),
    "edit list": (_edit_list, ("mp4", "mov")),
}
LATER: dict[str, Fault] = {name: fault for name, (fault, _) in _LATER.items()}
"""What is done to a finished file, by name."""
DAMAGES = frozenset(
    [
        *("truncated", "bits flipped", "noise", "noise in packets", "zeros", "cut lead", "garbage behind"),
        *("garbage ahead", "empty", "header alone", "text", "doubled block", "swapped blocks", "no key frame"),
        *("frames lost", "resized", "joined"),
    ]
)
"""Faults that make bytes unreadable, so that copied streams and tags may have suffered."""


def fits(fault: str, container: str, codec: str) -> bool:
    """Whether a file of that kind can have ``fault``."""
    if fault in ("negative start", "clock back") and codec in ("dvvideo", "hevc"):
        return False  # of such a MOV no program shows a frame; FFmpeg cannot copy such a Matroska file
    if fault in AT_ONCE:
        at_once = AT_ONCE[fault]
        if at_once.times and codec in ("mpeg1video", "mpeg2video", "mpeg4", "dvvideo", "h263", "xvid"):
            return False
        return container in at_once.containers and (not at_once.codecs or codec in at_once.codecs)
    requested = _LATER[fault][1]
    return requested == _ANY or container in requested
