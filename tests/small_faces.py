"""A small corpus of drawn faces, and detectors that know where faces are: tests without anyone's photographs."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vsr.methods.faces import alignment
from vsr.methods.passes import faces

HEIGHT, WIDTH = 48, 40
LANDMARKS = torch.tensor([[12.0, 18.0], [28.0, 18.0], [20.0, 26.0], [14.0, 36.0], [26.0, 36.0]])
"""Of all drawn faces, about: eyes, nose, corners of the mouth."""


def draw_faces(count: int, seed: int = 1, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """``(count, height, width)`` in 0…1: ovals with eyes, noses and mouths that differ."""
    generator = torch.Generator().manual_seed(seed)
    y = (torch.arange(height)[:, None] + 0.5) * HEIGHT / height
    x = (torch.arange(width)[None, :] + 0.5) * WIDTH / width

    def spot(cy: float, cx: float, ry: float, rx: float, depth: float) -> Tensor:
        return depth * torch.exp(-(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2))

    drawn = []
    for a, b, c, d, e, f in torch.rand(count, 6, generator=generator).tolist():
        image = 0.3 + 0.4 * torch.sigmoid(12 * (1 - (((y - 24) / 23) ** 2 + ((x - 20) / (17 + 2 * a)) ** 2)))
        for eye in (12.0, 28.0):
            image = image - spot(18, eye, 1.2 + b, 2 + 1.5 * c, 0.3 + 0.2 * d)
        image = image - spot(26, 20, 4, 1.5 + a, 0.1) - spot(36 + e, 20, 1.5, 6 + 2 * f, 0.25)
        drawn.append(image - spot(12 + 2 * d, 20, 2, 12, 0.15 * e))
    return torch.stack(drawn).clamp(0, 1)


@functools.cache
def small_corpus() -> Path:
    """A file of 24 faces."""
    folder = Path(tempfile.mkdtemp(prefix="vsr-faces-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "faces.safetensors"
    save_file({"faces": (draw_faces(24) * 255).round().to(torch.uint8)}, path)
    return path


class KnownFaces:
    """Finds the same faces in all frames; in the mean face of the corpus its own."""

    def __init__(self, found: Sequence[Tensor]) -> None:
        self._found = list(found)

    def find(self, rgb: Tensor) -> list[Tensor]:
        """See `vsr.methods.faces.alignment.Detector`."""
        if tuple(rgb.shape[1:]) == (2 * HEIGHT, 2 * WIDTH):
            return [LANDMARKS + torch.tensor([WIDTH / 2, HEIGHT / 2])]
        return self._found


def know_faces(monkeypatch: pytest.MonkeyPatch, *found: Tensor) -> None:
    """Let every detector's file be one that finds ``found`` in all frames."""
    monkeypatch.setattr(faces, "open_detector", lambda path: KnownFaces(found))
    monkeypatch.setattr(alignment, "open_detector", lambda path: KnownFaces(found))


def know_no_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every detector's file be one that finds none."""
    know_faces(monkeypatch)
