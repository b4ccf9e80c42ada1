"""SRMD: one network for many blurs and noises, conditioned on them by constant maps stacked on the image.

Zhang, Zuo, Zhang, "Learning a single convolutional super-resolution network for multiple degradations", CVPR 2018.
Post-upsampling, RGB, 0…1. Twelve 3×3 convolutions of 128, pixel shuffle. Parameters ×2 / ×3 / ×4: SRMD 1,511,692 /
1,528,987 / 1,553,200, SRMDNF (without the map of the noise) 1,510,540 / 1,527,835 / 1,552,048. Names as in the authors'
PyTorch code (cszn/KAIR); files of ncnn that were made from it load, too. Set5, bicubic, no noise: SRMDNF 37.79 /
34.12 / 31.96 dB.

The small image is the large one blurred by a 15×15 kernel, shrunk by bicubic interpolation, then noisy. Of the kernel
the network gets 15 numbers, its coefficients in a basis that the authors found by principal components of their
kernels and published apart from the weights. vsr does not have that basis. It supports isotropic Gaussians
alone, with coefficients that were fitted: those with which the published weights, all scales together, came closest to
the ground truth on images of BSDS500 (train) that had been blurred so.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from vsr.networks.base import ConditionedUpscaler, Found, Shapes
from vsr.networks.blocks import weights_dtype
from vsr.networks.footprint import INPUT
from vsr.networks.spec import network_spec

__all__ = ["SPECS", "SRMD", "recognise_srmd"]

_COLOURS, _KERNEL = 3, 15  # channels of the image, and numbers for the kernel
_MOST_NOISE_CODES = 75.0

_TABLE = """
0.2  0.005 -0.012 -0.066  0.006 -0.084 -0.024  0.008  0.017 -0.012 -0.002  0.059 -0.010 -0.147 -0.758 -0.539
0.3  0.007 -0.010 -0.066  0.005 -0.082 -0.022  0.008  0.017 -0.012 -0.001  0.056 -0.007 -0.143 -0.745 -0.536
0.4  0.018  0.014 -0.067 -0.003 -0.068 -0.002  0.012  0.014 -0.011  0.001  0.034  0.018 -0.103 -0.627 -0.500
0.5  0.032  0.045 -0.065 -0.022 -0.048  0.026  0.016  0.011 -0.019  0.003  0.002  0.051 -0.044 -0.432 -0.438
0.6  0.036  0.061 -0.058 -0.041 -0.034  0.044  0.018  0.008 -0.035  0.001 -0.018  0.064 -0.003 -0.275 -0.383
0.7  0.033  0.063 -0.050 -0.053 -0.026  0.052  0.018  0.006 -0.051 -0.002 -0.027  0.061  0.018 -0.170 -0.341
0.8  0.028  0.057 -0.042 -0.055 -0.019  0.054  0.015  0.004 -0.061 -0.005 -0.030  0.051  0.028 -0.101 -0.309
0.9  0.023  0.047 -0.036 -0.050 -0.012  0.051  0.012  0.001 -0.065 -0.006 -0.030  0.039  0.032 -0.054 -0.281
1.0  0.018  0.037 -0.031 -0.041 -0.007  0.046  0.009 -0.001 -0.065 -0.007 -0.028  0.028  0.032 -0.021 -0.258
1.2  0.009  0.020 -0.024 -0.023  0.001  0.031  0.005 -0.003 -0.057 -0.005 -0.023  0.015  0.027  0.019 -0.219
1.4  0.001  0.009 -0.019 -0.009  0.005  0.016  0.003 -0.004 -0.044 -0.003 -0.017  0.008  0.021  0.041 -0.189
1.6 -0.004  0.003 -0.016 -0.001  0.004  0.003  0.002 -0.004 -0.031 -0.001 -0.012  0.004  0.013  0.052 -0.164
1.8 -0.007  0.000 -0.013  0.002  0.002 -0.006  0.002 -0.003 -0.018 -0.001 -0.007  0.000  0.007  0.058 -0.143
2.0 -0.009  0.000 -0.012  0.003 -0.001 -0.011  0.001 -0.002 -0.008 -0.001 -0.003 -0.003  0.001  0.059 -0.126
2.4 -0.009  0.002 -0.008  0.002 -0.008 -0.016  0.001  0.002  0.006 -0.001  0.004 -0.007 -0.007  0.058 -0.099
2.8 -0.007  0.004 -0.005  0.001 -0.014 -0.015  0.000  0.007  0.013 -0.001  0.008 -0.010 -0.012  0.053 -0.081
3.2 -0.006  0.005 -0.002 -0.000 -0.018 -0.014  0.000  0.011  0.017 -0.000  0.011 -0.010 -0.015  0.048 -0.068
3.6 -0.005  0.006  0.000 -0.002 -0.021 -0.012  0.001  0.015  0.019  0.000  0.012 -0.010 -0.016  0.044 -0.059
4.0 -0.005  0.005  0.003 -0.003 -0.023 -0.010  0.001  0.017  0.019  0.001  0.013 -0.009 -0.016  0.040 -0.053
"""
"""Standard deviation of a Gaussian in pixels of the large image, and its coefficients; see the top of the file."""

_COEFFICIENTS = tuple(tuple(float(word) for word in line.split()) for line in _TABLE.split("\n") if line)


class SRMD(ConditionedUpscaler):
    """Twelve convolutions on the image and what is known of it."""

    def __init__(
        self, scale: int, *, most_noise_codes: float = _MOST_NOISE_CODES, width: int = 128, depth: int = 12
    ) -> None:
        super().__init__()
        self.scale, self.most_noise_codes, self.most_blur_px = scale, most_noise_codes, 1.0
        self.in_channels = _COLOURS + _KERNEL + (most_noise_codes > 0)
        self.context_px = INPUT.conv(3, times=depth).context_px
        layers: list[nn.Module] = [nn.Conv2d(self.in_channels, width, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(depth - 2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(inplace=True)]
        layers += [nn.Conv2d(width, _COLOURS * scale * scale, 3, padding=1), nn.PixelShuffle(scale)]
        self.model = nn.Sequential(*layers)

    def conditions(self, blur_px: float, noise_codes: float) -> Tensor:
        """15 coefficients of the Gaussian, then the noise over 255, if the network takes it."""
        kernel = _coefficients(blur_px * self.scale)
        return torch.cat([kernel, torch.tensor([noise_codes / 255])]) if self.most_noise_codes else kernel

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 19, H, W)``, for SRMDNF 18: RGB in 0…1 and `conditions` → ``(B, 3, scale·H, scale·W)``."""
        enlarged: Tensor = self.model(images.to(weights_dtype(self)))
        return enlarged.to(images.dtype)


