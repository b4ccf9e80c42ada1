"""The degradation of a shot's frames, by the estimator that ships with the weights `lite`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from torch import Tensor

from vsr.methods.method import Adaptation
from vsr.networks import Source, load_network
from vsr.networks.digest import weights_digest
from vsr.networks.mixture import Mixture
from vsr.networks.source import source_of

__all__ = ["estimate_source", "estimator_digest", "source_in"]

_ESTIMATOR, _SCALE = "lite", 2


@lru_cache(maxsize=1)
def _mixture() -> Mixture:
    mixture = load_network(_ESTIMATOR, _SCALE).mixture
    assert mixture is not None, "the weights that ship are mixtures"
    return mixture


def estimator_digest() -> str:
    """SHA-256 of the estimator's weights."""
    return weights_digest(_mixture().source)


def estimate_source(lumas: Iterable[Tensor], compression_codes: float | None = None) -> Tensor | None:
    """Estimates ``(3,)`` of `vsr.networks.source` for frames ``(h, w)`` in 0…1 of one shot; None where too small.

    ``compression_codes``: what compression changed, in codes of 255, where that is known.
    """
    return _mixture().estimate(lumas, compression_codes)


def source_in(adaptation: Adaptation) -> Source | None:
    """The source of a shot, where ``adaptation`` holds its estimates."""
    estimates = adaptation.get("source")
    return None if estimates is None else source_of(estimates)
