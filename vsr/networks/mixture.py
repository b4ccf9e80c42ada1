"""Weights that suit the source: several sets for one architecture, mixed by what the images show.

A file holds the sets one behind the other (``experts.NAME`` ``(K, …)`` for each tensor NAME of the architecture), what
tells the source (``source.*``, see `vsr.networks.source`) and what turns that into shares of the sets (``gate.*``).
The mixed weights are an ordinary network, so running it costs what one set costs. (As conditionally parameterised
convolutions: Yang, Bender, Le, Ngiam, NeurIPS 2019; but mixed once a shot, not for each image.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear, silu

from vsr.errors import ModelError
from vsr.networks.source import (
    LEAST_SIDE_PX,
    NUM_OF_SHOT,
    NUM_STATISTICS,
    compression_known,
    estimates_of,
    statistics,
    statistics_of_shot,
)

__all__ = ["Mixture", "read_mixture"]

_EXPERTS, _SOURCE, _GATE, _USUAL = "experts.", "source.", "gate.", "usual"
_WHOLE_WITHIN = 1e-3  # of 1, for sums of shares


def _group(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


@dataclass(frozen=True)
class Mixture:
    """Several sets of weights and what chooses among them."""

    experts: Mapping[str, Tensor]
    """For each tensor of the architecture all sets, ``(K, …)`` float32."""
    source: Mapping[str, Tensor]
    """Weights of `estimates_of`."""
    gate: Mapping[str, Tensor]
    """Weights that turn estimates into shares."""
    usual: Tensor
    """Shares ``(K,)`` where the source is not known."""

    def weights(self, shares: Tensor) -> dict[str, Tensor]:
        """The state dict for shares ``(K,)``."""
        return {name: torch.tensordot(shares, sets, 1).contiguous() for name, sets in self.experts.items()}

    def estimate(self, lumas: Iterable[Tensor], compression_codes: float | None = None) -> Tensor | None:
        """The source of consecutive frames ``(h, w)`` in 0…1, as `estimates_of` tells it; None if they are too small.

        ``compression_codes``: what compression changed, root mean square in codes of 255, where that is known.
        """
        seen = [255 * luma for luma in lumas if min(luma.shape) >= LEAST_SIDE_PX]
        if not seen:
            return None
        with torch.no_grad():
            estimates = estimates_of(self._statistics(seen), self.source)
        return estimates if compression_codes is None else compression_known(estimates, compression_codes)

    def _statistics(self, lumas: Sequence[Tensor]) -> Tensor:
        """As many as the estimator sees."""
        if len(self.source["mean"]) == NUM_STATISTICS:
            return torch.stack([statistics(luma) for luma in lumas]).mean(0)
        return statistics_of_shot(lumas)

    def shares(self, estimates: Tensor) -> Tensor:
        """Shares ``(…, K)`` for sources as `estimates_of` tells them, ``(…, 3)``."""
        given = silu(linear(estimates, self.gate["layer1.weight"], self.gate["layer1.bias"]))
        return linear(given, self.gate["layer2.weight"], self.gate["layer2.bias"]).softmax(-1)

    def tensors(self) -> dict[str, Tensor]:
        """As a file holds them."""
        groups = ((_EXPERTS, self.experts), (_SOURCE, self.source), (_GATE, self.gate))
        return {_USUAL: self.usual, **{start + name: value for start, group in groups for name, value in group.items()}}


def read_mixture(tensors: Mapping[str, Tensor], source: str) -> Mixture | None:
    """The mixture that a file's tensors are; None where they are something else, `ModelError` where parts are missing.

    ``source`` names the file.
    """
    experts, estimator, gate = (_group(tensors, start) for start in (_EXPERTS, _SOURCE, _GATE))
    if not experts or _USUAL not in tensors:
        return None
    count = int(tensors[_USUAL].numel())
    mixture = Mixture(experts, estimator, gate, tensors[_USUAL])
    if any(value.ndim < 1 or len(value) != count for value in experts.values()):
        raise ModelError(f"{source}: a mixture of {count} sets of weights, some of which are missing")
    try:
        if len(estimator["mean"]) not in (NUM_STATISTICS, NUM_OF_SHOT):
            raise KeyError(f"{len(estimator['mean'])} statistics")
        estimates = estimates_of(torch.zeros(NUM_OF_SHOT), estimator)
        shares = mixture.shares(estimates)
    except (KeyError, RuntimeError) as error:
        raise ModelError(f"{source}: a mixture whose choice among sets is damaged ({error})") from error
    if shares.shape != (count,) or estimates.shape != (3,):
        raise ModelError(f"{source}: a mixture of {count} sets of weights that chooses among {len(shares)}")
    if not bool((estimator["spread"] > 0).all()):
        raise ModelError(f"{source}: a mixture whose statistics have no spread; its estimator is damaged")
    if bool((mixture.usual < 0).any()) or abs(float(mixture.usual.sum()) - 1) > _WHOLE_WITHIN:
        raise ModelError(f"{source}: a mixture whose usual shares do not sum to 1")
    return mixture
