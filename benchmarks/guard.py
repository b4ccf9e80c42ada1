"""Whether what takes most time has become slower: its CPU time over that of a fixed reference, against stored ratios.

    python benchmarks/guard.py [--store]

The reference is a blur by OpenCV. All run in turns in one process, on one thread, and of each the quickest run counts,
so that a busy machine changes ratios little. Ratios of processors differ, so they are stored by its name in
``guard.json``; --store puts this processor's there. A ratio that is 15 % off in either direction is an error: what
became quicker is stored again, so that it stays.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.methods import Geometry, find_method
from vsr.observation import resample
from vsr.registration import global_then_dense

STORED = Path(__file__).with_name("guard.json")
TOLERANCE = 0.15
_RUNS = 7
_WIDTH, _HEIGHT = 192, 108
_FRAMES = 8


def processor() -> str:
    """What the operating system calls it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    facts = [
        line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "cpu family", "model\t"))
    ]
    return " ".join(facts[:3]) or "unknown"


def scene(number: int) -> Tensor:
    """A smooth, textured luma ``(h, w)`` in 0…1 that has moved by 0.4 pixels a frame, with a little noise."""
    random = torch.Generator().manual_seed(number)
    y, x = torch.meshgrid(torch.arange(_HEIGHT) + 0.3 * number, torch.arange(_WIDTH) + 0.4 * number, indexing="ij")
    waves = torch.sin(0.31 * x + 0.17 * y) + torch.sin(0.05 * x * (1 + 0.002 * y)) + torch.sin(0.83 * y - 0.11 * x)
    return (0.5 + 0.12 * waves + 0.008 * torch.randn(_HEIGHT, _WIDTH, generator=random)).clamp(0, 1)


def frames() -> list[VideoFrame]:
    """One shot."""
    codes = [(scene(n) * 255).round().to(torch.uint8) for n in range(_FRAMES)]
    color = ColorSpec(1, 1, 1, full_range=True)
    return [VideoFrame((one,), LAYOUTS["gray"], color, n, n, Fraction(1, 25)) for n, one in enumerate(codes)]


def frame_of(method: str) -> Callable[[], object]:
    """Some frames of a shot, after what happens once a shot."""
    geometry = Geometry(_WIDTH, _HEIGHT, 2 * _WIDTH, 2 * _HEIGHT)
    found = find_method(method)
    prepared = found.prepare(geometry, found.options_type(), "cpu")
    restorer, shot = prepared.open(geometry), frames()
    adaptation = restorer.adapt(shot[: prepared.capabilities.adapt_frames])
    return lambda: [*restorer.restore(iter(shot), adaptation)]


def operations() -> dict[str, Callable[[], object]]:
    """What is guarded."""
    first, second = scene(0), scene(1)
    return {
        "lanczos x2": lambda: resample(first, (2 * _HEIGHT, 2 * _WIDTH)),
        "motion between two frames": lambda: global_then_dense(first, second),
        f"{_FRAMES} frames of multiframe": frame_of("multiframe"),
        f"{_FRAMES} frames of lite": frame_of("lite"),
    }


def _reference() -> Callable[[], object]:
    import cv2

    image = np.random.default_rng(0).random((540, 960), dtype=np.float32)
    taps = np.full(13, 1 / 13, np.float32)
    return lambda: cv2.sepFilter2D(image, -1, taps, taps)


def _seconds(work: Callable[[], object]) -> float:
    """CPU time of all threads."""
    began = time.process_time()
    work()
    return time.process_time() - began


def measure(runs: int = _RUNS) -> dict[str, float]:
    """Ratios by name."""
    import cv2

    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        works = {"reference": _reference(), **operations()}
        for work in works.values():
            work()  # compiles, loads
        best = {name: min(times) for name, times in _in_turns(works, runs)}
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
    reference = best.pop("reference")
    return {name: seconds / reference for name, seconds in best.items()}


def _in_turns(works: dict[str, Callable[[], object]], runs: int) -> Iterator[tuple[str, list[float]]]:
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            times[name].append(_seconds(work))
    yield from times.items()


def changes(found: dict[str, float], stored: dict[str, float]) -> dict[str, float]:
    """By how much ratios are off, as a share, where it is more than `TOLERANCE` or nothing was stored (infinity)."""
    off = {name: ratio / stored[name] - 1 if name in stored else float("inf") for name, ratio in found.items()}
    return {name: share for name, share in off.items() if abs(share) > TOLERANCE}


def main() -> int:
    """Print the ratios, and store or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help="Store the ratios of this processor.")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    everywhere: dict[str, dict[str, float]] = json.loads(STORED.read_text()) if STORED.exists() else {}
    found, name = measure(), processor()
    stored = everywhere.get(name, {})
    print(f"CPU time over the reference's, {name}\n\n| what | ratio | stored |\n|---|---|---|")
    for what, ratio in found.items():
        print(f"| {what} | {ratio:.2f} | {stored.get(what, float('nan')):.2f} |")
    if given.store:
        everywhere[name] = {what: round(ratio, 3) for what, ratio in found.items()}
        STORED.write_text(json.dumps(everywhere, indent=2, sort_keys=True) + "\n")
        return 0
    off = changes(found, stored)
    for what, share in off.items():
        print(f"{what} is {share:+.0%} off: python benchmarks/guard.py --store where that is meant", file=sys.stderr)
    return int(bool(off))


if __name__ == "__main__":
    sys.exit(main())
