"""Methods against known ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vsr.api.arguments import PathLike
from vsr.evaluation import Evaluation, OnStep, evaluate_methods
from vsr.networks import Network

__all__ = ["evaluate"]


def evaluate(
    methods: str | Network | Sequence[str | Network],
    scales: int | Sequence[int],
    data: PathLike | Sequence[PathLike],
    *,
    device: str = "auto",
    max_frames: int | None = None,
    settings: Mapping[str, Any] | None = None,
    lpips: PathLike | None = None,
    samples: int | None = None,
    resume: PathLike | None = None,
    on_step: OnStep | None = None,
) -> Evaluation:
    """Measure methods against known ground truth, as the papers do (MATLAB's bicubic and luma, border of the scale left
    out).

    Args:
        methods: ``bicubic``, ``lanczos``, networks by name or file or as `vsr.networks.Network`, restorers such as
            ``auto`` and ``multiframe`` (clips only).
        scales: whole magnifications; all methods are measured at all of them.
        data: folders of HR images, folders of video clips, or single files. Of a clip a small version is
            made, unless one lies beside it: ``X_GT.mkv`` (or ``X.mkv``) with ``X_BIx4.mkv``.
        device: ``auto``, ``cpu``, ``cuda:N``.
        max_frames: first frames of each clip that are used; all by default.
        settings: options of networks and restorers, as for `upscale`; networks run in float32 by default.
        lpips: file of weights for LPIPS; by default ``lpips-alex`` among the models, and without it no LPIPS.
        samples: of every image, that networks which sample draw to measure their diversity; needs LPIPS, images alone.
        resume: file in which results are kept as they come; what it holds already is not measured again.
        on_step: called from this thread after every image and clip.

    Raises `UsageError` for an unknown method, `ModelError` for weights that do not load or lack a scale, `InputError`
    for data that is missing, empty, damaged or too small. For example::

        print(vsr.evaluate(["bicubic", "vdsr.mat"], 2, "Set5").results[1].mean.psnr_y)
    """
    return evaluate_methods(
        [methods] if isinstance(methods, (str, Network)) else list(methods),
        [scales] if isinstance(scales, int) else list(scales),
        [Path(one) for one in ([data] if isinstance(data, (str, Path)) else data)],
        device=device,
        max_frames=max_frames,
        settings=settings,
        lpips=None if lpips is None else Path(lpips),
        samples=samples,
        resume=None if resume is None else Path(resume),
        on_step=on_step,
    )
