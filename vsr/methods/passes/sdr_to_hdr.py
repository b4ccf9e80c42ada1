"""SDR video as HDR: PQ light in BT.2020 primaries, 10 bits.

Without a network colours stay as an SDR display shows them, white at 203 cd/m² (ITU-R BT.2408): the same image in
an HDR container, beside which HDR material looks right. With a network (`vsr.networks.inverse_tone`) brightness and
colours that SDR could not hold are invented. Frames have another layout and other colours behind it, so it is the last
step, and `as_hdr` says so to the encoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vsr.errors import InputError, UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.media.convert import LUMA_GRID, code_range, regrid, to_rgb, to_yuv
from vsr.media.layouts import LAYOUTS
from vsr.media.light import PRIMARIES, SDR_TRANSFERS, WHITE_POINT, pq_encode, primaries_matrix, sdr_light
from vsr.methods.interpolation import check_size
from vsr.methods.method import NOT_ADAPTED, Adaptation, Capabilities, Evidence, Geometry, Prepared
from vsr.networks.inverse_tone import InverseTone, read_inverse_tone

if TYPE_CHECKING:
    from vsr.media.hdr import MasteringDisplay
    from vsr.media.probe import VideoInfo

__all__ = [
    "PreparedSdrToHdr",
    "SdrToHdr",
    "SdrToHdrOptions",
    "as_hdr",
    "has_same_network",
    "hdr_frame",
    "prepare_sdr_to_hdr",
]

_BT2020, _PQ, _BT709 = 9, 16, 1
_BRIGHTEST = (255 - 16) / 219  # signal of the highest code, above white
_STRIP_ROWS = 64  # that go through the network together
_DARKEST = Fraction(1, 10_000)  # cd/m², the least that ST 2086 holds


@dataclass(frozen=True)
class SdrToHdrOptions:
    """Settings of `SdrToHdr`."""

    white_nits: float = 203.0
    """Light of SDR white in cd/m², 80 to 1000, where no network is named; BT.2408 has 203, a display's own is 100."""
    network: str | None = None
    """File of weights of the multi-purpose CNN; None: colours stay as they are."""
    peak_nits: float = 1000.0
    """With a network: the brightest light in cd/m² that is kept, 200 to 10000, which the metadata say."""

    def __post_init__(self) -> None:
        if not 80.0 <= self.white_nits <= 1000.0:
            raise UsageError(f"white_nits is {self.white_nits}; sdr-to-hdr takes 80 to 1000 cd/m²")
        if not 200.0 <= self.peak_nits <= 10_000.0:
            raise UsageError(f"peak_nits is {self.peak_nits}; sdr-to-hdr takes 200 to 10000 cd/m²")


def as_hdr(video: VideoInfo, options: SdrToHdrOptions) -> VideoInfo:
    """``video`` as it is behind the pass: what the encoder is to take. Raises `UsageError` for what is no SDR video."""
    from vsr.media.hdr import ContentLight

    layout, color = video.layout, video.color
    if refusal := _refusal(layout, color):
        raise UsageError(refusal)
    return replace(
        video,
        layout=_layout_behind(layout),
        color=_color_behind(layout, color),
        mastering=_mastering(color.primaries, options),
        content_light=ContentLight(math.ceil(_brightest(options)), 0),  # no average is known
    )


def _refusal(layout: PixelLayout, color: ColorSpec) -> str:
    """Why such frames are not taken; empty where they are."""
    if color.transfer not in SDR_TRANSFERS or color.primaries not in PRIMARIES or color.primaries == _BT2020:
        what = f"primaries {color.primaries}, transfer {color.transfer}"
        return f"sdr-to-hdr takes SDR video of BT.601, BT.709 or P3, not {what}"
    if layout.family == "gray" or layout.has_alpha or layout.is_float:
        return f"sdr-to-hdr takes YUV or RGB without alpha, not {layout.name}"
    return ""


def _layout_behind(layout: PixelLayout) -> PixelLayout:
    """YUV of 10 bits, chroma as fine as it is, or finer where no such layout is known; 12 bits stay."""
    shifts = (layout.chroma_shift_x, layout.chroma_shift_y)
    digits = {(1, 1): "420", (1, 0): "422", (0, 0): "444", (0, 1): "440", (2, 0): "422"}.get(shifts, "420")
    return LAYOUTS[f"yuv{digits}p{12 if layout.bit_depth >= 12 else 10}le"]


def _color_behind(layout: PixelLayout, color: ColorSpec) -> ColorSpec:
    location = color.chroma_location if layout.family == "yuv" else "left"
    return ColorSpec(_BT2020, _PQ, _BT2020, full_range=False, chroma_location=location)


def hdr_frame(frame: VideoFrame) -> VideoFrame:
    """``frame``, its planes still SDR, with the layout and colours that it has behind the pass.

    Raises `InputError` for what is no SDR: the stream has changed, since its headers are checked ahead.
    """
    if refusal := _refusal(frame.layout, frame.color):
        raise InputError(f"the video changes at {float(frame.pts * frame.time_base):.3f} s: {refusal}")
    return replace(frame, layout=_layout_behind(frame.layout), color=_color_behind(frame.layout, frame.color))


def _brightest(options: SdrToHdrOptions) -> float:
    """Light that no pixel surpasses, cd/m²."""
    return options.peak_nits if options.network is not None else options.white_nits * _BRIGHTEST**2.4


def _mastering(primaries: int, options: SdrToHdrOptions) -> MasteringDisplay:
    """A display that shows all of it: with the source's primaries where colours stay."""
    from vsr.media.hdr import MasteringDisplay

    gamut = PRIMARIES[_BT2020 if options.network is not None else primaries]
    return MasteringDisplay(gamut, WHITE_POINT, Fraction(math.ceil(_brightest(options))), _DARKEST)


