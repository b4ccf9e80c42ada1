"""A job: everything about one file's restoration, decided before the first frame is decoded.

What is decided here and named in the plan is what the manifest repeats: sizes, codec, layout, colour, times, and
which streams go where. Refusals happen here too, before any work.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import UsageError, nearest
from vsr.frames import PixelLayout
from vsr.media.codecs import CODECS, CONTAINERS, CodecSpec, choose_codec, choose_layout, find_codec
from vsr.media.convert import OutputFormat
from vsr.media.decode import Look
from vsr.media.encode import EncoderSpec
from vsr.media.fitting import Area, fit
from vsr.media.icc import why_dropped
from vsr.media.immersive import drop_for
from vsr.media.looks import shape_of
from vsr.media.probe import MAX_PIXELS, MediaInfo, VideoInfo
from vsr.media.streams import StreamInfo
from vsr.methods import ALONE, Evidence, Geometry, Prepared, find_method, find_pass
from vsr.methods.passes.compose import Step, compose
from vsr.pipeline.evidence import check_evidence
from vsr.pipeline.passes import titled
from vsr.pipeline.raw_output import find_lost_in_raw
from vsr.pipeline.settings import Settings
from vsr.pipeline.streams import plan_streams
from vsr.pipeline.tags import find_lost_tags

__all__ = ["SCREENS", "Job", "Span", "goes_with_frames", "output_size", "prepare_all", "resolve_device", "resolve_job"]

_HELD_SHIFT_SECONDS = 3600

SCREENS = {"720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440), "4k": (3840, 2160), "8k": (7680, 4320)}
"""Width and height of the screens that sizes are named after."""


@dataclass(frozen=True)
class Span:
    """The part of a video that is wanted: frame ordinals or seconds, half-open; None is an open end."""

    start: int | Fraction | None = None
    stop: int | Fraction | None = None

    def __post_init__(self) -> None:
        same = type(self.start) is type(self.stop)
        if self.start is not None and self.stop is not None and same and self.stop <= self.start:
            raise UsageError(f"--end {self.stop} is not after --start {self.start}")

    def __bool__(self) -> bool:
        return self.start is not None or self.stop is not None


@dataclass(frozen=True)
class Job:
    """One file's restoration, resolved."""

    info: MediaInfo
    output: Path
    container: str
    settings: Settings
    prepared: Prepared[Any]
    """The method, settled."""
    out_width: int
    out_height: int
    encoder: EncoderSpec
    deinterlace: str
    """``off``; ``auto``: one picture a frame, deinterlaced where a frame is interlaced; ``frame`` or ``field``."""
    span: Span
    shift: Fraction
    """Seconds taken off every source time (spans without ``span``; those with it start at their first frame)."""
    copied: tuple[StreamInfo, ...]
    """Streams copied beside the video."""
    kept: tuple[StreamInfo, ...]
    """Streams that the output cannot hold and whose packets are kept in a file beside it."""
    dropped: tuple[str, ...]
    """What the output leaves out, in words."""
    assumptions: tuple[str, ...]
    """What was assumed, in words."""
    source_url: str | None = None
    """Where the source really is, if ``info.path`` is a copy."""
    source_version: str | None = None
    """Which version of it, as its store says."""
    output_url: str | None = None
    """Where the output goes in the end, if ``output`` is only where it is put together."""
    preview: Path | None = None
    """A picture of the newest frames, replaced now and then while the job runs; decides no byte of the output."""

    @property
    def evidence(self) -> Evidence:
        """What its pictures rest on."""
        return self.prepared.capabilities.evidence

    @property
    def title(self) -> str:
        """Its methods in their order, in words."""
        return titled(self.settings.method, self.settings.passes)

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda:N``: resolved."""
        return self.prepared.device

    @property
    def video(self) -> VideoInfo:
        """The stream that is restored."""
        return self.info.video

    @property
    def target(self) -> OutputFormat:
        """What the quantiser makes."""
        return OutputFormat(self.encoder.layout, self.encoder.color)

    @property
    def pictures_per_frame(self) -> int:
        """2 where every field becomes a picture, else 1."""
        return 2 if self.deinterlace == "field" else 1

    def area(self, look: Look | None = None) -> Area:
        """Where in the output the picture of frames of this look lies; without one, of the first frame's look."""
        if look is None or self.settings.shapes == "stretch":
            return Area(0, 0, self.out_width, self.out_height)
        shape = shape_of(self.video, look)
        return fit(shape, self.out_width, self.out_height, self.encoder.sample_aspect_ratio)

    def geometry(self, look: Look | None = None) -> Geometry:
        """Sizes for frames of this look (streams may change size and shape; the output never does)."""
        area = self.area(look)
        width, height = (look.width, look.height) if look else (self.video.width, self.video.height)
        return Geometry(width, height, area.width, area.height)


