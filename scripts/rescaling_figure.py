#!/usr/bin/env python3
"""Draw docs/images/rescaling.png: scripts/rescaling_figure.py

A detail of the demonstration's ordinary clip, generated from its seed. Above: the images that bicubic interpolation and
the pair `rescale` make, with pixels twice as large. Below: what comes back, and the ground truth.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import vsr
from vsr.demo import make_ordinary_clip
from vsr.report.side_by_side import Panel, side_by_side

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "rescaling.png"
CROP_HW = (96, 144)
WAYS = {"bicubic, then lite": ("bicubic", {"method": "lite", "compression_codes": 0}), "rescale": ("rescale", {})}
Image = NDArray[np.uint8]


def _read(path: Path) -> Image:
    return np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)


def _write(path: Path, image: Image) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def main() -> None:
    """Write the image."""
    hr = make_ordinary_clip(1).hr_frames[0]
    small, back = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        _write(folder / "hr.png", hr)
        for name, (down, up) in WAYS.items():
            shrunk, enlarged = folder / f"{down}-small.png", folder / f"{down}-back.png"
            vsr.downscale(folder / "hr.png", shrunk, method=down)
            vsr.upscale(shrunk, enlarged, settings=up)
            small.append(Panel(f"small, {down}", _read(shrunk)))
            back.append(Panel(name, _read(enlarged)))
    reference = Panel("ground truth", hr)
    rows = [side_by_side([*panels, reference], crop_hw=CROP_HW, zoom=2, columns=3) for panels in (small, back)]
    _write(IMAGE, np.concatenate(rows))


if __name__ == "__main__":
    if len(sys.argv) != 1:
        sys.exit(__doc__)
    main()
