"""From a frame to the luma that is reconstructed, and from that back to all planes, which follow its detail."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vsr.frames import BT601_LUMA, VideoFrame
from vsr.methods.highlights import compress_highlights, expand_highlights
from vsr.methods.interpolation import resample_plane
from vsr.methods.method import Geometry
from vsr.methods.reconstruction.reconstruct import Imaging, Reconstruction
from vsr.methods.reconstruction.window import Seen
from vsr.observation import neighbourhood_bounds, neighbourhood_mean, resample

__all__ = ["compose_planes", "guide_detail", "luma_of"]

_OVERSHOOT_SHARE = 0.1  # of the local range: overshoot that is left as it is
_OVERSHOOT_KEPT = 0.3  # of what goes beyond


def luma_of(frame: VideoFrame, device: torch.device) -> Tensor:
    """``(h, w)`` float32 on ``device``, 0…1; what is beyond white in floating-point video is compressed."""
    planes = [plane.to(device).to(torch.float32) for plane in frame.planes]
    if frame.layout.family != "rgb":
        luma = planes[0]
    else:
        luma = sum((plane * weight for plane, weight in zip(planes, BT601_LUMA, strict=False)), torch.zeros(()))
    luma = luma / frame.layout.peak
    return compress_highlights(luma) if frame.layout.is_float else luma


def compose_planes(
    seen: Seen,
    made: Reconstruction | None,
    geometry: Geometry,
    imaging: Imaging,
    device: torch.device,
    *,
    reduces_halos: bool,
) -> tuple[Tensor, ...]:
    """All planes at the output size, float32 code values: the luma that was ``made``, the others following its detail.

    All are resampled where ``made`` is None. ``reduces_halos``: most of the luma's overshoot beyond what was recorded
    nearby is taken back.
    """
    frame = seen.frame
    is_luma = [made is not None and number == 0 and frame.layout.family != "rgb" for number in range(len(frame.planes))]
    planes = [
        frame.planes[number]
        if is_made
        else resample_plane(frame, number, geometry, "lanczos", device, offset_px=imaging.offset_px)
        for number, is_made in enumerate(is_luma)
    ]
    if made is None:
        return tuple(planes)
    luma = _reduce_halos(made.image, seen.luma, made.noise_sigma) if reduces_halos else made.image
    peak, plain = frame.layout.peak, imaging.enlarged(seen.luma)
    if frame.layout.is_float:
        luma, plain = expand_highlights(luma), expand_highlights(plain)
    detail = luma - plain
    for number in range(frame.layout.num_planes):
        if is_luma[number]:
            planes[number] = luma * peak
        elif number < 3:
            planes[number] = planes[number] + _follow(seen, number, detail, made.noise_sigma, geometry, device) * peak
    return tuple(planes)


def _reduce_halos(restored: Tensor, recorded: Tensor, noise: float) -> Tensor:
    """``restored`` ``(H, W)`` with most of its overshoot beyond what was recorded nearby taken back.

    Detail finer than a recorded pixel may exceed its surroundings somewhat; far beyond them lie mostly halos
    of edges that are sharper than the assumed blur allows.
    """
    lowest, highest = neighbourhood_bounds(recorded[None])
    slack = _OVERSHOOT_SHARE * (highest - lowest) + 2 * noise
    size = (int(restored.shape[0]), int(restored.shape[1]))
    both = torch.cat([lowest - slack, highest + slack])[None]
    low, high = interpolate(both, size=size, mode="bilinear", align_corners=False)[0]
    inside = torch.minimum(torch.maximum(restored, low), high)
    return torch.lerp(inside, restored, _OVERSHOOT_KEPT)


def _follow(seen: Seen, number: int, detail: Tensor, noise: float, geometry: Geometry, device: torch.device) -> Tensor:
    """The luma's ``detail`` as plane ``number`` has it, at that plane's output size, 0…1."""
    frame = seen.frame
    plane = frame.planes[number].to(device).to(torch.float32) / frame.layout.peak
    size = frame.layout.plane_size(number, geometry.out_width, geometry.out_height)
    siting_x, siting_y = (
        frame.layout.siting_offset(frame.color.chroma_location) if frame.layout.is_chroma(number) else (0.0, 0.0)
    )
    guide = expand_highlights(seen.luma) if frame.layout.is_float else seen.luma
    return guide_detail(
        plane,
        _on_grid(guide, (int(plane.shape[0]), int(plane.shape[1])), (siting_y, siting_x)),
        _on_grid(detail, size, (siting_y, siting_x)),
        noise,
    )


def _on_grid(luma: Tensor, size_yx: tuple[int, int], siting_yx: tuple[float, float]) -> Tensor:
    """``luma`` averaged onto a subsampled plane's samples, which sit ``siting_yx`` of a sample off block centres."""
    if tuple(luma.shape) == size_yx:
        return luma
    block_yx = (round(luma.shape[0] / size_yx[0]), round(luma.shape[1] / size_yx[1]))
    offset_y, offset_x = (o * b / (b - 1) if b != 1 else 0.0 for o, b in zip(siting_yx, block_yx, strict=True))
    scale_yx = (1 / block_yx[0], 1 / block_yx[1])
    return resample(luma, size_yx, kernel="bicubic", scale_yx=scale_yx, offset_yx=(offset_y, offset_x))


_WINDOW = 5  # samples a side over which the line is fitted
_STEEPEST = 2.0  # slope beyond which a fit is taken for chance


def guide_detail(plane: Tensor, luma: Tensor, detail: Tensor, noise_sigma: float) -> Tensor:
    """What to add to the enlarged ``plane``: ``(H, W)`` like ``detail``, in the plane's unit.

    ``plane`` ``(h, w)`` and ``luma`` ``(h, w)`` show the same place sample by sample, in one unit; ``detail`` is
    the reconstructed luma minus the enlarged one on the plane's output grid. ``noise_sigma``, in that unit:
    variations of the luma below it tell nothing.
    """
    both = torch.stack([plane, luma, plane * luma, luma * luma])
    mean_p, mean_l, mean_pl, mean_ll = neighbourhood_mean(both, _WINDOW)
    covariance = mean_pl - mean_p * mean_l
    variance = (mean_ll - mean_l * mean_l).clamp_(min=0)
    slope = covariance / (variance + 4 * noise_sigma * noise_sigma)
    slope = neighbourhood_mean(slope.clamp_(-_STEEPEST, _STEEPEST)[None], _WINDOW)[0]
    size = (int(detail.shape[0]), int(detail.shape[1]))
    return resample(slope, size, kernel="bicubic") * detail
