"""Small files and the networks that made them: the method is found by a file's mark, and others are refused."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from vsr.errors import InputError, ModelError
from vsr.frames import PixelLayout
from vsr.media.codecs import CODECS, quality_in_words
from vsr.media.encode import EncoderSpec
from vsr.media.layouts import LAYOUTS
from vsr.media.probe import MediaInfo, VideoInfo
from vsr.methods import Pair, RescalingOptions, find_pair
from vsr.methods.network.rescaling import find_here, hides_in_colours
from vsr.pipeline.settings import USUAL, Settings, method_options

__all__ = ["check_pair", "find_loss", "follow_mark", "keep_chroma", "marked_pair"]

_FOR_CODECS = "rescale-codec"  # weights that were trained on what codecs leave; no worse in 4:2:0


def marked_pair(info: MediaInfo) -> Pair | None:
    """The pair that a file, or its first image, says it was made small by."""
    return find_pair({**info.metadata, **info.image_tags})


def follow_mark(pair: Pair | None, settings: Settings, options: Any, what: str) -> tuple[Settings, Any]:
    """``settings`` and ``options`` for a file called ``what`` that says it is of ``pair``, where no method was chosen.

    Raises `ModelError` where that pair, or those weights of it, are not here.
    """
    if pair is None or settings.method != USUAL or settings.evidence:
        return settings, options
    found = find_here(pair)
    if found != pair:
        why = "is not here" if found is None else f"has other weights here ({found.digest[:12]})"
        raise ModelError(
            f"{what} was made small by the pair {pair.in_words()}, which {why}; give its file by --method, or another "
            "method, such as --method lite, which gives less"
        )
    options = method_options(pair.name, asdict(options))
    return settings.model_copy(update={"method": pair.name}), options


def keep_chroma(settings: Settings, video: VideoInfo, container: str) -> tuple[Settings, list[str]]:
    """``settings`` for the encoder of a small file whose pair needs chroma as fine as luma; and that in words.

    Pairs for RGB hide much of what they keep in the colours, but for those that were trained for codecs. A pixel format
    that was asked for stays.
    """
    if settings.scale is None or settings.scale >= 1 or settings.method == _FOR_CODECS:
        return settings, []
    if not hides_in_colours(settings.method):
        return settings, []
    holders = [row for row in CODECS.values() if container in row.containers and settings.codec in (None, row.name)]
    asked = LAYOUTS.get(settings.pix_fmt, video.layout) if settings.pix_fmt is not None else video.layout
    if all(_is_fine(LAYOUTS[name]) for row in holders for name in row.layouts) or _is_fine(asked):
        return settings, []
    fine = [
        one
        for one in LAYOUTS.values()
        if _is_fine(one) and replace(asked, name=one.name, chroma_shift_x=0, chroma_shift_y=0) == one
    ]
    held = [one.name for one in fine if any(one.name in row.layouts for row in holders)]
    if settings.pix_fmt is not None or not held:
        return settings, [f"{asked.name}: chroma coarser than luma loses most of what the pair hides there"]
    return settings.model_copy(update={"pix_fmt": held[0]}), [f"{held[0]}: the pair hides detail in chroma"]


def _is_fine(layout: PixelLayout) -> bool:
    return layout.chroma_shift_x == layout.chroma_shift_y == 0


def find_loss(pair: Pair | None, encoder: EncoderSpec) -> list[str]:
    """What the encoder takes of what ``pair`` hides in a small file, in words; None: no pair makes one."""
    kept = quality_in_words(encoder.codec.name, lossless=encoder.lossless, quality=encoder.quality)
    if pair is None or kept == "lossless":
        return []
    how = f"{encoder.codec.name}{f', {kept}' if kept else ''}"
    if pair.name == _FOR_CODECS:
        return []
    return [f"{how}: compression takes part of what the pair hides; --lossless keeps all, {_FOR_CODECS} is made for it"]


def check_pair(info: MediaInfo, enlarging: Pair | None, method: str, options: Any) -> list[str]:
    """What is assumed, in words, of a file that ``method`` enlarges by the pair ``enlarging``; None: by no pair.

    Raises `InputError` for a file that is not of that pair.
    """
    marked = marked_pair(info)
    if enlarging is None:
        return [] if marked is None else [f"made small by {marked.in_words()}, which would give more than {method}"]
    if marked is not None and marked.digest == enlarging.digest:
        full = marked.scale == enlarging.scale
        return [] if full else [f"made {marked.scale} times smaller: --scale {marked.scale} gives back its whole size"]
    said = "does not say which pair made it small" if marked is None else f"was made small by {marked.in_words()}"
    if isinstance(options, RescalingOptions) and options.unmatched:
        return [f"it {said}, and {enlarging.in_words()} enlarges it all the same"]
    raise InputError(
        f"{info.path}: {said}, and {enlarging.in_words()} enlarges only its own well; "
        "leave out --method, or give --set unmatched=true"
    )
