"""What a method learns of a video, and how to say it in words.

A restored frame's ``findings`` hold, by name, for any method that enlarges:

- ``lr_psnr_db``: PSNR in dB of the frame, degraded again by the assumed degradation, against the input;
- ``residual_over_noise``: root mean square of that difference over the input's noise;
- ``input_noise_sigma``: standard deviation of the input's noise, rounding to codes included, 0…1;

for methods that are suited to the source, its estimates (`vsr.networks.source`), the same for a whole shot:

- ``source_blur_px``: blur, in input pixels;
- ``source_noise_codes``, ``source_compression_codes``: noise and error of compression, in codes of 255;

for conditioned networks, their conditions, the same for a whole shot:

- ``condition_blur_px``: blur ahead of bicubic shrinking, in input pixels;
- ``condition_noise_codes``: noise, in codes of 255;

where a whole kernel was estimated, the same for a whole shot:

- ``kernel_along_px``, ``kernel_across_px``: standard deviations along its longest axis and across it, in input pixels;

for the pass ``deflicker``:

- ``deflicker_gain``, ``deflicker_offset_codes``: what brought a frame to the trend, the offset in codes of 255;
- ``deflicker_change``: how far the gain is from 1;

for the pass ``dust``:

- ``dust_share``, ``dust_spots``: share of the frame's pixels that were filled, and in how many spots;

for the pass ``faces``:

- ``faces_found``, ``faces_replaced``: faces in the frame, and those of them that were small enough to be replaced;

for the passes ``degrain`` and ``grain``:

- ``grain_codes``: standard deviation of grain at the frame's brightness, in codes of 255; 0 where none was found;
- ``grain_added_codes``: the same of what was added;

for the pass ``stabilize``:

- ``stabilize_shift_px``: how far the frame's corners were moved, at most, in pixels;
- ``stabilize_filled_share``: share of the frame that it did not reach, filled from frames nearby;

for networks that are trained on the shot, the same for a whole shot:

- ``training_steps``: steps of training, 0 where frames were too small to learn from and were interpolated;
- ``training_loss``: mean absolute error at the end of training, in codes of 255;

for ``selfex``, the same for a whole shot:

- ``examples``: patches of the shot that detail was taken from, 0 where it had none and frames were interpolated;

and besides, for multi-frame reconstruction:

- ``noise_sigma``: standard deviation of noise and misregistration, 0…1;
- ``frames_used``: frames that a pixel rests on, 1 for the frame alone;
- ``confidence``: mean confidence in the samples of the frames around it, 0…1, 0 where there are none;
- ``sample_spread_px``: how far neighbours' samples lie from the frame's own grid, in input pixels;
- ``psf_sigma_px``: the blur assumed, in input pixels;
- ``evenly_weighted``: 1 where the shot's frames were found too aliased or sharpened to lead, else 0;
- ``at_rest``: where a network that remembers leads, 1 in shots of a fixed camera, where its image is the result, or 0;
- ``guess_weight``: weight, for the shot, of what a frame alone lets expect, as a sample's confidence.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from vsr.networks.source import Source
from vsr.observation.limits import supported_scale

__all__ = ["Findings", "Means", "describe_findings", "mean_findings", "source_findings"]

_STILL_PX = 0.06  # sample spread below which frames bring no new samples
_MOSTLY = 0.5
_CONSISTENT_DB = 45.0  # of LR-PSNR, from which results count as consistent with the input
_NEAR_DB = 38.0  # root mean square of 3 codes of 255, about what ordinary compression changes
_AS_NOISE = 1.5  # times the input's noise
_ALONE = 1.5  # frames used below which hardly anything registered


class Means:
    """Running means of numbers by name."""

    def __init__(self) -> None:
        self._totals: dict[str, float] = {}
        self._counts: dict[str, float] = {}

    def add(self, findings: Mapping[str, float], weight: float = 1.0) -> None:
        """Take one more set of numbers."""
        for name, value in findings.items():
            self._totals[name] = self._totals.get(name, 0.0) + weight * value
            self._counts[name] = self._counts.get(name, 0.0) + weight

    def read(self) -> dict[str, float]:
        """The means, to 6 digits."""
        return {name: float(f"{total / self._counts[name]:.6g}") for name, total in self._totals.items()}


class Findings:
    """What was learnt of a segment, image after image: means and curves."""

    def __init__(self) -> None:
        self._means = Means()
        self._columns: dict[str, array[float]] = {}
        self._count = 0

    def add(self, findings: Mapping[str, float]) -> None:
        """Take the next image's numbers."""
        self._means.add(findings)
        for name, value in findings.items():
            self._columns.setdefault(name, array("d")).append(float(f"{value:.4g}"))
        self._count += 1

    def means(self) -> dict[str, float]:
        """See `Means`."""
        return self._means.read()

    def curves(self) -> dict[str, Sequence[float]]:
        """To 4 digits, the numbers that every image has and that are not always the same."""
        return {
            name: column
            for name, column in self._columns.items()
            if len(column) == self._count and min(column) < max(column)
        }


