"""What was done, step by step, in plain words, with the literature that each step follows."""

from __future__ import annotations

from dataclasses import dataclass

from vsr.stills.fusion import Fused
from vsr.stills.options import StillOptions
from vsr.stills.study import Study

__all__ = ["Step", "describe_steps"]


@dataclass(frozen=True)
class Step:
    """One step."""

    what: str
    follows: str
    """The literature, or the program that did it."""


def describe_steps(
    options: StillOptions, found: Study, fused: Fused, *, deinterlaced: bool, num_frames: int
) -> list[Step]:
    """All steps from the file to the image, in order."""
    steps = [
        Step("The video was decoded from its start; each frame is known by its place and its MD5.", "FFmpeg"),
        Step("Frames of the shot around the time were taken; a shot ends at a cut.", "PySceneDetect"),
    ]
    if deinterlaced:
        steps.append(
            Step("Frames of two fields were made progressive: missing lines are interpolated (bwdif).", "FFmpeg")
        )
    steps += [
        Step(
            "The region was followed from frame to frame by normalised correlation, then registered to the reference "
            "by robust Gauss-Newton steps, coarse to fine; where that failed, over steps that were composed.",
            "Lewis 1995; Lucas and Kanade 1981; Benhimane and Malis 2004; Black and Anandan 1996",
        ),
        Step(
            "Frames that could not be registered, differ, repeat another or are blurred were left out; of the rest, "
            f"the {num_frames} sharpest and best registered were used.",
            "Immerkaer 1996 for the noise in sharpness",
        ),
        Step(
            f"The image was solved for that explains all samples of these frames through y = S B x + noise: B a "
            f"Gaussian blur of {fused.imaging.psf_sigma_px:.3f} pixels, S reading at the place of every sample. The "
            "residual counts by Huber's function, smoothness by bilateral total variation of "
            f"{fused.imaging.regularization:g} times the usual strength.",
            "Farsiu, Robinson, Elad and Milanfar 2004; Koehler et al. 2016; Huber 1964",
        ),
        Step(
            f"Image, motion ({fused.model}), brightness and weight of each frame were improved in turn; motion by "
            "Gauss-Newton steps against the image.",
            "Hardie, Barnard and Armstrong 1997",
        ),
    ]
    if options.motion == "auto":
        steps.append(Step("The kind of motion was chosen by the Bayesian information criterion.", "Schwarz 1978"))
    steps += [
        Step(
            f"Blur: {found.psf_from}. Strength of smoothness: {found.strength_from}.",
            "Nguyen, Milanfar and Golub 2001; Breiman et al. 1984; Ruderman and Bialek 1994",
        ),
        Step(
            "Colour planes are the median of the frames laid on each other; they follow the detail of the luma where "
            "they follow the luma.",
            "He, Sun and Tang 2013",
        ),
        Step("The result was converted to RGB with the video's own matrix and rounded to 16 bits.", "ITU-T H.273"),
        Step(
            "No network made any of the image, and no generative model took part. Blur and smoothness, if not given, "
            "follow from estimates by statistics that were fitted to other images.",
            "",
        ),
    ]
    return steps
