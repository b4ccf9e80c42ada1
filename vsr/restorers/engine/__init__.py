"""One network on one device: its precision, its memory, and tiles that do not show.

`hardware` knows devices, `tile_plan` and `tiling` cut pictures and put them together, `probe` and `precision` find out
what a network holds and whether half precision will do, `engine` runs it, through `cuda_graphs` on NVIDIA's cards;
`transfers` moves frames to the device ahead of time. Methods use what is named here; see docs/engine.md.
"""

from __future__ import annotations

from vsr.restorers.engine.engine import MOST_FRAMES, Engine, EngineOptions, batch_frames, check_tile, tiles_of
from vsr.restorers.engine.hardware import device_class, fast_half_types
from vsr.restorers.engine.precision import Precision, PrecisionChoice, choose_precision
from vsr.restorers.engine.probe import measure_load
from vsr.restorers.engine.tile_plan import Load
from vsr.restorers.engine.transfers import upload_ahead

__all__ = [
    "MOST_FRAMES",
    "Engine",
    "EngineOptions",
    "Load",
    "Precision",
    "PrecisionChoice",
    "batch_frames",
    "check_tile",
    "choose_precision",
    "device_class",
    "fast_half_types",
    "measure_load",
    "tiles_of",
    "upload_ahead",
]
