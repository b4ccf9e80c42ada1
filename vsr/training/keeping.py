"""What a run leaves behind: weights, their card, curves, images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsr.errors import MachineError
from vsr.networks import NETWORKS, Network
from vsr.networks.blending import without_folders
from vsr.networks.saving import save_weights
from vsr.training.card import CardFacts, write_card
from vsr.training.checkpoint import write_whole
from vsr.training.config import TrainingConfig
from vsr.training.curves import draw_curves, png_bytes
from vsr.training.learner import Learner
from vsr.training.log import Log
from vsr.training.losses import ADVERSARIAL, parse_losses
from vsr.training.records import Figures
from vsr.training.setup import Setup, versions
from vsr.training.validation import Validation

__all__ = ["Keeper", "recipe_of"]

_CURVES, _IMAGES = "curves.png", "images"
_OF_THIS_MACHINE = ("data", "degraded", "validate_on")


def recipe_of(config: TrainingConfig) -> dict[str, Any]:
    """Keys of the configuration and of the stages of its curriculum, without the folders of this machine."""
    return _without_folders(json.loads(config.model_dump_json()))


def _without_folders(keys: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in keys.items() if key not in _OF_THIS_MACHINE}
    if kept.get("start_from") is not None:
        kept["start_from"] = without_folders(kept["start_from"])
    if "teacher" in kept:  # a stage may name one without a list
        teachers = [kept["teacher"]] if isinstance(kept["teacher"], str) else kept["teacher"]
        kept["teacher"] = [without_folders(one) for one in teachers]
    if "curriculum" in kept:
        kept["curriculum"] = [_without_folders(stage) for stage in kept["curriculum"]]
    return kept


@dataclass(frozen=True)
class Keeper:
    """Writes into the folder of a run."""

    out: Path
    setup: Setup
    workers: int
    bicubic: Figures | None

    @property
    def weights(self) -> Path:
        """File of the weights."""
        return self.out / self.setup.config.weights_name

    @property
    def card(self) -> Path:
        """The model card beside them."""
        return self.weights.with_suffix(".md")

    def keep(self, learner: Learner, step: int, figures: Figures | None, seconds: Mapping[str, float]) -> Network:
        """Weights and card; gives the network."""
        config, network = self.setup.config, learner.result()
        notes = {
            "vsr.digest": network.digest,
            "vsr.training": json.dumps({"step": step, **recipe_of(config)}),
        }
        if figures is not None:
            notes["vsr.psnr_y"] = f"{figures.psnr_y:.4f}"
        save_weights(
            self.weights,
            network.module.state_dict(),
            architecture=config.network,
            scale=config.scale,
            is_generative=self._is_generative(),
            notes=notes,
            overwrite=True,
        )
        facts = CardFacts(
            network=network,
            step=step,
            figures=figures,
            bicubic=self.bicubic,
            data=self.setup.sources.names,
            num_clips=len(self.setup.sources.clips),
            num_left_out=len(self.setup.sources.too_small),
            teachers=[without_folders(one) for one in config.teacher],
            start="" if self.setup.start is None else without_folders(self.setup.start.source),
            precision=self.setup.precision,
            workers=self.workers,
            seconds=seconds,
            versions=versions(),
            is_generative=self._is_generative(),
            measured=self.setup.measured,
            degraded=() if self.setup.degraded is None else self.setup.degraded.names,
        )
        write_whole(self.card, write_card(config, facts, self.weights.name).encode())
        return network

    def _is_generative(self) -> bool:
        """Whether the network, its loss, or what it began with or learnt from makes detail up."""
        config, start, teacher = self.setup.config, self.setup.start, self.setup.teacher
        inherited = (start is not None and start.is_generative) or (teacher is not None and teacher.is_generative)
        adversarial = bool(ADVERSARIAL & parse_losses(config.loss).keys())
        return NETWORKS[config.network].is_generative or adversarial or inherited

    def draw(self, log: Log, validation: Validation | None, network: Network) -> None:
        """Curves, and validation images."""
        bicubic = None if self.bicubic is None else self.bicubic.psnr_y
        write_whole(self.out / _CURVES, png_bytes(draw_curves(log.lines, bicubic)))
        if validation is None or not self.setup.config.keep_pictures:
            return
        try:
            (self.out / _IMAGES).mkdir(exist_ok=True)
        except OSError as error:
            raise MachineError(f"{self.out / _IMAGES}: cannot be made ({error.strerror or error})") from error
        for name, image in validation.images(network, self.setup.config.keep_pictures).items():
            write_whole(self.out / _IMAGES / f"{name}.png", png_bytes(image))
