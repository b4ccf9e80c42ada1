"""Opinions saved from blind pages, and the rank of the versions by them.

A version is a file, or all files of a folder, which is a method if each method has written into a folder of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.stats import norm, t

from vsr.errors import InputError, UsageError
from vsr.report.blind.bradley_terry import (
    expected_ranks,
    fit_strengths,
    half_choices,
    rank_gradient,
    strength_covariance,
)
from vsr.report.blind.make import FORMAT, KIND

__all__ = ["Opinions", "RankedVersion", "rank_opinions"]

_QUANTILE = 0.975  # of intervals of 95 %
_MOST_BYTES = 10_000_000  # a page has 100 pairs at most, which are some kilobytes
_ANSWERS = ("a", "b", "same")


@dataclass(frozen=True)
class RankedVersion:
    """A version and what people made of it."""

    name: str
    wins: int
    losses: int
    same: int
    """How often it was preferred, the other one was, and there was no difference."""
    rank: float
    """Mean rank, 1 the best, that the model of Bradley and Terry expects."""
    rank_interval: tuple[float, float]
    """95 % confidence interval, within 1 and the number of versions."""
    strength: float
    """Logarithm of the odds of being preferred; the mean over versions is 0."""
    strength_interval: tuple[float, float]


@dataclass(frozen=True)
class Opinions:
    """All choices together."""

    versions: tuple[RankedVersion, ...]
    """Best first."""
    num_people: int
    num_choices: int

    def as_json(self) -> str:
        """All of it."""
        return json.dumps(asdict(self), indent=1)


@dataclass(frozen=True)
class _Sheet:
    """What one person said on one page."""

    who: str
    names: tuple[str, str]
    counts: tuple[int, int, int]
    """How often the first was preferred, the second was, and there was no difference."""


def rank_opinions(paths: Sequence[Path], *, by: Literal["file", "folder"] = "file") -> Opinions:
    """Rank the versions that people chose among on blind pages.

    Intervals follow from the curvature of the likelihood, as if choices were independent. From two people on, leaving
    out one after the other (the jackknife, with Student's t) says how much they differ; the wider interval counts.
    Files with the same name of a person are of one; without a name, each is of another.

    Raises `InputError` for a file that is no record of choices, `UsageError` where versions were never compared.
    """
    sheets = [_identified(_read_sheet(path), path, by) for path in _distinct(paths)]
    names = sorted({name for sheet in sheets for name in sheet.names})
    each = _wins_by_person(sheets, names)
    wins = each.sum(0)
    _check_joined(names, wins)
    estimate, half = _estimate(each, half_choices(wins))
    versions = [
        RankedVersion(
            names[place],
            *_tally(sheets, names[place]),
            float(estimate[1, place]),
            _interval(estimate[1, place], half[1, place], 1.0, float(len(names))),
            float(estimate[0, place]),
            _interval(estimate[0, place], half[0, place]),
        )
        for place in np.argsort(estimate[1], kind="stable")
    ]
    return Opinions(tuple(versions), len(each), sum(sum(sheet.counts) for sheet in sheets))


def _distinct(paths: Sequence[Path]) -> list[Path]:
    """``paths``; `UsageError` for one given twice, whose choices would count twice."""
    seen: dict[Path, Path] = {}
    for path in paths:
        if path.resolve() in seen:
            raise UsageError(f"{path} is given twice; each person counts once")
        seen[path.resolve()] = path
    return list(seen.values())


def _read_sheet(path: Path) -> _Sheet:
    """Raises `InputError`."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path} is too large for choices of a blind page")
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON as a blind page saves it") from error
    if not isinstance(record, Mapping) or record.get("kind") != KIND:
        raise InputError(f"{path} holds no choices of a blind page (vsr compare A B --blind PAGE.html)")
    if record.get("format") != FORMAT:
        raise InputError(f"{path} is of format {record.get('format')!r}; this version reads {FORMAT}")
    names, chosen = _names(record), _chosen(record)
    if names is None or not chosen:
        raise InputError(f"{path} is incomplete: it needs the names of a and b, and choices of {', '.join(_ANSWERS)}")
    who = str(record.get("who") or "").strip() or str(path.resolve())
    return _Sheet(who, names, (chosen.count("a"), chosen.count("b"), chosen.count("same")))


