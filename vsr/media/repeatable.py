"""Settings that keep encoders from memory they never wrote, so that equal frames give equal bytes."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import torch

__all__ = ["join_params", "repeatable_x264", "repeatable_x265"]

_LARGEST_CTU = 64


def repeatable_x264() -> dict[str, str]:
    """Keep x264 from its AVX-512 routines, one of which reads memory that was never written.

    With them, equal frames gave other bytes once in some hundred encodes, and with fresh memory filled on purpose
    (``MALLOC_PERTURB_=1``) at once; with the AVX2 routines never.
    """
    capable = platform.machine() in ("x86_64", "AMD64") and torch.backends.cpu.get_cpu_capability() != "DEFAULT"
    return {"asm": "AVX2"} if capable else {}


def repeatable_x265(width: int, height: int) -> dict[str, str]:
    """Keep x265 from frames that are one coding tree unit wide or high, and narrow ones from its lookahead.

    Of frames up to 64 pixels wide or high, one encode in twenty and up to five in six came out with other bytes;
    with units small enough for two of them, and of larger frames, none of 120.

    Where frames are 34 to 48 pixels wide, the lookahead's AVX routines write behind the end of its own small
    frames, which ends the process sooner or later. Which routines x265 takes is settled once in a process, so the
    lookahead goes, and B-frames with it.
    """
    side = min(width, height)
    if side > _LARGEST_CTU:
        return {}
    params = {"ctu": "32" if side > _LARGEST_CTU // 2 else "16"}
    if _LARGEST_CTU // 2 < width < _LARGEST_CTU:
        params |= {"rc-lookahead": "0", "bframes": "0"}
    return params


def join_params(params: Mapping[str, str]) -> str:
    """As FFmpeg takes them in ``x264-params`` and ``x265-params``."""
    return ":".join(f"{name}={value}" for name, value in params.items())
