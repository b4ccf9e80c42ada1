"""How a shot's frames came about, told by the estimator that ships with the weights `lite`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from torch import Tensor

from vsr.networks import Source, load_network
from vsr.networks.digest import weights_digest
from vsr.networks.mixture import Mixture

__all__ = ["estimate_source", "estimator_digest"]

_ESTIMATOR, _SCALE = "lite", 2


@lru_cache(maxsize=1)
def _mixture() -> Mixture:
    mixture = load_network(_ESTIMATOR, _SCALE).mixture
    assert mixture is not None, "the weights that ship are mixtures"
    return mixture


def estimator_digest() -> str:
    """SHA-256 of the estimator's weights."""
    return weights_digest(_mixture().source)


def estimate_source(lumas: Iterable[Tensor], compression_codes: float | None = None) -> Source | None:
    """The source of frames ``(h, w)`` in 0…1 of one shot; None where they are too small to tell.

    ``compression_codes``: what compression changed, where that is known.
    """
    found = _mixture().look(lumas, compression_codes)
    return None if found is None else found[1]
