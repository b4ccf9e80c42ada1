"""What passes make of damage from a seed on real clips. Prints Markdown.

    python benchmarks/restoration.py dust [--data FOLDER] [--part test] [--frames 12] [--crop 288 192] [--noise 0]
    python benchmarks/restoration.py telecine [--data FOLDER] [--part test] [--frames 28] [--bit-rate 0]
    python benchmarks/restoration.py deinterlace [--data FOLDER] [--part test] [--frames 16] [--nnedi WEIGHTS]
    python benchmarks/restoration.py stabilize [--data FOLDER] [--part test] [--frames 60]
    python benchmarks/restoration.py grain [--data FOLDER] [--part test] [--frames 6] [--crop 288 192]

FOLDER (VSR_TEST_DATA) holds ``clips/*.mkv``; the clips of the part ``test`` were not looked at when thresholds were
chosen. Damaged pixels are those that damage changed by more than 8 codes of 255, sound ones those that it did not
change. The first and the last frame of a clip have one neighbour only and are not counted. Jitter is what changes from
frame to frame besides steady motion (root mean square of second differences, over √6). Grain is Gaussian noise,
strongest at mid grey, softened by two blurs; its mean is given, and what was measured at each frame's brightness.
Frames of a clip are taken for the fields of half as many.
"""

from __future__ import annotations

import argparse
import os
import sys
import zlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

sys.path.insert(0, str(Path(__file__).resolve().parent))

from footage.sources import Part, Source, find_sources
from restoration.damage import MOVERS, Frames, add_dirt, add_movers
from restoration.deinterlacing import measure as measure_fields
from restoration.telecine import CASES
from restoration.telecine import measure as measure_cadence

from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.methods import Geometry, find_pass, restore_shot
from vsr.registration import register, sample_bicubic

