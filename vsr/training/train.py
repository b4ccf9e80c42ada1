"""From a configuration's file or name, and what the user says besides, to a request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vsr.errors import UsageError, nearest
from vsr.pipeline.presets import configs_folder
from vsr.training.config import load_config, make_config
from vsr.training.run import Request

__all__ = ["list_recipes", "make_request"]


def make_request(
    config: Path | str | Mapping[str, Any],
    out: Path,
    *,
    data: Sequence[Path] | None,
    start_from: str | None,
    steps: int | None,
    workers: int,
    settings: Mapping[str, Any],
) -> Request:
    """Everything checked that can be checked without the data. Raises `UsageError`."""
    overrides = dict(settings)
    if data:
        overrides["data"] = [str(one) for one in data]
    for key, value in (("start_from", start_from), ("steps", steps)):
        if value is not None:
            overrides[key] = value
    if isinstance(config, Mapping):
        return Request(make_config({**config, **overrides}, "the configuration"), out, workers)
    return Request(load_config(_find(str(config)), overrides), out, workers)


def list_recipes() -> dict[str, str]:
    """Recipes that ship with vsr, with the first line of each (its summary)."""
    files = sorted((configs_folder() / "train").glob("*.yaml"))
    return {file.stem: file.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") for file in files}


def _find(name: str) -> Path:
    """A file, or a recipe that ships with vsr."""
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    known = list_recipes()
    if name not in known:
        raise UsageError(f"no recipe {name!r}{nearest(name, known)}; known: {', '.join(known)}, or a YAML file")
    return configs_folder() / "train" / f"{name}.yaml"
