"""One image: downscaled, enlarged, scored."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from vsr.errors import InputError
from vsr.evaluation.base import ImageMethod
from vsr.evaluation.perceptual import Perceptual
from vsr.evaluation.protocol import downscale_hr, eight_bits, hr_from, in_colour, scored, smallest_side
from vsr.evaluation.records import ItemScore, Scores
from vsr.evaluation.sets import Item
from vsr.media.image_files import read_image
from vsr.metrics import diversity_score

__all__ = ["given_to", "score_image"]


def given_to(method: ImageMethod, hr: Tensor) -> Tensor:
    """What ``method`` is given for the ground truth ``(1 or 3, H, W)``: ``(C, h, w)`` float64 in 0…255."""
    if method.make_small is None:
        return downscale_hr(hr, method.scale, method.colour)
    return eight_bits(method.make_small(in_colour(hr, method.colour)))


def score_image(
    item: Item, method: ImageMethod, perceptual: Perceptual | None = None, samples: int | None = None
) -> ItemScore:
    """Scores of ``method`` on an image, with LPIPS if ``perceptual`` is given.

    With ``samples``, the diversity of as many, if ``method`` draws; all other scores are of the first.
    Raises `InputError` where it cannot be read or is too small.
    """
    image = read_image(item.path)
    scale, (height, width) = method.scale, image.shape[:2]
    if min(height, width) < smallest_side(scale):
        raise InputError(
            f"{item.path}: {width}x{height} pixels are too few for x{scale}, where {scale} are left out on every side; "
            f"both sides need at least {smallest_side(scale)}"
        )
    hr = hr_from(image, scale)
    given = given_to(method, hr)
    began = time.perf_counter()
    result = method.enlarge(given)
    seconds = time.perf_counter() - began
    psnr_y, ssim_y, lr_psnr = scored(result, hr, given, scale)
    lpips = diversity = None
    if perceptual is not None:
        small = given if method.colour == "RGB" else downscale_hr(hr, scale, "RGB")
        lpips = perceptual(result, hr, small, str(item.path))
        if samples is not None and method.draws:
            drawn = (result, *(method.enlarge(given, number) for number in range(1, samples)))
            distances = [perceptual.spatial(one, hr, small, str(item.path)) for one in drawn]
            diversity = diversity_score(torch.stack(distances))
    return ItemScore(item.name, 1, Scores(psnr_y, ssim_y, lr_psnr, seconds, lpips=lpips, diversity=diversity))
