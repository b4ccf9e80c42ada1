"""The second pass: images of the frames that are shown, and the excerpt as a video, before and after side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vsr.media.display import Box, Frame, displayed, resized, upright
from vsr.media.probe import MediaInfo
from vsr.media.small_clip import encode_small_clip
from vsr.report.frames_at import frames_at
from vsr.report.page.records import Excerpt, Pair, Pick
from vsr.report.side_by_side import busiest_crop

__all__ = ["Gathered", "gather"]

Image = NDArray[np.uint8]

_PANE_WIDTH, _PANE_HEIGHT = 560, 420  # largest detail that the video shows, in pixels of the output
_GAP = 8
_MARGIN = 4  # pixels of the input around a detail, for the kernel that enlarges it


@dataclass
class Gathered:
    """Images as they are shown, ``(H, W, 3)`` uint8."""

    before: dict[int, Image] = field(default_factory=dict)
    """By the output's ordinal, at the input's own size."""
    after: dict[int, Image] = field(default_factory=dict)
    most_pixels_wide: int = 0
    """Width of the output as shown before it was made smaller."""
    clip: bytes = b""
    poster: Image | None = None
    """Its first image."""
    is_detail: bool = False
    """Whether the video shows a detail."""


def gather(
    output: MediaInfo,
    source: MediaInfo | None,
    picks: Sequence[Pick],
    excerpt: Excerpt | None,
    *,
    largest: tuple[int, int],
    clip_bytes: int,
) -> Gathered:
    """Decode both again up to the last frame that is needed. ``largest`` is the width and height to shrink to."""
    requested = {pick.pair.output: pick.pair for pick in picks}
    moving = {pair.output: pair for pair in excerpt.pairs} if excerpt else {}
    gathered = Gathered()
    maker = _Maker(output, source, gathered, largest)
    pairs = [pair for _, pair in sorted({**requested, **moving}.items())]
    frames = maker.run(pairs, set(requested), set(moving))
    if not moving:
        for _ in frames:
            raise AssertionError("no frame was asked for")
        return gathered
    times = [pair.seconds for pair in moving.values()]
    length = max(times) - min(times)
    rate = Fraction(len(times) - 1) / length if length else Fraction(25)
    seconds = float(length) + float(1 / rate)
    gathered.clip = encode_small_clip(frames, rate, bits_per_second=int(8 * clip_bytes / max(seconds, 1.0)))
    return gathered


class _Maker:
    """Walks through both videos side by side."""

    def __init__(
        self, output: MediaInfo, source: MediaInfo | None, gathered: Gathered, largest: tuple[int, int]
    ) -> None:
        self._output, self._source, self._gathered, self._largest = output, source, gathered, largest
        self._box: Box | None = None
        self._aspect = float(output.video.sample_aspect_ratio)

    def run(self, pairs: Sequence[Pair], picked: set[int], moving: set[int]) -> Iterator[tuple[Fraction, Image]]:
        """Keeps the images of ``picked``; yields an image of both versions for each of ``moving``."""
        afters = frames_at(self._output, [pair.output for pair in pairs])
        befores = (
            frames_at(self._source, [pair.input for pair in pairs if pair.input is not None]) if self._source else None
        )
        start: Fraction | None = None
        for pair in pairs:
            after = next(afters)
            before = next(befores) if befores is not None else None
            if pair.output in picked:
                self._keep(pair, after, before)
            if pair.output in moving:
                start = pair.seconds if start is None else start
                yield pair.seconds - start, self._together(after, before)

    def _keep(self, pair: Pair, after: Frame, before: Frame | None) -> None:
        image = upright(displayed(after, self._output.video.color), self._output.video.display)
        self._gathered.most_pixels_wide = image.shape[1]
        self._gathered.after[pair.output] = self._fit(image)
        if before is not None and self._source is not None:
            seen = upright(displayed(before, self._source.video.color), self._source.video.display)
            self._gathered.before[pair.output] = self._fit(seen)

    def _fit(self, image: Image) -> Image:
        height, width = image.shape[:2]
        factor = min(1.0, self._largest[0] / width, self._largest[1] / height)
        return resized(image, max(1, round(height * factor)), max(1, round(width * factor)))

    def _together(self, after: Frame, before: Frame | None) -> Image:
        if self._box is None:
            self._box = self._choose(after)
        details = [displayed(after, self._output.video.color, self._box)]
        if before is not None and self._source is not None:
            details.insert(0, self._enlarge(before, self._source))
        panes = [upright(_square(detail, self._aspect), self._output.video.display) for detail in details]
        height, width = (size // 2 * 2 for size in panes[0].shape[:2])
        panes = [pane[:height, :width] for pane in panes]
        gap = np.zeros((height, _GAP, 3), np.uint8)
        sheet = panes[0] if len(panes) == 1 else np.concatenate([panes[0], gap, panes[1]], axis=1)
        if self._gathered.poster is None:
            self._gathered.poster = sheet
        return sheet

    def _choose(self, after: Frame) -> Box:
        """The busiest part of the first frame, on even pixels."""
        image = displayed(after, self._output.video.color)
        most_height, most_width = int(_PANE_HEIGHT * min(1, self._aspect)), int(_PANE_WIDTH / max(1, self._aspect))
        height, width = min(image.shape[0], most_height), min(image.shape[1], most_width)
        self._gathered.is_detail = (height, width) != image.shape[:2]
        top, left = busiest_crop(image, height, width) if min(image.shape[:2]) > 1 else (0, 0)
        return Box(top // 4 * 4, left // 4 * 4, height, width)

    def _enlarge(self, before: Frame, source: MediaInfo) -> Image:
        """What ``self._box`` shows, from the input: enlarged by bicubic to the output's pixels."""
        assert self._box is not None
        box, video, target = self._box, source.video, self._output.video
        top, rows, skip_y, full_h = _span(box.top, box.height, video.height, target.height)
        left, columns, skip_x, full_w = _span(box.left, box.width, video.width, target.width)
        part = displayed(before, video.color, Box(top, left, rows, columns))
        large = resized(part, full_h, full_w)
        return np.ascontiguousarray(large[skip_y : skip_y + box.height, skip_x : skip_x + box.width])


def _square(image: Image, aspect: float) -> Image:
    """``image`` with square pixels; ``aspect`` is the width of its own over their height."""
    height, width = image.shape[:2]
    if aspect >= 1:
        return resized(image, height, max(1, round(width * aspect)))
    return resized(image, max(1, round(height / aspect)), width)


def _span(start: int, length: int, small: int, large: int) -> tuple[int, int, int, int]:
    """The part of the input, along one axis, that makes pixels ``start`` to ``start + length`` of the output.

    Its start and length in input pixels (both map to whole output pixels, or reach the ends), how many output pixels
    to skip at its start, and its size in output pixels.
    """
    scale = Fraction(large, small)
    unit = 4 * scale.denominator  # whole chroma blocks on one side, whole pixels on the other
    first = max(0, int(start / scale) - _MARGIN) // unit * unit
    last = min(small, -(-(int((start + length) / scale) + 1 + _MARGIN) // unit) * unit)
    return first, last - first, start - int(first * scale), round((last - first) * scale)
