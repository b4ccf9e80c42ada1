"""What every output says of itself: the software, and whether a generative model took part."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version

from vsr.media.image_text import ImageText
from vsr.methods import Evidence, Pair
from vsr.methods.pair import HANDED_ON

__all__ = ["image_text", "label", "sentence"]

_SENTENCES: Mapping[Evidence, str] = {
    "interpolation": "pixels of each frame itself, interpolated; no generative model took part",
    "observation-model": "recorded frames through an imaging model; no generative model took part",
    "learned": "a learned model took part; no generative model took part",
    "generative": "a generative model took part: detail may be invented",
}
_NAMES = ("encoder", "encoding_tool", "provenance", "comment", "software")
_OURS = "vsr "
_MOST_CHARACTERS = 600


def sentence(evidence: Evidence) -> str:
    """One sentence about what a result rests on."""
    return _SENTENCES[evidence]


def image_text(method: str, evidence: Evidence, source_tags: Mapping[str, str], pair: Pair | None = None) -> ImageText:
    """The same for images; ``source_tags`` are the source's, whose own words, if it was ours, are handed on.

    ``pair`` is that which made the result small.
    """
    said = next(
        (value for key, value in source_tags.items() if key.lower() in _NAMES and value.startswith(_OURS)), None
    )
    comment = f"{_without_folders(method)}: {sentence(evidence)}"
    if pair is not None:
        comment = f"{comment}; {pair.mark}"
    if said is not None:
        comment = f"{comment}{HANDED_ON}{said}"[:_MOST_CHARACTERS]
    return ImageText(f"vsr {version('vsr')}", comment)


def _without_folders(method: str) -> str:
    """``method``, which may be a file of weights or two of them blended, as it is called wherever the files lie."""
    return re.sub(r"[^:]*[/\\\\]", "", method)


def label(method: str, evidence: Evidence, source_tags: Mapping[str, str], pair: Pair | None = None) -> str:
    """`image_text` in one line, for the tags of a container."""
    text = image_text(method, evidence, source_tags, pair)
    return f"{text.software} {text.comment}"
