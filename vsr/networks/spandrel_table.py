"""What is known of networks that the library spandrel runs: facts it does not carry itself.

A network of spandrel's that has no row here runs all the same: as one that sees the whole image, and not generative
unless its file says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import nn

from vsr.networks.footprint import INPUT

__all__ = ["SPANDREL", "SpandrelSpec"]


@dataclass(frozen=True)
class SpandrelSpec:
    """One architecture of spandrel's."""

    id: str
    """spandrel's identifier of it."""
    title: str
    """Authors' name, year and venue, in one line."""
    is_generative: bool = False
    """Whether its published weights were mostly trained adversarially."""
    context_px: Callable[[nn.Module], int] | None = None
    """Receptive field of a module with weights, in input pixels; None: the whole image, or not known to be less."""


def _compact_context(model: nn.Module) -> int:
    """Convolutions one after the other, all at the input's size."""
    return INPUT.conv(3, times=sum(isinstance(layer, nn.Conv2d) for layer in model.modules())).context_px


def _esrgan_context(model: nn.Module) -> int:
    """RRDBs of three times five layers, then repeated pixels and a layer for each doubling, then two more."""
    blocks = sum(type(layer).__name__ == "RRDB" for layer in model.modules())
    scale, unshuffled = int(getattr(model, "scale", 4)), int(getattr(model, "shuffle_factor", None) or 1)
    footprint = INPUT.conv(3, times=2 + 15 * blocks)
    for factor in [3] if scale == 3 else [2] * (scale.bit_length() - 1):
        footprint = footprint.shuffle(factor).conv(3)
    footprint = footprint.conv(3, times=2)
    per_input = footprint.factor // unshuffled
    reaches = [
        max((high + 1) * unshuffled - 1 - phase // per_input, phase // per_input - low * unshuffled)
        for phase, (low, high) in enumerate(zip(footprint.low, footprint.high, strict=True))
    ]
    return max(reaches)


def _table(rows: Iterable[SpandrelSpec]) -> Mapping[str, SpandrelSpec]:
    table: dict[str, SpandrelSpec] = {}
    for row in rows:
        if row.id in table:
            raise ValueError(f"two rows for {row.id!r}")
        table[row.id] = row
    return MappingProxyType(table)


SPANDREL: Mapping[str, SpandrelSpec] = _table(
    [
        SpandrelSpec("RCAN", "Zhang et al., ECCV 2018: RCAN, channel attention over the whole image"),
        SpandrelSpec("ESRGAN", "Wang et al., ECCVW 2018: ESRGAN, RRDB", is_generative=True, context_px=_esrgan_context),
        SpandrelSpec(
            "Compact", "Wang et al., ICCVW 2021: Real-ESRGAN compact", is_generative=True, context_px=_compact_context
        ),
        SpandrelSpec("SwinIR", "Liang et al., ICCVW 2021: SwinIR"),
        SpandrelSpec("IPT", "Chen et al., CVPR 2021: IPT"),
        SpandrelSpec("Swin2SR", "Conde et al., ECCVW 2022: Swin2SR"),
        SpandrelSpec("HAT", "Chen et al., CVPR 2023: HAT"),
        SpandrelSpec("DAT", "Chen et al., ICCV 2023: DAT"),
        SpandrelSpec("OmniSR", "Wang et al., CVPR 2023: Omni-SR"),
        SpandrelSpec("GRL", "Li et al., CVPR 2023: GRL"),
        SpandrelSpec("CRAFT", "Li et al., ICCV 2023: CRAFT-SR"),
        SpandrelSpec("SAFMN", "Sun et al., ICCV 2023: SAFMN"),
        SpandrelSpec("RGT", "Chen et al., ICLR 2024: RGT"),
        SpandrelSpec("ATD", "Zhang et al., CVPR 2024: ATD"),
        SpandrelSpec("DRCT", "Hsu et al., CVPRW 2024: DRCT"),
        SpandrelSpec("SPAN", "Wan et al., CVPRW 2024: SPAN"),
        SpandrelSpec("PLKSR", "Lee et al., 2024: PLKSR"),
        SpandrelSpec("SeemoRe", "Zamfir et al., ICML 2024: SeemoRe"),
        SpandrelSpec("SwiftSRGAN", "Krishnan and Krishnan, ICCICA 2021: Swift-SRGAN", is_generative=True),
        SpandrelSpec("MMRealSR", "Mou et al., ECCV 2022: MM-RealSR", is_generative=True),
        SpandrelSpec("RealCUGAN", "bilibili, 2022: Real-CUGAN", is_generative=True),
        SpandrelSpec("AuraSR", "fal, 2024: AuraSR, after GigaGAN", is_generative=True),
        SpandrelSpec("DnCNN", "Zhang et al., TIP 2017: DnCNN, noise only"),
        SpandrelSpec("DRUNet", "Zhang et al., TPAMI 2021: DRUNet, noise only"),
        SpandrelSpec("SCUNet", "Zhang et al., 2023: SCUNet, noise only"),
        SpandrelSpec("NAFNet", "Chen et al., ECCV 2022: NAFNet, blur or noise only"),
    ]
)
"""Architectures of spandrel's with what is known of them, by spandrel's identifier."""
