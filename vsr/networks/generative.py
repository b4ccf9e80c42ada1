"""Whether weights invent detail, as far as can be told.

Adversarial and faithful training give weights of the same shape. What the file says of itself counts first, then what
its name says by the habits of the field, then what the architecture is mostly used for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vsr.networks.base import NetworkSpec
from vsr.networks.checkpoint import Checkpoint

__all__ = ["is_generative"]

_ADVERSARIAL = frozenset(
    {"ESRGAN", "RealESRGAN Compact", "Swift-SRGAN", "MMRealSR", "RealCUGAN", "AuraSR", "GFPGAN", "RestoreFormer"}
)
"""spandrel's architectures whose published weights were mostly trained adversarially."""

_FAITHFUL_NAME = re.compile(r"psnr|esrnet|bsrnet|gan_no|no_?gan", re.IGNORECASE)
_ADVERSARIAL_NAME = re.compile(r"gan(?![a-z])|netg(?![a-z])|realesr(?!net)", re.IGNORECASE)


def is_generative(name: str, checkpoint: Checkpoint, networks: Mapping[str, NetworkSpec]) -> bool:
    """``name``: a row of ``networks`` or spandrel's architecture."""
    written = checkpoint.metadata.get("vsr.generative")
    if written is not None:
        return written == "true"
    stem = checkpoint.path.stem
    if _FAITHFUL_NAME.search(stem):
        return False
    if _ADVERSARIAL_NAME.search(stem):
        return True
    return networks[name].is_generative if name in networks else name in _ADVERSARIAL
