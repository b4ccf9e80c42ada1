"""What each encoder holds: the codec × pixel-format × container table, and the decision drawn from it.

The rule: keep bit depth and chroma format; if the codec cannot, widen without loss; if it cannot do that either,
refuse and name what can. Narrowing happens only when the user names the pixel format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from vsr.errors import UsageError, nearest
from vsr.frames import PixelLayout
from vsr.media.layouts import LAYOUTS, compare_layouts
from vsr.tables import table_of

__all__ = [
    "CODECS",
    "CONTAINERS",
    "CodecSpec",
    "choose_codec",
    "choose_fourcc",
    "choose_layout",
    "find_codec",
    "fourcc",
    "prores_profile",
    "quality_in_words",
]

_SCALERS = ("yuv420p", "yuv422p", "yuv444p")


def _names(stems: tuple[str, ...], *depths: int) -> tuple[str, ...]:
    return tuple(stem if depth == 8 else f"{stem}{depth}le" for depth in depths for stem in stems)


@dataclass(frozen=True)
class CodecSpec:
    """One way to write video."""

    name: str
    """What the user calls it."""
    summary: str
    kind: Literal["video", "images"]
    """One stream in a container, or one file a frame."""
    encoders: Mapping[str, str]
    """FFmpeg encoder by the family of images it takes (``yuv`` serves grey too)."""
    layouts: tuple[str, ...]
    """Planar layouts it holds, in order of preference among equals."""
    containers: tuple[str, ...]
    """Extensions it may go into."""
    quality: int | None
    """Default CRF; None where there is none."""
    quality_range: tuple[int, int] = (0, 0)
    """Inclusive limits of CRF."""
    speeds: tuple[str, ...] = ()
    """Encoder presets, or nothing."""
    default_speed: str = ""
    max_side: int = 16384
    """Largest width or height the encoder takes."""
    lossless: Literal["never", "asked", "always"] = "never"
    """Whether samples come back bit for bit: not at all, where the user asks for it, or in any case."""
    wants_whole_chroma: bool = False
    """Whether the encoder refuses sides that are no multiple of the layout's chroma blocks."""


_X26X_SPEEDS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"),
)

