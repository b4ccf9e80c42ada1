"""The transfer characteristic that a source has whatever it says of itself: named by who knows better.

Scans are often tagged wrongly, or not at all. Samples are restored as they are coded, so the name changes what tags
and headers say, and what steps take the samples for that need light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from vsr.errors import UsageError
from vsr.media.color import COLOR_NAMES
from vsr.media.dpx import DpxHeader

if TYPE_CHECKING:
    from vsr.media.probe import MediaInfo

__all__ = ["TRANSFERS", "dpx_code", "with_transfer"]

_UNSPECIFIED, _USER_DEFINED = 2, 0

TRANSFERS: Mapping[str, int] = MappingProxyType(
    {
        **{name: code for code, name in COLOR_NAMES["transfer"].items()},
        "printing-density": _UNSPECIFIED,
        "logarithmic": _UNSPECIFIED,
    }
)
"""Names, as FFmpeg has them and two of DPX, and codes of ITU-T H.273, which has none for these two."""

_DPX_CODES = {"printing-density": 1, "linear": 2, "logarithmic": 3, "log100": 3, "log316": 3, "bt709": 6}


def dpx_code(name: str) -> int:
    """Code of SMPTE ST 268 for one of `TRANSFERS`; 0, user-defined, where it has none."""
    return _DPX_CODES.get(name, _USER_DEFINED)


def with_transfer(info: MediaInfo, name: str | None) -> MediaInfo:
    """``info`` as if its video said that it has the transfer ``name``; as it is for None. Raises `UsageError`."""
    if name is None:
        return info
    if name not in TRANSFERS:
        raise UsageError(f"input_transfer is {name!r}; allowed are {', '.join(TRANSFERS)}")
    video = info.video
    header = video.header
    if isinstance(header, DpxHeader):
        header = replace(header, transfer=dpx_code(name))
    color = replace(video.color, transfer=TRANSFERS[name])
    said = f"transfer is {name}, as input_transfer says, whatever the source says of itself"
    return replace(
        info,
        video=replace(video, color=color, header=header, input_transfer=name, assumptions=(*video.assumptions, said)),
    )
