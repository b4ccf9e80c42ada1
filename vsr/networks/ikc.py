"""IKC: a first guess of the kernel, an image by it, and corrections of the kernel by what looks wrong in the image.

Gu, Lu, Zuo, Dong, "Blind super-resolution with iterative kernel correction", CVPR 2019. A kernel is ten numbers, its
coefficients in a basis. `_Predictor` guesses them from the small image, `_SFTMD` enlarges by them (each block scales
and moves its features by maps of the numbers), `_Corrector` moves them by what it sees in the result; seven times.
RGB, 0…1. Parameters 5,167,639 at ×2, 5,352,279 at ×3, 5,315,351 at ×4 (5.32M), of which `_Predictor` has 430,730 and
`_Corrector` 649,930. Names inside the three parts as in the authors' PyTorch code (yuanjunchai/IKC), which keeps each
in a file of its own, and the basis in a fourth; here one file has all.

The basis is the principal components of Gaussians of any widths and direction, the authors' of round ones.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import ConditionedUpscaler, Found, Shapes
from vsr.networks.blocks import Constant, KeepsFloat32, count, weights_dtype
from vsr.networks.spec import network_spec
from vsr.observation.block_kernels import gaussian_kernel

__all__ = ["IKC", "SPECS", "recognise_ikc"]

_COLOURS, _CODES, _WIDTH = 3, 10, 64
_BLOCKS, _MODULATION = 16, 32
_CORRECTIONS = 7
_SIDE = 20  # of a kernel, and its scale
_SLOPE = 0.2
_FAINT, _LEAST = 0.02, 1e-9  # share of the largest weight under which there is none


def _chain(*layers: nn.Module) -> nn.Sequential:
    """Each followed by a leaky ReLU."""
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.LeakyReLU(_SLOPE))))


def _wide(before: int, after: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, after, 5, stride=stride, padding=2)


class _Predictor(nn.Module):
    """Ten numbers from the small image."""

    def __init__(self) -> None:
        super().__init__()
        width = _WIDTH
        layers = [_wide(_COLOURS, width), _wide(width, width), _wide(width, width), _wide(width, width, 2)]
        self.ConvNet = _chain(*layers, _wide(width, width), _wide(width, _CODES))

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` → ``(B, 10)``."""
        codes: Tensor = self.ConvNet(images.to(weights_dtype(self))).mean((2, 3))
        return codes


class _Corrector(nn.Module):
    """By how much the numbers are to be changed, from the enlarged image that they led to."""

    def __init__(self) -> None:
        super().__init__()
        width = _WIDTH
        layers = [_wide(_COLOURS, width), _wide(width, width, 2), _wide(width, width), _wide(width, width, 2)]
        self.ConvNet = _chain(*layers, *(_wide(width, width) for _ in range(3)))
        self.code_dense = _chain(nn.Linear(_CODES, width), nn.Linear(width, width))
        wide = _chain(nn.Conv2d(2 * width, 2 * width, 1), nn.Conv2d(2 * width, width, 1))
        self.global_dense = nn.Sequential(*wide, nn.Conv2d(width, _CODES, 1))

    def forward(self, enlarged: Tensor, codes: Tensor) -> Tensor:
        """``(B, 3, scale·H, scale·W)`` and ``(B, 10)`` → the new ``(B, 10)``."""
        dtype = weights_dtype(self)
        seen, codes = self.ConvNet(enlarged.to(dtype)), codes.to(dtype)
        known = self.code_dense(codes)[:, :, None, None].expand(-1, -1, *seen.shape[-2:])
        change: Tensor = self.global_dense(torch.cat([seen, known], 1)).mean((2, 3))
        return codes + change


