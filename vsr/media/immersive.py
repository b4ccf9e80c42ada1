"""Stereoscopic and spherical video: how two views share an image, and how an image wraps around the viewer.

MP4 and MOV say it in ``st3d`` and ``sv3d`` (Google's Spherical Video V2), which FFmpeg's muxer leaves out, or
contradicts by Apple's ``vexu``; so they are put in here. Matroska takes StereoMode from a tag, and the projection from
the header of the stream that ffmpeg is fed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from vsr.media.boxes import box
from vsr.media.side_data import SideData

__all__ = ["Immersive", "Spherical", "Stereo", "boxes_for", "drop_for", "read_immersive", "stereo_tag"]

_ARRANGEMENTS = (
    *("one view", "side by side", "top and bottom", "frame by frame", "checkerboard", "side by side, quincunx"),
    *("line by line", "column by column", "unspecified"),
)
_PROJECTIONS = (
    *("equirectangular", "cubemap", "tiled equirectangular", "half equirectangular", "rectilinear", "fisheye"),
    "parametric",
)
_ST3D = {"one view": 0, "top and bottom": 1, "side by side": 2}
_STEREO_MODES = {  # Matroska's names: left view first, right view first
    "one view": ("mono", "mono"),
    "side by side": ("left_right", "right_left"),
    "top and bottom": ("top_bottom", "bottom_top"),
    "checkerboard": ("checkerboard_lr", "checkerboard_rl"),
    "line by line": ("row_interleaved_lr", "row_interleaved_rl"),
    "column by column": ("col_interleaved_lr", "col_interleaved_rl"),
    "frame by frame": ("block_lr", "block_rl"),
}
_SV3D = _PROJECTIONS[:3]
_FLAGS = b"\0\0\0\0"
_INVERTED = 1


@dataclass(frozen=True)
class Stereo:
    """How the views are arranged."""

    arrangement: str
    """``side by side``, ``top and bottom`` and others; ``one view`` for none."""
    right_first: bool = False
    """Whether the right eye's view comes first."""

    def __str__(self) -> str:
        return f"{self.arrangement}{', right view first' if self.right_first else ''}"


@dataclass(frozen=True)
class Spherical:
    """How the image is projected."""

    projection: str
    yaw_pitch_roll: tuple[int, int, int]
    """Degrees, as 16.16 fixed point."""
    bounds: tuple[int, int, int, int]
    """Left, top, right, bottom of a tile: shares of the whole, as 0.32 fixed point."""
    padding_px: int = 0
    """Around the faces of a cube, in samples of the image."""

    def scaled(self, factor: Fraction) -> Spherical:
        """The same for an image ``factor`` times as wide."""
        return replace(self, padding_px=round(self.padding_px * factor))


@dataclass(frozen=True)
class Immersive:
    """Either or both."""

    stereo: Stereo | None
    spherical: Spherical | None

    def __str__(self) -> str:
        return " and ".join(
            [
                *([f"stereoscopic ({self.stereo})"] if self.stereo else []),
                *([f"spherical ({self.spherical.projection})"] if self.spherical else []),
            ]
        )


def read_immersive(items: Iterable[SideData]) -> Immersive | None:
    """What a frame's side data says, from its container or from the stream itself; None where it says nothing."""
    stereo, spherical = None, None
    for item in items:
        if item.kind == "STEREO3D":
            kind, flags = struct.unpack_from("=2i", item.data)
            stereo = Stereo(_name(_ARRANGEMENTS, kind), bool(flags & _INVERTED))
        elif item.kind == "SPHERICAL":
            kind, yaw, pitch, roll, left, top, right, bottom, padding = struct.unpack_from("=4i5I", item.data)
            spherical = Spherical(_name(_PROJECTIONS, kind), (yaw, pitch, roll), (left, top, right, bottom), padding)
    return Immersive(stereo, spherical) if stereo or spherical else None


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else f"number {number}"


def boxes_for(immersive: Immersive) -> bytes:
    """What goes into the sample entry of MP4 and MOV; empty where they have no words for it."""
    found = b""
    stereo, spherical = immersive.stereo, immersive.spherical
    if stereo is not None and stereo.arrangement in _ST3D and not stereo.right_first:
        found += box(b"st3d", _FLAGS + bytes([_ST3D[stereo.arrangement]]))
    if spherical is not None and spherical.projection in _SV3D:
        left, top, right, bottom = spherical.bounds
        if spherical.projection == "cubemap":
            shape = box(b"cbmp", _FLAGS + struct.pack(">2I", 0, spherical.padding_px))
        else:
            shape = box(b"equi", _FLAGS + struct.pack(">4I", top, bottom, left, right))
        pose = box(b"prhd", _FLAGS + struct.pack(">3i", *spherical.yaw_pitch_roll))
        found += box(b"sv3d", box(b"svhd", _FLAGS + b"vsr\0") + box(b"proj", pose + shape))
    return found


def stereo_tag(immersive: Immersive) -> str | None:
    """The tag from which ffmpeg writes Matroska's StereoMode."""
    if immersive.stereo is None or immersive.stereo.arrangement not in _STEREO_MODES:
        return None
    return _STEREO_MODES[immersive.stereo.arrangement][immersive.stereo.right_first]


def drop_for(immersive: Immersive, container: str, codec: str) -> list[str]:
    """What a file of ``container`` with video of ``codec`` cannot say of it, in words."""
    lost, stereo, spherical = [], immersive.stereo, immersive.spherical
    if stereo is not None and stereo.arrangement != "one view":
        in_mp4 = stereo.arrangement in _ST3D and not stereo.right_first
        if not (in_mp4 if container in ("mp4", "mov") else container == "mkv" and stereo_tag(immersive)):
            lost.append(f"stereoscopic arrangement ({stereo}): .{container} has no place for it here")
    if spherical is not None:
        is_fed = container in ("mp4", "mov") or (container == "mkv" and codec != "ffv1")
        if spherical.projection not in _SV3D or not is_fed:
            what = f".{container} with {codec}" if container == "mkv" else f".{container}"
            lost.append(f"spherical projection ({spherical.projection}): {what} has no place for it here")
    return lost
