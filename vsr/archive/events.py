"""What happened to an output, in the terms of PREMIS: what its record tells of, and what the bag adds."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from vsr.archive.bagit import Payload
from vsr.archive.contents import Contents
from vsr.media.damage import describe_damage
from vsr.pipeline.verify import Check

__all__ = ["Event", "Examined", "Packing", "list_events"]


@dataclass(frozen=True)
class Examined:
    """An output that was checked against its record, and passed."""

    contents: Contents
    checks: Sequence[Check]
    time: datetime
    """When the last of them was done."""


@dataclass(frozen=True)
class Packing:
    """The bag that the output is packed into."""

    name: str
    time: datetime
    payload: Mapping[str, Payload]
    """Its files by their places in ``data/``."""


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    kind: str
    """A term of the Library of Congress's list of event types."""
    time: str
    details: Sequence[str]
    outcome: str
    """``success`` or ``warning``."""
    notes: Sequence[str]
    objects: Sequence[tuple[str, str]]
    """Identifiers of objects, and their roles."""
    agent: str = "made"
    """``made``: the vsr that made the output; ``packed``: the one that packs it."""


def list_events(examined: Examined, packing: Packing, source: str, outputs: Sequence[str]) -> list[Event]:
    """All events of an output; ``source`` and ``outputs`` identify the objects."""
    contents, checks = examined.contents, examined.checks
    record = contents.record
    damage = describe_damage(record["damage"] if "damage" in record else record["input"]["damage"])  # a still's
    made = [(identifier, "outcome") for identifier in outputs]
    begun = record.get("begun") or _begun(record)
    packed_at = packing.time.isoformat(timespec="seconds")
    about = [(f"data/{place}", "outcome") for place in contents.about if place.endswith(".vsr.json")]
    held = [(source, "source")] if contents.source else []
    return [
        Event(
            "ingestion",
            begun,
            [f"read from {record['input']['path']}; nothing was written there"],
            "warning" if damage else "success",
            damage or ["read without damage"],
            [(source, "source")],
        ),
        Event(
            "creation",
            record["written"],
            list(_describe_creation(record)),
            "warning" if record.get("warnings") else "success",
            list(_describe_outcome(record)),
            [(source, "source"), *made],
        ),
        Event(
            "message digest calculation",
            record["written"],
            ["SHA-256 of each file of the output and of its source, kept in the record, which is sealed by its own"],
            "success",
            [f"record_sha256: {record['record_sha256']}"],
            [*made, *about],
        ),
        *_signing(record, made),
        Event(
            "fixity check",
            examined.time.isoformat(timespec="seconds"),
            [f"vsr {version('vsr')} verify: files, streams, frames and times against the record"],
            "success",
            [f"{check.what}: {check.detail}" for check in checks],
            [(identifier, "source") for identifier, _ in made] + held,
            "packed",
        ),
        Event(
            "packing",
            packed_at,
            [f"vsr {version('vsr')} bag: copied into the bag {packing.name}, BagIt 1.0 (RFC 8493)"],
            "success",
            [f"source: data/{contents.source_place}" if contents.source else "source: not included"],
            made + [(f"data/{place}", "outcome") for place in contents.about] + held,
            "packed",
        ),
    ]


def _signing(record: Mapping[str, Any], made: Sequence[tuple[str, str]]) -> list[Event]:
    entry = record["output"].get("credentials")
    if entry is None:
        return []
    where = f"in {entry['file']}" if entry["file"] else "in the file itself"
    return [
        Event(
            "digital signature generation",
            entry["signed"],
            [f"content credentials (C2PA) {where}, signed by {entry['signer']}"],
            "success",
            [f"before: {name}, SHA-256 {digest}" for name, digest in entry["unsigned_files"].items()],
            made,
        )
    ]


def _begun(record: Mapping[str, Any]) -> str:
    """When a run began whose record has only the end and the seconds."""
    end = datetime.fromisoformat(record["written"])
    return (end - timedelta(seconds=record.get("seconds") or 0)).astimezone(UTC).isoformat(timespec="seconds")


def _describe_creation(record: Mapping[str, Any]) -> Iterable[str]:
    """What was done, by what, with which settings."""
    method = record["method"]
    yield f"vsr {record['versions']['vsr']}, method {method['name']}; evidence: {method['evidence']}: {method['says']}"
    for one in method.get("passes") or ():
        yield f"pass {one['name']} ({one['place']}): {json.dumps(one['options'])}"
    if method.get("options"):
        yield f"options of the method: {json.dumps(method['options'])}"
    if method.get("model"):
        yield f"networks: {json.dumps(method['model']['parts'])}"
    yield f"settings: {json.dumps(record.get('settings') or record.get('request'))}"
    if record.get("span"):
        yield f"part: {json.dumps(record['span'])}"
    for step in record.get("steps", ()):
        yield f"{step['what']} ({step['follows']})" if step.get("follows") else step["what"]
    yield f"software: {json.dumps(record['versions'])}; device: {record['device']}"


def _describe_outcome(record: Mapping[str, Any]) -> Iterable[str]:
    times = record.get("times")
    if times:
        exact = "exact" if times["exact"] else "rounded to the clock of the output"
        yield f"{times['num_frames']} frames, times {exact}"
    yield from (f"WARNING: {text}" for text in record.get("warnings", ()))
    yield from (f"note: {text}" for text in record.get("notes", ()))
    yield from (f"assumed: {text}" for text in record["assumptions"])
    yield from (f"dropped: {text}" for text in record["output"].get("dropped", ()))