class _Modulation(nn.Module):
    """Features scaled and moved by what they and the numbers say (spatial feature transform)."""

    def __init__(self) -> None:
        super().__init__()
        for part in ("mul", "add"):
            self.add_module(f"{part}_conv1", nn.Conv2d(_CODES + _WIDTH, _MODULATION, 3, padding=1))
            self.add_module(f"{part}_conv2", nn.Conv2d(_MODULATION, _WIDTH, 3, padding=1))

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        """``(B, 64, H, W)`` and ``(B, 10, H, W)`` → ``(B, 64, H, W)``."""
        given = torch.cat([features, codes], 1)
        scaled, moved = (
            self.get_submodule(f"{part}_conv2")(
                functional.leaky_relu(self.get_submodule(f"{part}_conv1")(given), _SLOPE)
            )
            for part in ("mul", "add")
        )
        result: Tensor = features * scaled.sigmoid() + moved
        return result


class _Block(nn.Module):
    """Two convolutions, each behind a `_Modulation` and a ReLU, plus the input."""

    def __init__(self) -> None:
        super().__init__()
        self.sft1, self.sft2 = _Modulation(), _Modulation()
        self.conv1, self.conv2 = (nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1) for _ in range(2))

    def forward(self, features: Tensor, codes: Tensor) -> Tensor:
        """``(B, 64, H, W)`` → the same."""
        inner = self.conv1(self.sft1(features, codes).relu())
        added: Tensor = self.conv2(self.sft2(inner, codes).relu())
        return features + added


class _SFTMD(nn.Module):
    """Enlarges by the numbers."""

    def __init__(self, scale: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(_COLOURS, _WIDTH, 3, padding=1)
        self.conv2, self.conv3, self.conv_mid = (nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1) for _ in range(3))
        self._names = [f"SFT-residual{number}" for number in range(1, blocks + 1)]
        for name in self._names:
            self.add_module(name, _Block())
        self.sft = _Modulation()
        steps = [2, 2] if scale == 4 else [scale]
        self.upscale = nn.Sequential(
            *(
                part
                for step in steps
                for part in (
                    nn.Conv2d(_WIDTH, _WIDTH * step * step, 3, padding=1),
                    nn.PixelShuffle(step),
                    nn.LeakyReLU(_SLOPE),
                )
            )
        )
        self.conv_output = nn.Conv2d(_WIDTH, _COLOURS, 9, padding=4)

    def forward(self, images: Tensor, codes: Tensor) -> Tensor:
        """``(B, 3, H, W)`` and ``(B, 10)`` → ``(B, 3, scale·H, scale·W)``."""
        maps = codes.to(self.conv2.weight.dtype)[:, :, None, None].expand(-1, -1, *images.shape[-2:])
        first = functional.leaky_relu(self.conv1(images.to(self.conv1.weight.dtype)), _SLOPE)
        first = self.conv3(functional.leaky_relu(self.conv2(first), _SLOPE))
        features = first
        for name in self._names:
            features = self.get_submodule(name)(features, maps)
        features = self.conv_mid(self.sft(features + first, maps))
        enlarged: Tensor = self.conv_output(self.upscale(features))
        return enlarged


def _basis(scale: int) -> Tensor:
    """``(n², 10)``: what Gaussians of 0.15 to 1.2 pixels of the small image, of any direction, are mostly made of."""
    side, widths = _SIDE + scale, [0.15 * scale * number for number in range(1, 9)]
    kernels = [
        gaussian_kernel(scale, along, across, 22.5 * turn, side=side).flatten()
        for along in widths
        for across in widths
        if across <= along
        for turn in range(8 if across < along else 1)
    ]
    together = torch.stack(kernels).double()
    _, axes = torch.linalg.eigh(together.T @ together)
    first: Tensor = axes[:, -_CODES:].flip(1).float()
    return first


