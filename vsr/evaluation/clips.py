"""One clip: its frames downscaled (or a recording of it taken), restored, and scored one by one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.errors import InputError
from vsr.evaluation.base import ClipMethod, ImageMethod, Method
from vsr.evaluation.images import given_to
from vsr.evaluation.perceptual import Perceptual
from vsr.evaluation.protocol import as_given, compared, downscale_hr, hr_from, scored, smallest_side
from vsr.evaluation.records import ItemScore, Scores, mean_scores
from vsr.evaluation.sets import Item
from vsr.frames import VideoFrame
from vsr.media.clips import read_rgb, rgb_frame
from vsr.metrics import temporal_psnr

__all__ = ["score_clip"]

_NOMINAL_RATE = Fraction(25)  # restorers do not look at times


@dataclass(frozen=True)
class _Pair:
    """One frame."""

    hr: Tensor
    """``(3, H, W)`` float64 in 0…255, sides multiples of the scale."""
    recorded: Tensor
    """``(3, h, w)`` the same image small, in 8-bit steps."""


def _pairs(item: Item, method: Method, max_frames: int | None) -> Iterator[_Pair]:
    """The frames of a clip, small and large. Raises `InputError` where the two files do not fit each other."""
    scale = method.scale
    if isinstance(method, ImageMethod) and method.make_small is not None:
        for image in islice(read_rgb(item.path), max_frames):
            hr = _hr(item, image, scale)
            yield _Pair(hr, given_to(method, hr))
        return
    given = item.recorded.get(scale)
    if given is None:
        for image in islice(read_rgb(item.path), max_frames):
            hr = _hr(item, image, scale)
            yield _Pair(hr, downscale_hr(hr, scale, "RGB"))
        return
    path = given[0]
    for image, small in islice(zip_longest(read_rgb(item.path), read_rgb(path)), max_frames):
        if image is None or small is None:
            raise InputError(f"{path}: has {'more' if image is None else 'fewer'} frames than {item.path.name}")
        hr = _hr(item, image, scale)
        expected = (hr.shape[1] // scale, hr.shape[2] // scale)
        if small.shape[:2] != expected:
            sizes = f"{small.shape[1]}x{small.shape[0]}, not {expected[1]}x{expected[0]}"
            raise InputError(f"{path}: frames are {sizes} as {item.path.name} at x{scale}")
        yield _Pair(hr, torch.from_numpy(small.astype(np.float64)).permute(2, 0, 1).contiguous())


def _hr(item: Item, image: NDArray[np.uint8], scale: int) -> Tensor:
    height, width = image.shape[:2]
    if min(height, width) < smallest_side(scale):
        raise InputError(f"{item.path}: frames of {width}x{height} are too small for x{scale}")
    return hr_from(image, scale)


def _select_given(method: Method, pair: _Pair) -> Tensor:
    """What ``method`` is given of a frame, in its channels."""
    return pair.recorded if isinstance(method, ClipMethod) else as_given(pair.recorded, method.colour)


class _Watch:
    """Adds up the time that the method itself takes."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._fed = 0.0

    def feed(self, pairs: Iterator[_Pair]) -> Iterator[_Pair]:
        """``pairs``, with the time of making them left out."""
        while True:
            began = time.perf_counter()
            pair = next(pairs, None)
            self._fed += time.perf_counter() - began
            if pair is None:
                return
            yield pair

    def results(self, results: Iterator[Tensor]) -> Iterator[Tensor]:
        """``results``, with the time of making them counted."""
        while True:
            began, self._fed = time.perf_counter(), 0.0
            result = next(results, None)
            self.seconds += time.perf_counter() - began - self._fed
            if result is None:
                return
            yield result


def _restore(method: ClipMethod, pairs: Iterator[_Pair]) -> Iterator[Tensor]:
    def frames() -> Iterator[VideoFrame]:
        for number, pair in enumerate(pairs):
            yield rgb_frame(pair.recorded.to(torch.uint8).permute(1, 2, 0).numpy(), number, _NOMINAL_RATE)

    for frame in method.restore(frames()):
        yield torch.stack([plane.cpu() for plane in frame.planes])


def _results(method: Method, pairs: Iterator[_Pair]) -> Iterator[Tensor]:
    if isinstance(method, ClipMethod):
        yield from _restore(method, pairs)
    else:
        for ordinal, pair in enumerate(pairs):
            yield method.enlarge(_select_given(method, pair), ordinal)


def score_clip(
    item: Item, method: Method, max_frames: int | None = None, perceptual: Perceptual | None = None
) -> ItemScore:
    """Mean scores of ``method`` over the frames of a clip, or the first ``max_frames`` of them.

    Restorers see RGB frames of 8 bits, and the clip as one shot. Raises `InputError` for what cannot be read.
    """
    waiting: deque[_Pair] = deque()
    watch, judge = _Watch(), _Judge(item, method, perceptual)

    def remembered() -> Iterator[_Pair]:
        for pair in watch.feed(_pairs(item, method, max_frames)):
            waiting.append(pair)
            yield pair

    scores = [judge(result, waiting.popleft()) for result in watch.results(_results(method, remembered()))]
    if not scores:
        raise InputError(f"{item.path}: not a single frame could be decoded")
    if waiting:
        raise AssertionError(f"{method.name} gave {len(scores)} frames for {len(scores) + len(waiting)}")
    return ItemScore(item.name, len(scores), replace(mean_scores(scores), seconds=watch.seconds / len(scores)))


class _Judge:
    """Scores the frames of a clip in order; remembers the one before."""

    def __init__(self, item: Item, method: Method, perceptual: Perceptual | None) -> None:
        self._path, self._method, self._perceptual = str(item.path), method, perceptual
        self._before: tuple[Tensor, Tensor] | None = None

    def __call__(self, result: Tensor, pair: _Pair) -> Scores:
        """Scores of one frame, its time left open."""
        method, given = self._method, _select_given(self._method, pair)
        psnr_y, ssim_y, lr_psnr = scored(result, pair.hr, given, method.scale)
        got, requested = compared(result, pair.hr)
        change = None
        if self._before is not None:
            change = temporal_psnr(self._before[0], got, self._before[1], requested, crop=method.scale)
        self._before = got, requested
        judge = self._perceptual
        lpips = None if judge is None else judge(result, pair.hr, pair.recorded, self._path)
        return Scores(psnr_y, ssim_y, lr_psnr, 0.0, change, lpips)
