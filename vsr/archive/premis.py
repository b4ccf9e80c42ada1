"""The description of an output in PREMIS 3: what it was made from, by which software, how, and what was checked.

https://www.loc.gov/standards/premis/v3/

An output has a document of its own. Objects are the source, the output, and the files beside it; numbered images are
one representation, whose files the record and the bag's manifests list. The events are in `vsr.archive.events`.
"""

from __future__ import annotations

import json
import mimetypes
import re
import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from vsr.archive.bagit import Payload
from vsr.archive.contents import Contents
from vsr.archive.events import Event, Examined, Packing, list_events
from vsr.media.codecs import CODECS

__all__ = ["NAMESPACE", "describe_output"]

NAMESPACE = "http://www.loc.gov/premis/v3"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_EVENT_TYPES = "http://id.loc.gov/vocabulary/preservation/eventType"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PATH = "path in bag"
_FORMATS = {".framemd5": "text/plain", ".mkv": "video/x-matroska", ".dpx": "image/x-dpx", ".exr": "image/x-exr"}
"""Media types that not every machine knows."""

_Node = ElementTree.Element


def describe_output(examined: Examined, packing: Packing) -> bytes:
    """The PREMIS document about an output, as an XML file."""
    contents = examined.contents
    root = ElementTree.Element("premis", {"xmlns": NAMESPACE, "version": "3.0"})
    source, outputs = _source_identifier(contents), _output_identifiers(contents)
    root.append(_describe_source(contents, packing, source))
    for identifier in outputs:
        root.append(_describe_made(contents, packing, identifier, source))
    for place in contents.about:
        root.append(_describe_about(contents, packing, place, outputs[0]))
    for event in list_events(examined, packing, source, outputs):
        root.append(_event(event, contents))
    versions = {"made": contents.record["versions"]["vsr"], "packed": version("vsr")}
    for agent in sorted({_agent_identifier(number) for number in versions.values()}):
        root.append(_agent(agent))
    ElementTree.indent(root, " ")
    text: bytes = ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def _child(parent: _Node, name: str, text: object = None, **attributes: str) -> _Node:
    node = ElementTree.SubElement(parent, name, attributes)
    if text is not None:
        node.text = _NOT_XML.sub("\ufffd", str(text))
    return node


def _identify(parent: _Node, prefix: str, kind: str, value: str) -> None:
    """An identifier of two parts: ``prefix`` is that of its names, such as ``object``."""
    _child(parent, f"{prefix}Type", kind)
    _child(parent, f"{prefix}Value", value)


def _place(place: str) -> str:
    return f"data/{place}"


def _source_identifier(contents: Contents) -> str:
    return _place(contents.source_place) if contents.source else contents.record["input"]["path"]


def _output_identifiers(contents: Contents) -> list[str]:
    return [_place(contents.name)] if contents.is_sequence else [_place(place) for place in contents.output]


def _kind_of(contents: Contents, identifier: str) -> str:
    """The type of an object's identifier."""
    return "path" if identifier == _source_identifier(contents) and not contents.source else _PATH


def _object(contents: Contents, kind: str, identifier: str) -> _Node:
    node = ElementTree.Element("object", {_TYPE: kind})
    _identify(_child(node, "objectIdentifier"), "objectIdentifier", _kind_of(contents, identifier), identifier)
    return node


def _properties(node: _Node, properties: Mapping[str, object]) -> None:
    for name, value in properties.items():
        inner = _child(node, "significantProperties")
        _child(inner, "significantPropertiesType", name)
        _child(inner, "significantPropertiesValue", value)


def _characteristics(
    node: _Node, name: str, digests: Mapping[str, str], size: int | None, notes: Iterable[str] = ()
) -> _Node:
    inner = _child(node, "objectCharacteristics")
    for algorithm, digest in digests.items():
        fixity = _child(inner, "fixity")
        _child(fixity, "messageDigestAlgorithm", algorithm)
        _child(fixity, "messageDigest", digest)
    if size is not None:
        _child(inner, "size", size)
    form = _child(inner, "format")
    suffix = Path(name).suffix.lower()
    known = _FORMATS.get(suffix) or mimetypes.guess_type(name, strict=False)[0]
    _child(_child(form, "formatDesignation"), "formatName", known or f"unknown, named {suffix or 'without a suffix'}")
    for note in notes:
        _child(form, "formatNote", note)
    return inner


def _digests(payload: Payload) -> dict[str, str]:
    return {{"sha256": "SHA-256", "sha512": "SHA-512"}[name]: digest for name, digest in payload.digests.items()}


def _locate(node: _Node, kind: str, value: str) -> None:
    location = _child(_child(node, "storage"), "contentLocation")
    _identify(location, "contentLocation", kind, value)


def _relate(node: _Node, kind: str, subtype: str, identifier: tuple[str, str], event: str = "") -> None:
    relation = _child(node, "relationship")
    _child(relation, "relationshipType", kind)
    _child(relation, "relationshipSubType", subtype)
    _identify(_child(relation, "relatedObjectIdentifier"), "relatedObjectIdentifier", *identifier)
    if event:
        _identify(_child(relation, "relatedEventIdentifier"), "relatedEventIdentifier", "UUID", event)


