"""Opening untrusted files: one local file, no network, no other file.

Two whitelists are given to FFmpeg at every opening. The protocol list alone does not stop a playlist or a
concat script from naming other local files, so the demuxers that follow references are left out as well, and so
are those that read devices, text art or raw samples.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Protocol

import av
import av.error
from av.container import InputContainer

from vsr.errors import InputError, MachineError
from vsr.media.ffmpeg import run_ffmpeg
from vsr.media.webp import is_animated_webp

__all__ = [
    "Readable",
    "check_head",
    "describe_streams",
    "file_url",
    "input_options",
    "is_resource_fork",
    "open_input",
    "open_pipe",
]

_FOLLOWS_REFERENCES = frozenset(
    [
        "concat",
        "dash",
        "hls",
        "imf",
        "rtp",
        "rtsp",
        "sap",
        "sdp",
        "applehttp",
        "webm_dash_manifest",
        "mpjpeg",
        "asf_o",
        "image2",
        "alias_pix",
        "brender_pix",
        "ffmetadata",
        "ilbc",
        "lavfi",
        "fbdev",
        "kmsgrab",
        "alsa",
        "oss",
        "x11grab",
        "video4linux2,v4l2",
        "iec61883",
        "tty",
        "bin",
        "xbin",
        "adf",
        "idf",
        "ice",
        "rawvideo",
        "v210",
        "v210x",
        "bitpacked",
        "data",
        "redspark",
        "avs",
        "vobsub",
        "mxg",
    ]
)
_DEEP = {"probesize": str(128 << 20), "analyzeduration": str(3600 * 1_000_000)}
"""Bytes and microseconds that are searched for parameters; FFmpeg keeps what it has read in memory meanwhile."""
_DESCRIPTION = r"^ *Stream #0:(\d+)\b(.*)$(?:\n +Metadata:(?:\n {6,}.*$)*)?(?:\n +Side data:((?:\n {6,}.*$)*))?"
_PROGRAM = r"^  (?:Program (\d+) *$(?:\n +Metadata:)?(?:\n {6,}service_name *: *(.*)$)?|No Program)"
_JPEG_SUFFIXES, _JPEG_HEAD = (".jpg", ".jpeg"), b"\xff\xd8\xff"

_RESOURCE_FORK_MARK, _RESOURCE_FORK_NAME = b"\x00\x05\x16\x07", "._"
_REFUSED_PLAYLISTS = (
    (b"#EXTM3U", "an HLS playlist"),
    (b"ffconcat version", "a concat script"),
    (b"<MPD", "a DASH manifest"),
    (b"v=0\r\n", "an SDP session"),
    (b"v=0\n", "an SDP session"),
)


@functools.cache
def _demuxer_whitelist() -> str:
    names = []
    for name in sorted(av.formats_available):
        if name in _FOLLOWS_REFERENCES:
            continue
        try:
            av.format.ContainerFormat(name, "r")
        except ValueError:
            continue
        names.append(name)
    return ",".join(names)


def file_url(path: Path) -> str:
    """``path`` as a URL that FFmpeg cannot mistake for another protocol or an option."""
    return f"file:{os.path.abspath(path)}"


def input_options(path: Path, *, deep: bool = False) -> dict[str, str]:
    """Options with which the ffmpeg command opens ``path`` and nothing else; ``f`` where the format must be given.

    ``deep`` reads further into the file for the parameters of streams that begin late.
    """
    demuxer = _demuxer(path)
    return _fences() | (_DEEP if deep else {}) | ({} if demuxer is None else {"f": demuxer})


def _fences() -> dict[str, str]:
    return {"protocol_whitelist": "file", "format_whitelist": _demuxer_whitelist()}


def _demuxer(path: Path) -> str | None:
    """The demuxer for ``path`` where FFmpeg finds another: it takes single JPEG files for numbered sequences."""
    if path.suffix.lower() not in _JPEG_SUFFIXES:
        return None
    try:
        with path.open("rb") as file:
            return "jpeg_pipe" if file.read(len(_JPEG_HEAD)) == _JPEG_HEAD else None
    except OSError:  # it went away: FFmpeg is about to say so
        return None


def _check_readable(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a video file")
    if not path.is_file():
        hint = f"; read it as -: vsr upscale - … < {path}" if path.is_fifo() else ""
        raise InputError(f"{path}: is not a regular file{hint}")
    if _is_handle(path):
        raise InputError(f"{path}: is a handle that only this process holds; name the file itself")
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except PermissionError as error:
        raise MachineError(f"{path}: no permission to read it") from error
    if is_resource_fork(path):
        whole = path.with_name(path.name.removeprefix(_RESOURCE_FORK_NAME))
        raise InputError(f"{path}: is a macOS resource fork, which holds no video; the video is {whole.name}")
    check_head(head, path)


def check_head(head: bytes, name: Path) -> None:
    """Refuse by its first 4096 bytes what FFmpeg must not open, or cannot. Raises `InputError`."""
    if not head:
        raise InputError(f"{name}: is empty")
    if is_animated_webp(head):
        raise InputError(f"{name}: is an animated WebP, which can only be read as the whole input, from a file")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, what in _REFUSED_PLAYLISTS:
        if text.startswith(mark) or (mark == b"<MPD" and b"<MPD" in text[:1024]):
            raise InputError(f"{name}: is {what}; vsr opens only plain media files, name the media file itself")


def is_resource_fork(path: Path) -> bool:
    """Whether it is what macOS puts beside a file on disks that are not its own: ``._clip.mp4`` beside ``clip.mp4``."""
    if not path.name.startswith(_RESOURCE_FORK_NAME):
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_RESOURCE_FORK_MARK)) == _RESOURCE_FORK_MARK
    except OSError:  # opening it later says why it cannot be read
        return False


def _is_handle(path: Path) -> bool:
    """Whether the name leads through ``/proc``, as ``/dev/stdin`` does: in another process it is another file."""
    place = path
    while True:
        place = place.parent.resolve() / place.name
        if place.is_relative_to("/proc"):
            return True
        if not place.is_symlink():
            return False
        place = place.parent / place.readlink()


def open_input(path: Path, container_format: str | None = None, *, deep: bool = False) -> InputContainer:
    """Open ``path`` for reading, refusing everything that is not one plain local media file.

    ``deep`` reads further into it for the parameters of streams that begin late. Raises `InputError` with the reason,
    or `MachineError` where the file may not be read.
    """
    _check_readable(path)
    try:
        return av.open(
            file_url(path),
            format=container_format or _demuxer(path),
            options=_fences() | (_DEEP if deep else {}),
            metadata_errors="replace",
        )
    except av.error.PermissionError as error:
        raise MachineError(f"{path}: no permission to read it") from error
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise InputError(f"{path}: is not a video file that FFmpeg can read ({_reason(error)})") from error


class Readable(Protocol):
    """What PyAV reads without seeking."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, as soon as there are any; empty at the end."""
        ...