def output_size(video: VideoInfo, settings: Settings, *, is_sideways: bool) -> tuple[int, int]:
    """Output ``(width, height)`` as coded; even where the source's chroma is subsampled and the source was even.

    ``size`` and ``height`` mean the picture as it is shown: sides change places where players turn it ``is_sideways``.
    """
    if settings.size is not None:
        width, height = (int(part) for part in settings.size.split("x"))
        if min(width, height) < 1:
            raise UsageError(f"size {settings.size} is empty")
        return (height, width) if is_sideways else (width, height)
    if settings.height is not None and is_sideways:
        scale = Fraction(settings.height, video.width)
        return settings.height, _snap(video.height * scale, video.height, video.layout.chroma_shift_y)
    if settings.height is not None:
        scale = Fraction(settings.height, video.height)
        return _snap(video.width * scale, video.width, video.layout.chroma_shift_x), settings.height
    if settings.to is not None:
        factor = _factor_to(video, SCREENS[settings.to])
    else:
        factor = Fraction(settings.scale if settings.scale is not None else 2.0).limit_denominator(10_000)
    return (
        _snap(video.width * factor, video.width, video.layout.chroma_shift_x),
        _snap(video.height * factor, video.height, video.layout.chroma_shift_y),
    )


def _factor_to(video: VideoInfo, screen: tuple[int, int]) -> Fraction:
    """Magnification after which the picture, as it is shown, just fits into ``screen``, which is turned as it is."""
    sides = sorted((video.width * video.sample_aspect_ratio, Fraction(video.height)))
    return min(Fraction(there) / side for side, there in zip(sides, sorted(screen), strict=True))


def _snap(exact: Fraction, source: int, shift: int) -> int:
    """The nearest size; a multiple of the chroma block where the source is one and the exact size is none."""
    block = 1 << shift
    if exact.denominator == 1 or source % block:
        return max(1, round(exact))
    return max(block, round(exact / block) * block)


def _container(output: Path) -> str:
    extension = output.suffix.lower().lstrip(".")
    if extension not in CONTAINERS:
        raise UsageError(
            f"output {output.name!r}: unknown container {output.suffix!r}; "
            f"known: {', '.join('.' + name for name in CONTAINERS)}{nearest(extension, CONTAINERS)}"
        )
    return CONTAINERS[extension]


def _codec(info: MediaInfo, container: str, settings: Settings) -> CodecSpec:
    if settings.codec is None:
        if settings.pix_fmt is not None:
            for codec in CODECS.values():
                if container in codec.containers and settings.pix_fmt in codec.layouts:
                    return codec
        return choose_codec(info.video.layout, container, hdr=info.video.color.transfer in (16, 18))
    codec = find_codec(settings.codec)
    if container not in codec.containers:
        places = ", ".join("." + name for name in codec.containers)
        raise UsageError(f".{container} cannot hold {codec.name}; name the output {places}")
    return codec


def _encoder_settings(
    codec: CodecSpec, settings: Settings, width: int, height: int
) -> tuple[int | None, str, tuple[str, ...]]:
    """Quality, speed, and in words what was asked for that means nothing to this codec."""
    if max(width, height) > codec.max_side or width * height > MAX_PIXELS:
        raise UsageError(f"{width}x{height} is larger than {codec.name} can hold ({codec.max_side} a side)")
    unused = []
    if settings.crf is not None and codec.quality is None:
        unused.append(f"crf {settings.crf} means nothing to {codec.name}")
    elif settings.crf is not None and settings.lossless:
        unused.append(f"crf {settings.crf} means nothing to lossless {codec.name}")
    if settings.speed is not None and not codec.speeds:
        unused.append(f"speed {settings.speed} means nothing to {codec.name}")
    quality = codec.quality if settings.crf is None or codec.quality is None else settings.crf
    low, high = codec.quality_range
    if quality is not None and not low <= quality <= high:
        raise UsageError(f"--crf {quality} is outside {low}…{high}, what {codec.name} takes")
    speed = codec.default_speed if settings.speed is None or not codec.speeds else settings.speed
    if codec.speeds and speed not in codec.speeds:
        known = ", ".join(codec.speeds)
        raise UsageError(f"{codec.name} has no speed {speed!r}; known: {known}{nearest(speed, codec.speeds)}")
    if settings.lossless and codec.lossless == "never":
        able = ", ".join(name for name, row in CODECS.items() if row.lossless != "never" and row.kind == "video")
        raise UsageError(f"{codec.name} has no lossless mode here; use {able}")
    return quality, speed, tuple(unused)


