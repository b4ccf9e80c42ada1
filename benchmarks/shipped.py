"""What the weights that ship with vsr reach. Prints Markdown.

    python benchmarks/shipped.py [clean] [worse] [--data FOLDER] [--frames N]

FOLDER holds ``images/Set5``, ``images/Set14`` and ``vid4/NAME_GT.mkv``. ``clean``: the papers' protocol, bicubic and
`lite`, alone and as self-ensemble. ``worse``: blur of sigma 1 ahead of bicubic shrinking, noise of 5 (of 255), H.264 at
crf 32; an image stands for a still clip of three frames, of which the last is measured; a clip is compressed as a
whole and every frame measured. There `lite` and `real` are both held against bicubic.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import vsr
from vsr.evaluation.interpolation import interpolation_method
from vsr.evaluation.networks import network_method
from vsr.evaluation.protocol import hr_from, scored
from vsr.media.clips import read_rgb
from vsr.media.image_files import read_image
from vsr.metrics import luma_bt601
from vsr.networks import load_network
from vsr.training.degradations import parse_chain

CPU = torch.device("cpu")
DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
WORSE = [
    {"gaussian-blur": {"sigma": [1, 1], "round_share": 1.0}},
    "bicubic",
    {"gaussian-noise": {"sigma": [5, 5], "grey_share": 0.0}},
    {"video": {"codecs": ["h264"], "quality": [32, 32]}},
]
SEED = 5


def clean(data: Path, frames: int | None) -> None:
    """Bicubic and `lite`, alone and as self-ensemble, on Set5 and Set14, at every scale."""
    del frames
    print("\n### Clean sources: PSNR in dB / SSIM of Y\n")
    print("| | scale | bicubic | lite | self-ensemble |\n|---|---|---|---|---|")
    for name in ("Set5", "Set14"):
        for scale in (2, 3, 4):
            images = data / "images" / name
            rows = [*vsr.evaluate(["bicubic", "lite"], scale, images).results]
            rows += vsr.evaluate("lite", scale, images, settings={"self_ensemble": True}).results
            figures = " | ".join(f"{row.mean.psnr_y:.2f} / {row.mean.ssim_y:.4f}" for row in rows)
            print(f"| {name} | ×{scale} | {figures} |", flush=True)


def worse(data: Path, frames: int | None) -> None:
    """Bicubic, `lite` and `real` on degraded images and clips, where `real` has weights for the scale."""
    print("\n### Blur 1, noise 5, H.264 crf 32: PSNR in dB / SSIM of Y\n")
    print("| | scale | bicubic | lite | real | real over bicubic |\n|---|---|---|---|---|---|")
    for scale in (2, 4):
        images = sorted((data / "images" / "Set14").glob("*.bmp"))
        _row("Set14", scale, [_still(path, scale) for path in images])
        for path in sorted((data / "vid4").glob("*_GT.mkv")):
            _row(f"Vid4 {path.stem.removesuffix('_GT')}", scale, [_clip(path, scale, frames)])


def _still(path: Path, scale: int) -> list[tuple[Tensor, Tensor]]:
    hr = hr_from(read_image(path), scale).expand(3, -1, -1)
    return [(hr, _degraded(hr.expand(3, -1, -1, -1), scale)[-1])]


def _clip(path: Path, scale: int, frames: int | None) -> list[tuple[Tensor, Tensor]]:
    hr_images = torch.stack([hr_from(np.ascontiguousarray(one), scale) for one in islice(read_rgb(path), frames)])
    return list(zip(hr_images, _degraded(hr_images, scale), strict=True))


def _degraded(hr_images: Tensor, scale: int) -> Tensor:
    """``(T, 3, H, W)`` in 0…255 → the small, worse frames."""
    chain = parse_chain(WORSE, scale)
    return chain(hr_images.float().contiguous(), torch.Generator().manual_seed(SEED)).double()


def _row(name: str, scale: int, items: list[list[tuple[Tensor, Tensor]]]) -> None:
    """Mean over items of the mean over their frames."""
    methods = [interpolation_method("bicubic", scale, CPU)]
    asked = {"compression_codes": None}  # estimated, where evaluation takes images for uncompressed ones
    methods += [network_method(own, load_network(own, scale), CPU, asked) for own in ("lite", "real")]
    means = []
    for method in methods:
        by_item = [
            np.mean([scored(method.enlarge(given), hr, given, scale)[:2] for hr, given in _luma(pairs)], axis=0)
            for pairs in items
        ]
        means.append(np.mean(by_item, axis=0))
    figures = " | ".join(f"{psnr:.2f} / {ssim:.4f}" for psnr, ssim in means)
    print(f"| {name} | ×{scale} | {figures} | {means[2][0] - means[0][0]:+.2f} |", flush=True)


def _luma(pairs: list[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    return ((hr, luma_bt601(small)[None]) for hr, small in pairs)


def main() -> None:
    """Run what the arguments name, or everything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["clean", "worse"])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--frames", type=int, help="Most frames of a clip.")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for part in given.parts:
        {"clean": clean, "worse": worse}[part](given.data, given.frames)


if __name__ == "__main__":
    main()