def _names(record: Mapping[str, Any]) -> tuple[str, str] | None:
    names = record.get("names")
    if not isinstance(names, Mapping):
        return None
    first, second = names.get("a"), names.get("b")
    return (first, second) if isinstance(first, str) and isinstance(second, str) else None


def _chosen(record: Mapping[str, Any]) -> list[str]:
    """The answers; none where one of them is something else."""
    choices = record.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, Mapping) for choice in choices):
        return []
    chosen = [choice.get("chosen") for choice in choices]
    return chosen if all(answer in _ANSWERS for answer in chosen) else []


def _identified(sheet: _Sheet, path: Path, by: Literal["file", "folder"]) -> _Sheet:
    """Under the names of its files, or of their folders. Raises `UsageError` where both are one."""
    first, second = sheet.names
    if by == "folder":
        first, second = (str(PurePath(name).parent) for name in sheet.names)
    if first == second:
        raise UsageError(f"{path} compares {first} with itself; versions are identified by {by}")
    return replace(sheet, names=(first, second))


def _wins(sheet: _Sheet, names: Sequence[str]) -> NDArray[np.float64]:
    """How often each was preferred to each, ``(K, K)``; no difference is half a choice for both."""
    first, second = (names.index(name) for name in sheet.names)
    for_first, for_second, same = sheet.counts
    wins = np.zeros((len(names), len(names)))
    wins[first, second], wins[second, first] = for_first + same / 2, for_second + same / 2
    return wins


def _wins_by_person(sheets: Sequence[_Sheet], names: Sequence[str]) -> NDArray[np.float64]:
    """As `_wins`, ``(N, K, K)``."""
    people = sorted({sheet.who for sheet in sheets})
    each = np.zeros((len(people), len(names), len(names)))
    for sheet in sheets:
        each[people.index(sheet.who)] += _wins(sheet, names)
    return each


def _check_joined(names: Sequence[str], wins: NDArray[np.float64]) -> None:
    """Raise `UsageError` where no chain of comparisons leads from one version to another."""
    number, groups = connected_components(wins + wins.T, directed=False)
    if number > 1:
        apart = next(name for name, group in zip(names, groups, strict=True) if group != groups[0])
        raise UsageError(f"no choices join {names[0]} and {apart}; one rank needs pages that compare them")


def _estimate(each: NDArray[np.float64], added: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strengths and ranks by the wins of ``each`` person, ``(N, K, K)``, and half their intervals: ``(2, K)``."""
    wins = each.sum(0) + added
    found = _strengths_and_ranks(wins)
    covariance, gradient = strength_covariance(wins, found[0]), rank_gradient(found[0])
    variances = np.stack([np.diag(covariance), np.diag(gradient @ covariance @ gradient.T)])
    half = norm.ppf(_QUANTILE) * np.sqrt(variances)
    people = len(each)
    if people > 1:
        without = np.stack([_strengths_and_ranks(wins - one) for one in each])
        variances = (people - 1) / people * np.square(without - without.mean(0)).sum(0)
        half = np.maximum(half, t.ppf(_QUANTILE, people - 1) * np.sqrt(variances))
    return found, half


def _strengths_and_ranks(wins: NDArray[np.float64]) -> NDArray[np.float64]:
    strengths = fit_strengths(wins)
    return np.stack([strengths, expected_ranks(strengths)])


def _tally(sheets: Sequence[_Sheet], name: str) -> tuple[int, int, int]:
    """Wins, losses and no difference of a version."""
    counts = [
        sheet.counts if name == sheet.names[0] else (sheet.counts[1], sheet.counts[0], sheet.counts[2])
        for sheet in sheets
        if name in sheet.names
    ]
    wins, losses, same = (sum(column) for column in zip(*counts, strict=True))
    return wins, losses, same


def _interval(value: float, half: float, least: float = -np.inf, most: float = np.inf) -> tuple[float, float]:
    return float(max(value - half, least)), float(min(value + half, most))
