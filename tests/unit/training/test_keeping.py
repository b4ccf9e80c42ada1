"""What of a recipe goes into weights: no folder of the machine that it was trained on."""

from __future__ import annotations

import json

from vsr.training.config import make_config
from vsr.training.keeping import recipe_of


def test_no_folder_is_kept_of_the_recipe_or_of_its_stages() -> None:
    stage = {"data": ["/home/me/a"], "degraded": "/home/me/b", "validate_on": ["/home/me/c"], "steps": 5}
    several = {"teacher": ["/home/me/one.pth", "/home/me/two.pth:/home/me/three.pth@0.5"]}
    values = {"network": "espcn", "scale": 2, "start_from": "/home/me/start.pth", **stage, "steps": 9}
    stages = [{**stage, "teacher": "/home/me/one.pth"}, several]
    kept = recipe_of(make_config({**values, "teacher": "/home/me/four.pth", "curriculum": stages}, "here"))
    assert "/" not in json.dumps({**kept, "loss": ""})
    assert (kept["start_from"], kept["teacher"], kept["steps"]) == ("start.pth", ["four.pth"], 9)
    assert kept["curriculum"] == [
        {"steps": 5, "teacher": ["one.pth"]},
        {"teacher": ["one.pth", "two.pth:three.pth@0.5"]},
    ]
