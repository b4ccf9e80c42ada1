"""What a linear operator of the imaging model is, and how several become one."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = ["Composed", "LinearOperator", "check_image"]


@runtime_checkable
class LinearOperator(Protocol):
    """A matrix over images, applied without being written out. It never changes while it is applied.

    In float64, ``⟨A u, v⟩ = ⟨u, A_adjoint v⟩`` to 1e-10 relative, whatever the size and at the borders too.
    """

    def A(self, image: Tensor, /) -> Tensor:  # noqa: N802
        """The operator times ``image``."""
        ...

    def A_adjoint(self, image: Tensor, /) -> Tensor:  # noqa: N802
        """The transposed operator times ``image``."""
        ...


class Composed:
    """Several operators as one, in the order in which they are written: ``Composed(D, B, M).A(x)`` is D B M x.

    The last is applied first. Shapes and types are those that the operators take.
    """

    def __init__(self, *operators: LinearOperator) -> None:
        if not operators:
            raise ValueError("nothing to compose: give at least one operator")
        self._operators = operators

    def A(self, image: Tensor) -> Tensor:  # noqa: N802
        """All operators, last to first."""
        for operator in reversed(self._operators):
            image = operator.A(image)
        return image

    def A_adjoint(self, image: Tensor) -> Tensor:  # noqa: N802
        """All adjoints, first to last."""
        for operator in self._operators:
            image = operator.A_adjoint(image)
        return image


def check_image(image: Tensor, shape: tuple[int, ...] | None = None) -> None:
    """Raise ValueError unless ``image`` is float32 or float64 and its last sizes are ``shape``.

    Without ``shape`` any image of two or more dimensions that holds a pixel will do.
    """
    if image.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"operators work on float32 and float64 images, got {image.dtype}")
    found = tuple(image.shape)
    if shape is None:
        if len(found) < 2 or min(found[-2:]) < 1:
            raise ValueError(f"expected an image (..., H, W) of at least one pixel, got {found}")
    elif len(found) < len(shape) or found[len(found) - len(shape) :] != shape:
        raise ValueError(f"expected (..., {', '.join(map(str, shape))}), got {found}")
