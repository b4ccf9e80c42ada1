"""Which networks made a file small: a mark among its tags, from which `vsr upscale` finds the way back.

The mark is words, so that it survives wherever a comment does: ``pair rescale x2 3a9d…``, with the SHA-256 of the
weights.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vsr.networks.locating import SUFFIXES

__all__ = ["HANDED_ON", "Pair", "find_pair"]

_MARK = re.compile(r"\bpair (?P<name>[A-Za-z0-9_.-]+) x(?P<scale>[1-9]\d*) (?P<digest>[0-9a-f]{64})\b")
HANDED_ON = "; its source said: "
"""From there on a comment is that of the source."""


@dataclass(frozen=True)
class Pair:
    """A network that makes small and one that enlarges again."""

    name: str
    """Of the weights, as they are found by name: without folder, scale and suffix."""
    scale: int
    """How many times smaller and larger."""
    digest: str
    """SHA-256 of the weights."""

    @classmethod
    def of(cls, name: str, scale: int, digests: Sequence[str]) -> Pair:
        """``name`` may be a file; several networks in a row have one digest of all."""
        digest = digests[0] if len(digests) == 1 else hashlib.sha256(" ".join(digests).encode()).hexdigest()
        bare = Path(name).name
        for suffix in SUFFIXES:
            bare = bare.removesuffix(suffix)
        return cls(re.sub(r"[^\w.-]", "_", re.sub(r"-x[2-8]$", "", bare), flags=re.ASCII), scale, digest)

    @property
    def mark(self) -> str:
        """What a small file's tags say; see `find_pair`."""
        return f"pair {self.name} x{self.scale} {self.digest}"

    def in_words(self) -> str:
        """For people, in short."""
        return f"{self.name} x{self.scale}, weights {self.digest[:12]}"


def find_pair(tags: Mapping[str, str]) -> Pair | None:
    """The pair that made a file with these ``tags`` small; None where none says so of the file itself."""
    for text in tags.values():
        found = _MARK.search(text.partition(HANDED_ON)[0])
        if found is not None:
            return Pair(found["name"], int(found["scale"]), found["digest"])
    return None
