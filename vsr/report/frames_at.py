"""Single frames of a video by their places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vsr.media.damage import Damage
from vsr.media.display import Frame
from vsr.media.probe import MediaInfo
from vsr.media.reading import view

__all__ = ["frames_at"]


def frames_at(info: MediaInfo, ordinals: Sequence[int]) -> Iterator[Frame]:
    """The frames with these ordinals, which do not fall, by a decode from the start: no seek can go wrong."""
    requested = iter(ordinals)
    following = next(requested, None)
    for ordinal, (_, frame) in enumerate(view(info, 1, Damage())):
        while following == ordinal:  # one frame of the input may have made two of the output
            yield frame
            following = next(requested, None)
        if following is None:
            return