def _check_chroma(codec: CodecSpec, layout: PixelLayout, width: int, height: int) -> None:
    """Refuse odd sides where the encoder would."""
    is_whole = width % (1 << layout.chroma_shift_x) == 0 and height % (1 << layout.chroma_shift_y) == 0
    if codec.wants_whole_chroma and not is_whole:
        sides = "width and height" if layout.chroma_shift_y else "width"
        raise UsageError(
            f"{width}x{height}: {codec.name} {layout.name} wants an even {sides}; "
            "name another size, --codec ffv1, or a --pix-fmt with chroma as fine as luma"
        )


def resolve_device(requested: str) -> str:
    """``cpu`` or ``cuda:N`` for a setting of ``device``. Raises `UsageError` where it is not here."""
    import torch

    if requested == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if requested.startswith("cuda"):
        index = int(requested.partition(":")[2] or 0)
        if not torch.cuda.is_available() or index >= torch.cuda.device_count():
            raise UsageError(f"device {requested!r} is not here; found {torch.cuda.device_count()} CUDA devices")
        return f"cuda:{index}"
    return requested


def _shift(info: MediaInfo, container: str) -> Fraction:
    """Broadcast clocks start anywhere; other containers' offsets are meant and stay."""
    broadcast = info.container in ("mpegts", "mpeg", "wtv", "pva")
    if broadcast or info.start >= _HELD_SHIFT_SECONDS:
        return info.start
    return Fraction(0)


def prepare_all(geometry: Geometry, settings: Settings, options: Any, device: str) -> Prepared[Any]:
    """The method with all passes, as one."""
    method = find_method(settings.method)
    before: list[Step] = []
    after: list[Step] = []
    for choice in settings.passes:
        row = find_pass(choice.name)
        step = Step(row.name, choice.place, row.prepare(geometry, row.options_type(**choice.options), device))
        (before if choice.place == "before" else after).append(step)
    return compose(before, settings.method, method.prepare(geometry, options, device), after)


def resolve_job(info: MediaInfo, output: Path, settings: Settings, options: Any, span: Span) -> Job:
    """Decide everything about restoring ``info.path`` into ``output``; raises `UsageError` for what cannot be."""
    video = info.video
    container = _container(output)
    codec = _codec(info, container, settings)
    is_sideways = video.display.is_sideways and codec.kind == "video"  # pictures have no place for a rotation
    width, height = output_size(video, settings, is_sideways=is_sideways)
    quality, speed, unused = _encoder_settings(codec, settings, width, height)
    if settings.fps is not None and not info.images and video.untimed_rate is None:
        unused = (*unused, f"fps {settings.fps} means nothing to a video: it keeps its own times")
    layout = choose_layout(codec, video.layout, settings.pix_fmt)
    _check_chroma(codec, layout, width, height)
    color, assumptions = _output_color(video, codec, container, layout.family, layout.is_float)
    holder = "mkv" if codec.kind == "images" else container
    streams = plan_streams(info, output, holder, settings, from_start=span.start is None)
    if settings.method == ALONE and (width, height) != (video.width, video.height):
        raise UsageError(f"method {ALONE} leaves frames at {video.width}x{video.height}; give --scale 1")
    check_evidence(find_method(settings.method).evidence, settings, options)
    for choice in settings.passes:
        check_evidence(find_pass(choice.name).evidence, settings, None, name=f"pass {choice.name}")
    deinterlace = settings.deinterlace
    time_base = video.time_base / 2 if deinterlace == "field" else video.time_base
    rate = video.average_rate or video.base_rate or Fraction(25)
    rate = rate if 0 < rate <= 480 else Fraction(25)
    encoder = EncoderSpec(
        codec=codec,
        layout=layout,
        color=color,
        width=width,
        height=height,
        time_base=time_base,
        frame_rate=rate * (2 if deinterlace == "field" else 1),
        sample_aspect_ratio=_aspect(video, width, height),
        quality=quality,
        speed=speed,
        threads=settings.encoder_threads,
        mastering=video.mastering,
        content_light=video.content_light,
        lossless=settings.lossless,
    )
    geometry, device = Geometry(video.width, video.height, width, height), resolve_device(settings.device)
    prepared = prepare_all(geometry, settings, options, device)
    check_evidence(prepared.capabilities.evidence, settings, options, name=titled(settings.method, settings.passes))
    return Job(
        info=info,
        output=output,
        container=container,
        settings=settings,
        prepared=prepared,
        out_width=width,
        out_height=height,
        encoder=encoder,
        deinterlace=deinterlace,
        span=span,
        shift=_shift(info, container),
        copied=streams.copied,
        kept=streams.kept,
        dropped=(
            *streams.dropped,
            *_find_lost(info, container, encoder, span),
            *find_lost_tags(info, holder, streams.copied, _shift(info, container), is_whole=not span),
            *find_lost_in_raw(info, container, encoder),
        ),
        assumptions=(*video.assumptions, *assumptions, *unused),
    )


