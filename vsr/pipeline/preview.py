"""A look at the newest frames while a long job runs: before and after in one image, replaced every few seconds.

Whoever makes a segment has both in hand. The source frame is kept from where it is decoded until its restored image
comes out; nothing else of the work is touched, and neither segments nor their keys know of it. Several workers may
write the same file: each replaces it whole, and leaves it alone while another one's image is new.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vsr.frames import VideoFrame
from vsr.media.display import Box, cut, shown
from vsr.media.image_text import ImageText, with_text
from vsr.timeline import format_seconds

__all__ = ["Preview", "is_preview"]

_log = logging.getLogger(__name__)

Image = NDArray[np.uint8]

_INTERVAL_SECONDS = 5.0
_PANE_WIDTH, _PANE_HEIGHT = 640, 480  # pixels that either side takes at most
_DETAIL_ZOOM = 2
_GAP, _BAR = 8, 26
_GROUND, _INK = 24, (235, 235, 235)
_MARK = "preview of a run, replaced while it works"
_HEAD_BYTES = 4096


class Preview:
    """Writes ``path`` now and then; does nothing where that is None."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._last = -_INTERVAL_SECONDS
        self._waiting: VideoFrame | None = None

    def watch(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
        """The same frames, as they go to the restorer."""
        self._waiting = None
        for frame in frames:
            if self._path is not None and self._waiting is None and not frame.is_halo and self._is_due():
                self._waiting = frame
            yield frame

    def offer(self, restored: VideoFrame) -> None:
        """A frame has been restored. If it is the one that was kept, both are shown."""
        before = self._waiting
        if before is None or self._path is None or restored.pts < before.pts:
            return
        self._waiting, self._last = None, self._clock()
        if restored.pts != before.pts:
            return  # the method left it out
        try:
            if not self._is_new():
                _write(self._path, _sheet(before, restored))
        except OSError as error:
            _log.warning("no preview any more: %s cannot be written (%s)", self._path, error.strerror or error)
            self._path = None

    def _is_due(self) -> bool:
        return self._clock() - self._last >= _INTERVAL_SECONDS

    def _is_new(self) -> bool:
        """Whether another worker has just written it."""
        assert self._path is not None
        try:
            return 0 <= time.time() - self._path.stat().st_mtime < _INTERVAL_SECONDS / 2
        except FileNotFoundError:
            return False


def is_preview(path: Path) -> bool:
    """Whether the file is a preview of an earlier run, which a new one may replace. Raises `OSError`."""
    with path.open("rb") as file:
        return _MARK.encode() in file.read(_HEAD_BYTES)


def _write(path: Path, image: Image) -> None:
    import cv2

    is_encoded, data = cv2.imencode(".png", image[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 2])
    if not is_encoded:
        raise OSError("OpenCV made no PNG of it")
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        temporary.write_bytes(with_text(data.tobytes(), ImageText("vsr", _MARK)))
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _sheet(before: VideoFrame, after: VideoFrame) -> Image:
    """Both whole, and below them the same detail of both, ``(H, W, 3)`` uint8 RGB."""
    factor = min(1.0, _PANE_WIDTH / after.width, _PANE_HEIGHT / after.height)
    width, height = max(2, round(after.width * factor)), max(2, round(after.height * factor))
    whole = [_resize(shown(_shrunk(image, height, width)), height, width) for image in (before, after)]
    box = _busiest(whole[1], after)
    detail = [_detail(image, after, box, height, width) for image in (before, after)]
    seconds = format_seconds(after.pts * after.time_base)
    bars = [
        _bar(f"before: frame {before.ordinal} at {seconds}, {before.width}x{before.height}", width),
        _bar(f"after: {after.width}x{after.height}", width),
    ]
    gap = np.full((_GAP, 2 * width + _GAP, 3), _GROUND, np.uint8)
    return np.concatenate([_beside(*bars), _beside(*whole), gap, _beside(*detail)])


def _beside(left: Image, right: Image) -> Image:
    gap = np.full((left.shape[0], _GAP, 3), _GROUND, np.uint8)
    return np.concatenate([left, gap, right], axis=1)


def _bar(text: str, width: int) -> Image:
    import cv2

    bar = np.full((_BAR, width, 3), _GROUND, np.uint8)
    cv2.putText(bar, text, (4, _BAR - 9), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _INK, 1, cv2.LINE_AA)
    return bar


def _resize(image: Image, height: int, width: int) -> Image:
    import cv2

    larger = width > image.shape[1]
    kind = cv2.INTER_CUBIC if larger else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (width, height), interpolation=kind), np.uint8)


def _shrunk(image: VideoFrame, height: int, width: int) -> VideoFrame:
    """About that size, by whole steps over the planes: cheap, and only where it is much larger."""
    step = max(1, min(image.width // width, image.height // height))
    step -= step % (1 << image.layout.chroma_shift_x) if step > 1 else 0
    if step < 2:
        return image
    planes = tuple(torch.from_numpy(_average(np.asarray(plane.cpu()), step)) for plane in image.planes)
    return replace(image, planes=planes)


def _average(plane: NDArray[np.generic], step: int) -> NDArray[np.float32]:
    import cv2

    height, width = plane.shape
    size = (-(-width // step), -(-height // step))
    return np.asarray(cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)


def _busiest(small: Image, after: VideoFrame) -> Box:
    """The part of ``after`` that fills a pane at the detail's zoom and has the strongest gradients."""
    import cv2

    rows, columns = max(1, small.shape[0] // _DETAIL_ZOOM), max(1, small.shape[1] // _DETAIL_ZOOM)
    factor_y, factor_x = after.height / small.shape[0], after.width / small.shape[1]
    rows, columns = max(1, round(rows / factor_y)), max(1, round(columns / factor_x))
    gray = small.astype(np.float32).mean(axis=2)
    slopes = np.abs(cv2.Sobel(gray, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(gray, cv2.CV_32F, 0, 1))
    sums = cv2.boxFilter(slopes, cv2.CV_32F, (columns, rows), anchor=(0, 0), normalize=False)
    inside = sums[: small.shape[0] - rows + 1, : small.shape[1] - columns + 1]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    y, x = int(top * factor_y) // 4 * 4, int(left * factor_x) // 4 * 4
    return Box(y, x, max(1, round(rows * factor_y)), max(1, round(columns * factor_x)))


def _detail(image: VideoFrame, after: VideoFrame, box: Box, height: int, width: int) -> Image:
    """What ``box`` (of ``after``) shows, from ``image``, enlarged to ``height`` × ``width``."""
    import cv2

    top, rows, along_y = _map(box.top, box.height, image.height, after.height, height)
    left, columns, along_x = _map(box.left, box.width, image.width, after.width, width)
    part = shown(cut(image, Box(top, left, rows, columns)))
    place = np.array([[along_x[0], 0, along_x[1]], [0, along_y[0], along_y[1]]])
    moved = cv2.warpAffine(part, place, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def _map(start: int, length: int, size: int, full: int, pane: int) -> tuple[int, int, tuple[float, float]]:
    """Along one axis: the samples of an image of ``size`` that ``start`` to ``start + length`` of ``full`` show.

    Their start and number, and the factor and offset that take them to a pane of ``pane`` pixels.
    """
    scale = size / full
    first = int(start * scale) // 4 * 4
    last = min(size, round((start + length) * scale) + 1)
    factor = pane / length / scale
    return first, max(1, last - first), (factor, (first + 0.5 - start * scale) * factor - 0.5)
