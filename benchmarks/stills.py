"""How good stills are and how long they take. Prints Markdown.

    python benchmarks/stills.py [plate] [sharpened] [lenses] [times] [gallery] [--seeds N] [--folder DIR]

``plate``: 30 hand-held frames of a rendered plate, noise 8/255, H.264: the still against the best single frame.
``sharpened``: plates and faces of many bit rates against the frame and the unsharp mask that come closest to the ground
ground truth, and whether the still says so. ``times``: seconds of one core for a region and a whole image, and for
making them again. ``lenses``: 60 plates and faces behind lenses of four blurs, camera fixed or moving, CRF 20 to 34,
against the sharpened frame, with the letters that PP-OCR reads (``pip install rapidocr-onnxruntime``; else left out).
``gallery``: plates, and the classic sequences where they are (``VSR_MDSP`` names their folder), each
beside one frame enlarged by bicubic interpolation, in ``--folder``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from plates import FACE, SCALE, PlateClip, film, psnr_db
from videos import encode

Floats = NDArray[np.float64]

CRFS = (20, 23, 28)
_RATES = ((6.0, 20), (6.0, 27), (6.0, 34), (1.5, 18), (3.0, 23), (10.0, 30))  # noise in codes of 255, and CRF
_LENSES_PX, _NOISES, _LENS_CRFS = (0.0, 0.3, 0.6, 1.0), (1.5, 3.0, 6.0), (20, 24, 27, 30, 34)
_AMOUNTS, _MASK_PX = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0), 0.63  # of unsharp masks; the radius in pixels of the video
_PIXEL_PX = 0.289  # standard deviation of a pixel's own area
_X264 = ("-c:v", "libx264", "-preset", "medium", "-threads", "1")
_MDSP = Path(os.environ.get("VSR_MDSP", Path(__file__).resolve().parents[2] / "shared" / "data" / "mdsp"))
_SEQUENCES = {
    "text": ("text.avi", 10, None),
    "disk": ("disk.avi", 10, None),
    "eia": ("eia_lr.avi", 8, None),
}
_TEXTS = ("KV 58 HTN", "B8 03 DQO", "M1 74 WZS", "HG 26 EFX", "RU 90 CGJ", "3L 65 PYA", "S5 2Z 8B0", "QO 1I 7T4")


def decoded(path: Path) -> list[NDArray[np.uint8]]:
    """All frames as RGB, by PyAV alone."""
    import av

    with av.open(f"file:{path}") as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def enlarged(frame: NDArray[np.uint8], roi: tuple[int, int, int, int] | None, scale: int) -> NDArray[np.uint8]:
    """A frame by Pillow's bicubic, and the region of it."""
    image = Image.fromarray(frame)
    large = image.resize((image.width * scale, image.height * scale), Image.Resampling.BICUBIC)
    x, y, width, height = roi or (0, 0, image.width, image.height)
    return np.asarray(large)[y * scale : (y + height) * scale, x * scale : (x + width) * scale]


def of_still(path: Path) -> NDArray[np.float64]:
    """A still as RGB or gray, 0…255."""
    from vsr.media.images import read_samples

    return np.stack([plane.astype(np.float64) for plane in read_samples(path)], axis=-1) / 65535 * 255


def best_single(clip: PlateClip, frames: list[NDArray[np.uint8]]) -> float:
    """PSNR of the frame that shows the plate best, each against the plate as that frame sees it."""
    return max(
        psnr_db(enlarged(frame, clip.roi, SCALE).astype(np.float64).mean(2), hr)
        for frame, hr in zip(frames, clip.hr_regions, strict=True)
    )


def filmed(folder: Path, seed: int, crf: int) -> tuple[PlateClip, Path]:
    """A plate's clip, a text for each seed, and its file."""
    clip = film(text=_TEXTS[seed % len(_TEXTS)], seed=seed)
    path = encode(folder / f"plate-{seed}-{crf}.mp4", np.stack(clip.frames), *_X264, "-crf", str(crf))
    return clip, path


