"""Files of weights: one reader for each format, and `read_checkpoint`, which knows which is which.

Nothing in a file is executed or taken as valid unchecked: readers check sizes against what the file holds before they
allocate. That is why formats that libraries read are read here: theirs run pickles, or allocate what a header claims
(`scipy.io.loadmat` took 8 GB for a .mat of 184 bytes).
"""

from __future__ import annotations

from vsr.networks.files.checkpoint import Checkpoint, FileKind, read_checkpoint, weights_kind
from vsr.networks.files.safetensors import read_safetensors, write_safetensors

__all__ = ["Checkpoint", "FileKind", "read_checkpoint", "read_safetensors", "weights_kind", "write_safetensors"]
