"""What a source holds, and how it came about."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from vsr.api.arguments import PathLike, rate_of
from vsr.media.damage import Damage
from vsr.media.probe import MediaInfo
from vsr.media.reading import probe as probe_source
from vsr.media.transfers import with_transfer

if TYPE_CHECKING:
    from vsr.networks import Source

__all__ = ["estimate_source", "probe"]

_FRAMES = 9


def probe(
    path: PathLike,
    *,
    fps: str | Fraction | None = None,
    video_stream: int | None = None,
    input_transfer: str | None = None,
) -> MediaInfo:
    """What a video file, a folder of images or a pattern such as ``frames/%06d.png`` holds.

    ``fps`` is the rate of images that come without ``timing.json``; ``video_stream`` the number, in the file, of the
    video stream that is meant, where it holds several; ``input_transfer`` the transfer that it has, whatever it says.
    Raises `InputError`, with the reason, for what is not a video, `UsageError`.
    """
    return with_transfer(probe_source(Path(path), rate_of(fps), video_stream), input_transfer)


def estimate_source(info: MediaInfo) -> Source | None:
    """How blurred, noisy and compressed the first frames look; None where they are too small to tell.

    The methods ``auto``, ``multiframe`` and ``lite`` go by it, shot by shot. Raises `InputError` for what cannot be
    decoded.
    """
    import torch  # and what needs it: `probe` alone answers before it is loaded

    from vsr.media.luma import LumaCode, read_luma
    from vsr.methods import source
    from vsr.networks.source import source_of

    code = LumaCode(8, full_range=False, matrix=6)  # BT.601 in video range, as the estimator was fitted on
    frames = islice(read_luma(info, code, Damage()), _FRAMES)
    lumas = [torch.from_numpy(frame.luma.astype("float32")) / 255 for frame in frames]
    estimates = source.estimate_source(lumas)
    return None if estimates is None else source_of(estimates)