_ROWS = (
    CodecSpec(
        name="h264",
        summary="H.264 (x264): plays everywhere; 8 and 10 bit",
        kind="video",
        encoders={"yuv": "libx264", "rgb": "libx264rgb"},
        layouts=(*_names((*_SCALERS, "gray"), 8, 10), "gbrp"),
        containers=("mp4", "mov", "mkv", "nut"),
        lossless="asked",
        quality=16,
        quality_range=(0, 51),
        speeds=_X26X_SPEEDS,
        default_speed="medium",
        wants_whole_chroma=True,
    ),
    CodecSpec(
        name="hevc",
        summary="HEVC (x265): HDR; 8 to 12 bit",
        kind="video",
        encoders={"yuv": "libx265", "rgb": "libx265"},
        layouts=_names((*_SCALERS, "gray", "gbrp"), 8, 10, 12),
        containers=("mp4", "mov", "mkv", "nut"),
        lossless="asked",
        quality=17,
        quality_range=(0, 51),
        speeds=_X26X_SPEEDS,
        default_speed="fast",
        wants_whole_chroma=True,
    ),
    CodecSpec(
        name="av1",
        summary="AV1 (SVT-AV1): small files; 4:2:0, 8 and 10 bit",
        kind="video",
        encoders={"yuv": "libsvtav1"},
        layouts=_names(("yuv420p",), 8, 10),
        containers=("mp4", "mkv"),
        quality=20,
        quality_range=(0, 63),
        speeds=tuple(str(n) for n in range(14)),
        default_speed="8",
        max_side=8192,
    ),
    CodecSpec(
        name="ffv1",
        summary="FFV1: lossless, every layout; for archives",
        kind="video",
        encoders={"yuv": "ffv1", "rgb": "ffv1"},
        layouts=(
            *_names((*_SCALERS, "gray"), 8, 10, 12, 14, 16),
            *("yuv440p", "yuv411p", "yuv410p", "yuv440p10le", "yuv440p12le", "gray9le"),
            *_names(_SCALERS, 9),
            *_names(("gbrp",), 8, 9, 10, 12, 14, 16),
            *_names(("yuva420p", "yuva422p", "yuva444p"), 8, 9, 10, 16),
            *_names(("yuva422p", "yuva444p"), 12),
            *_names(("gbrap",), 8, 10, 12, 14, 16),
        ),
        containers=("mkv", "mov", "nut"),
        lossless="always",
        quality=None,
    ),
    CodecSpec(
        name="prores",
        summary="ProRes (422 HQ, 4444): editing; 10 bit 4:2:2 and 4:4:4, alpha",
        kind="video",
        encoders={"yuv": "prores_ks"},
        layouts=("yuv422p10le", "yuv444p10le", "yuva444p10le"),
        containers=("mov", "mkv"),
        quality=None,
    ),
    CodecSpec(
        name="raw",
        summary="uncompressed images: YUV4MPEG2 (.y4m) and NUT; 8 to 16 bit, for other programs",
        kind="video",
        encoders={"yuv": "rawvideo"},
        layouts=(
            *_names(_SCALERS, 8, 9, 10, 12, 14, 16),
            *_names(("gray",), 8, 10, 12, 16),
            *("yuv411p", "gray9le"),
        ),
        containers=("y4m", "nut"),
        lossless="always",
        quality=None,
    ),
    CodecSpec(
        name="png",
        summary="PNG image sequence: RGB and grey, 8 and 16 bit, alpha",
        kind="images",
        encoders={"rgb": "png", "yuv": "png"},
        layouts=("gray", "gbrp", "gbrap", "gray16le", "gbrp16le", "gbrap16le"),
        containers=("png",),
        lossless="always",
        quality=None,
    ),
    CodecSpec(
        name="tiff",
        summary="TIFF image sequence: RGB and grey, 8 and 16 bit, alpha",
        kind="images",
        encoders={"rgb": "tiff", "yuv": "tiff"},
        layouts=("gray", "gbrp", "gbrap", "gray16le", "gbrp16le", "gbrap16le"),
        containers=("tif", "tiff"),
        lossless="always",
        quality=None,
    ),
    CodecSpec(
        name="dpx",
        summary="DPX image sequence: RGB 8 to 16 bit, grey",
        kind="images",
        encoders={"rgb": "dpx", "yuv": "dpx"},
        layouts=("gray", "gbrp", "gbrap", "gbrp10le", "gbrp12le", "gray16le", "gbrp16le", "gbrap16le"),
        containers=("dpx",),
        lossless="always",
        quality=None,
    ),
    CodecSpec(
        name="exr",
        summary="OpenEXR image sequence: float RGB and grey",
        kind="images",
        encoders={"rgb": "exr", "yuv": "exr"},
        layouts=("grayf32le", "gbrpf32le", "gbrapf32le"),
        containers=("exr",),
        lossless="always",
        quality=None,
    ),
    CodecSpec(
        name="webp",
        summary="WebP images and animations: RGB 8 bit, alpha; for the web",
        kind="images",
        encoders={"rgb": "libwebp"},
        layouts=("gbrp", "gbrap"),
        containers=("webp",),
        lossless="asked",
        quality=None,
        max_side=16383,
    ),
    CodecSpec(
        name="gif",
        summary="GIF animations: 256 colours, alpha on or off",
        kind="video",
        encoders={"rgb": "ffv1"},  # of its segments: the palette is that of the whole clip
        layouts=("gbrp", "gbrap"),
        containers=("gif",),
        quality=None,
    ),
)

CODECS: Mapping[str, CodecSpec] = table_of("codecs", _ROWS)
"""Every way to write video, by name, preferred ones first."""

CONTAINERS: Mapping[str, str] = MappingProxyType(
    {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "mkv", "nut": "nut", "y4m": "y4m", "gif": "gif"}
    | {extension: extension for row in _ROWS if row.kind == "images" for extension in row.containers}
)
"""Container by file extension."""


_TAGS = {("hevc", "mp4"): "hvc1", ("hevc", "mov"): "hvc1"}
"""By codec and container, where FFmpeg chooses another: Apple's players refuse ``hev1``."""


def fourcc(spec: CodecSpec, layout: PixelLayout, container: str) -> str | None:
    """The four-character code to write for ``layout`` in ``container``; None where FFmpeg chooses the right one itself.

    ProRes says by it which of its formats a stream is: decoders look there for 10 or 12 bit.
    """
    if spec.name == "prores":
        return "ap4h" if prores_profile(layout) == "4444" else "apch"
    return choose_fourcc(spec.name, container)


def choose_fourcc(codec: str, container: str) -> str | None:
    """The four-character code to write for video of ``codec`` that had none before; None where FFmpeg's is right."""
    return _TAGS.get((codec, container))


def prores_profile(layout: PixelLayout) -> Literal["4444", "hq"]:
    """FFmpeg's name of the ProRes profile for ``layout``: 4444 for full chroma, with or without alpha; else 422 HQ."""
    return "4444" if layout.chroma_shift_x == 0 else "hq"


def quality_in_words(codec: str, *, lossless: bool, quality: int | None) -> str:
    """How well a codec keeps images: ``lossless``, ``crf N``, or nothing where its format alone decides."""
    is_lossless = CODECS[codec].lossless == "always" or (CODECS[codec].lossless == "asked" and lossless)
    return "lossless" if is_lossless else "" if quality is None else f"crf {quality}"