DATA = Path(os.environ.get("VSR_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
GRAY = PixelLayout("gray", "gray", 8)
DAMAGED_CODES = 8
_FRAMES = {"dust": 12, "telecine": 28, "deinterlace": 16, "stabilize": 60, "grain": 6}
SPOTS = 20.0  # in 100,000 pixels


def restore(frames: Frames, name: str) -> list[VideoFrame]:
    """``frames`` after the pass ``name``."""
    height, width = frames.shape[1:]
    geometry, row = Geometry(width, height, width, height), find_pass(name)
    given = [
        VideoFrame((torch.from_numpy(frame),), GRAY, ColorSpec(), at, at, Fraction(1, 24))
        for at, frame in enumerate(frames)
    ]
    return list(restore_shot(row.prepare(geometry, row.options_type(), "cpu"), geometry, given))


def restored(frames: Frames, name: str) -> NDArray[np.uint8]:
    """``frames`` after the pass ``name``, rounded."""
    made = restore(frames, name)
    return np.stack([frame.planes[0].round().clamp(0, 255).to(torch.uint8).numpy() for frame in made])


def _psnr(errors: NDArray[Any]) -> float:
    return float(10 * np.log10(255**2 / max(float(np.mean(np.square(errors, dtype=np.float64))), 1e-9)))


def measure_dust(sources: Sequence[Source], frames: int, crop: tuple[int, int] | None, noise: float) -> None:
    """A row for each clip."""
    print(
        "| clip | damaged % | repaired % | PSNR there, before → repaired | sound changed % | clean clip % | movers % |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = []
    for source in sources:
        seed = zlib.crc32(source.name.encode())
        clean = source.frames(frames, crop)
        rng = np.random.default_rng(seed)
        clean = np.clip(np.rint(clean + noise * rng.standard_normal(clean.shape)), 0, 255).astype(np.uint8)
        damage, inner = add_dirt(clean, seed, spots=SPOTS * clean[0].size / 1e5), slice(1, -1)
        made = restored(damage.frames, "dust")[inner]
        is_damaged = (np.abs(damage.change) > DAMAGED_CODES)[inner]
        is_sound = (damage.change == 0)[inner]
        is_changed = made != damage.frames[inner]
        error = made.astype(np.int16) - clean[inner]
        movers = []
        for name in MOVERS:
            moving = add_movers(clean, name, seed)
            there = (np.abs(moving.change) > DAMAGED_CODES)[inner]
            movers.append(100 * float((restored(moving.frames, "dust")[inner] != moving.frames[inner])[there].mean()))
        rows.append(
            [
                100 * is_damaged.mean(),
                100 * is_changed[is_damaged].mean(),
                _psnr(damage.change[inner][is_damaged]),
                _psnr(error[is_damaged & is_changed]),
                100 * is_changed[is_sound].mean(),
                100 * (restored(clean, "dust") != clean)[inner].mean(),
                *movers,
            ]
        )
        _print(source.name, rows[-1])
    _print("**mean**", list(np.mean(rows, 0)))


def _print(name: str, row: list[float]) -> None:
    damaged, repaired, before, after, sound, clean, *movers = row
    moved = ", ".join(f"{name} {share:.1f}" for name, share in zip(MOVERS, movers, strict=True))
    quality = f"{before:.1f} → {after:.1f}"
    print(f"| {name} | {damaged:.2f} | {repaired:.1f} | {quality} | {sound:.3f} | {clean:.3f} | {moved} |", flush=True)


def measure_stabilize(sources: Sequence[Source], frames: int) -> None:
    """A row for each clip's first frame as a still scene that jumps by a pixel; places are found by registration."""
    print("| clip | jitter px, before → after | ratio | farthest from its place, px |")
    print("|---|---|---|---|")
    for source in sources:
        still = torch.from_numpy(source.frames(1, (288, 192))[0]).float()
        height, width, margin = still.shape[0] - 32, still.shape[1] - 32, 16
        rng = np.random.default_rng(zlib.crc32(source.name.encode()))
        y, x = (torch.arange(float(size)) + margin for size in (height, width))
        given = []
        for down, right in rng.standard_normal((frames, 2)).tolist():
            moved = sample_bicubic(still[None], *torch.meshgrid(y + down, x + right, indexing="ij"))[0].numpy()
            given.append(np.clip(np.rint(moved + 2 * rng.standard_normal(moved.shape)), 0, 255).astype(np.uint8))
        reference = still[2 * margin : -2 * margin, 2 * margin : -2 * margin] / 255
        before, after = (_places(reference, made) for made in (np.stack(given), restored(np.stack(given), "stabilize")))
        one, other = (float(np.sqrt(np.square(np.diff(p, 2, 0)).sum(1).mean() / 6)) for p in (before, after))
        far = float(np.hypot(*(after - after.mean(0)).T).max())
        print(f"| {source.name} | {one:.2f} → {other:.3f} | {one / other:.0f} | {far:.2f} |", flush=True)


def measure_grain(sources: Sequence[Source], frames: int, crop: tuple[int, int] | None) -> None:
    """Two rows for each clip: fine, weak grain and coarse, strong grain."""
    print("| clip | grain: codes, softened by px | measured, codes | PSNR, before → after |")
    print("|---|---|---|---|")
    for source in sources:
        clean = source.frames(frames, crop)
        for codes, soft_px in ((3.0, 0.4), (6.0, 0.8)):
            rng = np.random.default_rng(zlib.crc32(source.name.encode()))
            grain = np.stack([gaussian_filter(rng.standard_normal(one.shape), soft_px, mode="wrap") for one in clean])
            level = np.clip((clean - 16.0) / 219, 0, 1)
            grain *= codes / grain.std() * (0.5 + 2 * level * (1 - level))
            grainy = np.clip(np.rint(clean + grain), 0, 255).astype(np.uint8)
            made = restore(grainy, "degrain")
            after = np.stack([frame.planes[0].numpy() for frame in made]) - clean
            found = np.mean([frame.findings["grain_codes"] for frame in made])
            quality = f"{_psnr(grainy.astype(np.float64) - clean):.1f} → {_psnr(after):.1f}"
            print(f"| {source.name} | {grain.std():.1f}, {soft_px} | {found:.1f} | {quality} |", flush=True)


def measure_telecine(sources: Sequence[Source], frames: int, crop: tuple[int, int] | None, bit_rate: int) -> None:
    """A row for each cadence, over all clips of at least 20 frames that have the commonest size."""
    clips = [clip for clip in (source.frames(frames, crop) for source in sources) if len(clip) >= 20]
    shape = max((clip.shape[1:] for clip in clips), key=[clip.shape[1:] for clip in clips].count)
    shots = [clip for clip in clips if clip.shape[1:] == shape]
    print("| cadence | film frames | exact %: fieldmatch, vsr | not of the film: the same | PSNR: bwdif, vsr | ms |")
    print("|---|---|---|---|---|---|")
    for seed, name in enumerate(CASES):
        found = measure_cadence(name, shots, seed, bit_rate)
        print(
            f"| {name} | {found['whole']:.0f} | {found['ffmpeg_exact']:.1f}, {found['ours_exact']:.1f} "
            f"| {found['ffmpeg_strange']:.0f}, {found['ours_strange']:.0f} "
            f"| {found['plain_db']:.1f}, {found['ours_db']:.1f} | {found['ms']:.1f} |",
            flush=True,
        )


def measure_deinterlace(
    sources: Sequence[Source], frames: int, crop: tuple[int, int] | None, weights: Path | None
) -> None:
    """A row for each clip of at least 8 frames."""
    names = ["yadif", "w3fdif", "estdif", *(["nnedi"] if weights else []), "bwdif", "motion"]
    print(f"| clip, camera | {', '.join(names)} | MPEG-2: bwdif, motion | one a frame: bwdif, motion | CPU |")
    print("|---|---|---|---|---|")
    rows = []
    for source in sources:
        moments = source.frames(frames, crop)
        if len(moments) >= 8:
            rows.append(measure_fields(moments, weights))
            _print_fields(f"{source.name}, {source.camera}", names, rows[-1])
    _print_fields("**mean**", names, {name: float(np.mean([row[name] for row in rows])) for name in rows[0]})


def _print_fields(title: str, names: Sequence[str], row: Mapping[str, float]) -> None:
    clean = ", ".join(f"{row[name]:.1f}" for name in names)
    pairs = [f"{row[f'bwdif, {case}']:.1f}, {row[f'motion, {case}']:.1f}" for case in ("MPEG-2", "frames")]
    cost = f"{row['times']:.0f}×, {row['ms']:.0f} ms a megapixel"
    print(f"| {title} | {clean} | {' | '.join(pairs)} | {cost} |", flush=True)


def _places(reference: torch.Tensor, frames: Frames) -> NDArray[np.float64]:
    """``(T, 2)``: where the middle of each frame shows ``reference``, by registration."""
    inner = frames[:, 16:-16, 16:-16].astype(np.float32) / 255
    found = [register(reference, torch.from_numpy(one), "translation") for one in inner]
    return np.array([one.shift_yx for one in found if one.converged])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["dust", "stabilize", "grain", "telecine", "deinterlace"])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--part", choices=["tune", "test"], default="test")
    parser.add_argument("--frames", type=int, help="of each clip; telecine: at least 20")
    parser.add_argument("--crop", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"), help="the middle of each clip")
    parser.add_argument("--noise", type=float, default=0.0, help="standard deviation of grain, in codes of 255")
    parser.add_argument("--bit-rate", type=int, default=0, help="telecine: of MPEG-2, bits a second; 0: lossless")
    parser.add_argument("--only", default="", help="clips whose names contain this")
    parser.add_argument("--nnedi", type=Path, help="deinterlace: the file nnedi3_weights.bin, for FFmpeg's filter")
    asked = parser.parse_args()
    frames = asked.frames or _FRAMES[asked.what]
    part: Part = asked.part
    clips = [s for s in find_sources(asked.data) if s.movement is None and s.part == part and asked.only in s.name]
    torch.set_num_threads(1)
    crop = tuple(asked.crop) if asked.crop else None
    if asked.what == "deinterlace":
        measure_deinterlace(clips, frames, crop, asked.nnedi)
    elif asked.what == "telecine":
        measure_telecine(clips, frames, crop, asked.bit_rate)
    elif asked.what == "stabilize":
        measure_stabilize(clips, frames)
    elif asked.what == "grain":
        measure_grain(clips, frames, crop)
    else:
        measure_dust(clips, frames, crop, asked.noise)


if __name__ == "__main__":
    main()
