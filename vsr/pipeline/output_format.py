"""What the output is encoded as: container, codec, layout, colour, size and shape of its samples.

Follows from the source, the output's name and the settings; refuses what the codec cannot hold.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vsr.catalogue import SCREENS
from vsr.errors import UsageError, nearest
from vsr.frames import ColorSpec, PixelLayout
from vsr.media.cadence import film_rate
from vsr.media.codecs import CODECS, CONTAINERS, CodecSpec, choose_codec, choose_layout, find_codec
from vsr.media.deinterlace import Deinterlacer
from vsr.media.encode import EncoderSpec
from vsr.media.film import FILM_TICKS
from vsr.media.hdr import DisplayTransform
from vsr.media.images import is_animation
from vsr.media.probe import MAX_PIXELS, MediaInfo, VideoInfo
from vsr.methods import ALONE, find_method
from vsr.pipeline.animations import fit_animation
from vsr.pipeline.settings import Settings

__all__ = ["choose_container", "plan_encoder", "resolve_deinterlacer", "resolve_deinterlacing"]


_ANIMATIONS = ("gif", "apng", "webp")  # codecs of sources


def choose_container(output: Path) -> str:
    """The container that the extension of ``output`` names; raises `UsageError` where none has it."""
    extension = output.suffix.lower().lstrip(".")
    if extension not in CONTAINERS:
        raise UsageError(
            f"output {output.name!r}: unknown container {output.suffix!r}; "
            f"known: {', '.join('.' + name for name in CONTAINERS)}{nearest(extension, CONTAINERS)}"
        )
    return CONTAINERS[extension]


def plan_encoder(info: MediaInfo, output: Path, settings: Settings) -> tuple[EncoderSpec, tuple[str, ...]]:
    """The encoder for ``info`` in ``output``; and, in words, what was assumed and what settings mean nothing to it.

    Raises `UsageError` for what the codec cannot hold.
    """
    video, container = info.video, choose_container(output)
    settings = fit_animation(_for_players(video, container, settings), video, output)
    codec = _codec(info, container, settings)
    is_turned = is_animation(output)
    # images have no place for a rotation
    is_sideways = video.display.is_sideways and (codec.kind == "video" or is_turned)
    layout = choose_layout(codec, video.layout, settings.pix_fmt)
    width, height = _output_size(video, settings, is_sideways=is_sideways)
    (width, height), evened = _fit_chroma(codec, layout, settings, width, height)
    quality, speed, unused = _encoder_settings(codec, settings, width, height)
    if settings.fps is not None and not info.images and video.untimed_rate is None:
        unused = (*unused, f"fps {settings.fps} means nothing to a video: it keeps its own times")
    _check_chroma(codec, layout, width, height)
    color, assumptions = _output_color(video, codec, container, layout.family, layout.is_float)
    rate = video.average_rate or video.base_rate or Fraction(25)
    rate = rate if 0 < rate <= 480 else Fraction(25)
    deinterlacing = resolve_deinterlacing(video, settings)
    images = 2 if deinterlacing == "field" else 1
    if deinterlacing == "film":
        rate *= film_rate(video.cadence) if video.cadence else 1
    encoder = EncoderSpec(
        codec=codec,
        layout=layout,
        color=color,
        width=width,
        height=height,
        time_base=video.time_base / (FILM_TICKS if deinterlacing == "film" else images),
        frame_rate=rate * images,
        sample_aspect_ratio=Fraction(1) if settings.square_pixels or is_turned else _aspect(video, width, height),
        quality=quality,
        speed=speed,
        threads=settings.encoder_threads,
        mastering=video.mastering,
        content_light=video.content_light,
        lossless=settings.lossless,
        turn=video.display if is_turned else DisplayTransform(),
    )
    return encoder, (*assumptions, *evened, *unused)


def resolve_deinterlacing(video: VideoInfo, settings: Settings) -> str:
    """What ``auto`` means for this video: ``film`` where the first frames are certain to hold film, telecined."""
    is_film = settings.deinterlace == "auto" and video.cadence is not None
    return "film" if is_film else settings.deinterlace


def resolve_deinterlacer(settings: Settings) -> Deinterlacer:
    """What ``auto`` means for the method."""
    if settings.deinterlacer != "auto":
        return settings.deinterlacer
    is_quick = settings.method != ALONE and find_method(settings.method).evidence == "interpolation"
    return "bwdif" if is_quick else "motion"


def _for_players(video: VideoInfo, container: str, settings: Settings) -> Settings:
    """An animation's RGB and alpha become what players of MP4 and MOV show, where no format is named."""
    plays = settings.codec in (None, "h264", "hevc", "av1") and container in ("mp4", "mov")
    if video.codec not in _ANIMATIONS or settings.pix_fmt is not None or not plays:
        return settings
    return settings.model_copy(update={"pix_fmt": "yuv420p"})


