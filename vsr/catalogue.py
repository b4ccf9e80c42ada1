"""What can be chosen, by name and in words: methods, passes, screens. Standard library only.

Lists, shell completion and help come from here at once; what stands behind a name is in `vsr.methods.registry`, and is
loaded when it is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["METHOD_ENTRIES", "PASS_ENTRIES", "SCREENS", "Entry", "Evidence", "Place"]

Evidence = Literal["interpolation", "observation-model", "learned", "generative"]
"""What a result rests on: the pixels of its own frame, recorded frames through an imaging model, a learned
prior, or invention."""

Place = Literal["before", "after"]
"""Where a pass stands: before or after the method that sets the size."""

SCREENS: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440), "4k": (3840, 2160), "8k": (7680, 4320)}
)
"""Width and height of the screens that sizes are named after."""


@dataclass(frozen=True)
class Entry:
    """A method or a pass, as lists show it."""

    summary: str
    """One line for lists and help."""
    evidence: Evidence
    """What its results rest on at least."""
    place: Place | None = None
    """Of a pass: where it stands unless it is put elsewhere."""


METHOD_ENTRIES: Mapping[str, Entry] = MappingProxyType(
    {
        "auto": Entry(
            "reconstruct from neighbouring frames, led by a network: the best image that vsr makes", "learned"
        ),
        "multiframe": Entry(
            "reconstruct detail from neighbouring frames through an imaging model", "observation-model"
        ),
        "zssr": Entry(
            "train a small network on each shot's own frames: for blur that other networks do not know", "learned"
        ),
        "selfex": Entry("take detail from where the shot shows the same larger: a classic, for comparison", "learned"),
        "lanczos": Entry("resample with a 3-lobe Lanczos kernel", "interpolation"),
        "bicubic": Entry("resample with Keys' cubic, a = -0.5", "interpolation"),
        "none": Entry("leave frames as they are, at --scale 1: for passes alone", "interpolation"),
    }
)
"""Every method by name, networks and passes left out, in the order of lists."""

PASS_ENTRIES: Mapping[str, Entry] = MappingProxyType(
    {
        "deflicker": Entry(
            "even out brightness that jumps from frame to frame; fades stay", "observation-model", "before"
        ),
        "dust": Entry(
            "fill dirt, dust and dropouts of single frames from the frames beside; all other pixels stay",
            "observation-model",
            "before",
        ),
        "degrain": Entry(
            "measure film grain and take it away, across frames and within them", "observation-model", "before"
        ),
        "grain": Entry(
            "add grain as degrain measured it, rendered again at the output's size, or as described",
            "generative",
            "after",
        ),
        "faces": Entry(
            "invent detail of small faces after a corpus of faces; all other pixels stay", "generative", "after"
        ),
        "stabilize": Entry(
            "steady frames that jump, as film in its gate does; pans stay", "observation-model", "before"
        ),
        "sdr-to-hdr": Entry(
            "write SDR as HDR (PQ, BT.2020, 10 bits): colours as they are, or by a network", "interpolation", "after"
        ),
    }
)
"""Every pass by name: methods that keep the size, run before or after the one that sets it."""
