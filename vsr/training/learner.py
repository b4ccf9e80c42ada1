"""What learns: a network, its optimiser and EMA, a discriminator where the loss has one; and one step of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam, Optimizer

from vsr.errors import ModelError
from vsr.networks import NETWORKS, Network, Upscaler
from vsr.training.collectives import average_gradients
from vsr.training.config import TrainingConfig
from vsr.training.discriminator import Discriminator
from vsr.training.forms import Start, begin_with, build_in_training, reparameterise, runnable
from vsr.training.losses import ADVERSARIAL, LossNeeds, WeightedLosses, parse_losses
from vsr.training.muon import Muon, is_for_muon
from vsr.training.samples import Batch
from vsr.training.schedule import rate_at

__all__ = ["Learner", "StepResult"]

_EMA_START = 10  # the mean follows quickly at first: decay (1 + step) / (10 + step)


@dataclass(frozen=True)
class StepResult:
    """What one step tells."""

    loss: float
    """The weighted sum."""
    parts: Mapping[str, float]
    """Each loss by itself, unweighted; ``discriminator`` for that of the discriminator."""
    rate: float
    """Learning rate."""


class Learner:
    """Everything that changes from step to step."""

    def __init__(
        self, config: TrainingConfig, device: torch.device, start: Start | None, half: torch.dtype | None, world: int
    ) -> None:
        """``half`` is the type of the network's arithmetic, None for float32; ``world`` the number of workers."""
        torch.manual_seed(config.seed)
        self._config, self._device, self._half, self._world = config, device, half, world
        self._format = torch.channels_last if config.channels_last else torch.contiguous_format
        network = build_in_training(config.network, config.scale, start)
        assert isinstance(network, Upscaler), "networks of the table"
        self.network = network
        self.reset_layers = begin_with(start, config.network, self.network) if start is not None else ()
        self.network.to(device=device, memory_format=self._format).train()  # type: ignore[call-overload]
        self._learnt = [value for value in self.network.parameters() if value.requires_grad]
        self.mean = copy.deepcopy(self.network).requires_grad_(False) if config.ema else None
        self._optimisers = dict(_optimisers(self._learnt, config))
        colour = NETWORKS[config.network].colour
        self.discriminator: Discriminator | None = None
        self._optimiser_of_discriminator: Adam | None = None
        if ADVERSARIAL & parse_losses(config.loss).keys():
            self.discriminator = Discriminator(1 if colour == "Y" else 3).to(device)
            parameters = self.discriminator.parameters()
            self._optimiser_of_discriminator = Adam(
                parameters, config.discriminator_rate, betas=config.betas, fused=True
            )
        needs = LossNeeds(config.scale, colour, config.vgg, self.discriminator)
        self.losses = WeightedLosses.from_text(config.loss, needs)
        for _, loss in self.losses.parts.values():
            if isinstance(loss, nn.Module):
                loss.to(device)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], Tensor, Tensor]:
        """Loss, its parts, what was made and what is true; gradients are left in the network."""
        small = batch.small.to(self._device).contiguous(memory_format=self._format)
        true = batch.true.to(self._device).contiguous(memory_format=self._format)
        with torch.autocast(self._device.type, self._half, enabled=self._half is not None):
            outputs = self.network.all_outputs(small) if self._config.supervision else [self.network(small)]
        *earlier, made = (one.float() for one in outputs)
        self.network.zero_grad(set_to_none=True)
        total, parts = self.losses(made, true, small)
        if earlier:
            share = self._config.supervision
            on_the_way = torch.stack([self.losses(one, true, small)[0] for one in earlier]).mean()
            total = (1 - share) * total + share * on_the_way
        total.backward()  # type: ignore[no-untyped-call]
        return total, parts, made, true

    def update(self, step: int, computed: tuple[Tensor, dict[str, Tensor], Tensor, Tensor]) -> StepResult:
        """Change the weights by what `forward` found; `ModelError` where that is NaN."""
        total, parts, made, true = computed
        average_gradients(self._learnt, self._world)
        norm = clip_grad_norm_(self._learnt, self._config.clip_norm or math.inf)
        loss = float(total.detach())
        if not math.isfinite(loss) or not math.isfinite(float(norm)):
            what = f"the loss is {loss}" if not math.isfinite(loss) else f"the gradient is {float(norm)}"
            single = ", ".join(f"{name} {float(value):g}" for name, value in parts.items())
            raise ModelError(f"step {step + 1}: {what} ({single}); lower learning_rate or clip_norm, or check the data")
        rate = rate_at(step, self._config)
        for optimiser in self._optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
        self._follow(step)
        losses = {name: float(value) for name, value in parts.items()}
        if self.discriminator is not None:
            losses["discriminator"] = self._teach_discriminator(made, true)
        return StepResult(loss, losses, rate)

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        """The EMA of weights; statistics are taken as they are."""
        if self.mean is None:
            return
        decay = min(self._config.ema, (1 + step) / (_EMA_START + step))
        torch._foreach_lerp_(list(self.mean.parameters()), list(self.network.parameters()), 1 - decay)
        for kept, now in zip(self.mean.buffers(), self.network.buffers(), strict=True):
            kept.copy_(now)

    def _teach_discriminator(self, made: Tensor, true: Tensor) -> float:
        adversarial, optimiser = self.losses.adversarial, self._optimiser_of_discriminator
        assert adversarial is not None
        assert optimiser is not None
        assert self.discriminator is not None
        optimiser.zero_grad(set_to_none=True)
        loss = adversarial.of_discriminator(made, true)
        loss.backward()  # type: ignore[no-untyped-call]
        average_gradients(list(self.discriminator.parameters()), self._world)
        optimiser.step()
        return float(loss.detach())

    def reparameterise(self) -> dict[str, Tensor]:
        """The weights that are measured and kept: their EMA, re-parameterised."""
        return reparameterise(self._config.network, self.network if self.mean is None else self.mean)

    def result(self) -> Network:
        """The same as a network."""
        return runnable(self._config.network, self._config.scale, self.reparameterise())

    def _modules(self) -> Iterator[tuple[str, nn.Module]]:
        yield "network", self.network
        if self.mean is not None:
            yield "mean", self.mean
        if self.discriminator is not None:
            yield "discriminator", self.discriminator

    def _all_optimisers(self) -> Iterator[tuple[str, Optimizer]]:
        yield from self._optimisers.items()
        if self._optimiser_of_discriminator is not None:
            yield "adam_of_discriminator", self._optimiser_of_discriminator

    def state(self) -> dict[str, Tensor]:
        """Everything, as named tensors."""
        tensors = {
            f"{name}/{key}": value for name, module in self._modules() for key, value in module.state_dict().items()
        }
        for name, optimiser in self._all_optimisers():
            for number, kept in optimiser.state_dict()["state"].items():
                tensors |= {f"{name}/{number}/{key}": value for key, value in kept.items()}
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` gave; `ModelError` if it is of another learner."""
        try:
            for name, module in self._modules():
                start = f"{name}/"
                module.load_state_dict(
                    {key.removeprefix(start): value for key, value in tensors.items() if key.startswith(start)}
                )
            for name, optimiser in self._all_optimisers():
                whole = optimiser.state_dict()
                whole["state"] = _nest(tensors, name, optimiser)
                optimiser.load_state_dict(whole)
        except (RuntimeError, KeyError, ValueError) as error:
            raise ModelError(f"the checkpoint does not fit this run ({' '.join(str(error).split())[:200]})") from error


def _optimisers(weights: Sequence[Tensor], config: TrainingConfig) -> Iterator[tuple[str, Optimizer]]:
    """What changes the ``weights``, by name."""
    matrices = [one for one in weights if config.optimiser == "muon" and is_for_muon(one)]
    if matrices:
        yield "muon", Muon(matrices, config.learning_rate)
    taken = {id(one) for one in matrices}
    others = [one for one in weights if id(one) not in taken]
    if others:
        yield "adam", Adam(others, config.learning_rate, betas=config.betas, fused=True)


def _nest(tensors: Mapping[str, Tensor], name: str, optimiser: Optimizer) -> dict[int, dict[str, Tensor]]:
    """``name/3/exp_avg`` → ``{3: {"exp_avg": …}}``, laid out as the weights are: Adam's fused step counts on it."""
    weights = [weight for group in optimiser.param_groups for weight in group["params"]]
    found: dict[int, dict[str, Tensor]] = {}
    for path, value in tensors.items():
        owner, _, rest = path.partition("/")
        if owner == name:
            number, _, key = rest.partition("/")
            like = weights[int(number)].detach()
            laid_out = torch.empty_like(like).copy_(value) if value.shape == like.shape and value.ndim else value
            found.setdefault(int(number), {})[key] = laid_out
    return found
