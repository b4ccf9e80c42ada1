#!/usr/bin/env python3
"""Print what the pass `faces` makes of faces that its corpus does not hold.

    python benchmarks/faces.py FOLDER --corpus faces.safetensors --detector face_detection_yunet_2023mar.onnx

FOLDER holds aligned faces of the corpus' size. First table: faces by themselves, made `--factor` times smaller
by bicubic shrinking, 8 bits; PSNR of Y. Second table: each face in the middle of a larger frame, four frames, in
motion by parts of a recorded pixel, recorded by bicubic shrinking, enlarged by Lanczos, then the pass; PSNR of Y within
the face, and of its changes from frame to frame.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from vsr.frames import ColorSpec, VideoFrame
from vsr.media.image_files import read_image
from vsr.media.layouts import LAYOUTS
from vsr.methods import METHODS, PASSES, Geometry, restore_shot
from vsr.methods.faces.corpus import read_corpus
from vsr.methods.faces.models import FaceModel, FacePrior
from vsr.methods.passes.faces import FacesOptions
from vsr.metrics import luma_bt601, psnr, temporal_psnr
from vsr.observation import resample

_PRIORS: tuple[FacePrior, ...] = ("patches", "gradients")


def read_face(path: Path) -> Tensor:
    """``(H, W)`` in 0…1."""
    pixels = torch.from_numpy(read_image(path).copy())
    luma = pixels.double() if pixels.ndim == 2 else (luma_bt601(pixels.permute(2, 0, 1)) - 16) * (255 / 219)
    return luma.float() / 255


def alone(faces: Sequence[Tensor], model: FaceModel) -> None:
    """First table."""
    results: dict[str, list[float]] = {}
    for face in faces:
        small = (model.record(face) * 255).round().clamp(0, 255) / 255
        made = {"bicubic": interpolate(small[None, None], tuple(face.shape), mode="bicubic")[0, 0]}
        made |= {prior: model.restore(small, prior) for prior in _PRIORS}
        for name, image in made.items():
            results.setdefault(name, []).append(psnr(255 * image, 255 * face))
    print("| faces alone, dB | " + " | ".join(results) + " |\n|---|" + "---|" * len(results))
    print("| mean | " + " | ".join(f"{sum(values) / len(values):.2f}" for values in results.values()) + " |")


def frames_of(face: Tensor, factor: int) -> list[Tensor]:
    """Large frames with the face in the middle, moved by parts of a recorded pixel."""
    height, width = face.shape
    room = (-(-height // factor) * factor, -(-width // factor) * factor)
    framed = pad(face[None, None], (room[1], room[1], room[0], room[0]), mode="replicate")[0, 0]
    framed = framed[: framed.shape[0] // factor * factor, : framed.shape[1] // factor * factor]
    return [framed.roll((step, 2 * step), (0, 1)) for step in range(4)]


def in_frames(face: Tensor, factor: int, prior: FacePrior, options: FacesOptions) -> tuple[list[Tensor], int]:
    """Frames enlarged by Lanczos, then by the pass, if ``prior`` is not empty; and how many faces were replaced."""
    large = frames_of(face, factor)
    height, width = large[0].shape
    small = [resample(image, (height // factor, width // factor), kernel="bicubic") for image in large]
    frames = [
        VideoFrame(
            ((image.clamp(0, 1) * 255).round().to(torch.uint8),),
            LAYOUTS["gray"],
            ColorSpec(full_range=True),
            number,
            number,
            Fraction(1, 25),
        )
        for number, image in enumerate(small)
    ]
    enlarge = Geometry(width // factor, height // factor, width, height)
    lanczos = METHODS["lanczos"].prepare(enlarge, METHODS["lanczos"].options_type(), "cpu")
    made = list(restore_shot(lanczos, enlarge, frames))
    if not prior:
        return [frame.planes[0] for frame in made], 0
    geometry = Geometry(width, height, width, height)
    given = FacesOptions(options.corpus, options.detector, float(factor), prior)
    done = list(restore_shot(PASSES["faces"].prepare(geometry, given, "cpu"), geometry, made))
    return [frame.planes[0] for frame in done], sum(int(frame.findings["faces_replaced"]) for frame in done)


def within(faces: Sequence[Tensor], factor: int, options: FacesOptions) -> None:
    """Second table."""
    print("\n| in frames | PSNR, dB | temporal PSNR, dB | replaced |\n|---|---|---|---|")
    for prior in ("", *_PRIORS):
        still, moving, replaced = [], [], 0
        for face in faces:
            large = frames_of(face, factor)
            made, count = in_frames(face, factor, prior, options)  # type: ignore[arg-type]
            replaced += count
            height, width = (side // 3 for side in large[0].shape)
            place = (
                ...,
                slice(height + height // 6, 2 * height - height // 6),
                slice(width + width // 6, 2 * width - width // 6),
            )
            pairs = [(one[place].double(), 255 * other[place].double()) for one, other in zip(made, large, strict=True)]
            still.append(sum(psnr(one, other) for one, other in pairs) / len(pairs))
            steps = [temporal_psnr(one, now, true, then) for (one, true), (now, then) in pairwise(pairs)]
            moving.append(sum(steps) / len(steps))
        row = [sum(values) / len(values) for values in (still, moving)]
        name = f"lanczos and {prior}" if prior else "lanczos"
        print(f"| {name} | {row[0]:.2f} | {row[1]:.2f} | {replaced} of {4 * len(faces)} |")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--detector", required=True)
    parser.add_argument("--factor", type=int, default=4)
    parser.add_argument("--most", type=int, default=40, help="faces that are measured")
    options = parser.parse_args()
    faces = [read_face(path) for path in sorted(options.folder.iterdir())[: options.most]]
    corpus, _ = read_corpus(Path(options.corpus))
    alone(faces, FaceModel(corpus.float() / 255, options.factor))
    within(faces, options.factor, FacesOptions(options.corpus, options.detector))


if __name__ == "__main__":
    main()