def _find_lost(info: MediaInfo, container: str, encoder: EncoderSpec, span: Span) -> list[str]:
    """What besides streams the output cannot keep, in words."""
    video, codec = info.video, encoder.codec
    lost = [f"{name}: dynamic metadata does not survive new pictures" for name in video.dropped_hdr]
    lost += [f"{name}: part of the old pictures" for name in video.lost]
    if video.has_captions:
        lost.append("closed captions (EIA-608/708): they are part of the old pictures, not a stream that can be copied")
    if video.drops_alpha:
        lost.append(f"alpha channel: the decoder of {video.codec} does not give it")
    if video.layout.has_alpha and not encoder.layout.has_alpha:
        lost.append(f"alpha channel: {encoder.layout.name} has none")
    if video.immersive is not None:
        lost += drop_for(video.immersive, container, codec.name)
    if video.icc is not None and (why := why_dropped(video.icc, codec.name, encoder.layout.family)):
        lost.append(f"ICC profile ({video.icc.name}): {why}")
    goes_on = goes_with_frames(video, encoder)
    if video.header is not None and not goes_on:
        lost += [f"{said}: only {video.codec.upper()} has a place for it" for said in video.header.in_words()]
    if span and info.num_chapters:
        lost.append("chapters: their times are those of the whole video")
    if span.start is not None and video.timecode and not goes_on:
        lost.append("timecode: it is that of the first frame of the whole video")
    if codec.kind == "images":
        if video.display:
            lost.append("rotation: pictures have no place for it")
        if video.mastering or video.content_light:
            lost.append("HDR mastering display and light level: pictures have no place for them")
        if info.num_chapters and len(info.streams) == 1:
            lost.append("chapters: pictures have no place for them")
    return lost


def goes_with_frames(video: VideoInfo, encoder: EncoderSpec) -> bool:
    """Whether the headers of the source's pictures, frame by frame, are those that the output has, too."""
    return video.header is not None and encoder.codec.name == video.codec


def _aspect(video: VideoInfo, width: int, height: int) -> Fraction:
    """Sample aspect ratio that keeps the displayed shape where width and height scale differently.

    Rounding to whole samples is not a change of shape: within half a sample the source's ratio stays.
    """
    exact = video.sample_aspect_ratio * Fraction(video.width, video.height) * Fraction(height, width)
    drift = abs(exact / video.sample_aspect_ratio - 1)
    if drift <= Fraction(1, min(width, height)):
        return video.sample_aspect_ratio
    return exact.limit_denominator(10_000)


def _output_color(
    video: VideoInfo, codec: CodecSpec, container: str, family: str, is_float: bool
) -> tuple[Any, tuple[str, ...]]:
    from dataclasses import replace

    color, notes = video.color, []
    if family == "rgb" and color.matrix != 0:
        notes.append(f"converted to RGB with matrix {color.matrix} of the source")
        color = replace(color, matrix=0, full_range=True)
    elif family == "yuv" and video.layout.family == "rgb":
        small = video.height <= 576 and video.width <= 1024
        color = replace(color, matrix=6 if small else 1, full_range=False, chroma_location="left")
        notes.append(f"RGB converted to YCbCr with matrix {color.matrix}, video range")
    if is_float and color.transfer != 8:
        notes.append(f"float samples keep the source's transfer ({color.transfer}): they are not linear light")
    if family == "gray" and video.layout.family != "gray":
        notes.append("reduced to luma")
    if color.full_range and family != "rgb" and (codec.name == "prores" or (codec.name, container) == ("ffv1", "mov")):
        color = replace(color, full_range=False)
        notes.append(f"full range became video range: {codec.name} in .{container} cannot say otherwise")
    return color, tuple(notes)