def find_codec(name: str) -> CodecSpec:
    """The codec called ``name`` (x264, x265, h265 and svt-av1 are understood); raises `UsageError`."""
    aliases = {"x264": "h264", "avc": "h264", "x265": "hevc", "h265": "hevc", "svt-av1": "av1", "svtav1": "av1"}
    found = CODECS.get(aliases.get(name.lower(), name.lower()))
    if found is None:
        raise UsageError(f"unknown codec {name!r}; known: {', '.join(CODECS)}{nearest(name, CODECS)}")
    return found


def _holders(source: PixelLayout, container: str | None = None) -> list[str]:
    """Codecs that keep ``source``; GIF takes RGB, and keeps 256 colours of it."""
    return [
        row.name
        for row in _ROWS
        if row.name != "gif"
        and (container is None or container in row.containers)
        and _lossless(row, source) is not None
    ]


def _cost(source: PixelLayout, target: PixelLayout) -> tuple[int, int, int, int]:
    """Order among wider layouts: alpha, family, then chroma, then depth changed as little as possible."""
    chroma = (source.chroma_shift_x - target.chroma_shift_x) + (source.chroma_shift_y - target.chroma_shift_y)
    return target.has_alpha, target.family != source.family, chroma, target.bit_depth


def _lossless(spec: CodecSpec, source: PixelLayout) -> PixelLayout | None:
    """The layout of ``spec`` that keeps ``source``, or widens it the least; None if none does."""
    held = [LAYOUTS[name] for name in spec.layouts]
    if source in held:
        return source
    wider = [layout for layout in held if compare_layouts(source, layout) == "wider"]
    return min(wider, key=lambda layout: _cost(source, layout), default=None)


def _closest(spec: CodecSpec, source: PixelLayout) -> PixelLayout:
    """The layout of ``spec`` that loses the least of ``source``: alpha counts most, then colour, chroma and depth."""

    def loss(target: PixelLayout) -> tuple[int, ...]:
        return (
            source.has_alpha and not target.has_alpha,
            target.family == "gray" and source.family != "gray",
            target.family != source.family,
            max(0, target.chroma_shift_x - source.chroma_shift_x),
            max(0, target.chroma_shift_y - source.chroma_shift_y),
            max(0, source.bit_depth - target.bit_depth),
            *_cost(source, target),
        )

    return min((LAYOUTS[name] for name in spec.layouts), key=loss)


def choose_codec(source: PixelLayout, container: str, hdr: bool) -> CodecSpec:
    """The default codec for ``container``: plays most widely among those that keep the image.

    10 bit and HDR go to HEVC (10-bit H.264 has no hardware decoders); what neither holds goes to FFV1. NUT, which only
    programs read, takes what loses nothing.
    """
    order = ["hevc", "h264"] if hdr or source.bit_depth > 8 else ["h264", "hevc"]
    if container == "nut":
        order = ["raw"]
    for name in [*order, "ffv1", "prores", *CODECS]:
        spec = CODECS[name]
        if container in spec.containers and _lossless(spec, source) is not None:
            return spec
    options = ", ".join(f"{name} (.{CODECS[name].containers[0]})" for name in _holders(source)) or "none"
    raise UsageError(
        f"no codec for .{container} holds {_describe(source)} without loss; what does: {options}; "
        "or name a narrower format with --pix-fmt"
    )


def choose_layout(spec: CodecSpec, source: PixelLayout, pix_fmt: str | None) -> PixelLayout:
    """The layout to encode: the named one, else the source's, else the least wider one; else `UsageError`."""
    if pix_fmt is not None:
        if pix_fmt not in LAYOUTS:
            known = ", ".join(spec.layouts)
            raise UsageError(f"unknown pixel format {pix_fmt!r}; {spec.name} holds {known}{nearest(pix_fmt, LAYOUTS)}")
        if pix_fmt not in spec.layouts:
            raise UsageError(f"{spec.name} does not hold {pix_fmt}; it holds {', '.join(spec.layouts)}")
        return LAYOUTS[pix_fmt]
    found = _lossless(spec, source)
    if found is None:
        others = ", ".join(_holders(source)) or "no codec here"
        closest = _closest(spec, source)
        alpha = " (without alpha)" if source.has_alpha and not closest.has_alpha else ""
        raise UsageError(
            f"{spec.name} cannot hold {_describe(source)} without loss; use --codec {others}, "
            f"or accept the loss by --pix-fmt {closest.name}{alpha}"
        )
    return found


def _describe(layout: PixelLayout) -> str:
    alpha = " with alpha" if layout.has_alpha else ""
    return f"{layout.name} ({layout.bit_depth}-bit {layout.family.upper()}{alpha})"
