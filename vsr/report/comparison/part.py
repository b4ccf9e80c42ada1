"""One of the videos that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from vsr.media.probe import MediaInfo

__all__ = ["Part"]


@dataclass(frozen=True)
class Part:
    """One of the videos."""

    name: str
    """``A``, ``B`` or ``reference``."""
    info: MediaInfo
    offset: Fraction = Fraction(0)
    """Seconds added to its times."""
    thumbnails: bool = False
    """Whether its frames come with small pictures for finding cuts."""
    called: str = ""
    """What notes call it; by default its name."""

    @property
    def label(self) -> str:
        """What notes call it."""
        return self.called or self.name
