"""Blur by any point-spread function, the same everywhere or changing from pixel to pixel.

A tap of the kernel adds one weighted, shifted copy of the image; a kernel that is a column times a row
goes in two passes of one dimension each. No library convolution: those may use reduced precision on GPUs.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from vsr.observation.borders import fold_mirrored, mirror
from vsr.observation.operator import check_image

__all__ = ["KernelBlur", "VaryingBlur"]

_STRIP_SAMPLES = 1 << 16  # of one strip of rows: small enough to stay in a core's cache for all taps

_Taps = tuple[tuple[int, int, float], ...]


def _taps(kernel: Tensor) -> _Taps:
    """``(row, column, weight)`` of what is not zero in a kernel; an empty kernel keeps one zero."""
    rows: list[list[float]] = kernel.tolist()
    found = tuple((i, j, weight) for i, row in enumerate(rows) for j, weight in enumerate(row) if weight != 0)
    return found or ((0, 0, 0.0),)


def _sum_shifted(padded: Tensor, taps: _Taps, size_yx: tuple[int, int]) -> Tensor:
    """``Σ weight · padded[..., i:i+h, j:j+w]`` over the taps; strip by strip on CPUs, values do not change."""
    height, width = size_yx
    result = padded.new_empty((*padded.shape[:-2], height, width))
    strip = height
    if padded.device.type == "cpu":
        strip = max(8, _STRIP_SAMPLES * height // max(1, result.numel()))
    for start in range(0, height, strip):
        rows = min(strip, height - start)
        target = result.narrow(-2, start, rows)
        for number, (i, j, weight) in enumerate(taps):
            window = padded[..., start + i : start + i + rows, j : j + width]
            if number == 0:
                torch.mul(window, weight, out=target)
            else:
                target.add_(window, alpha=weight)
    return result


class _Pass:
    """Convolution with one kernel ``(h, w)`` of odd sizes, and its transpose."""

    def __init__(self, kernel: Tensor) -> None:
        self._radius_y, self._radius_x = kernel.shape[0] // 2, kernel.shape[1] // 2
        self._forward, self._backward = _taps(kernel.flip(0, 1)), _taps(kernel)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        for radius, dim in ((self._radius_y, -2), (self._radius_x, -1)):
            image = mirror(image, radius, dim) if radius else image
        return _sum_shifted(image, self._forward, (height, width))

    def backward(self, image: Tensor) -> Tensor:
        y, x = self._radius_y, self._radius_x
        size = image.shape[-2] + 2 * y, image.shape[-1] + 2 * x
        result = _sum_shifted(pad(image, (2 * x, 2 * x, 2 * y, 2 * y)), self._backward, size)
        for radius, dim in ((x, -1), (y, -2)):
            result = fold_mirrored(result, radius, dim) if radius else result
        return result


def _factors(kernel: Tensor) -> list[Tensor]:
    """A column and a row whose product is ``kernel``, or ``kernel`` itself where it is no such product."""
    size = kernel.abs()
    largest = int(size.argmax())
    i, j = divmod(largest, kernel.shape[1])
    if min(kernel.shape) == 1 or kernel[i, j] == 0:
        return [kernel]
    column, row = kernel[:, j : j + 1], kernel[i : i + 1] / kernel[i, j]
    rounding = 8 * torch.finfo(kernel.dtype).eps * float(size[i, j])
    return [column, row] if float((column * row - kernel).abs().max()) <= rounding else [kernel]


class KernelBlur:
    """Convolution of ``(..., H, W)`` float32 or float64 images with any kernel ``(h, w)`` of odd sizes.

    A point of light at p becomes the kernel centred on p. The image is mirrored about its edge, as often
    as a tiny image needs, so a kernel that sums to 1 keeps a constant. Equal to
    ``scipy.ndimage.convolve(mode="reflect")``. Works on the image's device, in its type.
    """

    def __init__(self, kernel: Tensor) -> None:
        if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
            raise ValueError(f"a kernel is (h, w) with odd h and w, got {tuple(kernel.shape)}")
        if not kernel.is_floating_point() or not bool(torch.isfinite(kernel).all()):
            raise ValueError("a kernel holds finite floating-point numbers")
        factors = _factors(kernel.detach().cpu())
        self.is_separable = len(factors) == 2 or min(kernel.shape) == 1
        """Whether the kernel is a column times a row and runs as such."""
        self._passes = tuple(_Pass(factor.to(torch.float64)) for factor in factors)

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """The blurred image; same shape, dtype and device."""
        check_image(image)
        for one in self._passes:
            image = one.forward(image)
        return image

    def A_adjoint(self, image: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: convolution with the kernel turned by 180 degrees, its border folded back."""
        check_image(image)
        for one in reversed(self._passes):
            image = one.backward(image)
        return image


class VaryingBlur:
    """Blur that changes from pixel to pixel: a few kernels, mixed by weights.

    Pixel p of the result is ``Σ_i weights[i, p] · (kernels[i] * x)(p)``, so it is the place where light
    arrives that chooses the kernel. Images are ``(..., H, W)``, float32 or float64; the border is mirrored
    as in `KernelBlur`. ``weights`` is ``(N, H, W)`` on the images' device, quickest in their type; the
    weights of each pixel sum to 1, so that kernels that sum to 1 keep a constant.
    """

    def __init__(self, kernels: Sequence[Tensor], weights: Tensor) -> None:
        if not kernels or weights.ndim != 3 or weights.shape[0] != len(kernels):
            raise ValueError(
                f"weights must be ({len(kernels)}, H, W) for {len(kernels)} kernels, not none, "
                f"got {tuple(weights.shape)}"
            )
        check_image(weights)
        if not bool(((weights.sum(0) - 1).abs() <= 1e-4).all()):
            raise ValueError("the weights of each pixel must sum to 1")
        self._blurs = tuple(KernelBlur(kernel) for kernel in kernels)
        self._weights = weights.detach().clone()
        self._size = (int(weights.shape[1]), int(weights.shape[2]))

    @classmethod
    def from_index(cls, kernels: Sequence[Tensor], index: Tensor, *, dtype: torch.dtype = torch.float32) -> VaryingBlur:
        """Each pixel uses the one kernel that ``index`` ``(H, W)``, of whole numbers, names."""
        if index.ndim != 2 or index.is_floating_point():
            raise ValueError(f"index must be (H, W) of whole numbers, got {tuple(index.shape)} {index.dtype}")
        if not bool(((index >= 0) & (index < len(kernels))).all()):
            raise ValueError(f"index must lie in 0…{len(kernels) - 1}")
        numbers = torch.arange(len(kernels), device=index.device)[:, None, None]
        return cls(kernels, (numbers == index).to(dtype))

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """The blurred image; same shape, dtype and device."""
        check_image(image, self._size)
        result = torch.zeros_like(image)
        for weight, blur in zip(self._weights.to(image.dtype), self._blurs, strict=True):
            result.addcmul_(weight, blur.A(image))
        return result

    def A_adjoint(self, image: Tensor) -> Tensor:  # noqa: N802
        """The transpose of `A`: ``Σ_i kernels[i]ᵀ (weights[i] · y)``."""
        check_image(image, self._size)
        result = torch.zeros_like(image)
        for weight, blur in zip(self._weights.to(image.dtype), self._blurs, strict=True):
            result.add_(blur.A_adjoint(weight * image))
        return result
