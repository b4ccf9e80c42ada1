"""A job: everything about one file's restoration, decided before the first frame is decoded.

What is decided here and named in the plan is what the manifest repeats: sizes, codec, layout, colour, times, and
which streams go where. Refusals happen here too, before any work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from vsr.errors import UsageError
from vsr.media.cadence import film_rate
from vsr.media.convert import OutputFormat
from vsr.media.decode import Look
from vsr.media.deinterlace import Deinterlacer
from vsr.media.dpx import DpxHeader
from vsr.media.encode import EncoderSpec
from vsr.media.film import FILM_TICKS
from vsr.media.fitting import Area, fit
from vsr.media.icc import why_dropped
from vsr.media.images import is_animation
from vsr.media.immersive import drop_for
from vsr.media.looks import shape_of
from vsr.media.probe import MediaInfo, VideoInfo
from vsr.media.streams import StreamInfo
from vsr.media.tiff import TiffHeader
from vsr.media.transfers import with_transfer
from vsr.methods import ALONE, Evidence, Geometry, Pair, Prepared, find_method, find_pass
from vsr.methods.passes.compose import Step, compose
from vsr.pipeline.animations import describe_animation, find_lost_in_animation
from vsr.pipeline.evidence import check_evidence
from vsr.pipeline.matching import check_pair, find_loss, keep_chroma
from vsr.pipeline.output_format import choose_container, plan_encoder, resolve_deinterlacer, resolve_deinterlacing
from vsr.pipeline.passes import titled
from vsr.pipeline.raw_output import find_lost_in_raw
from vsr.pipeline.settings import Settings
from vsr.pipeline.streams import plan_streams
from vsr.pipeline.tags import find_lost_tags

__all__ = ["Job", "Span", "goes_with_frames", "prepare_all", "resolve_device", "resolve_job"]

_HELD_SHIFT_SECONDS = 3600


@dataclass(frozen=True)
class Span:
    """The requested part of a video: frame ordinals or seconds, half-open; None is an open end."""

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
    """``off``; ``auto``: one image a frame, deinterlaced where a frame is interlaced; ``film``: the same, of the film
    frames of a telecined video; ``frame`` or ``field``."""
    deinterlacer: Deinterlacer
    """What fills missing rows."""
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
    """An image of the newest frames, replaced now and then while the job runs; decides no byte of the output."""

    @property
    def evidence(self) -> Evidence:
        """What its images rest on."""
        return self.prepared.capabilities.evidence

    @property
    def title(self) -> str:
        """Its methods in their order, in words."""
        return titled(self.settings.method, self.settings.passes)

    @property
    def pair(self) -> Pair | None:
        """The networks that make small and enlarge again, where it is such."""
        pair = self.prepared.describe().get("pair")
        assert pair is None or isinstance(pair, Pair)
        return pair

    @property
    def made_by(self) -> Pair | None:
        """`pair`, where it makes small: what the output says of itself."""
        return self.pair if self.out_width < self.video.width else None

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
    def images_per_frame(self) -> int:
        """2 where every field becomes an image, else 1."""
        return 2 if self.deinterlace == "field" else 1

    @property
    def is_film(self) -> bool:
        """Whether the frames that are restored are film frames of a telecined video."""
        return self.deinterlace == "film"

    @property
    def record_time_base(self) -> Fraction:
        """Of the times in records of frames."""
        return self.video.time_base / (FILM_TICKS if self.is_film else 1)

    @property
    def num_frames_from_header(self) -> int:
        """Frames that are requested, by the header of the source; 0 where that does not say."""
        video, span = self.video, self.span
        rate = video.average_rate or video.base_rate or Fraction(25)

        def ordinal(place: int | Fraction) -> int:
            return min(video.num_frames_from_header, place if isinstance(place, int) else int(place * rate))

        stop = video.num_frames_from_header if span.stop is None else ordinal(span.stop)
        count = max(0, stop - (0 if span.start is None else ordinal(span.start)))
        return round(count * film_rate(video.cadence)) if self.is_film and video.cadence else count

    def area(self, look: Look | None = None) -> Area:
        """Where in the output the image of frames of this look lies; without one, of the first frame's look."""
        if look is None or self.settings.shapes == "stretch":
            return Area(0, 0, self.out_width, self.out_height)
        shape = shape_of(self.video, look)
        return fit(shape, self.out_width, self.out_height, self.encoder.sample_aspect_ratio)

    def geometry(self, look: Look | None = None) -> Geometry:
        """Sizes for frames of this look (streams may change size and shape; the output never does)."""
        area = self.area(look)
        width, height = (look.width, look.height) if look else (self.video.width, self.video.height)
        return Geometry(width, height, area.width, area.height)


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


def _behind_steps(video: VideoInfo, settings: Settings, options: Any) -> VideoInfo:
    """The video as the encoder is to take it, where a step gives samples another meaning."""
    method = find_method(settings.method)
    if method.recolour is not None:
        if behind := [choice.name for choice in settings.passes if choice.place != "before"]:
            raise UsageError(
                f"{settings.method} makes HDR and is the last step: leave {behind[0]} out, or place=before"
            )
        video = method.recolour(video, options)
    for number, choice in enumerate(settings.passes, 1):
        row = find_pass(choice.name)
        if row.recolour is None:
            continue
        if choice.place == "before" or number < len(settings.passes):
            raise UsageError(f"the pass {choice.name} is the last step: name it last, and place=after")
        video = row.recolour(video, row.options_type(**choice.options))
    return video


