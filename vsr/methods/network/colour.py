"""From a frame's planes to what a network takes, and from what it gives to the planes of a larger frame.

Networks know two kinds of image: BT.601 luma as an 8-bit video codes it, over 255, and RGB in 0…1. Frames come as
YUV with any siting of chroma, RGB or grey, of any depth and range. Nothing is rounded or clipped here.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vsr.frames import VideoFrame
from vsr.media.convert import LUMA_GRID, chroma_grid, code_range, regrid, to_rgb, to_yuv
from vsr.methods.highlights import compress_highlights, expand_highlights
from vsr.methods.interpolation import resample_plane
from vsr.methods.method import Geometry
from vsr.networks import Colour
from vsr.observation import Kernel, resample
from vsr.observation.resample import axis_taps

__all__ = ["BandResampler", "PlaneWriter", "network_input"]

_BT601 = 6
_LINEAR = 8  # transfer of linear light
_TOE, _TOE_SLOPE, _GAMMA, _SHIFT = 0.0031308, 12.92, 2.4, 0.055  # IEC 61966-2-1
_STRIP_SAMPLES = 1 << 18  # of a plane: what is made of a strip stays in cache
_BLACK, _SPAN = 16 / 255, 219 / 255  # of luma in 8-bit video, over 255


def _encode_srgb(light: Tensor) -> Tensor:
    """Linear light as sRGB codes it, which is what networks were trained on."""
    size = light.abs()
    curve = (1 + _SHIFT) * size.clamp(min=_TOE) ** (1 / _GAMMA) - _SHIFT
    return torch.copysign(torch.where(size <= _TOE, _TOE_SLOPE * size, curve), light)


def _decode_srgb(seen: Tensor) -> Tensor:
    """The inverse of `_encode_srgb`."""
    size = seen.abs()
    curve = ((size + _SHIFT) / (1 + _SHIFT)).clamp(min=0) ** _GAMMA
    return torch.copysign(torch.where(size <= _TOE * _TOE_SLOPE, size / _TOE_SLOPE, curve), seen)


def _decode(frame: VideoFrame, plane: int, device: torch.device) -> Tensor:
    """A plane as float32 in nominal units: 0…1, chroma −0.5…0.5."""
    offset, span = code_range(frame.layout, frame.color.full_range, frame.layout.is_chroma(plane))
    unit = (frame.planes[plane].to(device).to(torch.float32) - offset) / span
    if not frame.layout.is_float:
        return unit
    unit = torch.nan_to_num(unit)
    return compress_highlights(_encode_srgb(unit) if frame.color.transfer == _LINEAR else unit)


def _encode(unit: Tensor, frame: VideoFrame, plane: int) -> Tensor:
    """The inverse of `_decode`, for a part of a plane of any size."""
    if frame.layout.is_float:
        unit = expand_highlights(unit)
        return _decode_srgb(unit) if frame.color.transfer == _LINEAR else unit
    offset, span = code_range(frame.layout, frame.color.full_range, frame.layout.is_chroma(plane))
    return unit * span + offset


def network_input(frame: VideoFrame, colour: Colour, device: torch.device, *, gives: Colour | None = None) -> Tensor:
    """``(C, h, w)`` float32 on ``device``, about 0…1, as networks of ``colour`` take it.

    Subsampled chroma is brought to the luma's grid from where it sits; RGB is made with the stream's own matrix and
    range. Linear light is coded as sRGB first, and what is beyond white in floating-point video is compressed.

    A network that takes RGB and gives luma gives that of BT.601. So RGB is made of YUV by BT.601 for it, whatever the
    stream's matrix: then the luma of its result is the stream's.
    """
    family = frame.layout.family
    colours = [_decode(frame, plane, device) for plane in range(1 if family == "gray" else 3)]
    if colour == "Y":
        luma = to_yuv(colours, _BT601)[0] if family == "rgb" else colours[0]
        return (_BLACK + _SPAN * luma)[None]
    if family == "yuv":
        chroma = [regrid(c, colours[0], frame.layout, LUMA_GRID, frame.color, frame.color) for c in colours[1:]]
        colours = to_rgb([colours[0], *chroma], _BT601 if gives == "Y" else frame.color.matrix)
    return torch.stack(colours * 3 if family == "gray" else colours)


class PlaneWriter:
    """Takes a network's result band by band, from top to bottom, and makes the planes of the restored frame of it."""

    def __init__(
        self,
        frame: VideoFrame,
        colour: Colour,
        geometry: Geometry,
        size_yx: tuple[int, int],
        device: torch.device,
        *,
        offset_px: float = 0.0,
        shift_px: float = 0.0,
    ) -> None:
        """``size_yx`` is the size of the network's result, which is resampled to the output's where they differ.

        ``offset_px``: how far right of and below the centres of their blocks the input's samples lie. ``shift_px``: how
        far right of and below its place the result lies, in its own pixels; it is laid back.
        """
        self._frame, self._colour, self._geometry, self._device = frame, colour, geometry, device
        self._offset_px = offset_px
        out_yx = (geometry.out_height, geometry.out_width)
        self._resampler: BandResampler | None = None
        if size_yx != out_yx or shift_px:
            self._resampler = BandResampler(size_yx, out_yx, shift_yx=(shift_px, shift_px))
        layout = frame.layout
        count = layout.num_planes - layout.has_alpha
        if colour == "Y" and layout.family != "rgb":
            count = 1  # chroma is resampled as a whole
        self._planes = [
            torch.empty(layout.plane_size(plane, *out_yx[::-1]), dtype=torch.float32, device=device)
            for plane in range(1 if colour == "Y" else count)
        ]
        self._rows = [0] * len(self._planes)
        self._chroma: BandResampler | None = None
        if colour == "RGB" and layout.family == "yuv" and (layout.chroma_shift_x or layout.chroma_shift_y):
            size, scale, offset = chroma_grid(out_yx, LUMA_GRID, layout, frame.color, frame.color)
            self._chroma = BandResampler(out_yx, size, scale_yx=scale, offset_yx=offset)

    def push(self, band: Tensor) -> None:
        """Take the next rows of the network's result, ``(C, rows, W)`` float32."""
        rows = max(16, _STRIP_SAMPLES // int(band.shape[-1]))
        for first in range(0, int(band.shape[-2]), rows):
            self._push(band[:, first : first + rows])

    def _push(self, band: Tensor) -> None:
        if self._resampler is not None:
            band = self._resampler.push(band)
        if not band.shape[-2]:
            return
        frame, family = self._frame, self._frame.layout.family
        if self._colour == "Y":
            unit = (band[0] - _BLACK) / _SPAN
            self._write(0, unit if family == "rgb" else _encode(unit, frame, 0))
        elif family == "rgb":
            for plane, values in enumerate(band):
                self._write(plane, _encode(values, frame, plane))
        elif family == "gray":
            self._write(0, _encode(to_yuv(list(band), _BT601)[0], frame, 0))
        else:
            luma, *chroma = to_yuv(list(band), frame.color.matrix)
            self._write(0, _encode(luma, frame, 0))
            both = torch.stack(chroma)
            both = self._chroma.push(both) if self._chroma is not None else both
            for plane, values in enumerate(both, 1):
                self._write(plane, _encode(values, frame, plane))

    def _write(self, plane: int, values: Tensor) -> None:
        first, count = self._rows[plane], int(values.shape[0])
        self._planes[plane][first : first + count] = values
        self._rows[plane] = first + count

    def planes(self) -> tuple[Tensor, ...]:
        """All planes of the restored frame, float32 code values, once every band was taken."""
        assert self._rows == [int(plane.shape[0]) for plane in self._planes]
        frame = self._frame
        planes = list(self._planes)
        if self._colour == "Y" and frame.layout.family == "rgb":
            planes = self._recolour(planes[0])
        for plane in range(len(planes), frame.layout.num_planes):
            planes.append(self._resample(frame, plane))
        return tuple(planes)

    def _resample(self, frame: VideoFrame, plane: int) -> Tensor:
        return resample_plane(frame, plane, self._geometry, "bicubic", self._device, offset_px=self._offset_px)

    def _recolour(self, luma: Tensor) -> list[Tensor]:
        """R, G and B with the restored luma and the interpolated colour of the frame."""
        frame = self._frame
        colours = [_decode(frame, plane, self._device) for plane in range(3)]
        chroma = to_yuv(colours, _BT601)[1:]
        as_yuv = VideoFrame((colours[0], *chroma), LUMA_GRID, frame.color, frame.ordinal, frame.pts, frame.time_base)
        enlarged = [self._resample(as_yuv, plane) for plane in (1, 2)]
        return [_encode(values, frame, plane) for plane, values in enumerate(to_rgb([luma, *enlarged], _BT601))]


class BandResampler:
    """`vsr.observation.resample`, band by band: the same values, bit for bit.

    Takes the bands of one image ``(..., H, W)`` from top to bottom; the arguments are those of `resample`.
    """

    def __init__(
        self,
        in_size_yx: tuple[int, int],
        out_size_yx: tuple[int, int],
        *,
        kernel: Kernel = "bicubic",
        scale_yx: tuple[float, float] | None = None,
        offset_yx: tuple[float, float] = (0.0, 0.0),
        shift_yx: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        (in_h, in_w), (out_h, out_w) = in_size_yx, out_size_yx
        self._scale = scale_yx or (out_h / in_h, out_w / in_w)
        self._offset, self._shift, self._kernel, self._width = offset_yx, shift_yx, kernel, out_w
        self._indices, self._weights = axis_taps(in_h, out_h, kernel, self._scale[0], offset_yx[0], shift_yx[0])
        self._last_needed = self._indices.amax(0).cummax(0).values
        self._first_needed = self._indices.amin(0).flip(0).cummin(0).values.flip(0)
        self._held: Tensor | None = None  # rows that are still needed
        self._base = 0  # number of the first of them
        self._done = 0  # output rows given

    def push(self, band: Tensor) -> Tensor:
        """The output rows ``(..., h, out_w)`` that this band completes, float32; there may be none."""
        rows = int(band.shape[-2])
        wide = resample(
            band,
            (rows, self._width),
            kernel=self._kernel,
            scale_yx=(1.0, self._scale[1]),
            offset_yx=(0.0, self._offset[1]),
            shift_yx=(0.0, self._shift[1]),
        )
        held = wide if self._held is None else torch.cat([self._held, wide], -2)
        arrived = self._base + int(held.shape[-2])
        stop = int(torch.searchsorted(self._last_needed, arrived))  # rows that need only what has arrived
        result = self._rows(held, slice(self._done, stop))
        self._done = stop
        if stop < self._first_needed.numel():
            keep = int(self._first_needed[stop])
            held, self._base = held[..., max(0, keep - self._base) :, :], max(self._base, keep)
        self._held = held.clone()
        return result

    def _rows(self, held: Tensor, rows: slice) -> Tensor:
        indices = (self._indices[:, rows] - self._base).to(held.device)
        weights = self._weights[:, rows].to(held.device, held.dtype).unsqueeze(-1)
        if not indices.shape[1]:
            return held[..., :0, :]
        result = held.index_select(-2, indices[0]) * weights[0]
        for index, weight in zip(indices[1:], weights[1:], strict=True):
            result.addcmul_(held.index_select(-2, index), weight)
        return result