def mean_findings(parts: Iterable[tuple[int, Mapping[str, float]]]) -> dict[str, float]:
    """Means over parts of ``(frames, findings)``, and ``supported_scale`` where it follows from them."""
    means = Means()
    for frames, findings in parts:
        means.add(findings, frames)
    found = means.read()
    if {"psf_sigma_px", "noise_sigma", "frames_used"} <= set(found):
        scale = supported_scale(found["psf_sigma_px"], found["noise_sigma"], found["frames_used"])
        found["supported_scale"] = round(scale, 2)
    return found


def source_findings(source: Source | None) -> dict[str, float]:
    """Estimates of the source, by name; empty where there are none."""
    return {} if source is None else {f"source_{name}": value for name, value in asdict(source).items()}


def _agreement(lr_psnr_db: float, residual_over_noise: float) -> str:
    """What it means that a result, downscaled again, differs from the input, and whether to worry."""
    figures = f"LR-PSNR {lr_psnr_db:.1f} dB, {residual_over_noise:.1f} times the input's noise"
    if lr_psnr_db >= _CONSISTENT_DB or residual_over_noise <= _AS_NOISE:
        return f"made small again, the result is the input, as far as its noise lets one tell ({figures})"
    if lr_psnr_db >= _NEAR_DB:
        return (
            f"made small again, the result is close to the input ({figures}): nothing to worry about; noise or "
            "compression was taken out, or edges were made sharper than they were recorded"
        )
    return (
        f"made small again, the result differs from the input ({figures}): much of what was recorded was replaced, be "
        "it noise, compression or detail; compare the two (vsr report) before relying on it"
    )


def _about_faces(found: float, replaced: float) -> str:
    if not replaced:
        return f"no face was replaced ({found:.1f} a frame were found): frames are those of the method alone"
    return (
        f"faces were INVENTED: of {found:.1f} a frame {replaced:.1f} were replaced after a corpus of other people; "
        "they are no evidence of anyone's looks"
    )


def describe_findings(found: Mapping[str, float]) -> list[str]:
    """Plain sentences for people; empty where nothing was found."""
    lines = []
    if "lr_psnr_db" in found:
        lines.append(_agreement(found["lr_psnr_db"], found["residual_over_noise"]))
    if "source_compression_codes" in found:
        lines.append(
            f"the source: compression changed it by about {found['source_compression_codes']:.1f} of 255, noise "
            f"{found['source_noise_codes']:.1f}, blur {found['source_blur_px']:.2f} px"
        )
    if "deflicker_change" in found:
        lines.append(f"brightness was evened out by {100 * found['deflicker_change']:.1f} % of gain on the average")
    if "dust_share" in found:
        share = 100 * found["dust_share"]
        lines.append(f"dirt was filled in {found['dust_spots']:.1f} spots a frame, {share:.3f} % of its pixels")
    if "faces_found" in found:
        lines.append(_about_faces(found["faces_found"], found["faces_replaced"]))
    if "grain_codes" in found:
        codes = found["grain_codes"]
        lines.append(f"grain of {codes:.1f} of 255 was measured" if codes else "no grain could be measured")
    if "grain_added_codes" in found:
        lines.append(f"grain of {found['grain_added_codes']:.1f} of 255 was added; it was not recorded")
    if "stabilize_shift_px" in found:
        share = 100 * found["stabilize_filled_share"]
        lines.append(f"frames were moved by {found['stabilize_shift_px']:.2f} px; {share:.2f} % was filled at borders")
    if "condition_blur_px" in found:
        blur_px, noise_codes = found["condition_blur_px"], found["condition_noise_codes"]
        lines.append(f"the network was conditioned on blur {blur_px:.2f} px, noise {noise_codes:.1f} of 255")
    elif "condition_noise_codes" in found:
        lines.append(
            f"the network was conditioned on noise {found['condition_noise_codes']:.1f} of 255 and on a kernel"
        )
    if "kernel_along_px" in found:
        along_px, across_px = found["kernel_along_px"], found["kernel_across_px"]
        lines.append(
            f"a kernel was estimated for each shot: {along_px:.2f} px along its longest axis, {across_px:.2f} across"
        )
    if "training_loss" in found:
        lines.append(f"a network was trained on each shot; its error there is {found['training_loss']:.1f} of 255")
    elif "training_steps" in found:
        lines.append("frames were too small to train a network on: they were interpolated")
    if found.get("examples") == 0:
        lines.append("frames were too small or too flat to hold examples: they were interpolated")
    if found.get("at_rest", 0.0) > _MOSTLY:
        lines.append(
            "the camera stands still: other frames show the same points again, and the network makes the image"
        )
    if "supported_scale" not in found or found.get("at_rest", 0.0) > _MOSTLY:
        return lines
    lines.append(
        f"each pixel rests on {found['frames_used']:.1f} frames; noise {255 * found['noise_sigma']:.1f} of 255, "
        f"blur {found['psf_sigma_px']:.2f} px: recorded detail for about {found['supported_scale']:.1f}x"
    )
    if found["frames_used"] < _ALONE:
        lines.append("hardly any neighbouring frame could be registered: most frames were restored on their own")
    elif found["sample_spread_px"] < _STILL_PX:
        lines.append("the camera stands still: neighbouring frames bring no new samples, only less noise")
    if found.get("evenly_weighted", 0.0) > _MOSTLY:
        lines.append("single frames are aliased or sharpened: all frames of a window were weighed alike")
    return lines