def _coefficients(sigma_px: float) -> Tensor:
    """``(15,)`` for a Gaussian of this standard deviation in pixels of the large image, read between the lines."""
    sigma_px = min(max(sigma_px, _COEFFICIENTS[0][0]), _COEFFICIENTS[-1][0])
    after = next(place for place in range(1, len(_COEFFICIENTS)) if sigma_px <= _COEFFICIENTS[place][0])
    (low, *first), (high, *second) = _COEFFICIENTS[after - 1 : after + 1]
    return torch.lerp(torch.tensor(first), torch.tensor(second), (sigma_px - low) / (high - low))


def _rename(name: str) -> str:
    """ncnn's layers have the numbers that the authors' have."""
    return name.replace("Conv_", "model.", 1) if name.startswith("Conv_") else name


def recognise_srmd(shapes: Shapes) -> Found | None:
    """SRMD and SRMDNF of any width and depth."""
    own = {_rename(name): shape for name, shape in shapes.items()}
    depth, last = len(own) // 2, own[f"model.{len(own) - 2}.weight"]
    width, channels = own["model.0.weight"][:2]
    scale = round((last[0] / _COLOURS) ** 0.5)
    noise_channels = channels - _COLOURS - _KERNEL
    if depth < 2 or noise_channels not in (0, 1) or last != (_COLOURS * scale * scale, width, 3, 3):
        return None
    noise = _MOST_NOISE_CODES * noise_channels

    def build(scale: int) -> SRMD:
        return SRMD(scale, most_noise_codes=noise, width=width, depth=depth)

    return Found("srmd" if noise_channels else "srmdnf", (scale,), build, _rename)


SPECS = (
    network_spec(
        "srmd",
        "Zhang, Zuo, Zhang, CVPR 2018: SRMD",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=SRMD,
        parameters=(1_511_692, 1_528_987, 1_553_200),
        recognise=recognise_srmd,
        family="conditioned",
    ),
    network_spec(
        "srmdnf",
        "Zhang, Zuo, Zhang, CVPR 2018: SRMDNF, for images without noise",
        "post-upsampling",
        scales=(2, 3, 4),
        colour="RGB",
        build=partial(SRMD, most_noise_codes=0),
        parameters=(1_510_540, 1_527_835, 1_552_048),
        recognise=recognise_srmd,
        family="conditioned",
    ),
)
"""As published."""
