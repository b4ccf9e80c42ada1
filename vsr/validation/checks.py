"""The checks, one a claim: each makes what it needs from a seed, runs the program as users do, and measures.

None compares with results of the program itself: ground truth is written down (`vsr.validation.scene`), bytes are
counted, and damage is done on purpose.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vsr import api
from vsr.errors import UsageError, VerificationError
from vsr.media.clips import read_rgb
from vsr.media.image_files import read_image
from vsr.registration import register
from vsr.validation.scene import Image, Scene, write_gray

__all__ = ["CHECKS", "Check", "Finding"]

_SEED = 20260
_FRAMES, _HEIGHT, _WIDTH = 9, 60, 80  # of the small video
_EDGE = 12  # pixels of the large image that are not counted
_LENS = 0.7  # pixels of the large image by which the small video is softened, as by a usual lens
_STEPS = 12  # bits that are flipped


@dataclass(frozen=True)
class Finding:
    """What a check measured."""

    value: float | None
    """None where vsr failed."""
    digest: str = ""
    """SHA-256 of the samples that were made, where some were: equal between versions that compute the same."""
    error: str = ""
    """Why there is no value."""


@dataclass(frozen=True)
class Check:
    """One claim."""

    claim: str
    run: Callable[[Path], Finding]
    """Gets an empty folder."""
    bound: float
    unit: str
    passes: Literal["at most", "at least"]

    def is_passed(self, value: float) -> bool:
        """Whether ``value`` lies within the bound; NaN does not."""
        return value <= self.bound if self.passes == "at most" else value >= self.bound


_EXACT = {"codec": "ffv1", "encoder_threads": 1, "device": "cpu"}


def _shifts(count: int) -> list[tuple[float, float]]:
    """Where a hand holds the camera, in pixels of the large image."""
    rng = np.random.default_rng(_SEED)
    return [(float(y), float(x)) for y, x in rng.uniform(-3, 3, (count, 2))]


def _video(folder: Path, name: str = "in.mp4", *, lens_sigma: float = _LENS) -> tuple[Path, list[Image]]:
    """A small video of the scene by a hand-held camera, and the large images that its frames should be."""
    scene, shifts = Scene(_SEED), _shifts(_FRAMES)
    small = [scene.image(_HEIGHT, _WIDTH, pixel=2.0, shift_yx=shift, lens_sigma=lens_sigma) for shift in shifts]
    large = [scene.image(2 * _HEIGHT, 2 * _WIDTH, shift_yx=shift) for shift in shifts]
    return write_gray(folder / name, small), large


def _made(source: Path, output: Path, **settings: Any) -> Mapping[str, Any]:
    [outcome] = api.upscale(source, output, settings=_EXACT | settings, workers=1)
    assert outcome.manifest is not None, outcome.error
    return outcome.manifest


def _gray(path: Path) -> NDArray[np.float64]:
    return np.stack([np.asarray(frame[..., 1], np.float64) for frame in read_rgb(path)])


def _digest(images: NDArray[np.float64]) -> str:
    return hashlib.sha256(images.astype(np.uint8).tobytes()).hexdigest()


def _psnr(images: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    inner = (..., slice(_EDGE, -_EDGE), slice(_EDGE, -_EDGE))
    return float(10 * math.log10(255**2 / np.square(images[inner] - expected[inner]).mean()))


def _input_untouched(folder: Path) -> Finding:
    source, _ = _video(folder)
    before, when = source.read_bytes(), source.stat().st_mtime_ns
    _made(source, folder / "out.mkv", method="multiframe")
    return Finding(float(source.read_bytes() != before) + float(source.stat().st_mtime_ns != when))


def _every_frame(folder: Path) -> Finding:
    source, large = _video(folder)
    times = _made(source, folder / "out.mkv", method="bicubic")["times"]
    return Finding(abs(times["num_frames"] - len(large)) + float(not times["exact"]))


def _samples_kept(folder: Path) -> Finding:
    source, _ = _video(folder)
    _made(source, folder / "out.mkv", method="none", scale=1)
    given, images = _gray(source), _gray(folder / "out.mkv")
    return Finding(float(np.count_nonzero(given != images)), _digest(images))


def _made_again(folder: Path) -> Finding:
    source, _ = _video(folder)
    _made(source, folder / "out.mkv", method="multiframe")
    failed = [check for check in api.verify(folder / "out.mkv", recompute=True) if not check.passed]
    return Finding(float(len(failed)))


def _tampering(folder: Path) -> Finding:
    """Bits are flipped in the output, its record, its checksums and its input, one at a time."""
    source, _ = _video(folder)
    output = folder / "out.mkv"
    _made(source, output, method="bicubic")
    rng, missed = np.random.default_rng(_SEED), 0
    for number in range(_STEPS):
        path = (output, folder / "out.mkv.vsr.json", folder / "out.mkv.framemd5", source)[number % 4]
        before = path.read_bytes()
        changed = bytearray(before)
        changed[int(rng.integers(len(before)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(bytes(changed))
        try:
            missed += all(check.passed for check in api.verify(output))
        except VerificationError:
            pass  # not even readable as a record: noticed
        path.write_bytes(before)
    return Finding(float(missed))


def _detail(folder: Path) -> Finding:
    source, large = _video(folder)
    _made(source, folder / "many.mkv", method="multiframe", scale=2)
    _made(source, folder / "one.mkv", method="bicubic", scale=2)
    images, expected = _gray(folder / "many.mkv"), np.stack(large)
    return Finding(_psnr(images, expected) - _psnr(_gray(folder / "one.mkv"), expected), _digest(images))


def _place(folder: Path) -> Finding:
    source, large = _video(folder)
    _made(source, folder / "out.mkv", method="multiframe", scale=2)
    return Finding(max(math.hypot(*_shift(*pair)) for pair in zip(large, _gray(folder / "out.mkv"), strict=True)))


def _shift(one: Image, other: Image) -> tuple[float, float]:
    """From ``one`` to ``other``, ``(y, x)`` pixels; infinite where it is not found."""
    first, second = (torch.from_numpy((image / 255).astype(np.float32)) for image in (one, other))
    found = register(first, second, "translation")
    return (found.shift_yx[0], found.shift_yx[1]) if found.converged else (math.inf, math.inf)


def _flat(folder: Path) -> Finding:
    source = write_gray(folder / "in.mp4", [np.full((_HEIGHT, _WIDTH), 128.0)] * _FRAMES)
    _made(source, folder / "out.mkv", method="multiframe", scale=2)
    images = _gray(folder / "out.mkv")
    return Finding(float(np.abs(images - _gray(source).mean()).max()), _digest(images))


def _noise(folder: Path) -> Finding:
    rng = np.random.default_rng(_SEED)
    noisy = [128 + 4 * rng.standard_normal((_HEIGHT, _WIDTH)) for _ in range(_FRAMES)]
    source = write_gray(folder / "in.mp4", noisy)
    _made(source, folder / "out.mkv", method="multiframe", scale=2)
    images = _gray(folder / "out.mkv")
    return Finding(float(images.std() / _gray(source).std()), _digest(images))


def _brightness(folder: Path) -> Finding:
    source, _ = _video(folder)
    _made(source, folder / "out.mkv", method="multiframe", scale=2)
    return Finding(float(np.abs(_gray(folder / "out.mkv").mean((1, 2)) - _gray(source).mean((1, 2))).max()))


def _registration(folder: Path) -> Finding:
    del folder
    scene, errors = Scene(_SEED), []
    first = scene.image(96, 96, pixel=2.0)
    for down, right in _shifts(20):
        second = scene.image(96, 96, pixel=2.0, shift_yx=(2 * down, 2 * right))
        found = _shift(first, second)
        errors.append(math.hypot(found[0] + down, found[1] + right))
    return Finding(max(errors))


def _refusal(folder: Path) -> Finding:
    source, _ = _video(folder)
    try:
        _made(source, folder / "out.mkv", method="lite", scale=2, evidence=True)
    except UsageError:
        return Finding(float((folder / "out.mkv").exists()))
    return Finding(1.0)


def _still(folder: Path) -> Finding:
    return _gain_of_still(folder, _LENS)


def _sharp_still(folder: Path) -> Finding:
    return _gain_of_still(folder, 0.0)


def _gain_of_still(folder: Path, lens_sigma: float) -> Finding:
    source, large = _video(folder, lens_sigma=lens_sigma)
    api.still(source, folder / "still.png", at=4, scale=2)
    _made(source, folder / "one.mkv", method="bicubic", scale=2)
    image = np.asarray(read_image(folder / "still.png"), np.float64)
    image = image[..., 1] if image.ndim == 3 else image
    image = image * (255 / 65535 if image.max() > 255 else 1)
    one = _gray(folder / "one.mkv")[4]
    return Finding(_psnr(image, large[4]) - _psnr(one, large[4]), _digest(image))


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "input-untouched": Check("the input keeps its bytes and its time", _input_untouched, 0, "changes", "at most"),
        "frames": Check("every frame comes out once, at its time", _every_frame, 0, "frames", "at most"),
        "samples": Check("what is not restored keeps every sample", _samples_kept, 0, "samples", "at most"),
        "repeatable": Check("made again from its record, all is the same", _made_again, 0, "failures", "at most"),
        "tampering": Check("one changed bit anywhere is noticed", _tampering, 0, f"of {_STEPS} missed", "at most"),
        "detail": Check("many frames are nearer to the ground truth than one is", _detail, 0.5, "dB", "at least"),
        "place": Check("nothing is displaced", _place, 0.1, "pixels", "at most"),
        "flat": Check("nothing appears where nothing is", _flat, 1, "codes", "at most"),
        "noise": Check("noise alone grows by no more than the limit says", _noise, 2, "times", "at most"),
        "brightness": Check("brightness stays", _brightness, 0.5, "codes", "at most"),
        "motion": Check("known motion is found", _registration, 0.05, "pixels", "at most"),
        "refusal": Check("--evidence refuses learned methods", _refusal, 0, "outputs", "at most"),
        "still": Check("a still is nearer to the ground truth than its own frame", _still, 0.5, "dB", "at least"),
        "sharp-still": Check("so is one of frames that no lens softened", _sharp_still, 0.5, "dB", "at least"),
    }
)
"""Every check by name, in their order."""
