"""Images as vsr handles them: native planes at native depth, with what their numbers mean.

A `VideoFrame` holds one tensor per component plane, in code values: for 10-bit limited-range luma, black
is 64 and white 940. Decoded planes are ``uint8`` or ``uint16`` (``float32`` for float formats); restored
planes are ``float32`` in the same units, unrounded and unclipped, until the encoder's quantiser.
Planes follow FFmpeg's component order: Y, Cb, Cr for YUV; R, G, B for RGB; Y for grey; alpha last.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["BT601_LUMA", "BT601_YCBCR", "ChromaLocation", "ColorSpec", "PixelLayout", "VideoFrame"]

ChromaLocation = Literal["unspecified", "left", "center", "topleft", "top", "bottomleft", "bottom"]
"""Where chroma samples sit among the luma samples they belong to (FFmpeg's names)."""

_SITING = {  # (horizontal, vertical): 0 on the first luma sample, 0.5 midway, 1 on the last
    "unspecified": (0.0, 0.5),
    "left": (0.0, 0.5),
    "center": (0.5, 0.5),
    "topleft": (0.0, 0.0),
    "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0),
    "bottom": (0.5, 1.0),
}


BT601_LUMA = (0.299, 0.587, 0.114)
"""Shares of R, G and B in the luma of BT.601; they sum to 1."""
BT601_YCBCR = ((65.481, 128.553, 24.966), (-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
"""Y, Cb and Cr in video range, less 16, 128 and 128, of R, G and B in 0…1 (MATLAB's ``rgb2ycbcr``): a row each."""


@dataclass(frozen=True)
class ColorSpec:
    """What the numbers in the planes mean. Codes are those of ITU-T H.273."""

    primaries: int = 2
    """Colour primaries (1 = BT.709, 9 = BT.2020, 2 = unspecified)."""
    transfer: int = 2
    """Transfer characteristics (1 = BT.709, 16 = PQ, 18 = HLG, 2 = unspecified)."""
    matrix: int = 2
    """Matrix coefficients (0 = RGB, 1 = BT.709, 6 = BT.601, 9 = BT.2020, 2 = unspecified)."""
    full_range: bool = False
    """True: code values 0…2ⁿ−1; False: video range (16…235 at 8 bit)."""
    chroma_location: ChromaLocation = "unspecified"
    """Siting of subsampled chroma; unspecified is treated as left, the default of MPEG-2, H.264 and HEVC."""


@dataclass(frozen=True)
class PixelLayout:
    """How an image is stored: planes, subsampling and depth."""

    name: str
    """FFmpeg's name of the planar, native-endian pixel format, e.g. ``yuv420p10le``."""
    family: Literal["yuv", "rgb", "gray"]
    """Which components the colour planes are."""
    bit_depth: int
    """Significant bits of a sample; 32 for float formats."""
    chroma_shift_x: int = 0
    """log2 of horizontal chroma subsampling."""
    chroma_shift_y: int = 0
    """log2 of vertical chroma subsampling."""
    has_alpha: bool = False
    """Whether an alpha plane comes last."""
    is_float: bool = False
    """Whether samples are float32 with 1.0 as reference white."""

    @property
    def num_planes(self) -> int:
        """Number of planes, alpha included."""
        return (1 if self.family == "gray" else 3) + self.has_alpha

    @property
    def dtype(self) -> torch.dtype:
        """Element type of decoded planes."""
        import torch  # here alone, as what only looks into files needs none of it

        return torch.float32 if self.is_float else torch.uint8 if self.bit_depth <= 8 else torch.uint16

    @property
    def peak(self) -> float:
        """Largest code value (1.0 for float formats)."""
        return 1.0 if self.is_float else float((1 << self.bit_depth) - 1)

    def is_chroma(self, plane: int) -> bool:
        """Whether plane number ``plane`` is Cb or Cr."""
        return self.family == "yuv" and plane in (1, 2)

    def plane_size(self, plane: int, width: int, height: int) -> tuple[int, int]:
        """``(height, width)`` of a plane of a ``width`` × ``height`` image (subsampled sizes round up)."""
        if not self.is_chroma(plane):
            return height, width
        return -(-height >> self.chroma_shift_y), -(-width >> self.chroma_shift_x)

    def siting_offset(self, location: ChromaLocation) -> tuple[float, float]:
        """``(x, y)`` in chroma samples by which chroma sits right of / below the centre of its luma block.

        Zero where chroma is centred or not subsampled; −0.25 in x for 4:2:0 ``left``.
        """
        along_x, along_y = _SITING[location]
        block_x, block_y = 1 << self.chroma_shift_x, 1 << self.chroma_shift_y
        return (along_x - 0.5) * (block_x - 1) / block_x, (along_y - 0.5) * (block_y - 1) / block_y


@dataclass(frozen=True)
class VideoFrame:
    """One image at one time."""

    planes: tuple[Tensor, ...]
    """One ``(H, W)`` tensor per component, in code values."""
    layout: PixelLayout
    """How the planes are stored."""
    color: ColorSpec
    """What the numbers mean."""
    ordinal: int
    """Place in a linear decode of the stream, from 0 (of the decoded frame this one comes from)."""
    pts: int
    """Presentation time in ticks of ``time_base``."""
    time_base: Fraction
    """Seconds a tick."""
    is_halo: bool = False
    """Context only: the restorer may look at it but returns nothing for it."""
    findings: Mapping[str, float] = field(default_factory=dict)
    """What the restorer learnt of it, by name; see `vsr.methods.findings`."""

    def __post_init__(self) -> None:
        if len(self.planes) != self.layout.num_planes:
            raise ValueError(f"{self.layout.name} has {self.layout.num_planes} planes, got {len(self.planes)}")

    @property
    def width(self) -> int:
        """Luma samples a row."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Luma rows."""
        return int(self.planes[0].shape[0])

    def __repr__(self) -> str:
        halo = ", halo" if self.is_halo else ""
        return (
            f"VideoFrame(#{self.ordinal}, {self.width}x{self.height} {self.layout.name}, "
            f"pts={self.pts}·{self.time_base}{halo})"
        )
