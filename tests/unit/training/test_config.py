"""The configuration: refusals with the nearest known, recipes that ship, the schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vsr.errors import UsageError
from vsr.training.config import TrainingConfig, load_config, make_config
from vsr.training.degradations import parse_chain
from vsr.training.losses import parse_losses
from vsr.training.schedule import rate_at
from vsr.training.train import list_recipes, make_request

RECIPES = Path(__file__).parents[3] / "configs" / "train"
GUIDE = Path(__file__).parents[3] / "docs" / "training.md"
LEAST = {"network": "lite", "scale": 2}


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_recipes_are_valid_and_described(path: Path) -> None:
    assert list_recipes()[path.stem]
    config = load_config(path, {})
    assert path.stem.endswith(f"x{config.scale}")
    parse_chain(config.degradations, config.scale)
    parse_losses(config.loss)


def test_the_recipes_are_those_that_are_promised() -> None:
    assert set(list_recipes()) >= {"srcnn-x2", "lite-start-x2", "lite-x2", "lite-x3", "lite-x4", "real-x2", "real-x4"}


def test_the_guide_has_every_key() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    assert [key for key in TrainingConfig.model_fields if f"`{key}`" not in text] == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rat": 1}, "unknown key 'learning_rat'; did you mean 'learning_rate'"),
        ({"network": "rlsp-7-64", "scale": 4}, "is given several frames"),
        ({"network": "lit"}, "unknown architecture; did you mean 'lite'"),
        ({"scale": 5}, "enlarges x2, x3, x4, not x5"),
        ({"scale": "two"}, "scale = 'two'"),
        ({"steps": 0}, "steps = 0"),
        ({"learning_rate": float("nan")}, "finite"),
        ({"schedule": "cosin"}, "schedule = 'cosin'"),
        ({"betas": [0.9, 1.5]}, "betas"),
        ({"sizes": [1, 1.5]}, "sizes must lie above 0"),
        ({"sizes": []}, "sizes"),
        ({"contrast": [1.5, 0.7]}, "contrast must be two rising factors"),
        ({"contrast": [0, 1]}, "contrast must be two rising factors"),
        ({"contrast": [0.5, 20]}, "contrast must be two rising factors"),
        ({"contrast": [1]}, "contrast"),
        ({"name": "../x"}, "name = '../x'"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        make_config({**LEAST, **changes}, "place")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(UsageError, match="place: scale: "):
        make_config({"network": "lite"}, "place")


@pytest.mark.parametrize(("text", "message"), [("- a", "must be a list of"), ("a: [", "not valid YAML")])
def test_files_that_are_no_configuration(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        load_config(tmp_path / "c.yaml", {})
    with pytest.raises(UsageError, match="cannot be read"):
        load_config(tmp_path / "none.yaml", {})


def test_an_unknown_recipe_is_refused_with_the_nearest(tmp_path: Path) -> None:
    asked = {"data": None, "start_from": None, "steps": None, "workers": 1, "settings": {}}
    with pytest.raises(UsageError, match="did you mean 'lite-x2'"):
        make_request("lit-x2", tmp_path, **asked)  # type: ignore[arg-type]


def test_what_the_user_says_goes_on_top(tmp_path: Path) -> None:
    request = make_request(
        "lite-x2", tmp_path, data=[Path("a")], start_from="w", steps=7, workers=2, settings={"batch": 4, "data": "b"}
    )
    config = request.config
    assert (config.data, config.start_from, config.steps, config.batch) == (("a",), "w", 7, 4)


def test_rates() -> None:
    config = make_config({**LEAST, "steps": 110, "warmup_steps": 10, "learning_rate": 0.1, "final_rate": 0.2}, "")
    assert rate_at(0, config) == pytest.approx(0.01)
    assert rate_at(9, config) == rate_at(10, config) == pytest.approx(0.1)
    assert rate_at(60, config) == pytest.approx(0.06)
    assert rate_at(110, config) == pytest.approx(0.02)
    steps = make_config({**LEAST, "schedule": "step", "decay_every": 5, "decay_by": 0.1, "warmup_steps": 0}, "")
    assert [rate_at(n, steps) for n in (0, 4, 5, 10)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])
    constant = make_config({**LEAST, "schedule": "constant", "warmup_steps": 0}, "")
    assert rate_at(9_999, constant) == constant.learning_rate


def test_a_name_too_long_for_a_file_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="name"):
        make_config({**LEAST, "name": "n" * 201}, "here")
