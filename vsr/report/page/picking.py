"""Which frames a page shows: some where shots begin, the ones that agree least with the input, and the rest spread."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import pairwise

from vsr.report.page.records import Excerpt, Pair, Pick, Reason

__all__ = ["pick_excerpt", "pick_frames"]

_WORST_SHARE, _CUT_SHARE = 4, 3  # one in so many


def pick_frames(
    pairs: Sequence[Pair], cuts: Sequence[int], consistency: Mapping[int, float], requested: int
) -> list[Pick]:
    """At most ``requested`` frames of ``pairs``, in order.

    ``cuts`` are places in ``pairs`` where shots begin, ``consistency`` has LR-PSNR by place. Frames next to one that is
    chosen already are passed over, so that a bad second does not take all of them.
    """
    requested = min(requested, len(pairs))
    apart = max(1, len(pairs) // (4 * requested)) if requested else 1
    chosen: dict[int, Reason] = {}

    def take(places: Sequence[int], reason: Reason, most: int, apart: int) -> None:
        for place in places:
            if most and all(abs(place - other) >= apart for other in chosen):
                chosen[place] = reason
                most -= 1

    take(sorted(consistency, key=lambda place: consistency[place]), "worst", requested // _WORST_SHARE, 3 * apart)
    num_cuts = min(len(cuts), requested // _CUT_SHARE)
    take([cuts[index * len(cuts) // num_cuts] for index in range(num_cuts)], "cut", num_cuts, apart)
    _fill(chosen, len(pairs), requested)
    return [Pick(pairs[place], chosen[place]) for place in sorted(chosen)]


def _fill(chosen: dict[int, Reason], count: int, requested: int) -> None:
    """Put the rest into the middles of the widest gaps."""
    while len(chosen) < requested:
        known = sorted(chosen)
        if not known:
            chosen[count // 2] = "spread"
            continue
        gaps = [(2 * known[0], 0), (2 * (count - 1 - known[-1]), count - 1)]  # towards the ends they count twice
        gaps += [(after - before, (before + after) // 2) for before, after in pairwise(known)]
        _, place = max(gap for gap in gaps if gap[1] not in chosen)
        chosen[place] = "spread"


def pick_excerpt(pairs: Sequence[Pair], cuts: Sequence[int], seconds: float, most: int) -> Excerpt:
    """All of a short video, or ``seconds`` (and ``most`` frames) from the middle of the longest shot."""
    if not pairs or (len(pairs) <= most and pairs[-1].seconds - pairs[0].seconds <= seconds):
        return Excerpt(pairs, True)
    bounds = [0, *cuts, len(pairs)]
    start, stop = max(pairwise(bounds), key=lambda shot: shot[1] - shot[0])
    middle = (pairs[start].seconds + pairs[stop - 1].seconds) / 2
    times = [pair.seconds for pair in pairs]
    first = max(start, bisect_left(times, middle - seconds / 2))
    last = min(stop, bisect_left(times, middle + seconds / 2), first + most)
    return Excerpt(pairs[first:last], False)