def open_pipe(pipe: Readable, name: Path) -> InputContainer:
    """Open what comes through ``pipe``, under the same fences. Raises `InputError` with the reason."""
    try:
        return av.open(pipe, "r", options=_fences(), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise InputError(f"{name}: is not a video that can be read from a pipe ({_reason(error)})") from error


def describe_streams(path: Path, *, deep: bool = False) -> dict[int, str]:
    """What ffmpeg's log says of each stream of a file: the few facts that PyAV does not expose.

    The line of the stream itself, then one line for each item of its side data, and ``Program: NUMBER NAME`` where it
    belongs to a programme of a broadcast.
    """
    options = [part for key, value in input_options(path, deep=deep).items() for part in (f"-{key}", value)]
    log = run_ffmpeg(["-v", "verbose", *options, "-i", file_url(path)]).stderr
    programs = [(found.start(), _program(found)) for found in re.finditer(_PROGRAM, log, re.MULTILINE)]
    described = {}
    for block in re.finditer(_DESCRIPTION, log, re.MULTILINE):
        program = next((words for start, words in reversed(programs) if start < block.start()), "")
        described[int(block[1])] = block[2] + (block[3] or "") + program
    return described


def _program(heading: re.Match[str]) -> str:
    """What streams under this heading of the log belong to, as a line of their descriptions; empty for none."""
    number, name = heading[1], heading[2] or ""
    return f"\nProgram: {number} {name}".rstrip() if number else ""


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).split(":")[0].strip() or type(error).__name__
