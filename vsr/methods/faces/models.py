"""What small aligned faces looked like, after a corpus of large ones: two classics.

`patches`: Liu, Shum, Freeman, "Face hallucination: theory and practice", IJCV 2007. A global model, the face of
principal components that is likely and agrees with the recording (maximum a posteriori, in closed form); then local
patches of what it lacks, from the corpus at the same place, chosen so that they suit the global face and their
neighbours (a Markov network, gone through once from the first patch to the last).

`gradients`: Baker, Kanade, "Hallucinating faces", FG 2000. For each recorded pixel the faces of the corpus whose small
versions look most alike around it lend their gradients; the result agrees with them and with the recording.

Other than in the papers, the means of the nearest patches and gradients are taken, not the nearest alone: on faces that
were held back that is 1 and 2 dB better.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from vsr.observation import resample

__all__ = ["FaceModel", "FacePrior"]

FacePrior = Literal["patches", "gradients"]

_ENERGY = 0.97  # of the corpus, that components keep: what they lack is left to patches
_NOISE = 100.0 / 255  # that the recording is taken to differ by from components: mostly what they cannot show
_PATCH_PX, _STEP_PX = 10, 5
_NEAREST = 20  # patches whose mean is taken; the best one alone is 1 dB noisier
_SEAM = 0.2  # weight of differences where patches overlap
_ROUNDS = 4  # of bringing the result back to the recording
_LENDERS, _GRADIENT_WEIGHT, _STEPS = 10, 0.1, 80


def _shrinking(length: int, count: int) -> Tensor:
    """``(count, length)``: antialiased bicubic shrinking, which finds in an enlarged frame what was enlarged."""
    return resample(torch.eye(length), (count, length), kernel="bicubic")


class FaceModel:
    """A corpus ``(N, H, W)`` in 0…1, prepared for recordings that are ``factor`` times smaller."""

    def __init__(self, faces: Tensor, factor: int) -> None:
        self._faces, self.size_yx = faces, (int(faces.shape[1]), int(faces.shape[2]))
        self.small_yx = tuple(max(4, round(side / factor)) for side in self.size_yx)
        self._rows, self._cols = (
            _shrinking(side, count) for side, count in zip(self.size_yx, self.small_yx, strict=True)
        )
        flat = faces.reshape(len(faces), -1)
        self.mean = flat.mean(0).reshape(self.size_yx)
        _, lengths, axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)
        energy = lengths.square().cumsum(0) / lengths.square().sum()
        count = int((energy < _ENERGY).sum()) + 1
        self._axes = axes[:count]
        self._variances = lengths[:count].square() / (len(faces) - 1)
        self._seen = self.record(self._axes.reshape(count, *self.size_yx)).reshape(count, -1)
        self._smalls = self.record(faces)
        self._globals = torch.stack([self._global(small) for small in self._smalls])
        self._middles = self._middle(self._globals)
        self._lacks = faces - self._globals

    def record(self, images: Tensor) -> Tensor:
        """``(…, H, W)`` → ``(…, h, w)``: what a camera of that size records."""
        small: Tensor = self._rows @ images @ self._cols.T
        return small

    def _spread(self, small: Tensor) -> Tensor:
        """``(…, h, w)`` → ``(…, H, W)``, smoothly."""
        lead = small.shape[:-2]
        made = functional.interpolate(small.reshape(-1, 1, *small.shape[-2:]), self.size_yx, mode="bicubic")
        return made.reshape(*lead, *self.size_yx)

    def _global(self, small: Tensor) -> Tensor:
        """The likely face of components that agrees with ``small`` ``(h, w)``."""
        missing = (small - self.record(self.mean)).reshape(-1)
        matrix = self._seen @ self._seen.T + torch.diag(_NOISE**2 / self._variances.clamp(min=1e-9))
        code = torch.linalg.solve(matrix, self._seen @ missing)
        return self._agreeing(self.mean + (code @ self._axes).reshape(self.size_yx), small)

    def _agreeing(self, face: Tensor, small: Tensor) -> Tensor:
        """``face`` ``(H, W)``, changed smoothly until its recording is ``small``."""
        for _ in range(_ROUNDS):
            face = face + self._spread(small - self.record(face))
        return face

    @staticmethod
    def _middle(images: Tensor) -> Tensor:
        """What is finer than patches in images ``(…, H, W)``, by which patches are looked up."""
        lead = images.shape[:-2]
        whole = images.reshape(-1, 1, *images.shape[-2:])
        smooth = functional.avg_pool2d(functional.pad(whole, (3,) * 4, mode="replicate"), 7, 1)
        return (whole - smooth).reshape(*lead, *images.shape[-2:])

    def restore(self, small: Tensor, prior: FacePrior) -> Tensor:
        """``(h, w)`` → ``(H, W)``, as bright and contrasty as the recording; both in 0…1."""
        usual = self.record(self.mean)
        gain = usual.std() / small.std().clamp(min=1e-3)
        even = (small - small.mean()) * gain + usual.mean()
        made = self._by_patches(even) if prior == "patches" else self._by_gradients(even)
        made = self._agreeing(made, even)
        return (made - usual.mean()) / gain + small.mean()

    def _by_patches(self, small: Tensor) -> Tensor:
        face = self._global(small)
        middle = self._middle(face)
        total, weights = torch.zeros(self.size_yx), torch.zeros(self.size_yx)
        places = [[*range(0, side - _PATCH_PX, _STEP_PX), side - _PATCH_PX] for side in self.size_yx]
        for top in places[0]:
            for left in places[1]:
                part = (..., slice(top, top + _PATCH_PX), slice(left, left + _PATCH_PX))
                cost = (self._middles[part] - middle[part]).square().sum((1, 2))
                laid = weights[part]
                so_far = total[part] / laid.clamp(min=1)
                cost = cost + _SEAM * ((self._lacks[part] - so_far).square() * (laid > 0)).sum((1, 2))
                nearest = cost.topk(min(_NEAREST, len(cost)), largest=False).indices
                total[part] += self._lacks[nearest][part].mean(0)
                weights[part] += 1
        return face + total / weights

    def _by_gradients(self, small: Tensor) -> Tensor:
        features, known = _looks(small[None]), _looks(self._smalls)
        nearest = (known - features).square().sum(1).topk(min(_LENDERS, len(known)), 0, largest=False).indices
        rows = torch.arange(self.size_yx[0]) * self.small_yx[0] // self.size_yx[0]
        cols = torch.arange(self.size_yx[1]) * self.small_yx[1] // self.size_yx[1]
        lenders = nearest[:, rows[:, None], cols]
        across, down = (slope.gather(0, lenders).mean(0) for slope in _slopes(self._faces))
        return self._solve(small, across, down)

    def _solve(self, small: Tensor, across: Tensor, down: Tensor) -> Tensor:
        """The image that agrees best with a recording and with gradients, by conjugate gradients."""

        def normal(image: Tensor) -> Tensor:
            x, y = _slopes(image)
            seen: Tensor = self._rows.T @ self.record(image) @ self._cols
            return seen + _GRADIENT_WEIGHT * _slopes_adjoint(x, y)

        right = self._rows.T @ small @ self._cols + _GRADIENT_WEIGHT * _slopes_adjoint(across, down)
        made = self._spread(small)
        residual = right - normal(made)
        step, power = residual.clone(), float(residual.square().sum())
        for _ in range(_STEPS):
            if power < 1e-12:
                break
            product = normal(step)
            length = power / float((step * product).sum())
            made, residual = made + length * step, residual - length * product
            power, before = float(residual.square().sum()), power
            step = residual + (power / before) * step
        return made


def _slopes(images: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences of ``(…, H, W)``, 0 at the last column and row."""
    return (
        functional.pad(images[..., 1:] - images[..., :-1], (0, 1)),
        functional.pad(images[..., 1:, :] - images[..., :-1, :], (0, 0, 0, 1)),
    )


def _slopes_adjoint(across: Tensor, down: Tensor) -> Tensor:
    made = functional.pad(across[..., :-1], (1, 0)) - functional.pad(across[..., :-1], (0, 1))
    return made + functional.pad(down[..., :-1, :], (0, 0, 1, 0)) - functional.pad(down[..., :-1, :], (0, 0, 0, 1))


def _looks(smalls: Tensor) -> Tensor:
    """``(N, h, w)`` → ``(N, 10, h, w)``: slopes and finer parts at two levels, around each pixel."""
    levels = []
    for side in (3, 7):
        padded = functional.pad(smalls[:, None], (side // 2,) * 4, mode="replicate")
        smooth = functional.avg_pool2d(padded, side, 1)
        x, y = _slopes(smooth)
        levels += [smalls[:, None] - smooth, x * side, y * side, functional.pad(x, (1, 0))[..., :-1] * side]
        levels.append(functional.pad(y, (0, 0, 1, 0))[..., :-1, :] * side)
    return torch.cat(levels, 1)