class _Basis(KeepsFloat32):
    """The numbers of a kernel and back; kept with the weights, which were learnt with it."""

    axes: Tensor

    def __init__(self, scale: int) -> None:
        super().__init__()
        with torch.device("cpu"):
            axes = _basis(scale)
        self.register_buffer("axes", axes)

    def codes(self, kernels: Tensor) -> Tensor:
        """``(B, n, n)`` → ``(B, 10)``."""
        return kernels.flatten(1) @ self.axes.to(kernels.dtype)

    def kernels(self, codes: Tensor) -> Tensor:
        """``(B, 10)`` → ``(B, n, n)`` of weights of at least 0 whose sum is 1."""
        weights: Tensor = codes @ self.axes.to(codes.dtype).T
        weights = torch.where(weights > _FAINT * weights.amax(1, keepdim=True), weights, 0).clamp(min=_LEAST)
        side = round(weights.shape[1] ** 0.5)
        kernels: Tensor = weights / weights.sum(1, keepdim=True)
        return kernels.reshape(-1, side, side)


class IKC(ConditionedUpscaler):
    """A guess, then corrections by what comes of it."""

    takes_kernels = True
    finds_kernels = True

    def __init__(self, scale: int, *, blocks: int = _BLOCKS, corrections: int = _CORRECTIONS) -> None:
        super().__init__()
        self.scale, self.context_px, self.in_channels = scale, None, _COLOURS
        self.most_blur_px, self.most_noise_codes = 2.0, 0.0
        self.corrections = corrections
        self.sftmd, self.predictor, self.corrector = _SFTMD(scale, blocks), _Predictor(), _Corrector()
        self.basis = _Basis(scale)
        self.kernel: Constant | None = None

    def _fitted(self, kernel: Tensor) -> Tensor:
        """A kernel cut or padded to the side of the basis."""
        room = _SIDE + self.scale - kernel.shape[-1]
        cut = functional.pad(kernel, (room // 2,) * 4)
        return cut / cut.sum()

    def set_kernel(self, kernel: Tensor) -> None:
        """See `ConditionedUpscaler`."""
        self.kernel = Constant(lambda: self._fitted(kernel))

    def find_codes(self, images: Tensor) -> list[Tensor]:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 10)`` in the type of the weights, as guessed and after each correction."""
        codes = [self.predictor(images)]
        for _ in range(self.corrections):
            codes.append(self.corrector(self.sftmd(images, codes[-1]), codes[-1]))
        return codes

    def find_kernel(self, images: Tensor) -> Tensor:
        """See `ConditionedUpscaler`."""
        codes = self.find_codes(images)[-1]
        return self.basis.kernels(codes.to(images.dtype)).mean(0)

    def conditions(self, blur_px: float, noise_codes: float) -> Tensor:
        """None: what it knows is the kernel."""
        return torch.zeros(0)

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        if self.kernel is None:
            codes = self.find_codes(images)[-1]
        else:
            kernel = self.kernel.value.to(images.device, images.dtype)
            codes = self.basis.codes(kernel[None]).expand(len(images), -1)
        enlarged: Tensor = self.sftmd(images, codes)
        return enlarged.to(images.dtype)


def recognise_ikc(shapes: Shapes) -> Found | None:
    """IKC of any number of blocks."""
    blocks, steps = count(shapes, "sftmd.SFT-residual", ".conv1.weight", first=1), count(shapes, "sftmd.upscale.", "")
    scale = round(shapes["basis.axes"][0] ** 0.5) - _SIDE
    if steps or shapes["sftmd.upscale.0.weight"][1] != _WIDTH or scale not in (2, 3, 4):
        return None

    def build(scale: int) -> IKC:
        return IKC(scale, blocks=blocks)

    return Found("ikc", (scale,), build)


SPECS = (
    network_spec(
        "ikc",
        "Gu, Lu, Zuo, Dong, CVPR 2019: IKC, which finds the kernel as well",
        "iterative",
        scales=(2, 3, 4),
        colour="RGB",
        build=IKC,
        parameters=(5_167_639, 5_352_279, 5_315_351),
        recognise=recognise_ikc,
        family="conditioned",
    ),
)
