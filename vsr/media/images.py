"""Image sequences as video: numbered images in a folder, with their times and sound beside them.

A folder written by vsr holds ``timing.json`` (time base, times, colour, aspect, timecode) and, where the source had
other streams, ``streams.mkv``. A folder from elsewhere has neither: its rate is given by the user.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from vsr.errors import InputError, UsageError
from vsr.frames import ColorSpec, PixelLayout
from vsr.media.color import complete_color
from vsr.media.damage import Damage
from vsr.media.decode import FrameRecord
from vsr.media.dpx import DpxHeader, read_dpx_header
from vsr.media.exr import ExrHeader, read_exr_header
from vsr.media.hdr import display_transform, find_lost_side_data
from vsr.media.icc import profile_of_all
from vsr.media.planes import fingerprint, frame_layout, planes_of
from vsr.media.probe import MAX_PIXELS, MediaInfo, VideoInfo, probe_streams
from vsr.media.safe_open import open_input
from vsr.media.side_data import side_data
from vsr.media.tiff import TIFF_WORDS, TiffHeader, read_tiff_header

__all__ = [
    "IMAGE_SUFFIXES",
    "STREAMS_FILE",
    "TIMING_FILE",
    "ImageReader",
    "Timing",
    "find_images",
    "frame_numbers",
    "is_animation",
    "is_image_sequence",
    "is_numbered",
    "is_single_image",
    "place_of",
    "probe_images",
    "read_samples",
    "scan_images",
    "view_images",
]

IMAGE_SUFFIXES = {
    ".png": "png_pipe",
    ".tif": "tiff_pipe",
    ".tiff": "tiff_pipe",
    ".dpx": "dpx_pipe",
    ".exr": "exr_pipe",
    ".jpg": "jpeg_pipe",
    ".jpeg": "jpeg_pipe",
    ".bmp": "bmp_pipe",
    ".webp": "webp_pipe",
}
"""Extensions of images, with the demuxer that reads one."""

_ANIMATIONS = (".gif", ".webp")
TIMING_FILE = "timing.json"
STREAMS_FILE = "streams.mkv"
_UNSPECIFIED = 2
_NUMBER = re.compile(r"%0?(\d*)d")


@dataclass(frozen=True)
class Timing:
    """What an image sequence cannot say in its images; the contents of ``timing.json``."""

    time_base: Fraction
    pts: tuple[int, ...]
    color: ColorSpec
    sample_aspect_ratio: Fraction
    timecode: str | None

    def to_json(self) -> str:
        """The file's text."""
        data = {
            "time_base": str(self.time_base),
            "timecode": self.timecode,
            "sample_aspect_ratio": str(self.sample_aspect_ratio),
            "color": {
                "primaries": self.color.primaries,
                "transfer": self.color.transfer,
                "matrix": self.color.matrix,
                "full_range": self.color.full_range,
            },
            "pts": list(self.pts),
        }
        return json.dumps(data, indent=1)

    @classmethod
    def from_file(cls, path: Path) -> Timing:
        """Read ``timing.json``; raises `InputError` where it is not one."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            timing = cls(
                time_base=Fraction(data["time_base"]),
                pts=tuple(int(value) for value in data["pts"]),
                color=ColorSpec(**data["color"]),
                sample_aspect_ratio=Fraction(data["sample_aspect_ratio"]),
                timecode=data["timecode"],
            )
            if min(timing.time_base, timing.sample_aspect_ratio) <= 0:
                raise ValueError("time base and sample aspect ratio must be positive")
            if any(after <= before for before, after in pairwise(timing.pts)):
                raise ValueError("times must rise")
            return timing
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError) as error:
            raise InputError(f"{path}: is not a timing file of vsr ({error}); fix or remove it") from error


def is_numbered(path: Path) -> bool:
    """Whether a name stands for numbered images: ``%06d.png`` and the like."""
    return bool(_NUMBER.search(path.name)) and path.suffix.lower() in IMAGE_SUFFIXES


def place_of(output: Path) -> Path:
    """What gets its name when ``output`` is whole: the folder of numbered images, else the file."""
    return output.parent if is_numbered(output) else output


def is_single_image(path: Path) -> bool:
    """Whether a name stands for one image, ``frame.png`` and the like, not for numbered ones."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_numbered(path) and not is_animation(path)


def is_animation(path: Path) -> bool:
    """Whether a name stands for an animation of any number of frames, one included: ``clip.gif`` or ``clip.webp``."""
    return path.suffix.lower() in _ANIMATIONS and not is_numbered(path)


def is_image_sequence(path: Path) -> bool:
    """Whether ``path`` names images: a pattern such as ``%06d.png``, or a folder of them and of nothing else."""
    if is_numbered(path) and not path.is_file():
        return True
    if path.is_dir():
        suffixes = {entry.suffix.lower() for entry in path.iterdir() if entry.is_file()}
        media = suffixes - {".json", ".mkv", ".txt", ""} if (path / TIMING_FILE).exists() else suffixes
        return len(media & set(IMAGE_SUFFIXES)) >= 1 and not media - set(IMAGE_SUFFIXES) - {".json", ".txt", ""}
    return False


