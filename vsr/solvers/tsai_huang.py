"""Tsai and Huang's solver: shifted frames taken apart into the frequencies that they mix up."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from vsr.observation.model import ObservationModel
from vsr.solvers.base import Observations
from vsr.solvers.l2 import mean_square, scale_by_noise

__all__ = ["TsaiHuangOptions", "solve_tsai_huang"]

_READING_VARIANCE = 1 / 6  # blur of bilinear reading, in square pixels, which the model's blur lacks


@dataclass(frozen=True)
class TsaiHuangOptions:
    """Parameters of `solve_tsai_huang`."""

    regularization: float = 1.0
    """Strength of the Tikhonov term; 1 suits photographs, more is smoother, must be above 0."""
    passes: int = 3
    """Times the residual that is left is solved for again, with a strength that suits its size."""
    border_samples: int = 4
    """Samples along each border over which residual is faded out, because a spectrum repeats the image beyond it."""


def _transfer(model: ObservationModel) -> Tensor:
    """Gain of lens and pixel at each frequency, ``(H, W)`` float64, from the blur's answer to a point."""
    height, width = model.size_yx
    point = torch.zeros(model.size_yx, dtype=torch.float64, device=model.rows.device)
    point[height // 2, width // 2] = 1
    spread = torch.roll(model.blur.A(point), (-(height // 2), -(width // 2)), (0, 1))
    waves_y, waves_x = (torch.fft.fftfreq(size, dtype=torch.float64, device=point.device) for size in model.size_yx)
    squares = waves_y[:, None] ** 2 + waves_x**2
    gain: Tensor = torch.fft.fft2(spread).real
    return gain * torch.exp(-2 * math.pi**2 * _READING_VARIANCE * squares)


def _groups(spectrum: Tensor, scale_yx: tuple[int, int]) -> Tensor:
    """``(N, H, W)`` → ``(N, h, w, s_y s_x)``: the frequencies that sampling makes one, side by side."""
    (scale_y, scale_x), (count, height, width) = scale_yx, spectrum.shape
    h, w = height // scale_y, width // scale_x
    parts = spectrum.reshape(count, scale_y, h, scale_x, w).permute(0, 2, 4, 1, 3)
    return parts.reshape(count, h, w, scale_y * scale_x)


def _ungroup(groups: Tensor, scale_yx: tuple[int, int]) -> Tensor:
    """The inverse of `_groups`."""
    (scale_y, scale_x), (count, h, w) = scale_yx, groups.shape[:3]
    parts = groups.reshape(count, h, w, scale_y, scale_x).permute(0, 3, 1, 4, 2)
    return parts.reshape(count, scale_y * h, scale_x * w)


def _fade(size_yx: tuple[int, int], border: int, like: Tensor) -> Tensor:
    axes = []
    for size in size_yx:
        index = torch.arange(size, dtype=like.dtype, device=like.device) + 0.5
        depth = torch.minimum(index, size - index) / max(1.0, min(float(border), size / 4))
        axes.append(torch.sin(depth.clamp(max=1) * (math.pi / 2)) ** 2)
    return axes[0][:, None] * axes[1]


class _Frequencies:
    """The frames' equations, one small system for every group of frequencies that sampling makes one."""

    def __init__(self, model: ObservationModel) -> None:
        scale = tuple(round(value) for value in model.scale_yx)
        frame_size = (int(model.rows.shape[1]), int(model.rows.shape[2]))
        if model.size_yx != (scale[0] * frame_size[0], scale[1] * frame_size[1]):
            raise ValueError(
                "taking frequencies apart needs an image that is a whole multiple of its frames; "
                f"{model.size_yx} is not of {frame_size}"
            )
        self._scale = (scale[0], scale[1])
        axes = [torch.fft.fftfreq(size, dtype=torch.float64, device=model.rows.device) for size in model.size_yx]
        # Frames are read from their first sample on, so only its place matters; all in double precision, because
        # phases of far frequencies turn fast.
        rows, cols = model.rows[:, 0, 0].double(), model.cols[:, 0, 0].double()
        phases = rows[:, None, None] * axes[0][:, None] + cols[:, None, None] * axes[1]
        gain = _transfer(model) / math.prod(scale)
        self._matrix = _groups(torch.polar(gain.expand_as(phases), 2 * math.pi * phases), self._scale)  # K h w s
        self._matrix = self._matrix.movedim(0, -2)  # h w K s
        self._adjoint = self._matrix.mH
        self._normal = self._adjoint @ self._matrix
        squares = 4 * torch.sin(math.pi * axes[0][:, None]) ** 2 + 4 * torch.sin(math.pi * axes[1]) ** 2
        self._ridge = _groups(squares.clamp(min=1e-4)[None], self._scale)[0] / math.prod(scale)

    def predict(self, x: Tensor) -> Tensor:
        """What the frames should be, ``(K, h, w)``."""
        groups = _groups(torch.fft.fft2(x)[None], self._scale)[0]
        frames: Tensor = torch.fft.ifft2((self._matrix @ groups[..., None])[..., 0].movedim(-1, 0)).real
        return frames

    def solve(self, frames: Tensor, strength: float) -> Tensor:
        """The image behind ``frames`` ``(K, h, w)``, with ``strength`` of Tikhonov's prior."""
        spectra = torch.fft.fft2(frames).movedim(0, -1)[..., None]
        ridge = torch.diag_embed((strength * self._ridge).to(self._normal.dtype))
        factor = torch.linalg.cholesky(self._normal + ridge)
        groups = torch.cholesky_solve(self._adjoint @ spectra, factor)[..., 0]
        image: Tensor = torch.fft.ifft2(_ungroup(groups[None], self._scale)[0]).real
        return image


def solve_tsai_huang(observed: Observations, start: Tensor, options: TsaiHuangOptions) -> Tensor:
    """Solve ``Y_k(l) = 1/s² sum_m H(f) exp(2 pi i f p_k) X(f)``, f = l + m h, for x, ``(H, W)`` like ``start``.

    Tsai and Huang 1984: sampling adds up s_y s_x frequencies f of the image in each frequency l of a frame, and
    frames with different shifts p_k add them up differently, so each group is a small least-squares problem, here with
    a Tikhonov term that grows with frequency. H is the gain of the point spread function, as Kim, Bose and Valenzuela
    added it in 1990. What is solved for is the residual of ``start``, faded out at borders and scaled by confidence.
    Exact for periodic, band-limited scenes with at least s_y s_x frames at different shifts; linear, so not robust.
    No step size. Cost per pixel, once: (s_y s_x)² + K s_y s_x complex multiplications. Computes in float64 and
    returns the type of ``start``; H·W·(K + s_y s_x)·32 bytes. ValueError unless scales are whole numbers.
    """
    frequencies = _Frequencies(observed.model)
    frames, x = observed.frames.double(), start.double()
    sample_weights = observed.sample_weights().double() * _fade(
        (frames.shape[1], frames.shape[2]), options.border_samples, frames
    )
    for _ in range(options.passes):
        residual = frames - frequencies.predict(x)
        variance = mean_square(observed, residual, sample_weights)
        strength = options.passes * scale_by_noise(
            options.regularization, variance
        )  # each pass solves for what is left
        x = x + frequencies.solve(sample_weights * residual, strength)
    return x.to(start.dtype)
