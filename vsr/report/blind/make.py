"""Making a blind page: frames common to both videos, in one size and one quality, left and right by lot."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsr.errors import UsageError
from vsr.media.display import displayed, resized, upright
from vsr.media.hdr import DisplayTransform
from vsr.media.luma import LumaFrame
from vsr.media.probe import MediaInfo, VideoInfo
from vsr.report.comparison import Part, Requested, measure
from vsr.report.comparison.alignment import clock_offsets, probe_related
from vsr.report.encode import data_uri, encode_images
from vsr.report.files import PAGE_SUFFIXES, check_place, write_text
from vsr.report.frames_at import frames_at
from vsr.report.render import render
from vsr.timeline import format_seconds

__all__ = ["make_blind_page"]

FORMAT = 1
"""Version of the file that the page saves."""

KIND = "vsr opinions"

Image = NDArray[np.uint8]

_LARGEST = (1920, 1200)
_PAGE_BYTES, _TEXT_BYTES = 8_000_000, 100_000
_BASE64 = (4 / 3) ** 2  # images are text inside what is hidden, which is text again
_KEYS = ("a", "b", "reference")


@dataclass(frozen=True)
class _Group:
    """A frame of each video at one time."""

    ordinals: tuple[int, ...]
    seconds: Fraction


def make_blind_page(
    first: Path,
    second: Path,
    target: Path,
    *,
    reference: Path | None = None,
    num_pairs: int = 12,
    seed: int = 0,
    requested: Requested | None = None,
    fps: Fraction | None = None,
) -> Path:
    """Write the page; returns ``target``. ``seed`` decides the order of pairs and what is left and right.

    Raises as `vsr.report.comparison.compare`.
    """
    if not 1 <= num_pairs <= 100:
        raise UsageError(f"a blind page shows 1 to 100 pairs, not {num_pairs}")
    paths = [first, second, *([reference] if reference is not None else [])]
    check_place(target, paths, PAGE_SUFFIXES)
    infos = [probe_related(path, paths, fps) for path in paths]
    groups = _spread(_common(infos, requested or Requested()), num_pairs)
    size, display = _size(infos), infos[0].video.display
    images = {
        key: _images(info, [group.ordinals[index] for group in groups], size, display)
        for index, (key, info) in enumerate(zip(_KEYS, infos, strict=False))
    }
    encoded = encode_images(images, int((_PAGE_BYTES - _TEXT_BYTES) / _BASE64))
    uris = {key: [data_uri("image/webp", files[n]) for n in sorted(files)] for key, files in encoded.files.items()}
    page = render(
        "blind",
        style=_shape(infos[0].video, *size),
        version=version("vsr"),
        has_reference=reference is not None,
        num_pairs=len(groups),
        data=_hide(_lots(paths, groups, uris, seed)),
    )
    write_text(target, page)
    return target


def _common(infos: Sequence[MediaInfo], requested: Requested) -> list[_Group]:
    """Every time that all videos have."""
    offsets, _ = clock_offsets(infos, requested.offset)
    names = ("A", "B", "reference")
    parts = [Part(*each) for each in zip(names, infos, offsets, strict=False)]
    groups: list[_Group] = []

    def see(frames: Sequence[LumaFrame]) -> None:
        groups.append(_Group(tuple(frame.ordinal for frame in frames), frames[0].seconds))

    measure(parts, Requested(every=1 << 40), watch=see)
    return groups


def _spread(groups: Sequence[_Group], requested: int) -> list[_Group]:
    """As many as requested, from the middles of equal parts."""
    count = min(requested, len(groups))
    return [groups[(2 * part + 1) * len(groups) // (2 * count)] for part in range(count)]


def _size(infos: Sequence[MediaInfo]) -> tuple[int, int]:
    """Height and width of all images, before they are turned: the largest there is, within what a screen shows."""
    height, width = max((one.video.height, one.video.width) for one in infos)
    most_wide, most_high = _LARGEST[::-1] if infos[0].video.display.is_sideways else _LARGEST
    factor = min(1.0, most_wide / width, most_high / height)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _images(
    info: MediaInfo, ordinals: Sequence[int], size: tuple[int, int], display: DisplayTransform
) -> dict[int, Image]:
    """Frames by place in the page: all of one size and turned alike, so that neither tells who is who."""
    return {
        place: upright(resized(displayed(frame, info.video.color), *size), display)
        for place, frame in enumerate(frames_at(info, ordinals))
    }


def _shape(video: VideoInfo, height: int, width: int) -> str:
    """Style of the panes: as wide for their height as players show images of ``height`` and ``width``, as coded.

    No wider than that both panes, and the buttons below them, find room in the window.
    """
    ratio = width / height * float(video.sample_aspect_ratio)
    ratio = 1 / ratio if video.display.is_sideways else ratio
    return (
        f".pane{{aspect-ratio:{ratio:.5f}}}.panes{{max-width:calc({2 * ratio:.5f}*max(100vh - 12rem, 16rem) + .5rem)}}"
    )


def _lots(paths: Sequence[Path], groups: Sequence[_Group], uris: dict[str, list[str]], seed: int) -> dict[str, Any]:
    """What the page's script works with: pairs in the order they are shown, and who is left."""
    lots = random.Random(seed)
    order = list(range(len(groups)))
    lots.shuffle(order)
    left = [lots.choice("ab") for _ in order]
    pairs = []
    for place, first in zip(order, left, strict=True):
        group = groups[place]
        pairs.append(
            {
                "seconds": round(float(group.seconds), 6),
                "time": format_seconds(group.seconds),
                "frames": dict(zip(_KEYS, group.ordinals, strict=False)),
                "left": first,
                "images": {key: uris[key][place] for key in uris},
            }
        )
    names = {key: str(path) for key, path in zip(_KEYS, paths, strict=False)}
    return {"format": FORMAT, "kind": KIND, "seed": seed, "names": names, "pairs": pairs}


def _hide(data: dict[str, Any]) -> str:
    """As text that says nothing to who looks at the page's source. It keeps no secret from who wants to know."""
    return base64.b64encode(json.dumps(data).encode()).decode("ascii")
