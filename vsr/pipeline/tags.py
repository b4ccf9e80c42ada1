"""Tags of streams, and chapters: what of them the output gets, and what its container has no place for."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from vsr.media.languages import language_in
from vsr.media.probe import MediaInfo
from vsr.media.streams import StreamInfo

__all__ = ["copy_languages", "find_lost_tags", "video_tags"]

_STALE = (
    *("BPS", "DURATION", "NUMBER_OF_", "_STATISTICS", "ENCODER", "ENCODED", "TIMECODE", "VENDOR_ID", "ROTATE"),
    *("ALPHA_MODE", "STEREO_MODE", "FILE_PACKAGE_", "DATA_TYPE"),
)
"""How the names begin of tags that tell of the old file, or that others here see to."""
_OF_TRACKS = ("LANGUAGE", "TITLE", "NAME", "HANDLER_NAME", "FILENAME", "MIMETYPE", "CREATION_TIME", "REEL_NAME")
"""What MP4 and MOV keep of a stream, and names of attached files."""


def video_tags(info: MediaInfo, container: str) -> dict[str, str]:
    """Tags of the source's video stream that are still true of the new one; its language as ``container`` has it."""
    source = next((s.metadata for s in info.streams if s.index == info.video.index), {})
    tags = {key: value for key, value in source.items() if not key.upper().startswith(_STALE)}
    if (code := tags.pop("language", None)) and (language := language_in(container, code)):
        tags["language"] = language
    return tags


def copy_languages(copied: Sequence[StreamInfo], container: str) -> dict[int, str]:
    """Codes of languages, by stream, where ``container`` has another for the same language."""
    known = {stream.index: stream.language or "und" for stream in copied}
    found = {index: language_in(container, code) for index, code in known.items()}
    return {index: code for index, code in found.items() if code is not None and code != known[index]}


def find_lost_tags(
    info: MediaInfo, container: str, copied: Sequence[StreamInfo], shift: Fraction, *, is_whole: bool
) -> list[str]:
    """Tags of streams and chapters that go, in words.

    ``shift`` is taken off all times; ``is_whole`` says that the output is not a part of the source.
    """
    lost = []
    for stream in info.streams:
        if stream.index != info.video.index and stream not in copied:
            continue
        if stream.language and language_in(container, stream.language) is None:
            lost.append(f"language {stream.language} of {stream}: .{container} has no code for it")
        names = [name for name in stream.metadata if not name.upper().startswith((*_STALE, *_OF_TRACKS))]
        if names and container in ("mp4", "mov"):  # Ogg has the tags of the file there
            lost.append(f"tags of {stream} ({', '.join(names)}): .{container} has no place for them")
    early = sum(end <= shift for end in info.chapter_ends)
    if early and is_whole:
        lost.append(f"chapters: {early} of {info.num_chapters} end before the video begins")
    return lost