def _check_recoloured(encoder: EncoderSpec, settings: Settings) -> None:
    """Refuse what cannot say or hold what samples mean behind a step that changes it."""
    codec, layout = encoder.codec, encoder.layout
    holds = codec.kind == "video" and layout.family == "yuv" and layout.bit_depth >= 10
    steps = [(settings.method, find_method(settings.method))]
    for what, row in [*steps, *((f"the pass {one.name}", find_pass(one.name)) for one in settings.passes)]:
        if row.recolour is not None and not holds:
            raise UsageError(
                f"{what} makes video of 10 bits, not {codec.name} {layout.name}; "
                "name the output .mp4 or .mkv, without --codec and --pix-fmt"
            )


def resolve_job(info: MediaInfo, output: Path, settings: Settings, options: Any, span: Span) -> Job:
    """Decide everything about restoring ``info.path`` into ``output``; raises `UsageError` for what cannot be."""
    info = with_transfer(info, settings.input_transfer)
    video = info.video
    container = choose_container(output)
    for_encoder, kept = keep_chroma(settings, video, container)
    encoder, notes = plan_encoder(replace(info, video=_behind_steps(video, settings, options)), output, for_encoder)
    _check_recoloured(encoder, settings)
    width, height = encoder.width, encoder.height
    holder = "mkv" if encoder.codec.kind == "images" else container
    deinterlace = resolve_deinterlacing(video, settings)
    streams = plan_streams(info, output, holder, settings, keeps_timecode=span.start is None and deinterlace != "film")
    if settings.method == ALONE and (width, height) != (video.width, video.height):
        raise UsageError(f"method {ALONE} leaves frames at {video.width}x{video.height}; give --scale 1")
    check_evidence(find_method(settings.method).evidence, settings, options)
    for choice in settings.passes:
        check_evidence(find_pass(choice.name).evidence, settings, None, name=f"pass {choice.name}")
    geometry, device = Geometry(video.width, video.height, width, height), resolve_device(settings.device)
    prepared = prepare_all(geometry, settings, options, device)
    check_evidence(prepared.capabilities.evidence, settings, options, name=titled(settings.method, settings.passes))
    job = Job(
        info=info,
        output=output,
        container=container,
        settings=settings,
        prepared=prepared,
        out_width=width,
        out_height=height,
        encoder=encoder,
        deinterlace=deinterlace,
        deinterlacer=resolve_deinterlacer(settings),
        span=span,
        shift=_shift(info, container),
        copied=streams.copied,
        kept=streams.kept,
        dropped=(
            *streams.dropped,
            *_find_lost(info, output, container, encoder, span),
            *_find_lost_timecode(video, deinterlace),
            *find_lost_tags(info, holder, streams.copied, _shift(info, container), is_whole=not span),
            *find_lost_in_raw(info, container, encoder),
            *find_lost_in_animation(video, encoder, output),
        ),
        assumptions=(*video.assumptions, *notes, *kept),
    )
    note = check_pair(info, job.pair if job.made_by is None else None, settings.method, options)
    note += find_loss(job.made_by, encoder)
    note += describe_animation(output, encoder, job.num_frames_from_header)
    return replace(job, assumptions=(*job.assumptions, *note))


def _find_lost_timecode(video: VideoInfo, deinterlace: str) -> list[str]:
    is_lost = deinterlace == "film" and video.timecode
    return ["timecode: it counts the frames of the video, not those of the film"] if is_lost else []


def _find_lost(info: MediaInfo, output: Path, container: str, encoder: EncoderSpec, span: Span) -> list[str]:
    """What besides streams the output cannot keep, in words."""
    video, codec = info.video, encoder.codec
    lost = [f"{name}: dynamic metadata does not survive new frames" for name in video.dropped_hdr]
    lost += [f"{name}: part of the old frames" for name in video.lost]
    if video.has_captions:
        lost.append("closed captions (EIA-608/708): they are part of the old frames, not a stream that can be copied")
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
        name = _codec_of_images(video).upper()
        lost += [f"{said}: only {name} has a place for it" for said in video.header.in_words()]
    if isinstance(video.header, (DpxHeader, TiffHeader)) and goes_on:
        lost += [f"{said}: vsr writes its own there" for said in video.header.replaced_words()]
    if isinstance(video.header, TiffHeader) and goes_on:
        resized = (encoder.width, encoder.height) != (video.width, video.height)
        lost += [f"{said}: that of another size" for said in video.header.lost_words(resized=resized)]
    if span and info.num_chapters:
        lost.append("chapters: their times are those of the whole video")
    keeps_timecodes = goes_on and not isinstance(video.header, TiffHeader)
    if span.start is not None and video.timecode and not keeps_timecodes and not is_animation(output):
        lost.append("timecode: it is that of the first frame of the whole video")
    if is_animation(output):
        if info.num_chapters:
            lost.append(f"chapters: {output.suffix.lower()} has no place for them")
    elif codec.kind == "images":
        if video.display:
            lost.append("rotation: images have no place for it")
        if video.mastering or video.content_light:
            lost.append("HDR mastering display and light level: images have no place for them")
        if info.num_chapters and len(info.streams) == 1:
            lost.append("chapters: images have no place for them")
    return lost


def goes_with_frames(video: VideoInfo, encoder: EncoderSpec) -> bool:
    """Whether the headers of the source's images, frame by frame, are those that the output has, too."""
    return video.header is not None and encoder.codec.name == _codec_of_images(video)


def _codec_of_images(video: VideoInfo) -> str:
    """Of images, whose codec is what their names end with."""
    return "tiff" if video.codec == "tif" else video.codec