class SdrToHdr:
    """Brings frames to PQ and BT.2020."""

    def __init__(
        self, geometry: Geometry, options: SdrToHdrOptions, network: InverseTone | None, device: torch.device
    ) -> None:
        self._geometry, self._options, self._network, self._device = geometry, options, network, device

    def adapt(self, frames: Sequence[VideoFrame]) -> Adaptation:
        """Nothing."""
        return NOT_ADAPTED

    def restore(self, frames: Iterable[VideoFrame], adaptation: Adaptation = NOT_ADAPTED) -> Iterator[VideoFrame]:
        """One frame for each that is not halo, of the layout and colours of `as_hdr`."""
        for frame in frames:
            check_size(frame, self._geometry)
            if not frame.is_halo:
                yield self._converted(frame)

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        made = hdr_frame(frame)
        layout, color = made.layout, made.color
        rgb = _signal(frame)
        yuv = self._displayed(rgb, frame.color) if self._network is None else self._invented(rgb)
        planes = []
        for number, plane in enumerate(yuv):
            offset, span = code_range(layout, full_range=False, chroma=number > 0)
            fine = regrid(plane, yuv[0], LUMA_GRID, layout, color, color) if number else plane
            planes.append(offset + span * fine)
        return replace(made, planes=tuple(planes))

    def _displayed(self, rgb: Tensor, color: ColorSpec) -> list[Tensor]:
        """``(3, H, W)`` signal → Y (0…1), Cb and Cr (-0.5…0.5) of BT.2020 with PQ, of the same light."""
        light = self._options.white_nits * sdr_light(rgb.clamp(max=_BRIGHTEST), color.transfer)
        matrix = primaries_matrix(color.primaries, _BT2020).to(light)
        return to_yuv(list(pq_encode(torch.einsum("ij,jhw->ihw", matrix, light))), _BT2020)

    def _invented(self, rgb: Tensor) -> list[Tensor]:
        """The same by the network, in strips."""
        assert self._network is not None
        y, *chroma = to_yuv(list(rgb), _BT709)
        given = torch.stack([16 + 219 * y, *(128 + 224 * one for one in chroma)]) / 255
        height, reach = int(given.shape[1]), self._network.context_px
        parts = []
        for start in range(0, height, _STRIP_ROWS):
            top, stop = max(0, start - reach), min(height, start + _STRIP_ROWS)
            with torch.inference_mode():
                made = self._network(given[None, :, top : min(height, stop + reach)].to(self._device))[0]
            parts.append(made[:, start - top : stop - top].to(given.device))
        codes = 1023 * torch.cat(parts, 1)
        made_rgb = torch.stack(to_rgb([(codes[0] - 64) / 876, *((one - 512) / 896 for one in codes[1:])], _BT2020))
        peak = float(pq_encode(torch.tensor(self._options.peak_nits, dtype=torch.float64)))
        return to_yuv(list(made_rgb.clamp(0, peak)), _BT2020)


def _signal(frame: VideoFrame) -> Tensor:
    """R, G and B ``(3, H, W)`` float32, nominally 0…1."""
    unit = []
    for number, plane in enumerate(frame.planes):
        offset, span = code_range(frame.layout, frame.color.full_range, frame.layout.is_chroma(number))
        unit.append((plane.float() - offset) / span)
    if frame.layout.family == "rgb":
        return torch.stack(unit)
    fine = [regrid(one, unit[0], frame.layout, LUMA_GRID, frame.color, frame.color) for one in unit[1:]]
    return torch.stack(to_rgb([unit[0], *fine], frame.color.matrix))


@dataclass(frozen=True)
class PreparedSdrToHdr(Prepared[SdrToHdrOptions]):
    """`SdrToHdr` with its options."""

    digest: str | None
    """Of the network's weights."""

    @property
    def capabilities(self) -> Capabilities:
        """Frames stand for themselves; what a network adds is invented."""
        evidence: Evidence = "interpolation" if self.options.network is None else "generative"
        return Capabilities(evidence, keeps_size=True, bytes_per_pixel=100)

    def key(self) -> Mapping[str, Any]:
        """The network's weights."""
        return {"digest": self.digest}

    def describe(self) -> Mapping[str, Any]:
        """The same."""
        return {"model": None, "estimator": None, "digest": self.digest}

    def open(self, geometry: Geometry) -> SdrToHdr:
        """See `Prepared`."""
        network = None
        if self.options.network is not None:
            network, digest = read_inverse_tone(Path(self.options.network))
            if digest != self.digest:
                raise UsageError(f"{self.options.network}: other weights than when the run was planned; start again")
            network.to(self.torch_device)
        return SdrToHdr(geometry, self.options, network, self.torch_device)


def prepare_sdr_to_hdr(geometry: Geometry, options: SdrToHdrOptions, device: str) -> PreparedSdrToHdr:
    """See `vsr.methods.method.Method`. Raises `ModelError` for a file without such weights."""
    if options.network is None:
        return PreparedSdrToHdr(options, device, None)
    path = Path(options.network).expanduser().absolute()
    return PreparedSdrToHdr(replace(options, network=str(path)), device, read_inverse_tone(path)[1])


def has_same_network(described: Mapping[str, Any]) -> bool:
    """Whether the file that a record names has the weights that it had."""
    network = described["options"]["network"]
    return network is None or bool(read_inverse_tone(Path(network).expanduser())[1] == described["digest"])