def _output_size(video: VideoInfo, settings: Settings, *, is_sideways: bool) -> tuple[int, int]:
    """Output ``(width, height)`` as coded; even where the source's chroma is subsampled and the source was even.

    ``size`` and ``height`` mean the image as it is shown: sides change places where players turn it ``is_sideways``.
    """
    if settings.size is not None and settings.square_pixels:
        raise UsageError("size gives both sides; for square pixels give --scale, --height or --to instead")
    if settings.size is not None:
        width, height = (int(part) for part in settings.size.split("x"))
        if min(width, height) < 1:
            raise UsageError(f"size {settings.size} is empty")
        return (height, width) if is_sideways else (width, height)
    wide, tall = _square(video) if settings.square_pixels else (Fraction(video.width), Fraction(video.height))
    if settings.height is not None and is_sideways:
        return settings.height, _snap(tall * settings.height / wide, video.height, video.layout.chroma_shift_y)
    if settings.height is not None:
        return _snap(wide * settings.height / tall, video.width, video.layout.chroma_shift_x), settings.height
    if settings.to is not None:
        shown = (wide, tall) if settings.square_pixels else (wide * video.sample_aspect_ratio, tall)
        factor = _factor_to(shown, SCREENS[settings.to])
    else:
        factor = Fraction(settings.scale if settings.scale is not None else 2.0).limit_denominator(10_000)
    return (
        _snap(wide * factor, video.width, video.layout.chroma_shift_x),
        _snap(tall * factor, video.height, video.layout.chroma_shift_y),
    )


def _square(video: VideoInfo) -> tuple[Fraction, Fraction]:
    """Width and height that the image has in square pixels, the side that grows by it larger than it is coded."""
    aspect = video.sample_aspect_ratio
    return video.width * max(aspect, Fraction(1)), video.height / min(aspect, Fraction(1))


def _factor_to(shown: tuple[Fraction, Fraction], screen: tuple[int, int]) -> Fraction:
    """Magnification after which an image of the size ``shown`` just fits into ``screen``, which is turned as it is."""
    return min(Fraction(there) / side for side, there in zip(sorted(shown), sorted(screen), strict=True))


def _snap(exact: Fraction, source: int, shift: int) -> int:
    """The nearest size; a multiple of the chroma block where the source is one and the exact size is none."""
    block = 1 << shift
    if exact.denominator == 1 or source % block:
        return max(1, round(exact))
    return max(block, round(exact / block) * block)


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


def _fit_chroma(
    codec: CodecSpec, layout: PixelLayout, settings: Settings, width: int, height: int
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """The size with whole chroma samples where the encoder wants them; and that in words. What is asked for stays."""
    if not codec.wants_whole_chroma or settings.size is not None:
        return (width, height), ()
    shifts = layout.chroma_shift_x, layout.chroma_shift_y
    sides = (
        side if side == settings.height else -(-side >> shift << shift)
        for side, shift in zip((width, height), shifts, strict=True)
    )
    fitted = next(sides), next(sides)
    if fitted == (width, height):
        return fitted, ()
    return fitted, (f"{fitted[0]}x{fitted[1]}, not {width}x{height}: {codec.name} {layout.name} wants even sides",)


def _check_chroma(codec: CodecSpec, layout: PixelLayout, width: int, height: int) -> None:
    """Refuse odd sides where the encoder would."""
    is_whole = width % (1 << layout.chroma_shift_x) == 0 and height % (1 << layout.chroma_shift_y) == 0
    if codec.wants_whole_chroma and not is_whole:
        sides = "width and height" if layout.chroma_shift_y else "width"
        raise UsageError(
            f"{width}x{height}: {codec.name} {layout.name} wants an even {sides}; "
            "name another size, --codec ffv1, or a --pix-fmt with chroma as fine as luma"
        )


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
) -> tuple[ColorSpec, tuple[str, ...]]:
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
