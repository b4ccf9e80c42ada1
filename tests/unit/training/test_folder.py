"""Whose a folder is: a stage begins with the weights of the one before wherever the run lies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vsr.errors import UsageError
from vsr.training.config import TrainingConfig
from vsr.training.folder import RECORD, claim, read_record


def _config(start: Path) -> TrainingConfig:
    return TrainingConfig(network="espcn", scale=2, start_from=str(start))


@pytest.mark.parametrize("place", ["stage-2", ""])
def test_a_run_of_stages_may_be_moved(tmp_path: Path, place: str) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (first / place).mkdir(parents=True)
    weights = Path("stage-1", "espcn-x2.safetensors")
    claim(first / place, _config(first / weights), {}, None)
    first.rename(second)
    claim(second / place, _config(second / weights), {}, read_record(second / place))
    with pytest.raises(UsageError, match="belongs to a run with start_from"):
        claim(second / place, _config(tmp_path / weights.name), {}, read_record(second / place))


def test_records_with_the_whole_path_are_still_read_where_they_are(tmp_path: Path) -> None:
    weights = tmp_path / "stage-1" / "espcn-x2.safetensors"
    claim(tmp_path, _config(weights), {}, None)
    record = json.loads((tmp_path / RECORD).read_text())
    claim(tmp_path, _config(weights), {}, {**record, "config.start_from": str(weights)})
