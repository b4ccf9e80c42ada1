"""From what was filmed to what somebody has: made small, perhaps noisy, perhaps compressed, 8 bits.

Small images' samples sit at the middle of the block that they stand for, as all methods take them to. (The papers'
BD takes the first pixel of each block instead; the shift of the whole image would be all that is measured here.)
"""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from vsr.errors import MachineError
from vsr.media.ffmpeg import ffmpeg_path
from vsr.media.planes import planes_of
from vsr.observation import degradation_at, resample

_FPS = 25
_CODED_MULTIPLE = 32  # x265 is only safe with sides that are multiples of it; repeated borders cost nothing
_X265 = ["-c:v", "libx265", "-preset", "medium", "-crf", "28", "-x265-params"]
_CAMERA_SIGMA_PX = 0.45  # of the lens, in small pixels; the pixel's own area comes on top


def _area(hr: Tensor, scale: int) -> Tensor:
    return avg_pool2d(hr[:, None], scale)[:, 0]


def _bicubic(hr: Tensor, scale: int) -> Tensor:
    return resample(hr, (hr.shape[1] // scale, hr.shape[2] // scale), kernel="bicubic")


def _gaussian(hr: Tensor, scale: int) -> Tensor:
    """A Gaussian of the width of the papers' BD (1.6 pixels at ×4), at the middle of each block."""
    sigma = degradation_at("BD", scale).psf_sigma_px * scale
    return _weighed(hr, scale, _bell(sigma, scale + 2 * math.ceil(3.5 * sigma)))


def _camera(hr: Tensor, scale: int) -> Tensor:
    """A lens, then the area of a pixel."""
    sigma = _CAMERA_SIGMA_PX * scale
    lens = _bell(sigma, 1 + 2 * math.ceil(3.5 * sigma))
    return _weighed(hr, scale, np.convolve(lens, np.full(scale, 1 / scale)))


def _bell(sigma: float, length: int) -> NDArray[np.float64]:
    weights = np.exp(-0.5 * ((np.arange(length) - (length - 1) / 2) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def _weighed(hr: Tensor, scale: int, weights: NDArray[np.float64]) -> Tensor:
    """``weights`` along both axes, centred on each block of ``scale`` pixels; mirrored at the border."""
    reach = (len(weights) - scale) // 2
    taps = torch.from_numpy(weights).to(hr)
    padded = pad(hr[:, None], (reach,) * 4, mode="reflect")
    down = conv2d(padded, taps.view(1, 1, -1, 1), stride=(scale, 1))
    return conv2d(down, taps.view(1, 1, 1, -1), stride=(1, scale))[:, 0]


SHRINKING: Mapping[str, Callable[[Tensor, int], Tensor]] = MappingProxyType(
    {"area": _area, "bicubic": _bicubic, "BD": _gaussian, "camera": _camera}
)
"""``(T, H, W)`` float32 to ``(T, H / scale, W / scale)``, by name."""


@dataclass(frozen=True)
class Treatment:
    """What happened to the small images."""

    encoder: tuple[str, ...] = ()
    """Options of the ffmpeg program; none: nothing is lost but what 8 bits cannot hold."""
    noise_sigma: float = 0.0
    """Of white noise ahead of the encoder, in codes."""
    pixel_format: str = "yuv420p"


def _x264(crf: int, noise_sigma: float = 0.0) -> Treatment:
    return Treatment(("-c:v", "libx264", "-preset", "medium", "-crf", str(crf)), noise_sigma)


TREATMENTS: Mapping[str, Treatment] = MappingProxyType(
    {
        "clean": Treatment(),
        "crf18": _x264(18),
        "crf23": _x264(23),
        "crf28": _x264(28),
        "crf32": _x264(32),
        "hevc28": Treatment((*_X265, "log-level=error:pools=none:frame-threads=1")),
        "mpeg2": Treatment(("-c:v", "mpeg2video", "-q:v", "4", "-bf", "2", "-g", "12")),
        "mjpeg": Treatment(("-c:v", "mjpeg", "-q:v", "5"), pixel_format="yuvj420p"),
        "noise3crf23": _x264(23, 3.0),
        "noise8crf23": _x264(23, 8.0),
    }
)
"""By name. A constant quantiser of 4 is about what 4 Mbit/s of MPEG-2 in PAL size have."""


def record(hr: NDArray[np.uint8], shrinking: str, treatment: str, scale: int, seed: int) -> NDArray[np.uint8]:
    """``(T, H, W)`` → ``(T, H / scale, W / scale)``: what is left to enlarge. The seed is that of the noise."""
    small = SHRINKING[shrinking](torch.from_numpy(hr).float(), scale)
    chosen = TREATMENTS[treatment]
    if chosen.noise_sigma:
        generator = torch.Generator().manual_seed(seed)
        small = small + chosen.noise_sigma * torch.randn(small.shape, generator=generator)
    frames = np.asarray(small.round().clamp(0, 255).to(torch.uint8).numpy())
    return _compressed(frames, chosen) if chosen.encoder else frames


def _compressed(frames: NDArray[np.uint8], treatment: Treatment) -> NDArray[np.uint8]:
    """Luma after the encoder and a decoder; chroma is grey. One thread: equal frames give equal results."""
    count, height, width = frames.shape
    tall, wide = (-(-side // _CODED_MULTIPLE) * _CODED_MULTIPLE for side in (height, width))
    padded = np.pad(frames, ((0, 0), (0, tall - height), (0, wide - width)), mode="edge")
    grey = bytes([128]) * (tall * wide // 2)
    with tempfile.TemporaryDirectory(prefix="vsr-footage-") as folder:
        path = Path(folder) / "coded.mkv"
        command = [ffmpeg_path(), "-v", "error", "-f", "rawvideo", "-pix_fmt", treatment.pixel_format]
        command += ["-s", f"{wide}x{tall}", "-r", str(_FPS), "-i", "-", *treatment.encoder, "-threads", "1", str(path)]
        raw = b"".join(luma.tobytes() + grey for luma in padded)
        done = subprocess.run(command, input=raw, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise MachineError(f"ffmpeg cannot encode {' '.join(treatment.encoder)}: {said}")
        with av.open(str(path)) as container:
            decoded = [np.asarray(planes_of(frame, 1)[0]) for frame in container.decode(video=0)]
    if len(decoded) != count:
        raise MachineError(f"{' '.join(treatment.encoder)}: {count} frames went in and {len(decoded)} came out")
    return np.stack(decoded)[:, :height, :width]
