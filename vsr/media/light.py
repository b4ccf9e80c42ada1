"""Light and the code values that stand for it: SDR displays (BT.1886, sRGB), PQ (SMPTE ST 2084), and primaries.

Signals and light are tensors of any shape; light is in cd/m² where it is absolute. Codes are those of ITU-T H.273.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType

import torch
from torch import Tensor

__all__ = ["PRIMARIES", "SDR_TRANSFERS", "WHITE_POINT", "pq_decode", "pq_encode", "primaries_matrix", "sdr_light"]

_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_PQ_PEAK = 10_000.0

WHITE_POINT = (Fraction(3127, 10_000), Fraction(3290, 10_000))
"""D65, CIE xy."""

_Point = tuple[Fraction, Fraction]


def _points(*thousandths: int) -> tuple[_Point, _Point, _Point]:
    x = [Fraction(value, 1000) for value in thousandths]
    return (x[0], x[1]), (x[2], x[3]), (x[4], x[5])


PRIMARIES: Mapping[int, tuple[_Point, _Point, _Point]] = MappingProxyType(
    {
        1: _points(640, 330, 300, 600, 150, 60),
        5: _points(640, 330, 290, 600, 150, 60),
        6: _points(630, 340, 310, 595, 155, 70),
        7: _points(630, 340, 310, 595, 155, 70),
        9: _points(708, 292, 170, 797, 131, 46),
        12: _points(680, 320, 265, 690, 150, 60),
    }
)
"""CIE xy of red, green and blue by H.273's code, of those whose white is D65."""

SDR_TRANSFERS = (1, 4, 5, 6, 7, 13, 14, 15)
"""Transfer characteristics that `sdr_light` knows."""


def sdr_light(signal: Tensor, transfer: int) -> Tensor:
    """What an SDR display makes of a signal, 1 for white; negative values become 0.

    BT.1886 with a black of 0, a power of 2.4, for camera curves (what a display does, not their inverse); powers of 2.2
    and 2.8 where the stream says so; sRGB's own curve.
    """
    signal = signal.clamp(min=0)
    if transfer == 13:
        return torch.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)
    return signal ** {4: 2.2, 5: 2.8}.get(transfer, 2.4)


def pq_encode(light: Tensor) -> Tensor:
    """PQ's signal, 0…1, of light in cd/m², 0…10,000."""
    power = (light.clamp(0, _PQ_PEAK) / _PQ_PEAK) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def pq_decode(signal: Tensor) -> Tensor:
    """The inverse of `pq_encode`."""
    root = signal.clamp(0, 1) ** (1 / _M2)
    return _PQ_PEAK * ((root - _C1).clamp(min=0) / (_C2 - _C3 * root)) ** (1 / _M1)


@lru_cache(maxsize=16)
def primaries_matrix(source: int, target: int) -> Tensor:
    """``(3, 3)`` float64 from linear R, G, B of one set of `PRIMARIES` to that of another, white kept."""
    matrix: Tensor = torch.linalg.solve(_to_xyz(target), _to_xyz(source))
    return matrix


def _to_xyz(code: int) -> Tensor:
    """``(3, 3)``: CIE XYZ of each primary's full strength, in columns; white has Y = 1."""

    def xyz(point: _Point) -> Tensor:
        x, y = float(point[0]), float(point[1])
        return torch.tensor([x / y, 1.0, (1 - x - y) / y], dtype=torch.float64)

    columns = torch.stack([xyz(point) for point in PRIMARIES[code]], 1)
    strengths: Tensor = torch.linalg.solve(columns, xyz(WHITE_POINT))
    return columns * strengths
