"""What holds of every file and its output, judged by PyAV alone: frames, times, streams and tags.

`look_at` reads a file; `problems` compares an input with its output and the output's manifest, and says in words what
is not so.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

__all__ = ["Seen", "Shown", "look_at", "problems"]

_DEEP = {"probesize": "50000000", "analyzeduration": "50000000"}
_SAME_LANGUAGE = {"deu": "ger", "nld": "dut"}  # ISO 639-2 has two codes for some; MOV knows one
_HELD_BACK = ("mpeg1video", "mpeg2video", "mpeg4")
"""Codecs whose decoder, plainly used, loses the frame that it holds back where the size changes."""
_THUMB = (12, 16)
_UNLIKE = 24.0  # mean difference of thumbnails, of 255: lossy codecs, ranges and deinterlacing stay below
_OF_THE_FILE = (  # tags that tell of one file, not of what is in it
    *("major_brand", "minor_version", "compatible_brands", "encoder", "encoding_tool", "duration", "vendor_id"),
    *(
        "uid",
        "generation_uid",
        "company_name",
        "product_name",
        "product_version",
        "application_platform",
        "product_uid",
    ),
    *("modification_date", "material_package_umid", "file_package_umid", "toolkit_version", "data_type"),
    *("handler_name", "creation_time", "alpha_mode", "stereo_mode", "rotate", "timecode", "provenance"),
    *("filename", "mimetype"),
)


@dataclass(frozen=True)
class Shown:
    """A decoded frame."""

    pts: int | None
    thumb: NDArray[np.float32]
    """Its brightness, small."""
    size: tuple[int, int]


@dataclass
class Track:
    """A stream of a file."""

    index: int
    kind: str
    codec: str
    tags: dict[str, str]
    is_cover: bool
    payloads: list[bytes] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    """Of each packet, whether an edit list hides it."""

    def shown(self) -> Track:
        """The same without what is hidden."""
        left = [payload for payload, hidden in zip(self.payloads, self.hidden, strict=True) if not hidden]
        return replace(self, payloads=left, hidden=[False] * len(left))


@dataclass
class Seen:
    """A file."""

    container: str = ""
    frames: list[Shown] = field(default_factory=list)
    time_base: Fraction = Fraction(1)
    tracks: list[Track] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    chapters: list[str] = field(default_factory=list)
    aspect: Fraction = Fraction(1)
    rotation: int = 0
    primaries: int = 2

    @property
    def seconds(self) -> list[Fraction]:
        """Of frames, all of which have times."""
        return [frame.pts * self.time_base for frame in self.frames if frame.pts is not None]


def look_at(path: Path, video: int | None = None, crop: tuple[int, int] = (0, 0)) -> Seen:
    """Everything about ``path``; nothing where it cannot be opened or has no video.

    ``video`` is the number of the stream whose frames count, by default the best; ``crop`` is taken off both sides and
    off top and bottom of its frames.
    """
    seen = Seen()
    try:
        with av.open(f"file:{path}", options=dict(_DEEP), metadata_errors="replace") as container:
            seen.container = container.format.name
            seen.tags = dict(container.metadata)
            seen.chapters = [chapter["metadata"].get("title", "") for chapter in container.chapters()]
            best = container.streams.best("video")
            index = video if video is not None else best.index if best is not None else None
            seen.tracks = [_track(stream) for stream in container.streams]
            for packet in _packets(container):
                if packet.size and packet.stream_index < len(seen.tracks):
                    seen.tracks[packet.stream_index].payloads.append(bytes(packet))
                    seen.tracks[packet.stream_index].hidden.append(bool(packet.is_discard))
        if index is not None:
            _decode(path, index, crop, seen)
    except av.error.FFmpegError:
        pass  # what cannot be read has no frames
    return seen


def _track(stream: Any) -> Track:
    context = stream.codec_context
    return Track(
        stream.index,
        stream.type or "unknown",
        context.codec.canonical_name if context is not None else "unknown",
        dict(stream.metadata),
        bool(stream.disposition & av.stream.Disposition.attached_pic),
    )


def _packets(container: Any, *streams: Any) -> Iterator[Any]:
    """All packets; places that cannot be read are passed over."""
    demuxer, failures = container.demux(*streams), 0
    while failures < 20:
        try:
            yield next(demuxer)
        except StopIteration:
            return
        except av.error.EOFError:
            return
        except av.error.FFmpegError:
            failures += 1


def _decode(path: Path, index: int, crop: tuple[int, int], seen: Seen) -> None:
    with av.open(f"file:{path}", options=dict(_DEEP), metadata_errors="replace") as container:
        stream = container.streams[index]
        if not isinstance(stream, av.VideoStream) or stream.codec_context is None:
            return
        stream.codec_context.thread_count = 1
        seen.time_base = stream.time_base or Fraction(1)
        seen.aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or Fraction(1)
        for packet in _packets(container, stream):
            if not packet.size and packet.pts is not None:
                continue  # over which the frame before goes on; to a decoder it would be the end
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError):
                continue
            for frame in frames:
                if not seen.frames:
                    seen.rotation, seen.primaries = frame.rotation, int(frame.color_primaries)
                seen.frames.append(Shown(frame.pts, _thumb(frame, crop), (frame.width, frame.height)))


def _thumb(frame: av.VideoFrame, crop: tuple[int, int]) -> NDArray[np.float32]:
    gray = frame.reformat(format="gray", dst_color_range="JPEG").to_ndarray().astype(np.float32)
    (height, width), (x, y) = gray.shape, crop
    gray = gray[y : height - y, x : width - x]
    rows = np.array_split(gray, _THUMB[0], axis=0)
    parts = [[part.mean() for part in np.array_split(row, _THUMB[1], axis=1)] for row in rows]
    return np.array(parts, np.float32)


def problems(given: Seen, made: Seen, manifest: Mapping[str, Any], *, is_damaged: bool) -> list[str]:
    """What is not as it should be, in words."""
    found = [
        *_frames(given, made, manifest),
        *_tracks(given, made, manifest, is_damaged=is_damaged),
        *_marks(given, made, manifest),
    ]
    if len(given.frames) == len(made.frames):
        found += _times(given, made, manifest)
    return found


def _frames(given: Seen, made: Seen, manifest: Mapping[str, Any]) -> Iterator[str]:
    changes = sum(a.size != b.size for a, b in pairwise(given.frames))
    if 0 < len(made.frames) - len(given.frames) <= changes and manifest["input"]["video"]["codec"] in _HELD_BACK:
        return
    if len(given.frames) != len(made.frames):
        yield f"{len(given.frames)} frames became {len(made.frames)}"
        return
    if len({frame.size for frame in given.frames}) > 1:
        return  # fitted with black around
    off = [float(np.abs(a.thumb - b.thumb).mean()) for a, b in zip(given.frames, made.frames, strict=True)]
    if max(off) > _UNLIKE:
        yield f"frame {off.index(max(off))} does not look like itself: {max(off):.1f} of 255 off"


def _times(given: Seen, made: Seen, manifest: Mapping[str, Any]) -> Iterator[str]:
    seconds = made.seconds
    if len(seconds) != len(made.frames) or any(b <= a for a, b in pairwise(seconds)):
        yield "the output's times do not rise"
        return
    rate = manifest["input"]["video"]["untimed_rate"]
    if rate is not None:
        steps = {round((b - a) * Fraction(rate), 1) for a, b in pairwise(seconds)}
        if not steps <= {Fraction(1), Fraction(11, 10), Fraction(9, 10), Fraction(3, 2)}:
            yield f"frames do not follow at {rate} a second: {sorted(map(float, steps))}"
        return
    used, words = _used(given, manifest["damage"])
    yield from words
    tick = made.time_base
    requested = [time * given.time_base for time in used]
    wrong = [
        n
        for n, (a, b) in enumerate(zip(requested, seconds, strict=True))
        if abs((a - requested[0]) - (b - seconds[0])) > tick
    ]
    if wrong:
        n = wrong[0]
        there, right = float(seconds[n] - seconds[0]), float(requested[n] - requested[0])
        yield f"frame {n} and {len(wrong) - 1} more: at {there} s, not {right} s"


def _used(given: Seen, damage: Mapping[str, Any]) -> tuple[list[int], list[str]]:
    """The times that the record gives to the decoded ones, and what is wrong with them."""
    words: list[str] = []
    offsets = {one["ordinal"]: one["offset"] for one in damage["timelines"]}
    repaired = {one["ordinal"]: one for one in damage["repaired"]}
    used, moved, offset = [], [], 0
    for n, frame in enumerate(given.frames):
        offset = offsets.get(n, offset)
        if n in repaired and repaired[n]["decoded"] != frame.pts:
            words.append(f"frame {n} was decoded at {frame.pts}, not {repaired[n]['decoded']} as recorded")
        if n not in repaired and frame.pts is None:
            words.append(f"frame {n} has no time, which is not recorded")
        used.append(repaired[n]["used"] if n in repaired else (frame.pts or 0) + offset)
        moved.append(None if frame.pts is None else frame.pts + offset)
    if any(b <= a for a, b in pairwise(used)):
        words.append("the recorded times do not rise")
    invented = [n for n, one in repaired.items() if one["kind"] != "sorted"]
    fewest = len(moved) - _longest_rising([time for time in moved if time is not None])
    if len(invented) > fewest:
        words.append(f"{len(invented)} times were changed, {fewest} would do")
    in_order = [n for n, one in repaired.items() if one["kind"] == "sorted"]
    if any(abs(moved[n] - used[n]) and used[n] not in moved for n in in_order if moved[n] is not None):
        words.append("frames that were sorted have times that none had")
    return used, words


def _longest_rising(times: Sequence[int]) -> int:
    ends: list[int] = []
    for time in times:
        place = bisect_left(ends, time)
        ends[place : place + 1] = [time]
    return len(ends)


def _tracks(given: Seen, made: Seen, manifest: Mapping[str, Any], *, is_damaged: bool) -> Iterator[str]:
    """Every stream is there, packet for packet or sample for sample, or named."""
    output = manifest["output"]
    video, copied, dropped = manifest["input"]["video"]["index"], output["copied_streams"], output["dropped"]
    others = [track for track in made.tracks if not (track.kind == "video" and not track.is_cover)][:]
    others += [track for track in made.tracks if track.kind == "video" and not track.is_cover][1:]
    for track in given.tracks:
        if track.index == video:
            continue
        is_named = any(re.match(rf"\w+ stream {track.index} ", words) for words in dropped)
        if track.index not in copied:
            is_of_chapters = track.kind == "data" and given.chapters and made.chapters == given.chapters
            if not is_named and not is_of_chapters:
                yield f"{track.kind} stream {track.index} ({track.codec}) is neither copied nor named"
            continue
        if is_named:
            yield f"stream {track.index} is named as dropped and copied"
        if not is_damaged and not any(_is_same(track, other) for other in others):
            yield f"{track.kind} stream {track.index} ({track.codec}): its packets are not in the output"
    extra = len(made.tracks) - 1 - len(copied)
    if extra and not made.chapters and not any(track.kind == "data" for track in made.tracks):
        yield f"the output has {len(made.tracks)} streams for {len(copied) + 1}"
    if given.chapters != made.chapters and not any("chapters" in words for words in dropped):
        yield f"chapters {given.chapters} became {made.chapters}"


def _is_same(given: Track, made: Track) -> bool:
    if given.kind == "attachment" == made.kind or given.is_cover or made.kind == "attachment":
        return True  # their bytes are no packets
    if given.kind == "data" and "timecode" in given.tags:
        return given.tags["timecode"] == made.tags.get("timecode")
    if given.kind != made.kind:
        return False
    for requested in (given, given.shown()):  # what an edit list hides ahead of a key frame, no reader gives
        if given.codec in _LENGTH_PREFIXED and (given.codec, len(requested.payloads)) == (
            made.codec,
            len(made.payloads),
        ):
            return True
        if _digest(requested) == _digest(made):
            return True
    return False


_LENGTH_PREFIXED = ("h264", "hevc")
"""Codecs whose packets differ between broadcasts and files."""


def _digest(track: Track) -> str:
    """Over its packets as a whole: containers cut PCM where they like, and put ADTS headers aside."""
    whole = hashlib.sha256()
    for payload in track.payloads:
        if track.codec == "mov_text" and len(payload) <= 2:
            continue  # where nothing is shown
        is_adts = track.codec == "aac" and payload[:2] in (b"\xff\xf1", b"\xff\xf9")
        whole.update(payload[7:] if is_adts else payload)
    return whole.hexdigest()


def _marks(given: Seen, made: Seen, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Tags, pixel aspect, rotation and colour."""
    dropped = " ".join(manifest["output"]["dropped"])
    there = {value for tags in (made.tags, *(track.tags for track in made.tracks)) for value in tags.values()}
    video = manifest["input"]["video"]["index"]
    copied = manifest["output"]["copied_streams"]
    tagged = [given.tags, *(track.tags for track in given.tracks if track.index == video or track.index in copied)]
    for key, value in (pair for tags in tagged for pair in tags.items()):
        name = key.lower()
        if name in _OF_THE_FILE or name.startswith("_statistics") or name.split("-")[0] in ("bps", "number_of_frames"):
            continue
        if name == "language":
            value = _SAME_LANGUAGE.get(value, value) if _SAME_LANGUAGE.get(value) in there else value
        if value not in there and key not in dropped and value != "und":
            yield f"tag {key}={value} is neither kept nor named"
    if given.rotation != made.rotation and "rotation" not in dropped:
        yield f"rotation {given.rotation} became {made.rotation}"
    drift = abs(float(made.aspect / given.aspect) - 1)
    if drift > 0.05 and "aspect" not in dropped:
        yield f"pixel aspect {given.aspect} became {made.aspect}"
    if given.primaries not in (2, made.primaries) and "colour" not in dropped:
        yield f"primaries {given.primaries} became {made.primaries}"
