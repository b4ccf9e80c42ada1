"""KXNet: kernel and image found together, by unfolding: a step on the kernel, a step on the image, again and again.

Fu, Wang, Xie, Zhao, Meng, Xu, "KXNet: a model-driven deep neural network for blind super-resolution", ECCV 2022. Both
steps follow the gradient of the error that kernel and image leave in the input, each followed by a small network of
its own at every one of 19 stages. RGB, 0…1, kernels of 21×21. Parameters ×2 / ×3 / ×4: 6,505,382 / 13,343,672 /
27,571,214; the paper has 6.51M at ×2. Names as in the authors' PyTorch code (jiahong-fu/KXNet), whose fixed copy of
``kernel_map`` is left out.

The authors' samples lie on the first pixel of each block; here, as in `vsr.observation.block_kernels`, on its middle,
so that weights of theirs would move images by half a block. Borders are repeated, not mirrored. With a kernel that is
set, only the image is looked for.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from vsr.networks.base import ConditionedUpscaler, Found, Shapes
from vsr.networks.blocks import Constant, count, enlarge, weights_dtype
from vsr.networks.spec import network_spec
from vsr.observation.block_kernels import gaussian_kernel

__all__ = ["SPECS", "KXNet", "recognise_kxnet"]

_COLOURS = 3
_STAGES, _SIDE = 19, 21
_CARRIED, _CARRIED_OF_KERNEL = 32, 24  # channels that go from stage to stage beside image and kernel
_FIRST_SIGMA_PX = 1.0
_SHARE = 0.1  # of what a pair of layers adds
_STEP = 0.1  # of a step on the kernel
_LEAST = 1e-5  # weight of a kernel


def _framed(images: Tensor, side: int) -> Tensor:
    return functional.pad(images, (side // 2,) * 4, mode="replicate")


def _blurred(images: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """``(B, C, scale·H, scale·W)`` and ``(B, n, n)`` → ``(B, C, H, W)``: each image by its own kernel."""
    batch, colours = images.shape[:2]
    weights = kernels[:, None].expand(-1, colours, -1, -1).reshape(batch * colours, 1, *kernels.shape[1:])
    framed = _framed(images, kernels.shape[-1])
    blurred = functional.conv2d(framed.flatten(0, 1)[None], weights, stride=scale, groups=batch * colours)
    return blurred.reshape(batch, colours, *blurred.shape[2:])


def _spread(errors: Tensor, kernels: Tensor, scale: int) -> Tensor:
    """The transpose of `_blurred`, each pixel over the sum of the weights that reach it."""
    batch, colours = errors.shape[:2]
    weights = kernels[:, None].expand(-1, colours, -1, -1).reshape(batch * colours, 1, *kernels.shape[1:])
    transpose = partial(
        functional.conv_transpose2d,
        weight=weights,
        stride=scale,
        padding=kernels.shape[-1] // 2,
        output_padding=scale - 1,
        groups=batch * colours,
    )
    flat = errors.flatten(0, 1)[None]
    spread: Tensor = transpose(flat) / (transpose(torch.ones_like(flat)) + 1e-10)
    return spread.reshape(batch, colours, *spread.shape[2:])


class _Proximal(nn.Module):
    """Four pairs of 3×3 convolutions, each added a little, and one more onto the input; ``name`` is in their names."""

    def __init__(self, name: str, width: int) -> None:
        super().__init__()
        self._name = name
        for number in range(1, 5):
            first, second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
            self.add_module(f"{name}{number}", nn.Sequential(first, nn.ReLU(inplace=True), second))
        self.add_module(f"{name}5", nn.Sequential(nn.Conv2d(width, width, 3, padding=1)))

    def forward(self, given: Tensor) -> Tensor:
        """``(B, width, H, W)`` → the same, at least 0."""
        features = given
        for number in range(1, 5):
            features = (features + _SHARE * self.get_submodule(f"{self._name}{number}")(features)).relu()
        added: Tensor = self.get_submodule(f"{self._name}5")(features)
        return (given + _SHARE * added).relu()


class _ImageStage(nn.Module):
    """One step on the image."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self._scale, self._pixels = scale, _COLOURS * scale * scale
        self.X_ProNet = _Proximal("resx", 2 * self._pixels + _COLOURS + _CARRIED)

    def forward(
        self, image: Tensor, carried: Tensor, small: Tensor, kernels: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The image and what is carried, after it."""
        error = _spread(_blurred(image, kernels, self._scale) - small, kernels, self._scale)
        pixels = [functional.pixel_unshuffle(one, self._scale) for one in (image, rate.to(error.dtype) * error)]
        given = torch.cat([*pixels, small], 1).to(carried.dtype)
        made: Tensor = self.X_ProNet(torch.cat([given, carried], 1))
        better = functional.pixel_shuffle(made[:, : self._pixels], self._scale)
        return better.to(image.dtype), made[:, 2 * self._pixels + _COLOURS :]


class _KernelStage(nn.Module):
    """One step on the kernel."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self._scale = scale
        self.K_ProNet = _Proximal("resk", _COLOURS + _CARRIED_OF_KERNEL)

    def forward(
        self, image: Tensor, small: Tensor, kernels: Tensor, carried: Tensor, rate: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Kernels ``(B, n, n)`` and what is carried, after it."""
        side = kernels.shape[-1]
        error = _blurred(image, kernels, self._scale) - small
        seen = functional.unfold(_framed(image, side), side, stride=self._scale)
        seen = seen.reshape(len(image), _COLOURS, side * side, -1)
        slope = torch.einsum("bckp,bcp->bk", seen, error.flatten(2)) / error[0].numel()
        moved = kernels - _STEP * rate.to(kernels.dtype) * slope.reshape(kernels.shape)
        given = torch.cat([moved[:, None].expand(-1, _COLOURS, -1, -1).to(carried.dtype), carried], 1)
        made: Tensor = self.K_ProNet(given)
        found = (made[:, :_COLOURS].to(kernels.dtype).mean(1) + _LEAST).relu()
        return found / found.sum((1, 2), keepdim=True), made[:, _COLOURS:]


class KXNet(ConditionedUpscaler):
    """Steps on kernel and image in turn."""

    takes_kernels = True
    finds_kernels = True

    def __init__(self, scale: int, *, stages: int = _STAGES, side: int = _SIDE) -> None:
        super().__init__()
        self.scale, self.context_px, self.in_channels = scale, None, _COLOURS
        self.most_blur_px, self.most_noise_codes = 2.0, 0.0
        self._side = side
        self.X_stage = nn.Sequential(*(_ImageStage(scale) for _ in range(stages)))
        self.K_stage = nn.Sequential(*(_KernelStage(scale) for _ in range(stages)))
        laplacian = torch.tensor([[0.0, 1.0, 0.0], [1.0, -4.0, 1.0], [0.0, 1.0, 0.0]])
        self.AV_X_ker = nn.Parameter(laplacian.repeat(_CARRIED, _COLOURS, 1, 1))
        self.kernel_map = nn.Parameter(0.01 * torch.rand(_CARRIED_OF_KERNEL, side, side))
        self.gamma_stage, self.eta_stage = (nn.Parameter(torch.ones(stages, 1)) for _ in range(2))
        self.first = Constant(lambda: self._window(gaussian_kernel(scale, _FIRST_SIGMA_PX)))
        self.kernel: Constant | None = None

    def _window(self, kernel: Tensor) -> Tensor:
        """What ``(side, side)`` pixels around each block's first hold of a kernel around its middle."""
        room = self._side + self.scale - 1 - kernel.shape[-1]
        window = functional.pad(kernel, (room // 2,) * 4)[: self._side, : self._side]
        return window / window.sum()

    def set_kernel(self, kernel: Tensor) -> None:
        """See `ConditionedUpscaler`."""
        self.kernel = Constant(lambda: self._window(kernel))

    def find_kernel(self, images: Tensor) -> Tensor:
        """See `ConditionedUpscaler`."""
        _, kernels = self.unfolded(images)
        return functional.pad(kernels[-1].mean(0), (0, self.scale - 1, 0, self.scale - 1))

    def conditions(self, blur_px: float, noise_codes: float) -> Tensor:
        """None: what it knows is the kernel."""
        return torch.zeros(0)

    def unfolded(self, images: Tensor, known: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """``(B, 3, H, W)`` in 0…1 → images ``(B, 3, scale·H, scale·W)`` and kernels ``(B, n, n)`` of all stages.

        The last are the results. ``known``: kernels that are not looked for. Pixel ``n // 2`` of a kernel lies on the
        first of a block.
        """
        dtype = weights_dtype(self)
        image = enlarge(images, self.scale)
        first = self.first.value.to(images.device, images.dtype)
        kernels = first.expand(len(images), -1, -1) if known is None else known
        carried = functional.conv2d(images.to(dtype), self.AV_X_ker, padding=1)
        carried_of_kernel = self.kernel_map.expand(len(images), -1, -1, -1)
        made, found = [], []
        for number, (of_image, of_kernel) in enumerate(zip(self.X_stage, self.K_stage, strict=True)):
            if known is None:
                kernels, carried_of_kernel = of_kernel(
                    image, images, kernels, carried_of_kernel, self.gamma_stage[number]
                )
            image, carried = of_image(image, carried, images, kernels, self.eta_stage[number])
            made.append(image)
            found.append(kernels)
        return made, found

    def all_outputs(self, images: Tensor) -> list[Tensor]:
        """See `Upscaler`."""
        known = None
        if self.kernel is not None:
            known = self.kernel.value.to(images.device, images.dtype).expand(len(images), -1, -1)
        return self.unfolded(images, known)[0]

    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` in 0…1 → ``(B, 3, scale·H, scale·W)``."""
        return self.all_outputs(images)[-1]


def recognise_kxnet(shapes: Shapes) -> Found | None:
    """KXNet of any number of stages, for kernels of any side."""
    stages, side = count(shapes, "K_stage.", ".K_ProNet.resk5.0.weight"), shapes["kernel_map"][-1]
    width = shapes["X_stage.0.X_ProNet.resx5.0.weight"][0]
    scale = round(((width - _COLOURS - _CARRIED) / (2 * _COLOURS)) ** 0.5)
    if width != 2 * _COLOURS * scale * scale + _COLOURS + _CARRIED or side % 2 == 0:
        return None

    def build(scale: int) -> KXNet:
        return KXNet(scale, stages=stages, side=side)

    return Found("kxnet", (scale,), build)


SPECS = (
    network_spec(
        "kxnet",
        "Fu et al., ECCV 2022: KXNet, which finds the kernel as well",
        "iterative",
        scales=(2, 3, 4),
        colour="RGB",
        build=KXNet,
        parameters=(6_505_382, 13_343_672, 27_571_214),
        recognise=recognise_kxnet,
        family="conditioned",
    ),
)
