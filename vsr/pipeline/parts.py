"""One request for each run of one shape, for videos whose shape changes and that are not to become one file."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from vsr.media.images import is_numbered
from vsr.media.looks import shape_of
from vsr.media.probe import MediaInfo
from vsr.media.reading import looks, probe
from vsr.pipeline.job import Span
from vsr.pipeline.objects import find_object, is_url, join_url
from vsr.pipeline.request import Request
from vsr.pipeline.storage import stage
from vsr.timeline import parse_rate

__all__ = ["split_by_shape"]


def split_by_shape(request: Request) -> list[Request]:
    """``request`` for each run of frames of one size and pixel aspect; the video is decoded once to find them.

    Outputs are numbered, ``better-1.mp4``, ``better-2.mp4`` …, where there are several. Raises a `VsrError` where the
    source cannot be read.
    """
    with _at_hand(request) as path:
        settings = request.settings
        rate = parse_rate(settings.fps) if settings.fps is not None else None
        info = probe(path, rate, settings.video_stream)
        starts = list(_starts(info, request.span, settings.decoder_threads))
    if not starts:
        return [request]  # the run itself says that no frame is requested
    first = None if request.span.start is None else starts[0]
    bounds = [first, *starts[1:], request.span.stop]
    spans = [Span(*pair) for pair in itertools.pairwise(bounds)]
    if len(spans) == 1:
        return [replace(request, span=spans[0])]
    return [replace(request, span=span, output=_number(request.output, number)) for number, span in enumerate(spans, 1)]


@contextlib.contextmanager
def _at_hand(request: Request) -> Iterator[Path]:
    if not is_url(request.source):
        yield Path(request.source)
        return
    facts = find_object(str(request.source))
    with stage(str(request.source), facts.version if facts is not None else None) as copy:
        yield copy


def _starts(info: MediaInfo, span: Span, threads: int) -> Iterator[int]:
    """Ordinals of the first requested frame and of those whose shape differs from that of the frame before."""
    last: tuple[int, int, Fraction] | None = None
    for ordinal, (pts, look) in enumerate(looks(info, threads)):
        seconds = pts * info.video.time_base - info.start
        if span.stop is not None and not _is_before(ordinal, seconds, span.stop):
            return
        if span.start is not None and _is_before(ordinal, seconds, span.start):
            continue
        shape = (look.width, look.height, shape_of(info.video, look))
        if shape != last:
            yield ordinal
        last = shape


def _is_before(ordinal: int, seconds: Fraction, bound: int | Fraction) -> bool:
    return ordinal < bound if isinstance(bound, int) else seconds < bound


def _number(output: str | Path, number: int) -> str | Path:
    if is_url(output):
        folder, _, name = str(output).rpartition("/")
        return join_url(folder, Path(name).with_stem(f"{Path(name).stem}-{number}").name)
    path = Path(output)
    if is_numbered(path):
        return path.parent.with_name(f"{path.parent.name}-{number}") / path.name
    return path.with_stem(f"{path.stem}-{number}")
