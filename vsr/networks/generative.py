"""Whether weights invent detail, as far as can be known.

Adversarial and faithful training give weights of the same shape. What the file says of itself counts first, then what
its name says by the habits of the field, then what the architecture is mostly used for.
"""

from __future__ import annotations

import re

from vsr.networks.files import Checkpoint

__all__ = ["is_generative"]

_FAITHFUL_NAME = re.compile(r"psnr|esrnet|bsrnet|gan_no|no_?gan", re.IGNORECASE)
_ADVERSARIAL_NAME = re.compile(r"gan(?![a-z])|netg(?![a-z])|realesr(?!net)", re.IGNORECASE)


def is_generative(checkpoint: Checkpoint, *, mostly: bool) -> bool:
    """``mostly``: what is true of most weights of its architecture."""
    written = checkpoint.metadata.get("vsr.generative")
    if written is not None:
        return written == "true"
    stem = checkpoint.path.stem
    if _FAITHFUL_NAME.search(stem):
        return False
    return mostly or _ADVERSARIAL_NAME.search(stem) is not None
