"""USRNet: any blur kernel and noise, by unfolding: exact agreement with the input, then a prior, again and again.

Zhang, Van Gool, Timofte, "Deep unfolding network for image super-resolution", CVPR 2020. Half-quadratic splitting:
eight times the closest image to the last one that agrees with the input (closed form in the Fourier domain, no
weights), then a ResUNet that removes what noise and aliasing left. Three small layers give both steps' strengths for
a noise and a scale. RGB, 0…1; one set of weights for all scales and kernels. Parameters 17,016,016, of the tiny one
that came with FKP (Liang et al., CVPR 2021: six times, widths 16 to 64) 590,332. Names as in the authors' PyTorch code
(cszn/KAIR).

The Fourier domain takes an image for periodic. A margin leads from each border to the opposite one, and is cut off.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import ConditionedUpscaler, Found, Shapes
from vsr.networks.blocks import Constant, weights_dtype
from vsr.networks.spec import network_spec
from vsr.observation.block_kernels import blurred_bicubic_kernel

__all__ = ["SPECS", "USRNet", "data_step", "fold", "recognise_usrnet", "transfer_function"]

_COLOURS = 3
_MARGIN_PX = 8  # of the small image, on each side
_MULTIPLE = 8  # of sides that three halvings take
_TINY = (16, 32, 64, 64)  # widths
_LEAST = 1e-6  # of both strengths


def fold(spectrum: Tensor, scale: int) -> Tensor:
    """``(…, scale·H, scale·W)`` → ``(…, H, W)``: the spectrum of every ``scale``-th pixel, from that of all pixels."""
    height, width = (side // scale for side in spectrum.shape[-2:])
    folded: Tensor = spectrum.reshape(*spectrum.shape[:-2], scale, height, scale, width).mean((-4, -2))
    return folded


def transfer_function(kernel: Tensor, scale: int, size_yx: tuple[int, int]) -> Tensor:
    """``(H, W)`` complex: what a kernel of `vsr.observation.block_kernels` does to waves on a periodic image.

    Every ``scale``-th sample of the result, from the first, is then a weighted mean around its block's middle.
    """
    reach = (kernel.shape[-1] - scale) // 2  # of the first weight ahead of the block's first pixel
    rows = [torch.remainder(torch.arange(kernel.shape[0], device=kernel.device) - reach, side) for side in size_yx]
    placed = kernel.new_zeros(size_yx).index_put((rows[0][:, None], rows[1][None, :]), kernel, accumulate=True)
    transfer: Tensor = torch.fft.fft2(placed).conj()
    return transfer


def data_step(image: Tensor, small: Tensor, transfer: Tensor, strength: Tensor, scale: int) -> Tensor:
    """The x that minimises ``‖y − S K x‖² + strength·‖x − image‖²``, periodic; ``(B, C, scale·H, scale·W)``.

    ``small`` is the spectrum of y, ``(B, C, H, W)``; ``transfer`` that of K, which broadcasts against ``image``; S
    takes every ``scale``-th pixel. Zhao et al., "Fast single image super-resolution using a new analytical solution
    for l2-l2 problems", TIP 2016.
    """
    spectrum = torch.fft.fft2(image)
    missing = small - fold(transfer * spectrum, scale)
    correction = missing / (fold(transfer.abs().square(), scale) + strength)
    closest: Tensor = torch.fft.ifft2(spectrum + transfer.conj() * correction.repeat(1, 1, scale, scale)).real
    return closest


def _close_borders(images: Tensor) -> Tensor:
    """Margins on all sides through which each border goes over into the opposite one."""
    share = (torch.arange(2 * _MARGIN_PX, dtype=images.dtype, device=images.device) + 1) / (2 * _MARGIN_PX + 1)
    for axis in (-2, -1):
        share_of_axis = share[:, None] if axis == -2 else share
        first, last = images.narrow(axis, 0, 1), images.narrow(axis, images.shape[axis] - 1, 1)
        bridge = last + (first - last) * share_of_axis
        after, before = bridge.tensor_split(2, axis)
        images = torch.cat([before, images, after], axis)
    return images


class _Block(nn.Module):
    """Convolution, ReLU, convolution, plus the input, without biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.res = nn.Sequential(first, nn.ReLU(inplace=True), second)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same."""
        residual: Tensor = self.res(features)
        return features + residual


class _ResUNet(nn.Module):
    """The prior: a denoiser that is given the strength of the noise."""

    def __init__(self, widths: tuple[int, int, int, int], blocks: int) -> None:
        super().__init__()

        def down(here: int, below: int) -> nn.Sequential:
            return nn.Sequential(
                *(_Block(here) for _ in range(blocks)), nn.Conv2d(here, below, 2, stride=2, bias=False)
            )

        def up(below: int, here: int) -> nn.Sequential:
            rise = nn.ConvTranspose2d(below, here, 2, stride=2, bias=False)
            return nn.Sequential(rise, *(_Block(here) for _ in range(blocks)))

        one, two, three, four = widths
        self.m_head = nn.Conv2d(_COLOURS + 1, one, 3, padding=1, bias=False)
        self.m_down1, self.m_down2, self.m_down3 = down(one, two), down(two, three), down(three, four)
        self.m_body = nn.Sequential(*(_Block(four) for _ in range(blocks)))
        self.m_up3, self.m_up2, self.m_up1 = up(four, three), up(three, two), up(two, one)
        self.m_tail = nn.Conv2d(one, _COLOURS, 3, padding=1, bias=False)

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 4, H, W)``, RGB and the strength → ``(B, 3, H, W)``."""
        height, width = given.shape[-2:]
        framed = functional.pad(given, (0, -width % _MULTIPLE, 0, -height % _MULTIPLE), mode="replicate")
        head = self.m_head(framed)
        half = self.m_down1(head)
        quarter = self.m_down2(half)
        eighth = self.m_down3(quarter)
        risen = self.m_up3(self.m_body(eighth) + eighth)
        risen = self.m_up1(self.m_up2(risen + quarter) + half)
        result: Tensor = self.m_tail(risen + head)
        return result[..., :height, :width]