def plates(folder: Path, seeds: int) -> None:
    """PSNR of stills and of the best single frames."""
    import vsr

    print(f"### Plate, 30 hand-held frames, x{SCALE}, noise 8/255, H.264\n")
    print("| CRF | seed | best frame, bicubic | still | gain | blur found (true .42) | frames used | core seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for crf in CRFS:
        gains = []
        for seed in range(seeds):
            clip, path = filmed(folder, seed, crf)
            single = best_single(clip, decoded(path))
            began = time.process_time()
            made = vsr.still(path, folder / f"still-{seed}-{crf}.png", at=0, roi=clip.roi, overwrite=True)
            seconds = time.process_time() - began
            found = made.record["found"]
            still = psnr_db(of_still(made.output).mean(2), clip.hr_regions[0])
            gains.append(still - single)
            print(
                f"| {crf} | {seed} | {single:.2f} | {still:.2f} | {still - single:+.2f} | {found['psf_sigma_px']:.2f} "
                f"| {found['frames_used']} | {seconds:.1f} |",
                flush=True,
            )
        print(f"| {crf} | all | | | {np.mean(gains):+.2f}, least {min(gains):+.2f} | | | |", flush=True)


def best_sharpened(clip: PlateClip, frames: list[NDArray[np.uint8]]) -> tuple[float, Floats]:
    """The frame and the strength of an unsharp mask that come closest to what that frame saw: PSNR and image."""
    from scipy import ndimage

    x, y, width, height = (SCALE * value for value in clip.roi)
    found = []
    for frame, hr in zip(frames, clip.hr_regions, strict=True):
        image = Image.fromarray(frame.astype(np.float32).mean(2), mode="F")
        size = (image.width * SCALE, image.height * SCALE)
        large = np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.float64)
        detail = large - ndimage.gaussian_filter(large, _MASK_PX * SCALE)
        for amount in _AMOUNTS:
            sharp = np.clip(large + amount * detail, 0, 255)[y : y + height, x : x + width]
            found.append((psnr_db(sharp, hr), sharp))
    return max(found, key=lambda one: one[0])


