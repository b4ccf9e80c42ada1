#!/usr/bin/env python3
"""Draw docs/images/before-after.png from the clips of the demonstration: scripts/before_after.py demo-output

The folder is one that ``vsr demo`` filled. Each row is a detail of the middle frame of a clip: bicubic interpolation,
what vsr wrote, and the ground truth, which the demonstration generates again from its seed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from vsr.demo import bicubic_rgb, make_clip, make_ordinary_clip
from vsr.media.clips import read_rgb
from vsr.report.side_by_side import Panel, side_by_side

IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "before-after.png"
CLIPS = ((make_clip, "recorded.mp4", "restored.mp4"), (make_ordinary_clip, "ordinary.mp4", "ordinary-restored.mp4"))


def main(folder: Path) -> None:
    """Write the image."""
    rows = []
    for make, recorded, restored in CLIPS:
        before, after = (list(read_rgb(folder / name)) for name in (recorded, restored))
        middle = len(before) // 2
        hr = make(len(before)).hr_frames[middle]
        panels = [
            Panel("bicubic", bicubic_rgb(before[middle], hr.shape[:2])),
            Panel("vsr", after[middle]),
            Panel("ground truth", hr),
        ]
        rows.append(side_by_side(panels, crop_hw=(72, 152), zoom=2, columns=3))
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(IMAGE), cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