def find_images(path: Path) -> list[Path]:
    """The images of a pattern or folder, in order.

    Raises `InputError` where there are none, where kinds are mixed, or where a number is missing.
    """
    folder = path if path.is_dir() else path.parent
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    found = [entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file()]
    if not path.is_dir():
        found = [entry for entry in found if _match(path, entry)]
    if not found:
        raise InputError(f"{path}: no images there")
    kinds = {entry.suffix.lower() for entry in found}
    if len(kinds) > 1:
        raise InputError(f"{path}: holds {', '.join(sorted(kinds))} images; name one kind by a pattern")
    numbered = sorted(found, key=_natural)
    numbers = _frame_numbers(numbered) if path.is_dir() else [int(_match(path, entry)) for entry in numbered]
    for (before, after), entry in zip(pairwise(numbers), numbered[1:], strict=False):
        if after != before + 1:
            problem = f"image {before + 1} is missing" if after > before else f"number {after} stands twice"
            raise InputError(f"{path}: {problem} (before {entry.name})")
    return numbered


def _natural(path: Path) -> list[tuple[int, int | str]]:
    return [(0, int(part)) if part.isdigit() else (1, part) for part in re.split(r"(\d+)", path.name) if part]


def _match(pattern: Path, entry: Path) -> str:
    """The digits that stand for the pattern's ``%d`` in a name; empty where it is another's name."""
    parts = _NUMBER.split(pattern.name)
    found = re.fullmatch(re.escape(parts[0]) + r"(\d+)" + re.escape(parts[-1]), entry.name)
    return found[1] if found else ""


def frame_numbers(info: MediaInfo) -> Callable[[int], int]:
    """By the ordinal of a frame, the number that images made from it bear: its image's in a sequence, else that."""
    numbers = _frame_numbers(info.images)
    return numbers.__getitem__ if numbers else lambda ordinal: ordinal


def _frame_numbers(images: Sequence[Path]) -> list[int]:
    """The number in each name that counts the images; none where a name has none.

    That is the one number that differs between names alike in all else, as in ``shot2_0001_x4``; otherwise the last.
    """
    if not images:
        return []
    fields = [[int(digits) for digits in re.findall(r"\d+", image.stem)] for image in images]
    if not all(fields):
        return []
    if len({re.sub(r"\d+", "0", image.stem) for image in images}) == 1:
        varying = [column for column in zip(*fields, strict=True) if len(set(column)) > 1]
        if len(varying) == 1:
            return list(varying[0])
    return [numbers[-1] for numbers in fields]


def _decode_one(path: Path) -> av.VideoFrame:
    """The one image of a file; raises `InputError`."""
    with open_input(path, IMAGE_SUFFIXES[path.suffix.lower()]) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        if context.width * context.height > MAX_PIXELS:
            raise InputError(f"{path}: {context.width}x{context.height} pixels are more than 16384x16384")
        try:
            return next(container.decode(stream))
        except (StopIteration, av.error.FFmpegError) as error:
            raise InputError(f"{path}: cannot be decoded ({error})") from error


def read_samples(path: Path) -> tuple[NDArray[np.generic], ...]:
    """The samples of one image file, ``(H, W)`` arrays in the order of `vsr.frames`; raises `InputError`."""
    if path.suffix.lower() not in IMAGE_SUFFIXES:
        raise InputError(f"{path}: is not an image of a known kind: {', '.join(IMAGE_SUFFIXES)}")
    return planes_of(_decode_one(path))


def _times(path: Path, images: Sequence[Path], fps: Fraction | None) -> tuple[Timing | None, Fraction, list[int]]:
    folder = path if path.is_dir() else path.parent
    timing = Timing.from_file(folder / TIMING_FILE) if (folder / TIMING_FILE).exists() else None
    if timing is not None:
        if len(timing.pts) != len(images):
            raise InputError(f"{folder / TIMING_FILE}: has {len(timing.pts)} times for {len(images)} images")
        return timing, timing.time_base, list(timing.pts)
    if fps is None:
        raise UsageError(f"{path}: images tell no frame rate; give --fps, for example --fps 24 or --fps 30000/1001")
    return None, 1 / fps, list(range(len(images)))


def _is_full_range(frame: av.VideoFrame, layout: PixelLayout) -> bool:
    """Whether an image file's samples use their whole range. Grey ones do where they do not say: black is 0."""
    unsaid = int(frame.color_range) == 0
    return int(frame.color_range) == 2 or (unsaid and layout.family == "gray")


