"""What changes inside one stream: size, pixel aspect, pixel format, colours, and how the rows were scanned.

A stream's header and first frame speak for its beginning alone. What later frames say is followed frame by frame, and
every change is named with the frame at which it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction

from vsr.frames import ColorSpec
from vsr.media.color import COLOR_NAMES, color_from_tags, complete_color
from vsr.media.decode import FrameRecord, Look
from vsr.media.layouts import layout_for
from vsr.media.probe import MediaInfo, VideoInfo
from vsr.media.transfers import TRANSFERS
from vsr.timeline import format_seconds

__all__ = ["Change", "Changes", "aspect_of", "color_of", "describe_color", "shape_of", "with_look"]

_MAX_CHANGES = 100


def aspect_of(video: VideoInfo, look: Look) -> Fraction:
    """Width over height of a sample; the stream's where the frame does not say."""
    return Fraction(*look.aspect) if look.aspect[0] else video.sample_aspect_ratio


def shape_of(video: VideoInfo, look: Look) -> Fraction:
    """Width over height of the image as it is shown, before any rotation."""
    return aspect_of(video, look) * Fraction(look.width, look.height)


def color_of(video: VideoInfo, look: Look) -> ColorSpec:
    """What the samples of a frame mean, completed as the stream's first frame is."""
    if look.tags == video.tags and look.pix_fmt == video.pix_fmt:
        return video.color
    tagged = color_from_tags(look.tags, look.pix_fmt, video.color.chroma_location)
    color = complete_color(tagged, layout_for(look.pix_fmt), video.codec, look.width, look.height)[0]
    return color if video.input_transfer is None else replace(color, transfer=TRANSFERS[video.input_transfer])


def with_look(info: MediaInfo, look: Look) -> MediaInfo:
    """``info`` as if the stream began with a frame of this look."""
    video = replace(
        info.video,
        width=look.width,
        height=look.height,
        pix_fmt=look.pix_fmt,
        layout=layout_for(look.pix_fmt),
        sample_aspect_ratio=aspect_of(info.video, look),
        color=color_of(info.video, look),
        tags=look.tags,
    )
    return replace(info, video=video)


@dataclass(frozen=True)
class Change:
    """One thing that is another from one frame on."""

    frame: int
    """Ordinal of the first frame that has it."""
    seconds: Fraction
    """Its time, from the start of the file."""
    what: str
    """``size``, ``pixel aspect``, ``pixel format``, ``colour`` or ``scan``."""
    before: str
    after: str
    handling: str = ""
    """What becomes of it, in words."""

    def __str__(self) -> str:
        done = f"; {self.handling}" if self.handling else ""
        return (
            f"frame {self.frame} ({format_seconds(self.seconds)}): {self.what} {self.before} becomes {self.after}{done}"
        )


def _no_words(what: str, record: FrameRecord) -> str:
    return ""


@dataclass
class Changes:
    """All changes of a stream, as its frames stream past in order."""

    info: MediaInfo
    handling: Callable[[str, FrameRecord], str] = _no_words
    """What becomes of a change (``Change.what``) that comes with a frame, in words."""
    time_base: Fraction | None = None
    """Seconds a tick of the records' times; None: the video's."""
    count: int = 0
    changes: list[Change] = field(default_factory=list)
    """The first hundred."""
    _last: dict[str, str] = field(default_factory=dict)

    def add(self, record: FrameRecord) -> None:
        """Take the next frame, whose fields are judged."""
        now = dict(self._facts(record))
        for what, after in now.items():
            before = self._last.get(what, after)
            if before == after:
                continue
            self.count += 1
            if len(self.changes) < _MAX_CHANGES:
                seconds = record.pts * (self.time_base or self.info.video.time_base) - self.info.start
                self.changes.append(Change(record.ordinal, seconds, what, before, after, self.handling(what, record)))
        self._last = now

    def _facts(self, record: FrameRecord) -> Iterator[tuple[str, str]]:
        video, look = self.info.video, record.look
        yield "size", f"{look.width}x{look.height}"
        aspect = aspect_of(video, look)
        yield "pixel aspect", f"{aspect.numerator}:{aspect.denominator}"
        yield "pixel format", look.pix_fmt
        yield "colour", describe_color(color_of(video, look))
        yield "scan", "progressive" if record.fields == "progressive" else f"interlaced, {_order(record.fields)}"


def _order(fields: str) -> str:
    return "order as flagged" if fields == "unknown" else fields


def describe_color(color: ColorSpec) -> str:
    """Primaries, transfer, matrix and range, by FFmpeg's names."""
    names = [
        COLOR_NAMES[table].get(code, str(code))
        for table, code in (("primaries", color.primaries), ("transfer", color.transfer), ("matrix", color.matrix))
    ]
    return f"{'/'.join(names)}, {'full' if color.full_range else 'video'} range"
