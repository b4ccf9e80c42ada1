"""Training on the video at hand (ZSSR): kernels, the network and its training, the method."""

from __future__ import annotations
