"""Networks whose output is a target beside the ground truth: distillation (Hinton, Vinyals, Dean, 2015).

A small network can come closer to the output of a larger one than to the ground truth. It is
made once, before the first step, averaged over several networks and the eight symmetries, and kept in the folder of the
run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from vsr.errors import ModelError
from vsr.evaluation.base import ImageMethod
from vsr.evaluation.networks import network_method
from vsr.networks import Colour, load_network
from vsr.networks.files import read_safetensors
from vsr.training.checkpoint import write_tensors
from vsr.training.collectives import wait_for_all
from vsr.training.degradations import Chain
from vsr.training.pairs import degraded, luma

__all__ = ["Teacher"]

_IN_A_FILE = 128  # images; so many are lost at most where a run is killed


class Teacher:
    """One set of weights or several, each by name, file or blend, for one scale."""

    def __init__(
        self,
        weights: Sequence[str],
        scale: int,
        colour: Colour,
        device: torch.device,
        half: torch.dtype | None,
        *,
        self_ensemble: bool = True,
    ) -> None:
        """``colour`` is that of the network that learns, ``half`` the type of arithmetic, None for float32.

        Raises `ModelError` for weights that cannot be loaded or whose images lack the colours.
        """
        settings = {"self_ensemble": self_ensemble, "precision": "float32" if half is None else "bfloat16"}
        self._methods: list[ImageMethod] = []
        self._colour: Colour = colour
        self.is_generative = False
        for one in weights:
            network = load_network(one, scale)
            if colour == "RGB" and network.colour == "Y":
                raise ModelError(f"{one}: makes luma alone and cannot teach a network for RGB")
            self._methods.append(network_method(one, network, device, settings))
            self.is_generative |= network.is_generative

    @property
    def digest(self) -> str:
        """Stands for weights and arithmetic."""
        return " ".join(method.digest for method in self._methods)

    def image(self, rgb: Tensor, chain: Chain) -> Tensor:
        """From ``(H, W, 3)`` uint8, downscaled by ``chain``: ``(C, H, W)`` float16 in 0…255, unclipped."""
        made = [self._make(method, rgb, chain) for method in self._methods]
        return torch.stack(made).mean(0).half()

    def _make(self, method: ImageMethod, rgb: Tensor, chain: Chain) -> Tensor:
        small = degraded(rgb[None], chain, method.colour, torch.Generator())[0]
        made = method.enlarge(small.double())
        return luma(made) if self._colour == "Y" and method.colour == "RGB" else made

    def prepare(
        self, clips: Sequence[Tensor], chain: Chain, folder: Path, rank: int, world: int
    ) -> Iterator[tuple[int, int]]:
        """Keep this worker's part of the images in ``folder``, unless it is there; tells (done, of) as it goes.

        Returns when all workers have theirs. Raises `MachineError` where it cannot be written.
        """
        mine = range(rank, len(clips), world)
        for first in range(0, len(mine), _IN_A_FILE):
            path = folder / f"taught-{rank}-{first // _IN_A_FILE}.safetensors"
            if path.exists():
                continue
            images: dict[str, Tensor] = {}
            for number in mine[first : first + _IN_A_FILE]:
                images[str(number)] = self.image(clips[number][0], chain)
                yield first + len(images), len(mine)
            write_tensors(path, images)
        wait_for_all(world)

    @staticmethod
    def images(folder: Path) -> list[Tensor]:
        """What `prepare` kept of all workers, in the order of the clips."""
        found: dict[str, Tensor] = {}
        for path in folder.glob("taught-*.safetensors"):
            found |= read_safetensors(path)[0]
        return [found[str(number)] for number in range(len(found))]
