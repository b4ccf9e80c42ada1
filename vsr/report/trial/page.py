"""The page of a trial: images of all versions, what each takes, what was found, and the command to type."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vsr.frames import VideoFrame
from vsr.media.display import Box, cut, is_tone_mapped, resized, shown, upright
from vsr.media.planes import frame_layout, planes_of
from vsr.media.probe import MediaInfo
from vsr.media.small_clip import encode_small_clip
from vsr.methods.findings import describe_findings
from vsr.pipeline.excerpt import Excerpt
from vsr.pipeline.trial import MethodTrial, Part
from vsr.report.encode import data_uri, encode_images, jpeg, thumbnail
from vsr.report.render import render
from vsr.report.trial.words import (
    cost_note,
    describe_length,
    describe_seconds,
    describe_size,
    found_rows,
    sameness,
)
from vsr.timeline import format_seconds

__all__ = ["INPUT", "Subject", "trial_page"]

INPUT = "input"
"""Name of the version that is not restored."""

_SHOWN_FRAMES = 4
_LARGEST = (1920, 1200)  # width and height that images are shrunk to
_MOST_SHEET = 4096  # pixels a side
_SHEET_SHARE = 0.4  # of the page, at most
_TEXT_BYTES = 120_000
_BASE64 = 4 / 3
_LEAST_WIDE = 480  # CSS pixels of a stage, where the image is smaller

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Subject:
    """What a page shows."""

    info: MediaInfo
    excerpt: Excerpt
    part: Part | None
    methods: Mapping[str, MethodTrial]
    frame_seconds: Mapping[str, float]
    frame_bytes: Mapping[str, float]
    num_frames: int | None
    commands: Mapping[str, str]
    chosen: str
    notes: Sequence[str]

    @property
    def is_turned(self) -> bool:
        """Whether players turn it by a quarter."""
        return self.info.video.display.is_sideways

    @property
    def aspect(self) -> float:
        """Width of a sample of the output over its height, as it is coded."""
        return float(next(iter(self.methods.values())).job.encoder.sample_aspect_ratio)

    def seconds(self, ordinal: int) -> Fraction:
        """Time of a frame of the excerpt, from the video's start."""
        first = self.excerpt.records[0].ordinal
        return self.excerpt.records[ordinal - first].pts * self.info.video.time_base - self.info.start

    def source(self, number: int) -> Image:
        """A frame of the input, or the part of it, as it is seen."""
        frame = self.excerpt.frames[self.excerpt.start + number]
        planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
        image = VideoFrame(planes, frame_layout(frame), self.info.video.color, 0, 0, Fraction(1))
        return self._turn_upright(shown(image if self.part is None else cut(image, self.part.shown)))

    def result(self, method: str, number: int) -> Image:
        """What a method made of it."""
        trial = self.methods[method]
        return self._turn_upright(shown(trial.image(number * trial.job.images_per_frame)))

    def _turn_upright(self, image: Image) -> Image:
        return upright(image, self.info.video.display)

    def count(self, method: str) -> int:
        """Frames of the excerpt that a method has restored."""
        trial = self.methods[method]
        return len(trial.pixels) // trial.job.images_per_frame


def trial_page(subject: Subject, *, with_video: bool, most_bytes: int) -> str:
    """The page as HTML of at most about ``most_bytes``."""
    room = int((most_bytes - _TEXT_BYTES) / _BASE64)
    names = [INPUT, *subject.methods]
    numbers = _spread(min(map(subject.count, subject.methods)), _SHOWN_FRAMES)
    images = {
        name: {n: _fit(subject.source(n) if name == INPUT else subject.result(name, n)) for n in numbers}
        for name in names
    }
    clip, sheet = _sheet(subject, int(room * _SHEET_SHARE)) if with_video else (b"", None)
    encoded = encode_images(images, room - len(clip))
    result = images[subject.chosen][numbers[0]]
    ratio = _ratio(subject, result)
    rows = [_row(subject, name) for name in subject.methods]
    return render(
        "try",
        base="report",
        style=_stage_style(ratio, result.shape[1]),
        version=version("vsr"),
        made=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
        name=subject.info.path.name,
        what=_what(subject),
        notes=subject.notes,
        versions=[{"name": name} for name in names],
        left=INPUT,
        right=subject.chosen,
        frames=[_frame(subject, n, names, encoded.files, images[subject.chosen][n]) for n in numbers],
        thumbnail={"width": 160, "height": max(1, round(160 / ratio))},
        sheet=sheet,
        rows=rows,
        cost_note=cost_note(os.cpu_count() or 1, subject.num_frames, is_part=subject.part is not None),
        command=subject.commands[subject.chosen],
        found=found_rows(subject.info, subject.excerpt, [trial.findings for trial in subject.methods.values()]),
        locator=_locator(subject),
        sameness=sameness(subject.excerpt, subject.part, subject.methods),
        image_note=_image_note(subject, encoded.quality, result),
    )