class _Strengths(nn.Module):
    """Strengths of all steps, for a noise and a scale."""

    def __init__(self, steps: int, hidden: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Conv2d(2, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, 2 * steps, 1),
            nn.Softplus(),
        )

    def forward(self, given: Tensor) -> Tensor:
        """``(B, 2, 1, 1)`` → ``(B, 2·steps, 1, 1)``, above 0: of agreement, then of the prior."""
        strengths: Tensor = self.mlp(given)
        return strengths


class USRNet(ConditionedUpscaler):
    """Closed-form steps of agreement with the input, each followed by a ResUNet."""

    takes_kernels = True

    def __init__(
        self,
        scale: int,
        *,
        steps: int = 8,
        widths: tuple[int, int, int, int] = (64, 128, 256, 512),
        blocks: int = 2,
        hidden: int = 64,
    ) -> None:
        super().__init__()
        self.scale, self.context_px, self.in_channels = scale, None, _COLOURS + 2
        self.most_blur_px, self.most_noise_codes = 2.0, 25.0
        self.steps = steps
        self.p, self.h = _ResUNet(widths, blocks), _Strengths(steps, hidden)
        self.kernel = Constant(partial(blurred_bicubic_kernel, scale, 0.0))

    def set_kernel(self, kernel: Tensor) -> None:
        """See `ConditionedUpscaler`."""
        self.kernel = Constant(kernel.clone)

    def conditions(self, blur_px: float, noise_codes: float) -> Tensor:
        """Both standard deviations, the noise over 255."""
        return torch.tensor([blur_px, noise_codes / 255])

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 5, H, W)``: RGB in 0…1 and `conditions` → ``(B, 3, scale·H, scale·W)``."""
        image = _close_borders(images[:, :_COLOURS])
        blur, noise = images[:, _COLOURS : _COLOURS + 1, :1, :1], images[:, _COLOURS + 1 :, :1, :1]
        height, width = image.shape[-2:]
        transfer = self._transfer((self.scale * height, self.scale * width), blur)
        small, dtype = torch.fft.fft2(image), weights_dtype(self)
        given = torch.cat([noise, torch.full_like(noise, self.scale)], 1)
        strengths = self.h(given.to(dtype)).to(images.dtype) + _LEAST
        result = functional.interpolate(image, scale_factor=self.scale, mode="nearest")
        for step in range(self.steps):
            agreement = strengths[:, step : step + 1]
            prior = strengths[:, self.steps + step : self.steps + step + 1]
            result = data_step(result, small, transfer, agreement, self.scale)
            with_strength = torch.cat([result, prior.expand(-1, 1, *result.shape[-2:])], 1)
            result = self.p(with_strength.to(dtype)).to(images.dtype)
        rim = self.scale * _MARGIN_PX
        return result[..., rim:-rim, rim:-rim]

    def _transfer(self, size_yx: tuple[int, int], blur: Tensor) -> Tensor:
        """``(B, 1, H, W)``: the kernel's, blurred by a Gaussian of ``blur`` ``(B, 1, 1, 1)`` in small pixels."""
        base = transfer_function(self.kernel.value.to(blur.device, blur.dtype), self.scale, size_yx)
        waves_y, waves_x = (torch.fft.fftfreq(side, dtype=blur.dtype, device=blur.device) for side in size_yx)
        squares = waves_y.square()[:, None] + waves_x.square()
        return base * torch.exp(-2 * math.pi**2 * (self.scale * blur).square() * squares)


def _count(shapes: Shapes, part: str) -> int:
    """Blocks in a part of the prior."""
    return sum(name.startswith(part) and name.endswith(".res.0.weight") for name in shapes)


def recognise_usrnet(shapes: Shapes) -> Found | None:
    """USRNet of any widths, blocks and steps; weights do not tell the scale, for they are for all of them."""
    hidden, steps = shapes["h.mlp.0.weight"][0], shapes["h.mlp.4.weight"][0] // 2
    blocks = _count(shapes, "p.m_body.")
    downs = tuple(shapes[f"p.m_down{number}.{blocks}.weight"][0] for number in (1, 2, 3))
    widths = (shapes["p.m_head.weight"][0], downs[0], downs[1], downs[2])
    if shapes["p.m_head.weight"][1] != _COLOURS + 1 or blocks < 1 or steps < 1:
        return None

    def build(scale: int) -> USRNet:
        return USRNet(scale, steps=steps, widths=widths, blocks=blocks, hidden=hidden)

    return Found("usrnet-tiny" if widths == _TINY else "usrnet", (2, 3, 4), build)


SPECS = (
    network_spec(
        "usrnet",
        "Zhang, Van Gool, Timofte, CVPR 2020: USRNet",
        "iterative",
        scales=(2, 3, 4),
        colour="RGB",
        build=USRNet,
        parameters=17_016_016,
        recognise=recognise_usrnet,
        family="conditioned",
    ),
    network_spec(
        "usrnet-tiny",
        "Liang et al., CVPR 2021: USRNet of six steps, widths 16 to 64",
        "iterative",
        scales=(2, 3, 4),
        colour="RGB",
        build=partial(USRNet, steps=6, widths=_TINY, hidden=32),
        parameters=590_332,
        recognise=recognise_usrnet,
        family="conditioned",
    ),
)
"""As published, and the tiny one whose weights came with FKP."""