def _apply_header(
    color: ColorSpec, header: DpxHeader | ExrHeader | TiffHeader | None
) -> tuple[ColorSpec, tuple[str, ...], tuple[str, ...]]:
    """``color`` with what FFmpeg does not read, which parts have no code, and that in words."""
    if isinstance(header, DpxHeader) and header.log_transfer:
        return color, ("transfer",), (f"transfer is {header.log_transfer}: samples are restored as they are coded",)
    if isinstance(header, ExrHeader) and header.primaries is not None:
        color = replace(color, primaries=header.primaries)
        if header.primaries == _UNSPECIFIED:
            return color, ("primaries",), ("primaries are the file's own: samples are restored as they are coded",)
    return color, (), ()


def probe_images(path: Path, fps: Fraction | None) -> MediaInfo:
    """What an image sequence holds. ``fps`` is needed where no ``timing.json`` lies beside it."""
    images = find_images(path)
    timing, time_base, pts = _times(path, images, fps)
    folder = path if path.is_dir() else path.parent
    frame = _decode_one(images[0])
    layout = frame_layout(frame)
    tagged = ColorSpec(
        int(frame.color_primaries), int(frame.color_trc), int(frame.colorspace), _is_full_range(frame, layout)
    )
    beside = side_data(frame)
    header = read_dpx_header(images[0]) or read_exr_header(images[0]) or read_tiff_header(images[0])
    tagged, known, said = _apply_header(tagged, header)
    if timing is not None:
        tagged, known = timing.color, ("primaries", "transfer")
    color, assumptions = complete_color(tagged, layout, "png", frame.width, frame.height, known=known)
    assumptions = (*assumptions, *said)
    timecode = header.timecode if isinstance(header, (DpxHeader, ExrHeader)) else None
    streams_path = folder / STREAMS_FILE
    others = probe_streams(streams_path) if streams_path.exists() else ()
    unused: tuple[str, ...] = ()
    if timing is not None and fps is not None:
        unused, fps = (f"fps {fps} means nothing to images with {TIMING_FILE}, which tells their times",), None
    rate = fps or Fraction(len(pts) - 1 or 1, max(1, pts[-1] - pts[0])) / time_base
    video = VideoInfo(
        index=-1,
        codec=images[0].suffix.lower().lstrip("."),
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        layout=layout,
        color=color,
        assumptions=(*assumptions, *unused),
        sample_aspect_ratio=timing.sample_aspect_ratio if timing else Fraction(1),
        display=display_transform(beside),
        lost=tuple(sorted(find_lost_side_data(beside, TIFF_WORDS if isinstance(header, TiffHeader) else ()))),
        mastering=None,
        content_light=None,
        dropped_hdr=(),
        has_captions=False,
        drops_alpha=False,
        time_base=time_base,
        average_rate=rate.limit_denominator(100_000),
        base_rate=None,
        start_pts=pts[0],
        end_pts=None,
        num_frames_from_header=len(images),
        interlaced=False,
        field_order="progressive",
        timecode=timing.timecode if timing else timecode,
        icc=profile_of_all(images),
        header=header,
    )
    return MediaInfo(
        path=path,
        container="images",
        start=pts[0] * time_base,
        duration=(pts[-1] - pts[0]) * time_base + 1 / rate,
        size_bytes=sum(image.stat().st_size for image in images),
        streams=tuple(others),
        num_chapters=0,
        metadata={"software": header.own_words} if isinstance(header, DpxHeader) and header.own_words else {},
        image_tags=dict(frame.metadata),
        video=video,
        images=tuple(images),
        streams_path=streams_path if others else None,
        image_pts=tuple(pts),
    )


def _record(info: MediaInfo, ordinal: int, frame: av.VideoFrame) -> FrameRecord:
    return FrameRecord(
        ordinal=ordinal,
        decoded_pts=info.image_pts[ordinal],
        pts=info.image_pts[ordinal],
        fingerprint=fingerprint(planes_of(frame)),
        width=frame.width,
        height=frame.height,
        pix_fmt=frame.format.name,
        interlaced=False,
        duration=0,
    )


def scan_images(info: MediaInfo, damage: Damage) -> Iterator[tuple[FrameRecord, av.VideoFrame]]:
    """The linear decode of an image sequence. An image that cannot be read ends it: `InputError`."""
    for ordinal, path in enumerate(info.images):
        frame = _decode_one(path)
        yield _record(info, ordinal, frame), frame


def view_images(info: MediaInfo) -> Iterator[tuple[int, av.VideoFrame]]:
    """The images of an image sequence with their times. One that cannot be read ends it: `InputError`."""
    for pts, path in zip(info.image_pts, info.images, strict=True):
        yield pts, _decode_one(path)


class ImageReader:
    """Reads images by ordinal; the same contract as `vsr.media.frame_reader.FrameReader`."""

    def __init__(self, info: MediaInfo) -> None:
        self._info = info

    def close(self) -> None:
        """Nothing is held open."""

    def read(self, records: Sequence[FrameRecord]) -> Iterator[av.VideoFrame]:
        """The images of ``records``, each the one that was scanned."""
        for record in records:
            frame = _decode_one(self._info.images[record.ordinal])
            if fingerprint(planes_of(frame)) != record.fingerprint:
                raise InputError(f"{self._info.images[record.ordinal]}: changed while it was read")
            yield frame
