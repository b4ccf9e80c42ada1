"""Losses that a network judges: a discriminator (Goodfellow et al. 2014), or the features of VGG-19."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from vsr.errors import ModelError
from vsr.networks.files import read_checkpoint
from vsr.networks.locating import SUFFIXES, is_path, model_folders

__all__ = ["Adversarial", "Content", "Judgement", "judged"]

Judgement = Literal["cross-entropy", "least-squares"]
"""Least squares after Mao et al., "Least squares generative adversarial networks", ICCV 2017."""


def judged(judgements: Tensor, *, as_true: bool, by: Judgement) -> Tensor:
    """How far judgements (logits) are from "true", or from "made"; a mean."""
    requested = torch.full_like(judgements, float(as_true))
    if by == "cross-entropy":
        return binary_cross_entropy_with_logits(judgements, requested)
    return (judgements - requested).square().mean()


class Adversarial:
    """The loss of the network; `of_discriminator` is that of the discriminator."""

    def __init__(self, discriminator: nn.Module, by: Judgement) -> None:
        self._discriminator, self._by = discriminator, by

    def __call__(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """See `vsr.training.losses.image.Loss`."""
        return judged(self._discriminator(made), as_true=True, by=self._by)

    def of_discriminator(self, made: Tensor, true: Tensor) -> Tensor:
        """Mean of its errors on true and on made patches; differentiable in the discriminator only."""
        on_true = judged(self._discriminator(true), as_true=True, by=self._by)
        return (on_true + judged(self._discriminator(made.detach()), as_true=False, by=self._by)) / 2


_LAYERS = 35  # up to conv5_4, its activation left out
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEAST_SIDE = 16


class Content(nn.Module):
    """Mean square distance of the features conv5_4. Luma counts as grey. Needs weights of torchvision's VGG-19."""

    mean: Tensor
    std: Tensor

    def __init__(self, file: str | None) -> None:
        super().__init__()
        from torchvision.models import vgg19  # type: ignore[import-untyped]

        path = _find(file)
        with torch.device("meta"):
            features = vgg19().features[:_LAYERS]
        held = read_checkpoint(path).tensors
        state = {
            key.removeprefix("features."): value for key, value in held.items() if not key.startswith("classifier")
        }
        requested = features.state_dict()
        if any(key not in state or state[key].shape != value.shape for key, value in requested.items()):
            raise ModelError(f"{path}: these are not the weights of torchvision's VGG-19")
        features.load_state_dict({key: state[key] for key in requested}, assign=True)
        for layer in features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.features = features.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """See `vsr.training.losses.image.Loss`; sides of at least 16."""
        if min(made.shape[-2:]) < _LEAST_SIDE:
            raise ValueError(f"Content needs at least {_LEAST_SIDE} pixels a side, got {tuple(made.shape[-2:])}")
        difference: Tensor = self._compute_features(made) - self._compute_features(true.detach())
        return difference.square().mean()

    def _compute_features(self, images: Tensor) -> Tensor:
        rgb = images.expand(-1, 3, -1, -1)
        features: Tensor = self.features((rgb - self.mean) / self.std)
        return features


def _find(file: str | None) -> Path:
    """The file named, or ``vgg19`` with any suffix of weights among the models."""
    name = file or "vgg19"
    if is_path(name):
        path = Path(name).expanduser()
        if not path.is_file():
            raise ModelError(f"{path}: no such file; the loss Content needs the weights of VGG-19")
        return path
    for folder in model_folders():
        for suffix in SUFFIXES:
            if (folder / f"{name}{suffix}").is_file():
                return folder / f"{name}{suffix}"
    places = ", ".join(str(folder) for folder in model_folders())
    raise ModelError(
        f"the loss Content needs the weights of torchvision's VGG-19: put {name}.safetensors or {name}.pth into "
        f"{places}, or name the file with --set vgg=FILE"
    )
