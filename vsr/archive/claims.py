"""What content credentials claim of an output: its source, what was done, and which kind of algorithm did it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from vsr.methods import Evidence

__all__ = ["RECORD_LABEL", "SOURCE_LABEL", "SOURCE_TYPES", "describe_claims", "name_source"]

RECORD_LABEL, SOURCE_LABEL = "vsr.record", "source"
_TERMS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_ALTERED, _GENERATED = f"{_TERMS}algorithmicallyEnhanced", f"{_TERMS}compositeWithTrainedAlgorithmicMedia"

SOURCE_TYPES: Mapping[Evidence, str] = {
    "interpolation": _ALTERED,
    "observation-model": _ALTERED,
    "learned": _ALTERED,
    "generative": _GENERATED,
}
"""IPTC's digital source type of each evidence class: altered by an algorithm that is not generative, or edited by
generative AI."""


def describe_claims(record: Mapping[str, Any], name: str, media_type: str) -> dict[str, Any]:
    """The definition of a C2PA manifest for the output ``name`` with the sealed ``record``, without its source."""
    vsr = {"name": "vsr", "version": record["versions"]["vsr"]}
    method = record["method"]
    kind: Evidence = method["evidence"]
    done = {"softwareAgent": vsr, "digitalSourceType": SOURCE_TYPES[kind], "description": method["says"]}
    return {
        "claim_generator_info": [vsr],
        "title": name,
        "format": media_type,
        "assertions": [
            {
                "label": "c2pa.actions.v2",
                "data": {
                    "actions": [
                        {"action": "c2pa.opened", "parameters": {"ingredientIds": [SOURCE_LABEL]}},
                        *({"action": action, **done} for action in _list_actions(record, kind)),
                    ]
                },
            },
            {
                "label": RECORD_LABEL,
                "data": {
                    "record_sha256": record["record_sha256"],
                    "input_sha256": record["input"]["sha256"],
                    "method": {key: method[key] for key in ("name", "evidence", "generative", "says")},
                    "settings": record.get("settings") or record["request"],
                },
            },
        ],
    }


def _list_actions(record: Mapping[str, Any], kind: Evidence) -> list[str]:
    """The names of what was done, in the order in which it was done."""
    span = record.get("span") or {}
    actions = ["c2pa.trimmed"] if any(span.get(end) is not None for end in ("start", "stop")) else []
    if kind == "generative":
        actions.append("c2pa.edited")  # detail may be invented: that is editorial
    elif kind != "interpolation" or record["method"].get("passes"):
        actions.append("c2pa.enhanced")
    video, output = record["input"]["video"], record["output"]
    made = output.get("encoder", output)
    if (made["width"], made["height"]) != (video["width"], video["height"]):
        actions.append("c2pa.resized")
    return [*actions, "c2pa.transcoded"]


def name_source(record: Mapping[str, Any]) -> str:
    """What the source is called."""
    said = record["input"]["path"]
    return "standard input" if said == "-" else PurePosixPath(Path(said).as_posix()).name
