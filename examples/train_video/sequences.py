"""Degraded shots with all that does not change while `Video`'s second network learns.

That is the source's own weights of `Lite`, its features and what it adds to the pixels, and the motion from frame to
frame as vsr finds it at run time. So a step of training costs the second network alone.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from shots import CODED_FRAMES, Luma, Shots, degrade, whole_clip
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from vsr.errors import UsageError
from vsr.methods.network.frame import ADAPT_FRAMES
from vsr.networks import Network, with_weights_for
from vsr.networks.lite import Lite
from vsr.networks.mixture import Mixture
from vsr.registration import register_previous

__all__ = ["NUM_FRAMES", "SIDE_PX", "Batch", "Item", "keep_item", "make_item", "stack", "whole_item"]

NUM_FRAMES = CODED_FRAMES
SIDE_PX = 80  # of what is kept of a small frame


@dataclass(frozen=True)
class Item:
    """One shot; tensors in half precision but for codes."""

    kind: str
    small: Tensor
    """``(T, h, w)`` uint8."""
    hr: Tensor
    """``(T, scale·h, scale·w)`` uint8."""
    features: Tensor
    """``(T, C, h, w)``."""
    detail: Tensor
    """``(T, scale², h, w)``."""
    flow: Tensor
    """``(T − 1, 2, h, w)``: of frame 1 to frame 0, and so on."""
    confidence: Tensor
    """``(T − 1, h, w)``."""
    warped: Tensor
    """``(T − 1, h, w)``: the frame before."""
    shares: Tensor
    """``(K,)`` float32: of the sets of weights that suit the source; ``(1,)`` where there is no choice."""
    extra: Tensor | None = None
    """``(T, E, h, w)``: what a variant is given besides (`variants.py`), which is kept in no file."""


@dataclass(frozen=True)
class Batch:
    """Patches of items, float32, frames first: ``(T, B, C, h, w)``."""

    luma: Tensor
    features: Tensor
    detail: Tensor
    hr: Tensor
    """Pixels on the channels."""
    flow: Tensor
    confidence: Tensor
    """0 as well where what is moved comes from outside the patch."""
    warped: Tensor
    extra: Tensor
    shares: Tensor
    """``(B, K)``: see `Item`."""

    def __len__(self) -> int:
        return len(self.luma)


def make_item(shots: Shots, base: Network, rng: np.random.Generator) -> Item:
    """Draw a shot, degrade it, and let ``base``, a `Lite`, enlarge it with the weights that suit it."""
    hr = shots.draw(rng, base.scale)
    coded, kind = degrade(hr, rng, base.scale)
    height, width = (min(SIDE_PX, side) for side in coded.shape[1:])
    top, left = (
        int(rng.integers(0, side - part + 1)) for side, part in zip(coded.shape[1:], (height, width), strict=True)
    )
    return _item_of(hr, coded, kind, base, (slice(top, top + height), slice(left, left + width)))


def whole_item(path: Path, base: Network) -> Item:
    """The start of a clip, shrunk by cubics and not compressed, as large as it is."""
    hr, coded = whole_clip(path, base.scale)
    return _item_of(hr, coded, path.stem, base, (slice(0, coded.shape[1]), slice(0, coded.shape[2])))


def _item_of(hr: Luma, coded: Luma, kind: str, base: Network, window: tuple[slice, slice]) -> Item:
    lumas = torch.from_numpy(coded).float() / 255
    estimates = None if base.mixture is None else base.mixture.estimate(lumas[:ADAPT_FRAMES].unbind())
    module = with_weights_for(base, estimates).module
    assert isinstance(module, Lite)
    features, detail = [], []
    with torch.no_grad():
        for luma in lumas:  # frame by frame: features of all of them at once are many
            seen = module.features(luma[None, None])
            features.append(seen[0][(slice(None), *window)].half())
            detail.append(module.tail(seen)[0][(slice(None), *window)].half())
        motions = [register_previous(before, after) for before, after in itertools.pairwise(lumas)]
    known = [motion for motion in motions if motion is not None]
    assert len(known) == len(motions), "shots are large enough to be registered"
    return Item(
        kind=kind,
        small=torch.from_numpy(coded[:, window[0], window[1]].copy()),
        hr=torch.from_numpy(_enlarged_window(hr, window, base.scale)),
        features=torch.stack(features),
        detail=torch.stack(detail),
        flow=torch.stack([motion.flow[(slice(None), *window)] for motion in known]).half(),
        confidence=torch.stack([motion.confidence[window] for motion in known]).half(),
        warped=torch.stack([motion.warped[window] for motion in known]).half(),
        shares=_shares(base.mixture, estimates),
    )


def keep_item(path: Path, recipe: Mapping[str, str], make: Callable[[], Item]) -> Item:
    """The item of ``path``, made if it is not there. Its tensors stay in the file and are read as they are needed.

    Raises `UsageError` where the file was made by another ``recipe``.
    """
    if not path.exists():
        tensors = asdict(item := make())
        unfinished = path.with_suffix(f".{os.getpid()}.tmp")
        save_file(
            {name: one for name, one in tensors.items() if name not in ("kind", "extra")},
            unfinished,
            {"kind": item.kind, **recipe},
        )
        os.replace(unfinished, path)
    try:
        with safe_open(path, "pt") as file:
            kind = (known := dict(file.metadata() or {})).pop("kind", "")
            if known != recipe:
                raise UsageError(f"{path}: was made of other data or by other settings; choose another --items")
            return Item(kind=kind, **{name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118 (no dict)
    except (SafetensorError, TypeError) as error:
        raise UsageError(f"{path}: is no sequence of this program ({error}); choose another --items") from error


def _shares(mixture: Mixture | None, estimates: Tensor | None) -> Tensor:
    if mixture is None:
        return torch.ones(1)
    return mixture.usual if estimates is None else mixture.shares(estimates)


def _enlarged_window(hr: Luma, window: tuple[slice, slice], scale: int) -> Luma:
    rows, columns = (slice(scale * part.start, scale * part.stop) for part in window)
    return hr[:, rows, columns].copy()


def stack(
    items: Sequence[Item], starts: Sequence[int], places_yx: Sequence[tuple[int, int]], num_frames: int, patch_px: int
) -> Batch:
    """Patches of ``patch_px`` from each item's frame and place on."""
    scale = items[0].hr.shape[-1] // items[0].small.shape[-1]

    def cut(name: str, frames: int, factor: int = 1) -> Tensor:
        parts = []
        for item, start, (top, left) in zip(items, starts, places_yx, strict=True):
            part: Tensor = getattr(item, name)[start : start + frames]
            rows, columns = (slice(factor * place, factor * (place + patch_px)) for place in (top, left))
            parts.append(part[..., rows, columns].float())
        return torch.stack(parts, 1)

    flow, steps = cut("flow", num_frames - 1), torch.arange(float(patch_px))
    rows, columns = steps[:, None] + flow[:, :, 0], steps + flow[:, :, 1]
    is_inside = (rows > -0.5) & (rows < patch_px - 0.5) & (columns > -0.5) & (columns < patch_px - 0.5)
    hr = cut("hr", num_frames, scale) / 255
    return Batch(
        luma=cut("small", num_frames)[:, :, None] / 255,
        features=cut("features", num_frames),
        detail=cut("detail", num_frames),
        hr=pixel_unshuffle(hr[:, :, None], scale),
        flow=flow,
        confidence=(cut("confidence", num_frames - 1) * is_inside)[:, :, None],
        warped=cut("warped", num_frames - 1)[:, :, None],
        extra=cut("extra", num_frames),
        shares=torch.stack([item.shares for item in items]),
    )