def _describe_source(contents: Contents, packing: Packing, identifier: str) -> _Node:
    """The source: a file with the digest that its frames were read under, or a representation of images or a pipe."""
    said = contents.record["input"]
    video = said["video"]
    looks = f"{video['codec']}, {video['width']}x{video['height']}, {video['pix_fmt']}"
    if said["sha256"] is None:
        node = _object(contents, "representation", identifier)
        _properties(node, {"video": looks})
        _child(node, "originalName", said["path"])
    else:
        node = _object(contents, "file", identifier)
        packed = packing.payload.get(contents.source_place)
        digests = {"SHA-256": said["sha256"]} if packed is None else _digests(packed)
        notes = (f"FFmpeg's demuxer: {said['container']}", looks)
        _characteristics(node, said["path"], digests, said["size_bytes"], notes)
        _child(node, "originalName", said["path"])
    _locate(node, _kind_of(contents, identifier), identifier if contents.source else contents.source_path)
    return node


def _describe_made(contents: Contents, packing: Packing, identifier: str, source: str) -> _Node:
    record, place = contents.record, identifier.removeprefix(_place(""))
    if contents.is_sequence:
        node = _object(contents, "representation", identifier)
        _properties(node, {"files": len(contents.output), **_looks_of(record)})
    else:
        node = _object(contents, "file", identifier)
        packed = packing.payload[place]
        looks = (f"{name}: {value}" for name, value in _looks_of(record).items())
        inner = _characteristics(node, place, _digests(packed), packed.size_bytes, looks)
        made = _child(inner, "creatingApplication")
        _child(made, "creatingApplicationName", "vsr")
        _child(made, "creatingApplicationVersion", record["versions"]["vsr"])
        _child(made, "dateCreatedByApplication", record["written"])
    _child(node, "originalName", record["output"]["path"])
    _locate(node, _PATH, identifier)
    creation = _event_identifier(contents, "creation")
    _relate(node, "derivation", "has source", (_kind_of(contents, source), source), creation)
    return node


def _looks_of(record: Mapping[str, Any]) -> dict[str, str]:
    """How the output's images are coded, in words, by name."""
    output = record["output"]
    encoder = output.get("encoder", output)  # a still says it at once
    layout = encoder["layout"]
    found = {"size": f"{encoder['width']}x{encoder['height']}"}
    if "codec" in encoder:
        spec = CODECS.get(encoder["codec"])
        is_lossless = encoder.get("lossless") or (spec is not None and spec.lossless == "always")
        found["codec"] = encoder["codec"] + (", lossless" if is_lossless else "")
    found["samples"] = layout["name"] if isinstance(layout, Mapping) else layout
    found["colour (H.273)"] = json.dumps(encoder["color"])
    return found


def _describe_about(contents: Contents, packing: Packing, place: str, output: str) -> _Node:
    packed = packing.payload[place]
    node = _object(contents, "file", _place(place))
    _characteristics(node, place, _digests(packed), packed.size_bytes)
    _locate(node, _PATH, _place(place))
    _relate(node, "reference", "documents", (_PATH, output))
    return node


def _event_identifier(contents: Contents, kind: str) -> str:
    """The same for the same record and kind, in any bag; those of the bag have the same form."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:vsr:{contents.record['record_sha256']}:{kind}"))


def _event(event: Event, contents: Contents) -> _Node:
    node = ElementTree.Element("event")
    kind = event.kind if event.agent == "made" else f"{event.kind} {event.time}"
    _identify(_child(node, "eventIdentifier"), "eventIdentifier", "UUID", _event_identifier(contents, kind))
    _child(node, "eventType", event.kind, authority="eventType", authorityURI=_EVENT_TYPES)
    _child(node, "eventDateTime", event.time)
    for detail in event.details:
        _child(_child(node, "eventDetailInformation"), "eventDetail", detail)
    outcome = _child(node, "eventOutcomeInformation")
    _child(outcome, "eventOutcome", event.outcome)
    for note in event.notes:
        _child(_child(outcome, "eventOutcomeDetail"), "eventOutcomeDetailNote", note)
    number = contents.record["versions"]["vsr"] if event.agent == "made" else version("vsr")
    agent = _child(node, "linkingAgentIdentifier")
    _identify(agent, "linkingAgentIdentifier", "software", _agent_identifier(number))
    _child(agent, "linkingAgentRole", "executing program")
    for identifier, role in event.objects:
        link = _child(node, "linkingObjectIdentifier")
        _identify(link, "linkingObjectIdentifier", _kind_of(contents, identifier), identifier)
        _child(link, "linkingObjectRole", role)
    return node


def _agent_identifier(number: str) -> str:
    return f"vsr {number}"


def _agent(identifier: str) -> _Node:
    node = ElementTree.Element("agent")
    _identify(_child(node, "agentIdentifier"), "agentIdentifier", "software", identifier)
    name, _, number = identifier.partition(" ")
    _child(node, "agentName", name)
    _child(node, "agentType", "software")
    _child(node, "agentVersion", number)
    return node