def sharpened(folder: Path, seeds: int) -> None:
    """Stills against sharpened frames; ADR 94 takes its figures from here."""
    import vsr

    print(f"\n### Against the best sharpened frame, 16 frames, x{SCALE}, H.264\n")
    print("| subject | camera | noise | CRF | seed | bits a pixel | sharpened | still | gain | warned |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for seed, is_face, is_fixed, (noise, crf) in itertools.product(range(seeds), (False, True), (False, True), _RATES):
        text = FACE if is_face else _TEXTS[seed % len(_TEXTS)]
        clip = film(16, text=text, noise=noise, seed=seed + 10 * is_face, is_fixed=is_fixed)
        path = encode(folder / "sharpened.mp4", np.stack(clip.frames), *_X264, "-crf", str(crf))
        made = vsr.still(path, folder / "sharpened.png", at=0, roi=clip.roi, evidence=False, overwrite=True)
        single, _ = best_sharpened(clip, decoded(path))
        still = psnr_db(of_still(made.output).mean(2), clip.hr_regions[0])
        warned = any("sharpened" in text for text in made.record["warnings"])
        print(
            f"| {'face' if is_face else 'plate'} | {'fixed' if is_fixed else 'moves'} | {noise:g} | {crf} | {seed} "
            f"| {made.record['found']['bits_a_pixel']:.3f} | {single:.2f} | {still:.2f} | {still - single:+.2f} "
            f"| {'yes' if warned else 'no'} |",
            flush=True,
        )


def _reader() -> Any:
    """What PP-OCR reads in an image ``(H, W)`` 0…255; None where it is not installed."""
    try:
        from rapidocr_onnxruntime import RapidOCR
    except ImportError:
        return None
    engine = RapidOCR()

    def read(image: Floats) -> str:
        codes = np.repeat(np.clip(np.rint(image), 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        found, _ = engine(codes, use_det=False, use_cls=False)
        return str(found[0][0]) if found else ""

    return read


def _letters(read: str, text: str) -> int:
    """Letters of ``text`` that were read in their order."""
    import difflib

    one, other = text.replace(" ", ""), read.replace(" ", "").upper()
    return sum(block.size for block in difflib.SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())


def lenses(folder: Path) -> None:
    """60 clips of known lenses: stills against sharpened frames, by PSNR and letters read."""
    import vsr

    read = _reader()
    print(f"\n### Lenses, 16 frames, x{SCALE}, H.264, against the best sharpened frame\n")
    print("| subject | camera | CRF | lens px | noise | blur found (true) | sharpened | still | gain | letters, both |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    gains: dict[float, list[float]] = {lens: [] for lens in _LENSES_PX}
    cells = itertools.product(range(3), (False, True), (False, True), _LENS_CRFS)
    for number, (seed, is_face, is_fixed, crf) in enumerate(cells):
        lens, noise = _LENSES_PX[(number + seed) % 4], _NOISES[(number // 2 + seed) % 3]
        text = FACE if is_face else _TEXTS[number % len(_TEXTS)]
        clip = film(16, text=text, noise=noise, seed=seed + 10 * is_face, is_fixed=is_fixed, lens_px=lens)
        path = encode(folder / "lens.mp4", np.stack(clip.frames), *_X264, "-crf", str(crf))
        made = vsr.still(path, folder / "lens.png", at=0, roi=clip.roi, evidence=False, overwrite=True)
        single, sharp = best_sharpened(clip, decoded(path))
        image = of_still(made.output).mean(2)
        still = psnr_db(image, clip.hr_regions[0])
        gains[lens].append(still - single)
        seen = "" if read is None or is_face else f"{_letters(read(sharp), text)}, {_letters(read(image), text)} of 7"
        print(
            f"| {'face' if is_face else 'plate'} | {'fixed' if is_fixed else 'moves'} | {crf} | {lens:g} | {noise:g} "
            f"| {made.record['found']['psf_sigma_px']:.2f} ({math.hypot(lens, _PIXEL_PX):.2f}) | {single:.2f} "
            f"| {still:.2f} | {still - single:+.2f} | {seen} |",
            flush=True,
        )
    for lens, found in gains.items():
        if found:
            print(f"| all | | | {lens:g} | | | | | {np.mean(found):+.2f}, least {min(found):+.2f} | |")


def times(folder: Path) -> None:
    """Seconds for a region and for a whole image, and for making them again."""
    import vsr

    rng = np.random.default_rng(0)
    clip = film(45)
    wide = np.stack([np.tile(frame, (8, 9, 1))[:720, :1280] for frame in clip.frames])
    wide = np.roll(wide, int(rng.integers(40)), axis=2)
    path = encode(folder / "wide.mp4", wide, *_X264, "-crf", "20")
    print("\n### Seconds of one core\n\n| what | made | made again | identical |\n|---|---|---|---|")
    jobs: list[tuple[str, dict[str, Any]]] = [
        ("96x32, x4, 30 frames, 1280x720 video", {"roi": (600, 340, 96, 32), "scale": 4}),
        ("1280x720 whole, x2, 30 frames", {"scale": 2}),
    ]
    for name, options in jobs:
        began = time.process_time()
        made = vsr.still(path, folder / "timed.png", at=20, overwrite=True, **options)
        first = time.process_time() - began
        began = time.process_time()
        last = vsr.verify(made.output, recompute=True)[-1]
        print(f"| {name} | {first:.1f} | {time.process_time() - began:.1f} | {last.detail} |", flush=True)


def beside(left: NDArray[Any], right: NDArray[Any], titles: tuple[str, str]) -> Image.Image:
    """Two images of one size side by side, with their names above, enlarged to a size that is looked at."""
    pair = [Image.fromarray(np.clip(np.rint(p), 0, 255).astype(np.uint8)).convert("RGB") for p in (left, right)]
    times_larger = max(1, 480 // pair[0].width)
    width, height = pair[0].width * times_larger, pair[0].height * times_larger
    page = Image.new("RGB", (2 * width + 12, height + 24), "white")
    for number, (image, title) in enumerate(zip(pair, titles, strict=True)):
        place = number * (width + 12)
        page.paste(image.resize((width, height), Image.Resampling.BICUBIC), (place, 24))
        ImageDraw.Draw(page).text((place + 4, 5), title, fill="black", font=ImageFont.load_default(13))
    return page


def _page(path: Path, output: Path, scale: int, **options: Any) -> None:
    """The still of ``path`` and its page for the gallery."""
    import vsr

    made = vsr.still(path, output, scale=scale, overwrite=True, **options)
    still = of_still(made.output)
    shown = still.squeeze(-1) if still.shape[-1] == 1 else still
    frame = decoded(path)[made.record["reference"]["ordinal"]]
    single = enlarged(frame, options.get("roi"), scale)
    found = made.record["found"]
    title = f"{found['frames_used']} frames, vsr still x{scale}"
    beside(single, shown, (f"one frame, bicubic x{scale}", title)).save(output.with_suffix(".beside.png"))
    print(
        f"| {output.stem} | {found['frames_used']} | {found['psf_sigma_px']:.2f} | {found['regularization']:g} "
        f"| {found['noise_sigma'] * 255:.1f} | {made.record['method']['motion']} "
        f"| {made.record['quality']['residual_over_noise']:.2f} | {made.record['seconds']:.0f} "
        f"| {'; '.join(made.record['notes'])} |",
        flush=True,
    )


def gallery(folder: Path) -> None:
    """Pages for looking at."""
    print("\n### Gallery\n")
    print("| image | frames used | blur | smoothness | noise | motion | residual / noise | seconds | notes |")
    print("|---|---|---|---|---|---|---|---|---|")
    for seed in range(4):
        clip, path = filmed(folder, seed, CRFS[0])
        _page(path, folder / f"plate-{seed}.png", SCALE, at=0, roi=clip.roi)
    for name, (file, at, roi) in _SEQUENCES.items():
        if (_MDSP / file).is_file():
            _page(_MDSP / file, folder / f"{name}.png", SCALE, at=at, roi=roi)
        else:
            print(f"| {name} | not made: {_MDSP / file} is not here; set VSR_MDSP | | | | | | | |")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["plate", "times"], help="plate, sharpened, lenses, times, gallery")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="where images go; a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if "plate" in arguments.what:
            plates(folder, arguments.seeds)
        if "sharpened" in arguments.what:
            sharpened(folder, arguments.seeds)
        if "lenses" in arguments.what:
            lenses(folder)
        if "times" in arguments.what:
            times(folder)
        if "gallery" in arguments.what:
            gallery(folder)


if __name__ == "__main__":
    main()
