"""Small video files of all kinds, made from nothing but a seed: containers, codecs, layouts, streams, tags and faults.

`many_files` draws the recipes, `file_maker.make` writes the file of one. What a recipe asks for is in its name, so a
failing test says what kind of file it was.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from faulty_files import AT_ONCE, LATER, fits

__all__ = ["VIDEO", "Recipe", "many_files"]

_X264 = ("libx264", "-preset", "veryfast", "-threads", "1", "-bf", "2", "-g", "8")
VIDEO: dict[str, tuple[tuple[str, ...], str]] = {
    "h264": (_X264, "yuv420p yuv420p yuv422p yuv444p yuv420p10le yuv422p10le gray yuvj420p"),
    "h264rgb": (("libx264rgb", *_X264[1:]), "rgb24"),
    "hevc": (
        (
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            "log-level=none:pools=1:frame-threads=1:keyint=8:bframes=2",
        ),
        "yuv420p yuv420p10le yuv422p yuv444p10le yuv420p12le gray gbrp",
    ),
    "vvc": (("libvvenc", "-preset", "faster", "-threads", "1"), "yuv420p10le"),
    "vp8": (("libvpx", "-auto-alt-ref", "0", "-deadline", "realtime", "-threads", "1", "-g", "8"), "yuv420p yuva420p"),
    "vp9": (
        ("libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-threads", "1", "-g", "8"),
        "yuv420p yuv444p yuv420p10le gbrp yuva420p",
    ),
    "av1": (("libsvtav1", "-preset", "12", "-g", "8", "-svtav1-params", "lp=1"), "yuv420p yuv420p10le"),
    "mpeg1video": (("mpeg1video", "-q:v", "3", "-g", "6", "-bf", "2"), "yuv420p"),
    "mpeg2video": (("mpeg2video", "-q:v", "3", "-g", "6", "-bf", "2"), "yuv420p yuv422p"),
    "mpeg4": (("mpeg4", "-q:v", "3", "-g", "6", "-bf", "1"), "yuv420p"),
    "xvid": (("libxvid", "-q:v", "3", "-g", "6", "-bf", "2"), "yuv420p"),
    "msmpeg4": (("msmpeg4", "-q:v", "3", "-g", "6"), "yuv420p"),
    "msmpeg4v2": (("msmpeg4v2", "-q:v", "3", "-g", "6"), "yuv420p"),
    "wmv1": (("wmv1", "-q:v", "3", "-g", "6"), "yuv420p"),
    "wmv2": (("wmv2", "-q:v", "3", "-g", "6"), "yuv420p"),
    "flv1": (("flv", "-q:v", "3", "-g", "6"), "yuv420p"),
    "h261": (("h261", "-q:v", "3"), "yuv420p"),
    "h263": (("h263", "-q:v", "3", "-g", "6"), "yuv420p"),
    "rv10": (("rv10", "-q:v", "3", "-g", "6"), "yuv420p"),
    "mjpeg": (("mjpeg", "-q:v", "3"), "yuvj420p yuvj422p yuvj444p"),
    "prores": (("prores_ks", "-profile:v:0", "4444"), "yuv422p10le yuv444p10le yuva444p10le"),
    "dnxhd": (("dnxhd", "-profile:v:0", "dnxhr_hq"), "yuv422p"),
    "cfhd": (("cfhd",), "yuv422p10le gbrp12le"),
    "ffv1": (
        ("ffv1", "-level", "3", "-g", "1"),
        "yuv420p yuv422p10le yuv444p16le gray gray10le gbrp gbrp10le yuva420p bgra yuv411p yuv410p",
    ),
    "huffyuv": (("huffyuv",), "yuv422p rgb24"),
    "utvideo": (("utvideo",), "yuv420p gbrp gbrap"),
    "magicyuv": (("magicyuv",), "yuv420p gbrp gbrap gray"),
    "snow": (("snow", "-strict", "-2", "-q:v", "3"), "yuv420p"),
    "theora": (("libtheora", "-q:v", "8", "-g", "8"), "yuv420p yuv422p yuv444p"),
    "jpeg2000": (("jpeg2000", "-q:v", "3"), "yuv420p rgb24 gray rgb48le"),
    "png": (("png",), "rgb24 rgba gray rgb48be"),
    "apng": (("apng",), "rgb24 rgba gray"),
    "gif": (("gif",), "rgb8"),
    "qtrle": (("qtrle",), "rgb24 argb gray rgb555be"),
    "cinepak": (("cinepak",), "rgb24"),
    "svq1": (("svq1", "-q:v", "3"), "yuv410p"),
    "msvideo1": (("msvideo1",), "rgb555le"),
    "zmbv": (("zmbv",), "bgr0"),
    "flashsv": (("flashsv",), "bgr24"),
    "dvvideo": (("dvvideo",), "yuv420p"),
    "v210": (("v210",), "yuv422p10le"),
    "rawvideo": (("rawvideo",), "rgb24 bgr24 uyvy422 gray rgba"),
    "y4m": (("wrapped_avframe", "-strict", "-1"), "yuv420p yuv422p yuv444p gray yuv420p10le yuv444p12le gray16le"),
}
"""Options behind ``-c:v``, and the pixel formats to choose from."""

_HELD = {
    "mp4": "h264 hevc av1 vp9 mpeg4 mjpeg mpeg2video png vvc",
    "mov": "h264 hevc prores dnxhd mjpeg png qtrle rawvideo cinepak mpeg4 cfhd dvvideo svq1 jpeg2000 v210 h264rgb",
    "mkv": "h264 hevc vp8 vp9 av1 mpeg1video mpeg2video mpeg4 mjpeg prores dnxhd ffv1 theora rawvideo png huffyuv "
    "utvideo flv1 wmv2 snow h264rgb cfhd",
    "webm": "vp8 vp9 av1",
    "ts": "h264 hevc mpeg1video mpeg2video mpeg4 h264 mpeg2video",
    "m2ts": "h264 mpeg2video",
    "mpg": "mpeg1video mpeg2video h264",
    "vob": "mpeg2video",
    "avi": "mpeg4 xvid mjpeg rawvideo ffv1 huffyuv utvideo h264 msmpeg4 msmpeg4v2 cinepak magicyuv wmv1 zmbv msvideo1",
    "flv": "flv1 h264 hevc flashsv",
    "f4v": "h264",
    "ogg": "theora vp8",
    "mxf": "mpeg2video dnxhd h264 jpeg2000",
    "wmv": "wmv1 wmv2",
    "asf": "msmpeg4 wmv2 mjpeg",
    "3gp": "h263 mpeg4 h264",
    "nut": "ffv1 rawvideo h264 mpeg4",
    "y4m": "y4m",
    "gif": "gif",
    "apng": "apng",
    "h264": "h264",
    "hevc": "hevc",
    "vvc": "vvc",
    "m1v": "mpeg1video",
    "m2v": "mpeg2video",
    "m4v": "mpeg4",
    "h261": "h261",
    "h263": "h263",
    "mjpeg": "mjpeg",
    "obu": "av1",
    "ivf": "vp8 vp9 av1",
    "dv": "dvvideo",
    "rm": "rv10",
    "wtv": "mpeg2video",
}
"""Codecs of each container, by its extension."""

_AUDIO = {
    "mp4": "aac mp3 ac3 alac libopus flac",
    "mov": "aac pcm_s16le alac pcm_s24le",
    "mkv": "aac flac libopus libvorbis mp3 ac3 pcm_s16le mp2 dca tta wavpack",
    "webm": "libopus libvorbis",
    "ts": "mp2 aac ac3",
    "m2ts": "ac3",
    "mpg": "mp2",
    "vob": "mp2 ac3",
    "avi": "mp3 pcm_s16le ac3",
    "flv": "aac mp3",
    "f4v": "aac",
    "ogg": "libvorbis libopus flac",
    "mxf": "pcm_s16le",
    "wmv": "wmav2",
    "asf": "wmav2 mp3",
    "3gp": "aac",
    "nut": "pcm_s16le mp3 libvorbis",
    "dv": "pcm_s16le",
    "wtv": "mp2",
}
_EXTRAS = {
    "mp4": "subtitle chapters cover second timecode crop",
    "mov": "subtitle chapters second timecode crop",
    "mkv": "subtitle ass chapters attachment cover second stereo",
    "webm": "webvtt chapters",
    "ts": "second klv",
    "mxf": "timecode",
    "nut": "second",
    "avi": "second",
}
_TAGGED = ("mp4", "mov", "mkv", "webm", "avi", "flv", "ogg", "wmv", "asf", "nut", "mxf", "3gp", "ts", "f4v")
_TURNED = ("mp4", "mov", "mkv")
_SIZES = ((64, 48), (64, 48), (48, 64), (80, 44), (96, 54), (66, 50))
_ODD = ((63, 47), (65, 48), (64, 49))
_OF_CODEC = {"h261": (176, 144), "h263": (128, 96), "dvvideo": (720, 576), "dnxhd": (256, 128), "rv10": (96, 64)}
_OF_PAIR = {("mxf", "dnxhd"): (1280, 720)}
_RATES = ("25", "25", "24", "30000/1001", "50", "12")
_FIXED_RATE = ("mpeg1video", "mpeg2video", "dvvideo")
_WHOLE_CHROMA = ("ffv1", "png", "h264rgb", "apng", "gif", "h264", "hevc", "vp9", "mjpeg", "mpeg4", "rawvideo")


@dataclass(frozen=True)
class Recipe:
    """How to make one file, and how to restore it."""

    number: int
    container: str
    """Extension, without the dot."""
    codec: str
    pix_fmt: str
    size: tuple[int, int]
    rate: str
    num_frames: int
    audio: tuple[str, ...]
    extras: tuple[str, ...]
    tags: tuple[str, ...]
    fault: str
    target: str
    """Container of the output."""
    scale: int

    @property
    def name(self) -> str:
        """What it is, for people."""
        parts = [f"{self.number:03}", self.container, self.codec, self.pix_fmt, "x".join(map(str, self.size))]
        return "-".join([*parts, *self.audio, *self.extras, *self.tags, self.fault.replace(" ", "_"), self.target])


def many_files(count: int, seed: int) -> list[Recipe]:
    """``count`` recipes; every pair of container and codec comes up once before any comes twice, and so do faults."""
    pairs = [(container, codec) for container, codecs in _HELD.items() for codec in codecs.split()]
    rng = random.Random(seed)
    order: list[tuple[str, str]] = []
    while len(order) < count:
        rng.shuffle(pairs)
        order += pairs
    unused = [*AT_ONCE, *LATER]
    recipes = []
    for number, (container, codec) in enumerate(order[:count]):
        fitting = [name for name in unused if fits(name, container, codec)]
        if not fitting:
            unused = [*AT_ONCE, *LATER]
            fitting = [name for name in unused if fits(name, container, codec)]
        fault = rng.choice(fitting) if rng.random() < 0.8 else "none"
        if fault in unused:
            unused.remove(fault)
        recipes.append(_recipe(random.Random(f"{seed}/{number}"), number, container, codec, fault))
    return recipes


def _recipe(rng: random.Random, number: int, container: str, codec: str, fault: str) -> Recipe:
    pix_fmt = rng.choice(VIDEO[codec][1].split())
    size = _OF_PAIR.get((container, codec)) or _OF_CODEC.get(codec) or rng.choice(_SIZES)
    if codec in ("cfhd", "msvideo1") or (container, codec) == ("mov", "rawvideo"):
        size = (64, 48)
    may_be_odd = codec in _WHOLE_CHROMA and not any(word in pix_fmt for word in ("420", "422", "nv12", "411", "410"))
    if codec not in _OF_CODEC and may_be_odd and rng.random() < 0.4:
        size = rng.choice(_ODD)
    if codec == "hevc" and size[0] < 64:
        size = (64, 48)  # x265 itself crashes where images are 34 to 48 wide
    if fault == "interlaced":
        size, pix_fmt = ((64, 48) if codec not in _OF_CODEC else size), "yuv420p"
    kinds = _AUDIO.get(container, "").split()
    audio = tuple(rng.choice(kinds) for _ in range(rng.choice((0, 1, 1, 2)))) if kinds else ()
    if container in ("flv", "f4v", "rm", "3gp", "dv") or fault in ("late sound", "late video"):
        audio = tuple(kinds[:1] if fault.startswith("late") and not audio else audio[:1])
    requested = _EXTRAS.get(container, "").split()
    extras = [name for name in requested if rng.random() < 0.3]
    if "crop" in extras and (fault != "none" or codec != "h264" or size[0] % 2 or len(extras) > 1):
        extras.remove("crop")
    if container == "mp4" and "timecode" in extras:
        audio = audio[:1]
    tags = [name for name in ("title", "custom", "language") if container in _TAGGED and rng.random() < 0.5]
    if rng.random() < 0.25 and container in ("mp4", "mov", "mkv", "ts", "avi"):
        tags.append("sar")
    if rng.random() < 0.25 and container in _TURNED and "crop" not in extras:
        tags.append("turned")
    if rng.random() < 0.3 and "rgb" not in pix_fmt and "gbr" not in pix_fmt:
        tags.append("colour")
    if codec == "hevc" and pix_fmt == "yuv420p10le" and container in ("mp4", "mkv", "mov"):
        tags.append("hdr")
    return Recipe(
        number=number,
        container=container,
        codec=codec,
        pix_fmt=pix_fmt,
        size=size,
        rate="25" if codec in _FIXED_RATE or container in ("mxf", "gif") else rng.choice(_RATES),
        num_frames=1 if fault == "one frame" else rng.randint(10, 24) if size[0] < 300 else 8,
        audio=audio,
        extras=tuple(extras),
        tags=tuple(tags),
        fault=fault,
        target=rng.choice(("mkv", "mkv", "mkv", "mp4", "mov")),
        scale=rng.choice((1, 1, 2)) if size[0] < 300 else 1,
    )
