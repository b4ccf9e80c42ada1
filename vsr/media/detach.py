"""Frames with memory of their own.

A decoder paints into buffers that it reuses once they are released. Where a damaged frame is painted only in
part, the rest shows what the buffer held before; so who holds on to frames changes what later ones look like. A
reader that keeps copies leaves the decoder as it was in the first, linear pass, and gets the same frames.
"""

from __future__ import annotations

import av

from vsr.media.filtering import FrameFilter

__all__ = ["FrameCopier"]


class FrameCopier:
    """Copies frames, pixels and properties alike."""

    def __init__(self) -> None:
        self._copy = FrameFilter("copy")

    def copy(self, frame: av.VideoFrame) -> av.VideoFrame:
        """``frame`` again, in memory that its decoder does not know."""
        return self._copy(frame)
