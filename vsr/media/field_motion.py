"""Rows that a field lacks, from the fields before and after it, laid on it along their motion.

A field has every other row. Where the scene moves by an even number of rows, or stands still, the fields beside it
have just the others; elsewhere they have what lies between. Motion is estimated between frames that are already
filled, at first by a deinterlacer that looks at three frames only, and each moment's own rows tell how far what was
laid there is worth: what misses them counts little, and the first guess stays. Two rounds, the second between
frames of the first. Own rows are never changed.

The idea is that of time-recursive deinterlacing (Wang, Vanderschaeren, Anandan and de Haan, "Time-recursive
de-interlacing for IDTV and pixel-rate conversion", 1990), with dense motion, in both directions of time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from vsr.registration import FlowPair, consistency_error, flow_pair, warp_to

__all__ = ["REACH_MOMENTS", "ROUNDS", "Moment", "fill_rows"]

ROUNDS = 2
REACH_MOMENTS = 2
"""Moments on each side that a moment is filled from, in each round."""

_SPACE = 5  # rows and columns over which own rows are compared
_GUESS_WEIGHT = 0.1  # of the first guess, where another moment's own row counts 1
_FAR_WEIGHT = 0.5  # of moments that are not beside
_LEVEL = 5 / 255  # difference of own rows that is nothing, and the more
_DETAIL = 1.0  # the more detail there is between rows: it moves by what motion misses
_ROUND_TRIP_PX = 0.5  # by which motion there and back may miss


@dataclass(frozen=True, eq=False)
class Moment:
    """What was scanned at one time."""

    planes: tuple[Tensor, ...]
    """Each ``(H, W)`` float32, 0…1, all rows; luma, or what comes first, tells motion."""
    own: int | None
    """Rows that were scanned: 0 for even ones, 1 for odd ones; None: all."""
    is_requested: bool = True
    """Whether its result is asked for; others serve those beside them."""
    guess: tuple[Tensor, ...] = ()
    """``planes`` as they were at first; empty: these are."""


def _is_own(height: int, own: int | None) -> Tensor:
    """``(H, 1)``: 1 for rows that were scanned."""
    rows = torch.arange(height)[:, None]
    return (torch.ones_like(rows) if own is None else rows % 2 == own).float()


def _share_of_own(rows: Tensor, own: int | None) -> Tensor:
    """How much of what is read at ``rows`` (in pixel indices) was scanned: 1 on such a row, 0 between two."""
    if own is None:
        return torch.ones_like(rows)
    return torch.remainder(rows.clamp(0, rows.shape[0] - 1) - own, 2.0).sub_(1).abs_()


def _mean(image: Tensor) -> Tensor:
    """Of the pixels around each pixel, ``(H, W)``."""
    import cv2

    mean = cv2.blur(image.numpy(), (_SPACE, _SPACE), borderType=cv2.BORDER_REPLICATE)
    return torch.from_numpy(np.asarray(mean, np.float32))


def _mean_of(image: Tensor, rows: Tensor) -> Tensor:
    """The same of those ``rows`` alone (``(H, 1)``, 1 or 0)."""
    return _mean(image * rows) / _mean(rows.expand_as(image).contiguous())


def _detail(luma: Tensor, is_own: Tensor) -> Tensor:
    """Local mean, ``(H, W)``, of the square by which rows that are missing are no straight line between own ones."""
    height = luma.shape[0]
    wide = pad(luma[None], (0, 0, 3, 3), mode="reflect")[0]
    bend = (wide[2 : height + 2] + wide[4 : height + 4] - wide[:height] - wide[6 : height + 6]) / 4
    return _mean_of(bend.square(), 1 - is_own)


@dataclass(frozen=True, eq=False)
class _Laid:
    """Another moment, laid on one."""

    other: Moment
    flow: Tensor
    """``(2, H, W)``: from the one to the other."""
    luma: Tensor
    """``(H, W)``: its first plane as the one sees it."""
    confidence: Tensor
    """``(H, W)``, 0…1: that motion is right."""

    def plane(self, number: int) -> tuple[Tensor, Tensor]:
        """A plane as the one sees it, and what it counts, both ``(h, w)``."""
        plane, flow, confidence = self.other.planes[number], self.flow, self.confidence
        height, width = plane.shape
        if plane.shape != confidence.shape:
            shares = torch.tensor([height / flow.shape[-2], width / flow.shape[-1]])[:, None, None]
            flow = interpolate(flow[None], (height, width), mode="area")[0] * shares
            confidence = adaptive_avg_pool2d(confidence[None], (height, width))[0]
        rows = torch.arange(height)[:, None] + flow[0]
        moved = warp_to(plane, flow) if number else self.luma
        return moved, _share_of_own(rows, self.other.own) * confidence


class _Sight:
    """A moment whose missing rows are looked for in others."""

    def __init__(self, moment: Moment) -> None:
        self._moment, self._luma = moment, moment.planes[0]
        self._rows = _is_own(self._luma.shape[0], moment.own)
        self._allowed = 2 * (_LEVEL**2 + _DETAIL * _detail(self._luma, self._rows))

    def lay(self, other: Moment, pair: FlowPair, steps: int) -> _Laid:
        """``other``, which is ``steps`` moments away, on this one."""
        moved = warp_to(other.planes[0], pair.forward)
        missed = _mean_of((moved - self._luma).square(), self._rows)
        confidence = torch.exp(-missed / self._allowed - (consistency_error(pair) / _ROUND_TRIP_PX).square())
        return _Laid(other, pair.forward, moved, confidence * (_FAR_WEIGHT if abs(steps) > 1 else 1.0))

    def filled(self, laid: Sequence[_Laid]) -> Moment:
        """The moment, its missing rows from ``laid`` and the first guess."""
        guess = self._moment.guess or self._moment.planes
        planes = []
        for number, plane in enumerate(guess):
            total, weights = _GUESS_WEIGHT * plane, torch.full_like(plane, _GUESS_WEIGHT)
            for one in laid:
                moved, weight = one.plane(number)
                total += weight * moved
                weights += weight
            planes.append(torch.where(_is_own(plane.shape[0], self._moment.own) > 0, plane, total / weights))
        return replace(self._moment, planes=tuple(planes), guess=guess)


class _Round:
    """Moments that follow one another, each to be filled from those around it."""

    def __init__(self, *, is_last: bool) -> None:
        self._is_last = is_last
        self._moments: dict[int, Moment] = {}
        self._motions: dict[tuple[int, int], FlowPair | None] = {}

    def push(self, number: int, moment: Moment) -> None:
        """Take the next moment, and forget what no later one needs."""
        self._moments[number] = moment
        first = number - 2 * REACH_MOMENTS
        self._moments.pop(first - 1, None)
        for key in [key for key in self._motions if key[0] < first]:
            del self._motions[key]

    def made(self, number: int) -> Moment:
        """Moment ``number``, filled where rows are missing and it is requested."""
        moment = self._moments[number]
        if moment.own is None or (self._is_last and not moment.is_requested):
            return moment
        sight, laid = None, list[_Laid]()
        for steps in (step for step in range(-REACH_MOMENTS, REACH_MOMENTS + 1) if step):
            other = self._moments.get(number + steps)
            pair = None if other is None else self._motion(number, number + steps)
            if other is not None and pair is not None:
                sight = sight or _Sight(moment)
                laid.append(sight.lay(other, pair, steps))
        return moment if sight is None else sight.filled(laid)

    def _motion(self, one: int, other: int) -> FlowPair | None:
        key = (min(one, other), max(one, other))
        if key not in self._motions:
            first, second = (self._moments[number].planes[0] for number in key)
            self._motions[key] = flow_pair(first, second, detail="coarse")
        pair = self._motions[key]
        return pair if pair is None or one < other else pair.reversed()


def _play(moments: Iterable[Moment], *, is_last: bool) -> Iterator[Moment]:
    """One round."""
    around, count = _Round(is_last=is_last), 0
    for count, moment in enumerate(moments, 1):
        around.push(count - 1, moment)
        if count > REACH_MOMENTS:
            yield around.made(count - 1 - REACH_MOMENTS)
    for number in range(max(0, count - REACH_MOMENTS), count):
        yield around.made(number)


def fill_rows(moments: Iterable[Moment]) -> Iterator[Moment]:
    """All ``moments`` of one shot and size, in order, some late; those that are requested are filled.

    Own rows stay; the others are filled from `REACH_MOMENTS` on each side, in `ROUNDS` rounds. So a moment depends on
    ``ROUNDS * REACH_MOMENTS`` on each side, and on OpenCV's thread count. Images below 24 pixels stay as they are.
    """
    for number in range(ROUNDS):
        moments = _play(moments, is_last=number == ROUNDS - 1)
    yield from moments
