"""One network on one device: its precision, its memory, and tiles that do not show.

`hardware` knows devices, `tiling` cuts frames and puts them together, `probe` tries a network on a fixed image to
find out what it holds, `precision` whether half precision will do; `backends` are the libraries that compute, and
`engine` runs a network through one of them.
Methods use what is named here; see docs/engine.md.
"""

from __future__ import annotations

from vsr.inference.backends import BACKENDS, Runtime
from vsr.inference.engine import (
    MOST_FRAMES,
    NUM_TURNS,
    Engine,
    EngineOptions,
    batch_frames,
    check_tile,
    tiles_of,
    turn,
    turn_back,
    upload_ahead,
)
from vsr.inference.hardware import device_class, fast_half_types, frames_at_once
from vsr.inference.precision import Precision, PrecisionChoice, choose_backend, choose_precision
from vsr.inference.probe import measure_load
from vsr.inference.tiling import Load

__all__ = [
    "BACKENDS",
    "MOST_FRAMES",
    "NUM_TURNS",
    "Engine",
    "EngineOptions",
    "Load",
    "Precision",
    "PrecisionChoice",
    "Runtime",
    "batch_frames",
    "check_tile",
    "choose_backend",
    "choose_precision",
    "device_class",
    "fast_half_types",
    "frames_at_once",
    "measure_load",
    "tiles_of",
    "turn",
    "turn_back",
    "upload_ahead",
]
