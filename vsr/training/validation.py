"""Measuring while training, by the rules of `vsr.evaluation`; where the degradation is another, on images made so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vsr.errors import InputError
from vsr.evaluation.networks import network_method
from vsr.evaluation.protocol import downscale_hr, eight_bits, hr_from, scored, smallest_side
from vsr.evaluation.sets import Item, find_sets
from vsr.media.image_files import read_image
from vsr.metrics import luma_bt601
from vsr.networks import Colour, Network
from vsr.observation import resample
from vsr.training.degradations import Chain
from vsr.training.records import Figures

__all__ = ["Validation"]

_SEED = 20_260  # of what chance does to validation images, the same at every measurement of every run


class _Case:
    """One image."""

    def __init__(self, name: str, hr: Tensor, given: Tensor) -> None:
        self.name, self.hr, self.given = name, hr, given


class Validation:
    """Images that are measured again and again."""

    def __init__(self, folders: Sequence[Path], chain: Chain, scale: int, colour: Colour, device: torch.device) -> None:
        """Raises `InputError` for folders that are missing, empty, or hold videos or images that are too small."""
        self._chain, self._scale, self._colour, self._device = chain, scale, colour, device
        self._cases: list[_Case] = []
        for one in find_sets(folders):
            if one.kind == "clips":
                raise InputError(f"{folders[0]}: validation is done on images, not on videos")
            self._cases += [self._case(f"{one.name}/{item.name}", item) for item in one.items]

    def _case(self, name: str, item: Item) -> _Case:
        hr = hr_from(read_image(item.path), self._scale)
        if min(hr.shape[-2:]) < smallest_side(self._scale):
            raise InputError(f"{item.path}: too small to be measured at x{self._scale}")
        return _Case(name, hr, self._degrade(hr))

    def _degrade(self, hr: Tensor) -> Tensor:
        if not self._chain.is_random:
            return downscale_hr(hr, self._scale, self._colour)
        rgb = hr.float().expand(3, -1, -1)
        frames = rgb[None].expand(self._chain.num_frames, -1, -1, -1).contiguous()
        small = self._chain(frames, torch.Generator().manual_seed(_SEED))[-1].double()
        return luma_bt601(small)[None] if self._colour == "Y" else eight_bits(small)

    def bicubic(self) -> Figures:
        """Of bicubic interpolation."""
        return self._figures(lambda given: resample(given, _times(given, self._scale), kernel="bicubic"))

    def measure(self, network: Network) -> Figures:
        """Of a network, in float32."""
        return self._figures(network_method("in training", network, self._device, {}).enlarge)

    def _figures(self, enlarge: object) -> Figures:
        assert callable(enlarge)
        figures: dict[str, tuple[float, float]] = {}
        for case in self._cases:
            psnr_y, ssim_y, _ = scored(enlarge(case.given), case.hr, case.given, self._scale)
            figures[case.name] = (psnr_y, ssim_y)
        means = [float(np.mean([pair[index] for pair in figures.values()])) for index in (0, 1)]
        return Figures(means[0], means[1], figures)

    def images(self, network: Network, count: int) -> Mapping[str, NDArray[np.uint8]]:
        """The first ``count``, by name: bicubic, the network, the ground truth, side by side; ``(H, W)`` luma."""
        enlarge = network_method("in training", network, self._device, {}).enlarge
        shown = {}
        for case in self._cases[:count]:
            plain = resample(case.given, _times(case.given, self._scale), kernel="bicubic")
            columns = [_show(part) for part in (plain, enlarge(case.given), case.hr)]
            shown[case.name.replace("/", "-")] = np.concatenate(columns, axis=1)
        return shown


def _times(given: Tensor, scale: int) -> tuple[int, int]:
    return int(given.shape[-2]) * scale, int(given.shape[-1]) * scale


def _show(image: Tensor) -> NDArray[np.uint8]:
    luma = image[0] if image.shape[0] == 1 else luma_bt601(image)
    return np.asarray(eight_bits(luma).byte().numpy(), np.uint8)