def _spread(count: int, requested: int) -> list[int]:
    """Up to ``requested`` of the numbers below ``count``, the first and the last among them."""
    most = min(count, requested)
    return [0] if most == 1 else [round(place * (count - 1) / (most - 1)) for place in range(most)]


def _fit(image: Image) -> Image:
    height, width = image.shape[:2]
    factor = min(1.0, _LARGEST[0] / width, _LARGEST[1] / height)
    return resized(image, max(1, round(height * factor)), max(1, round(width * factor)))


def _ratio(subject: Subject, image: Image) -> float:
    """Width over height on the screen."""
    height, width = (int(side) for side in image.shape[:2])
    return width / height * (1 / subject.aspect if subject.is_turned else subject.aspect)


def _stage_style(ratio: float, width: int) -> str:
    """A pixel of the result is a pixel of the page at 1×, or a whole number of them where the result is small."""
    wide = width * max(1, _LEAST_WIDE // width)
    most = f"min({wide}px,78vh*{ratio:.5f})"
    return (
        f".pane{{aspect-ratio:{ratio:.5f}}}"
        f'.live[data-mode="slider"] .stage,.live[data-mode="blink"] .stage'
        f"{{aspect-ratio:{ratio:.5f};max-width:calc({most});margin:0 auto}}"
        f'.live[data-mode="side"] .stage{{max-width:calc(2*{most} + 4px);margin:0 auto}}'
        f".slider{{max-width:calc({most})}}"
    )


def _what(subject: Subject) -> str:
    video = subject.info.video
    trial = subject.methods[subject.chosen]
    size = f"{video.width}×{video.height} to {trial.job.out_width}×{trial.job.out_height}"
    start, stop = subject.seconds(subject.excerpt.start), subject.seconds(subject.excerpt.stop - 1)
    frames = subject.excerpt.stop - subject.excerpt.start
    said = f"{size}; {frames} frames from {format_seconds(start)} to {format_seconds(stop)}"
    if subject.part is None:
        return f"{said}, whole frames"
    box = subject.part.shown
    return f"{said}, the region {box.left},{box.top},{box.width},{box.height}"


def _frame(
    subject: Subject, number: int, names: Sequence[str], files: Mapping[str, Mapping[int, bytes]], small: Image
) -> dict[str, Any]:
    ordinal = subject.excerpt.start + number
    clock = format_seconds(subject.seconds(ordinal))
    return {
        "where": f"frame {ordinal} at {clock}" if subject.excerpt.from_start else f"at {clock}",
        "clock": clock,
        "thumbnail": data_uri("image/jpeg", thumbnail(small)),
        "images": [{"version": name, "uri": data_uri("image/webp", files[name][number])} for name in names],
    }


def _row(subject: Subject, name: str) -> dict[str, Any]:
    trial, seconds, frames = subject.methods[name], subject.frame_seconds[name], subject.num_frames
    count, requested = subject.count(name), subject.excerpt.stop - subject.excerpt.start
    return {
        "name": name,
        "frame": describe_seconds(seconds),
        "length": "unknown" if frames is None else describe_length(frames * seconds),
        "size": "unknown" if frames is None else describe_size(frames * subject.frame_bytes[name]),
        "count": f"{count} of {requested}, for time" if trial.ran_out else str(count),
        "evidence": trial.job.evidence.replace("-", " "),
        "command": subject.commands[name],
        "said": describe_findings(
            {key: trial.findings[key] for key in trial.findings if not key.startswith("source_")}
        ),
    }


def _sheet(subject: Subject, room: int) -> tuple[bytes, dict[str, Any] | None]:
    """A video of all versions on a grid, with what the page has to know of it; None where it would be too large."""
    names = [INPUT, *subject.methods]
    counts = [max(map(subject.count, subject.methods)), *map(subject.count, subject.methods)]
    first = subject.result(names[1], 0)
    height, width = (side // 2 * 2 for side in first.shape[:2])
    columns = math.ceil(math.sqrt(len(names)))
    rows = math.ceil(len(names) / columns)
    if max(columns * width, rows * height) > _MOST_SHEET or counts[0] < 2 or min(height, width) < 2:
        return b"", None
    start = subject.excerpt.start
    length = subject.seconds(start + counts[0] - 1) - subject.seconds(start)
    rate = (counts[0] - 1) / length

    def sheets() -> Any:
        sheet = np.zeros((rows * height, columns * width, 3), np.uint8)
        for number in range(counts[0]):
            for place, name in enumerate(names):
                if number >= counts[place]:
                    continue  # the last one stays; the page does not go that far
                if name == INPUT:
                    image = resized(subject.source(number), *first.shape[:2])
                else:
                    image = subject.result(name, number)
                top, left = place // columns * height, place % columns * width
                sheet[top : top + height, left : left + width] = image[:height, :width]
            yield Fraction(number) / rate, sheet

    bits_per_second = int(8 * room / max(1.0, float(counts[0] / rate)))
    clip = encode_small_clip(sheets(), rate, bits_per_second=bits_per_second, speed="veryfast")
    slow = [name for name in subject.methods if subject.count(name) < counts[0]]
    note = f"Play shows {counts[0]} frames at their own speed, compressed once more for the page."
    if slow:
        note += f" With {', '.join(slow)} it begins again sooner: fewer frames were made."
    return clip, {
        "uri": data_uri("video/mp4", clip),
        "columns": columns,
        "width": width,
        "height": height,
        "rate": f"{float(rate):.6f}",
        "counts": json.dumps(counts),
        "names": json.dumps(names),
        "note": note,
    }


def _locator(subject: Subject) -> dict[str, Any] | None:
    """The whole frame, small, and where the region lies in it."""
    if subject.part is None:
        return None
    frame = subject.excerpt.frames[subject.excerpt.start]
    planes = tuple(torch.from_numpy(plane) for plane in planes_of(frame))
    whole = shown(VideoFrame(planes, frame_layout(frame), subject.info.video.color, 0, 0, Fraction(1)))
    height, width = whole.shape[:2]
    box = _as_seen(subject.part.shown, width, height, subject.info)
    seen = upright(whole, subject.info.video.display)
    factor = min(1.0, 640 / max(seen.shape[:2]))
    small = resized(seen, round(seen.shape[0] * factor), round(seen.shape[1] * factor))
    region = subject.part.shown
    return {
        "uri": data_uri("image/jpeg", jpeg(small, 80)),
        "width": seen.shape[1],
        "height": seen.shape[0],
        "x": box.left,
        "y": box.top,
        "w": box.width,
        "h": box.height,
        "caption": f"--roi {region.left},{region.top},{region.width},{region.height} of {width}×{height}; "
        "--roi all tries whole frames",
    }


def _as_seen(box: Box, width: int, height: int, info: MediaInfo) -> Box:
    """Where ``box`` of a coded image lies in the image as it is seen."""
    mask = np.zeros((height, width), np.uint8)
    mask[box.top : box.top + box.height, box.left : box.left + box.width] = 1
    rows, columns = np.nonzero(upright(mask, info.video.display))
    top, left = int(rows.min()), int(columns.min())
    return Box(top, left, int(rows.max()) + 1 - top, int(columns.max()) + 1 - left)


def _image_note(subject: Subject, quality: int, result: Image) -> str:
    parts = [f"Images are WebP of quality {quality}, of what goes to the encoder"]
    whole = subject.result(subject.chosen, 0).shape[1]
    if result.shape[1] < whole:
        parts.append(f"shown at {result.shape[1]} of {whole} pixels' width")
    if is_tone_mapped(subject.info.video.color):
        parts.append("HDR is brought to SDR for this page alone")
    return f"{', '.join(parts)}."
