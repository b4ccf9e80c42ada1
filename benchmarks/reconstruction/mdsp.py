"""Real low-resolution sequences through several solvers, as images side by side.

    python benchmarks/reconstruction/mdsp.py FOLDER OUT [--clips text,disk] [--scale 3]

FOLDER holds the sequences of the classic papers (Multi-Dimensional Signal Processing group, UC Santa Cruz) as AVI. For
each, OUT gets one PNG of its middle frame: bicubic, farsiu-fast on frames shifted as a whole, and video restored with
farsiu and with the default solver. There is no ground truth to measure against: look at them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, restore_shot
from vsr.methods.reconstruction.multi_frame import PreparedMultiFrame
from vsr.methods.reconstruction.options import MultiFrameOptions
from vsr.observation import ObservationModel, degradation_at, reading_blur, resample
from vsr.registration import register_many
from vsr.report.side_by_side import Panel, write_side_by_side
from vsr.solvers import Observations, find_solver

LUMA = PixelLayout("gray", "gray", 32, is_float=True)
MOST_FRAMES = 16


def read(path: Path) -> Tensor:
    """The clip's luma, ``(K, h, w)`` in 0…1."""
    with av.open(str(path)) as container:
        frames = [np.asarray(frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]
    return torch.from_numpy(np.stack(frames)).float() / 255


def restored(lumas: Tensor, number: int, scale: int, solver: str) -> Tensor:
    """Frame ``number`` as the video path restores it, knowing nothing."""
    height, width = (int(side) for side in lumas.shape[1:])

    def frames() -> Iterator[VideoFrame]:
        for count, luma in enumerate(lumas):
            yield VideoFrame((luma,), LUMA, ColorSpec(), count, count, Fraction(1, 25), is_halo=count > number)

    geometry = Geometry(width, height, width * scale, height * scale)
    prepared = PreparedMultiFrame(MultiFrameOptions(solver=solver), "cpu")
    return list(restore_shot(prepared, geometry, frames()))[number].planes[0]


def shifted_as_a_whole(lumas: Tensor, number: int, scale: int) -> Tensor:
    """Frame ``number`` by farsiu-fast from the frames around it, registered by translation."""
    first = max(0, min(number - MOST_FRAMES // 2, len(lumas) - MOST_FRAMES))
    around = lumas[first : first + MOST_FRAMES]
    motions = register_many(lumas[number], around, "translation")
    kept = [count for count, motion in enumerate(motions) if motion.converged]
    shifts = -torch.tensor([motions[count].shift_yx for count in kept], dtype=torch.float64)
    frame_size = (int(lumas.shape[1]), int(lumas.shape[2]))
    size = (frame_size[0] * scale, frame_size[1] * scale)
    sigma = degradation_at("camera", scale).psf_sigma_px * scale
    model = ObservationModel.from_shifts(frame_size, size, shifts, reading_blur((sigma, sigma), (scale, scale)))
    return find_solver("farsiu-fast")(Observations(around[kept], model), enlarged(lumas[number], scale))


def enlarged(luma: Tensor, scale: int) -> Tensor:
    """Bicubic interpolation."""
    return resample(luma, (int(luma.shape[0]) * scale, int(luma.shape[1]) * scale), kernel="bicubic")


def image(luma: Tensor) -> NDArray[np.uint8]:
    """``(h, w)`` in 0…1 as gray RGB."""
    gray = (luma * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    return np.repeat(gray[..., None], 3, axis=2)


def main() -> None:
    """Write the images and name them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", default="text,eia_lr,disk,alpaca")
    parser.add_argument("--scale", type=int, default=3)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in given.clips.split(","):
        lumas = read(given.folder / f"{name}.avi")
        number = len(lumas) // 2
        panels = [
            Panel("bicubic", image(enlarged(lumas[number], given.scale))),
            Panel("farsiu-fast", image(shifted_as_a_whole(lumas, number, given.scale))),
            Panel("farsiu", image(restored(lumas, number, given.scale, "farsiu"))),
            Panel("huber-btv", image(restored(lumas, number, given.scale, "huber-btv"))),
        ]
        path = given.out / f"{name}.png"
        write_side_by_side(path, panels, crop_hw=(300, 400), zoom=2)
        print(path, flush=True)


if __name__ == "__main__":
    main()
