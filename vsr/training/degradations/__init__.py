"""What happens to images between the world and the file, as small seeded operators that can be combined."""

from __future__ import annotations

from vsr.training.degradations.base import Degradation, Step
from vsr.training.degradations.chain import DEGRADATIONS, Chain, parse_chain
from vsr.training.degradations.footage import FootageBlur, measure_footage
from vsr.training.degradations.learnt import Fitted, Learnt

__all__ = [
    "DEGRADATIONS",
    "Chain",
    "Degradation",
    "Fitted",
    "FootageBlur",
    "Learnt",
    "Step",
    "measure_footage",
    "parse_chain",
]
