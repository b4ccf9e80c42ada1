"""Losses of features that a classification network sees: VGG-19 or VGG-16 (Simonyan, Zisserman, ICLR 2015)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from vsr.errors import ModelError
from vsr.networks.files import read_checkpoint
from vsr.networks.locating import SUFFIXES, is_path, model_folders

__all__ = ["Content", "Texture", "gram"]

_PREFIX = re.compile(r"features\.|net\.slice\d\.")  # torchvision's, and that of files of LPIPS
_LAST = {"vgg19": 34, "vgg16": 28}  # convolutions conv5_4 and conv5_3, whose activation is left out
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LEAST_SIDE = 16
_FIRST_OF_STAGES = {1: 1, 6: 2, 11: 4}  # relu1_1, relu2_1 and relu3_1, and how many times smaller they are
_PATCH = 16  # side in pixels of the patches whose textures are compared


class _Features(nn.Module):
    """What layers of VGG see of images in 0…1. Luma counts as grey. Needs torchvision's weights."""

    mean: Tensor
    std: Tensor

    def __init__(self, file: str | None, loss: str) -> None:
        super().__init__()
        from torchvision import models  # type: ignore[import-untyped]

        path = _find(file, loss)
        held = read_checkpoint(path).tensors
        state = {_PREFIX.sub("", key): value for key, value in held.items() if not key.startswith("classifier")}
        name = "vgg19" if f"{_LAST['vgg19']}.weight" in state else "vgg16"
        with torch.device("meta"):
            layers = getattr(models, name)().features[: _LAST[name] + 1]
        requested = layers.state_dict()
        if any(key not in state or state[key].shape != value.shape for key, value in requested.items()):
            raise ModelError(f"{path}: these are not the weights of torchvision's VGG-19 or VGG-16")
        layers.load_state_dict({key: state[key] for key in requested}, assign=True)
        for layer in layers:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False
        self.layers = layers.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1))

    @property
    def last(self) -> int:
        """Number of the last layer."""
        return len(self.layers) - 1

    def forward(self, images: Tensor, numbers: Sequence[int]) -> list[Tensor]:
        """``(B, 1 or 3, H, W)`` → ``(B, F, h, w)`` behind each of the layers ``numbers``, in order."""
        if min(images.shape[-2:]) < _LEAST_SIDE:
            raise ValueError(f"VGG needs at least {_LEAST_SIDE} pixels a side, got {tuple(images.shape[-2:])}")
        features = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        found = []
        for number, layer in enumerate(self.layers[: numbers[-1] + 1]):
            features = layer(features)
            found += [features] if number in numbers else []
        return found


class Content(nn.Module):
    """Mean square distance of the features of the last convolution (Ledig et al., CVPR 2017)."""

    def __init__(self, file: str | None) -> None:
        super().__init__()
        self.features = _Features(file, "Content")

    def forward(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """See `vsr.training.losses.image.Loss`; sides of at least 16."""
        layer = [self.features.last]
        return mse_loss(self.features(made, layer)[0], self.features(true.detach(), layer)[0])


class Texture(nn.Module):
    """Mean square distance of how features go together in patches of 16×16 pixels, wherever in them they are.

    Of the first activations of three stages the Gram matrices, each product a mean over the patch (Sajjadi, Schölkopf,
    Hirsch, ICCV 2017); the mean over stages, patches and entries. What no whole patch covers is left out.
    """

    def __init__(self, file: str | None) -> None:
        super().__init__()
        self.features = _Features(file, "Texture")

    def forward(self, made: Tensor, true: Tensor, small: Tensor) -> Tensor:
        """See `vsr.training.losses.image.Loss`; sides of at least 16."""
        numbers = list(_FIRST_OF_STAGES)
        pairs = zip(self.features(made, numbers), self.features(true.detach(), numbers), strict=True)
        sides = [_PATCH // smaller for smaller in _FIRST_OF_STAGES.values()]
        parts = [mse_loss(gram(one, side), gram(other, side)) for (one, other), side in zip(pairs, sides, strict=True)]
        return torch.stack(parts).mean()


def gram(features: Tensor, side: int) -> Tensor:
    """``(B, F, H, W)`` → ``(B, patches, F, F)``: means of products of features in patches of ``side``."""
    patches = features.unfold(2, side, side).unfold(3, side, side)  # (B, F, rows, columns, side, side)
    places = patches.flatten(4).flatten(2, 3).transpose(1, 2)  # (B, patches, F, side²)
    return places @ places.mT / side**2


def _find(file: str | None, loss: str) -> Path:
    """The file named, or ``vgg19``, or ``vgg16``, with any suffix of weights among the models."""
    if file is not None and is_path(file):
        path = Path(file).expanduser()
        if not path.is_file():
            raise ModelError(f"{path}: no such file; the loss {loss} needs the weights of VGG-19 or VGG-16")
        return path
    names = list(_LAST) if file is None else [file]
    for name in names:
        for folder in model_folders():
            for suffix in SUFFIXES:
                if (folder / f"{name}{suffix}").is_file():
                    return folder / f"{name}{suffix}"
    places = ", ".join(str(folder) for folder in model_folders())
    raise ModelError(
        f"the loss {loss} needs the weights of torchvision's VGG-19 or VGG-16: put {names[0]}.safetensors or "
        f"{names[0]}.pth into {places}, or name the file with --set vgg=FILE"
    )
