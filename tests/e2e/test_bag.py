"""``vsr bag``: judged by the Library of Congress's bagit, and by the order of elements that PREMIS 3 asks for."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import bagit
import numpy as np
import pytest
from plates import film
from program import Run
from videos import X264, encode, scene

import vsr
from vsr.archive import bag as bag_module
from vsr.errors import MachineError, UsageError, VerificationError

pytestmark = pytest.mark.usefixtures("no_leaks")

Call = Callable[..., Run]
_QUICK = {"method": "lanczos", "encoder_threads": 1}
_PREMIS = "{http://www.loc.gov/premis/v3}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a source, a master of it, two of its frames enlarged, and a still."""
    folder = tmp_path_factory.mktemp("made")
    encode(folder / "clip.mp4", scene(5, 64, 48), *X264)
    settings = {**_QUICK, "scale": 2}
    vsr.upscale(folder / "clip.mp4", folder / "master.mkv", settings={**settings, "codec": "ffv1"})
    vsr.upscale(folder / "clip.mp4", folder / "frames" / "%06d.png", end=2, settings=settings)
    clip = film(6)
    encode(folder / "plate.mp4", np.stack(clip.frames), "-c:v", "libx264", "-crf", "20", "-threads", "1")
    vsr.still(folder / "plate.mp4", folder / "plate.png", at=2, roi=clip.roi, scale=2, regularization=0.5)
    return folder


def _names(bag: Path) -> set[str]:
    return {str(path.relative_to(bag / "data")) for path in (bag / "data").rglob("*") if path.is_file()}


def test_a_bag_of_everything_is_valid_for_another_program(call: Call, made: Path, tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    outputs = [made / "master.mkv", made / "frames.vsr.json", made / "plate.png"]
    done = call("bag", *outputs, "-o", bag, "--with-source", "--info", "Source-Organization=Film museum")
    assert done.code == 0, done.err
    checked = subprocess.run([sys.executable, "-m", "bagit", "--validate", bag], capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    beside = (".vsr.json", ".framemd5", ".input.framemd5", ".premis.xml")
    assert _names(bag) == {
        *("master.mkv", *(f"master.mkv{suffix}" for suffix in beside)),
        *("frames/000000.png", "frames/000001.png", "frames/timing.json", *(f"frames{suffix}" for suffix in beside)),
        *("plate.png", "plate.support.png", "plate.confidence.png", "plate.png.vsr.json", "plate.png.premis.xml"),
        *("source/clip.mp4", "source/plate.mp4"),
    }
    read = bagit.Bag(str(bag))
    assert (read.version_info, read.info["Source-Organization"]) == ((1, 0), "Film museum")
    for name in _names(bag) - {name for name in _names(bag) if name.endswith(".premis.xml")}:
        original = made / name.removeprefix("source/")
        assert (bag / "data" / name).read_bytes() == original.read_bytes()
    moved = bag / "data" / "source" / "clip.mp4"
    assert all(check.passed for check in vsr.verify(bag / "data" / "master.mkv", source=moved))
    _flip(moved)
    assert subprocess.run(
        [sys.executable, "-m", "bagit", "--validate", bag], capture_output=True, check=False
    ).returncode


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


_IDENTIFIER = ("Type", "Value")
_CONTENT = {
    "premis": ("object+", "event+", "agent+"),
    "file": ("objectIdentifier", "objectCharacteristics", "originalName?", "storage", "relationship*"),
    "representation": ("objectIdentifier", "significantProperties*", "originalName?", "storage", "relationship*"),
    "significantProperties": ("significantPropertiesType", "significantPropertiesValue"),
    "objectCharacteristics": ("fixity+", "size", "format", "creatingApplication?"),
    "fixity": ("messageDigestAlgorithm", "messageDigest"),
    "format": ("formatDesignation", "formatNote*"),
    "formatDesignation": ("formatName",),
    "creatingApplication": ("creatingApplicationName", "creatingApplicationVersion", "dateCreatedByApplication"),
    "storage": ("contentLocation",),
    "relationship": (
        *("relationshipType", "relationshipSubType", "relatedObjectIdentifier", "relatedEventIdentifier?"),
    ),
    "event": (
        *("eventIdentifier", "eventType", "eventDateTime", "eventDetailInformation+", "eventOutcomeInformation"),
        *("linkingAgentIdentifier", "linkingObjectIdentifier+"),
    ),
    "eventDetailInformation": ("eventDetail",),
    "eventOutcomeInformation": ("eventOutcome", "eventOutcomeDetail+"),
    "eventOutcomeDetail": ("eventOutcomeDetailNote",),
    "linkingAgentIdentifier": (*(f"linkingAgentIdentifier{part}" for part in _IDENTIFIER), "linkingAgentRole"),
    "linkingObjectIdentifier": (*(f"linkingObjectIdentifier{part}" for part in _IDENTIFIER), "linkingObjectRole"),
    "agent": ("agentIdentifier", "agentName", "agentType", "agentVersion"),
} | {
    name: tuple(f"{name}{part}" for part in _IDENTIFIER)
    for name in (
        *("objectIdentifier", "contentLocation", "relatedObjectIdentifier", "relatedEventIdentifier"),
        *("eventIdentifier", "agentIdentifier"),
    )
}
"""Elements of PREMIS 3 that are used here, in the order of the schema, and how often: once, ``?``, ``+`` or ``*``."""


def _check_content(node: ElementTree.Element) -> None:
    name = node.tag.removeprefix(_PREMIS)
    kind = node.get("{http://www.w3.org/2001/XMLSchema-instance}type", name)
    children = [child.tag.removeprefix(_PREMIS) for child in node]
    for rule in _CONTENT.get(kind, ()):
        expected, often = (rule[:-1], rule[-1]) if rule[-1] in "?+*" else (rule, "")
        count = 0
        while children and children[0] == expected:
            children.pop(0)
            count += 1
        assert {"": count == 1, "?": count <= 1, "+": count >= 1, "*": True}[often], f"{count} {expected} in {kind}"
    assert not children, f"{children} in {kind}"
    assert len(node) or (node.text or "").strip(), f"{kind} is empty"
    for child in node:
        _check_content(child)


def _texts(node: ElementTree.Element, path: str) -> list[str]:
    return [found.text or "" for found in node.findall("/".join(f"{_PREMIS}{part}" for part in path.split("/")))]


def test_what_the_descriptions_say(made: Path, tmp_path: Path) -> None:
    bag = vsr.bag([made / "master.mkv", made / "frames" / "%06d.png", made / "plate.png"], tmp_path / "bag")
    assert bag.outputs == ("master.mkv", "frames", "plate.png")
    roots = {name: ElementTree.parse(bag.folder / f"data/{name}.premis.xml").getroot() for name in bag.outputs}
    for root in roots.values():
        _check_content(root)
        known = {*_texts(root, "object/objectIdentifier/objectIdentifierValue")}
        assert {*_texts(root, "event/linkingObjectIdentifier/linkingObjectIdentifierValue")} <= known
        assert {*_texts(root, "object/relationship/relatedObjectIdentifier/relatedObjectIdentifierValue")} <= known
        agents = {*_texts(root, "agent/agentIdentifier/agentIdentifierValue")}
        assert {*_texts(root, "event/linkingAgentIdentifier/linkingAgentIdentifierValue")} == agents
        kinds = ["ingestion", "creation", "message digest calculation", "fixity check", "packing"]
        assert _texts(root, "event/eventType") == kinds
        assert {path for path in known if path.startswith("data/")} <= {
            f"data/{name}" for name in (*_names(bag.folder), "frames")
        }
    record = json.loads((made / "master.mkv.vsr.json").read_text())
    master = roots["master.mkv"]
    assert _texts(master, "event/eventDateTime")[:2] == [record["begun"], record["written"]]
    details = _texts(master, "event/eventDetailInformation/eventDetail")
    assert any(text.startswith("vsr 0.1.0, method lanczos; evidence: interpolation") for text in details)
    settings = next(text for text in details if text.startswith("settings: "))
    assert json.loads(settings.removeprefix("settings: ")) == record["settings"]
    source, output = master.findall(f"{_PREMIS}object")[:2]
    digest = "objectCharacteristics/fixity/messageDigest"
    assert _texts(source, digest) == [hashlib.sha256((made / "clip.mp4").read_bytes()).hexdigest()]
    assert _texts(source, "storage/contentLocation/contentLocationValue") == [str(made / "clip.mp4")]
    data = (made / "master.mkv").read_bytes()
    assert _texts(output, digest) == [hashlib.sha256(data).hexdigest(), hashlib.sha512(data).hexdigest()]
    assert "codec: ffv1, lossless" in _texts(output, "objectCharacteristics/format/formatNote")


@pytest.mark.skipif("VSR_PREMIS_XSD" not in os.environ, reason="VSR_PREMIS_XSD names no copy of the PREMIS 3 schema")
def test_the_descriptions_against_the_schema(made: Path, tmp_path: Path) -> None:
    xmlschema = pytest.importorskip("xmlschema")
    vsr.bag([made / "master.mkv", made / "frames" / "%06d.png", made / "plate.png"], tmp_path / "bag", with_source=True)
    schema = xmlschema.XMLSchema(os.environ["VSR_PREMIS_XSD"])
    for path in (tmp_path / "bag" / "data").glob("*.premis.xml"):
        schema.validate(path)


def test_refusals_are_one_line_and_leave_nothing(call: Call, made: Path, tmp_path: Path) -> None:
    master, bag = made / "master.mkv", tmp_path / "bag"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    twin = tmp_path / "twin"
    twin.mkdir()
    for suffix in ("", ".vsr.json"):
        shutil.copy(made / f"master.mkv{suffix}", twin / f"master.mkv{suffix}")
    percent = tmp_path / "50%.mkv"
    shutil.copy(master, percent)
    shutil.copy(made / "master.mkv.vsr.json", tmp_path / "50%.mkv.vsr.json")
    for code, words, arguments in (
        (5, "no such output", [tmp_path / "no.mkv", "-o", bag]),
        (5, "has no manifest", [made / "clip.mp4", "-o", bag]),
        (2, "exists; a bag is a new folder", [master, "-o", tmp_path / "full"]),
        (5, "does not exist; make it first", [master, "-o", tmp_path / "no" / "bag"]),
        (2, "two outputs are called master.mkv", [master, twin / "master.mkv", "-o", bag]),
        (2, "--input says where the input of one output is", [master, made / "plate.png", "--input", "a", "-o", bag]),
        (5, "is not what its record says: input", [master, "--input", made / "plate.mp4", "-o", bag]),
        (2, "is no label for bag-info.txt", [master, "-o", bag, "--info", "=x"]),
        (2, "needs a value of one line", [master, "-o", bag, "--info", "Contact-Name"]),
        (2, "is written by vsr bag itself", [master, "-o", bag, "--info", "payload-oxum=1.1"]),
        (2, "over % and line breaks", [percent, "-o", bag]),
        (2, "only outputs on this machine", ["s3://bucket/master.mkv", "-o", bag]),
    ):
        done = call("bag", *arguments)
        assert (done.code, words in done.one_line()) == (code, True), done.err
    assert not bag.exists()


def test_sources_in_two_folders_of_one_name_are_not_mixed(made: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("one", "other")):
        folder = tmp_path / name / "scans"
        folder.mkdir(parents=True)
        encode(folder / f"{number}%03d.png", scene(2, 64, 48), "-c:v", "png")
        vsr.upscale(folder, tmp_path / f"{name}.mkv", settings={**_QUICK, "codec": "ffv1", "fps": "24"})
    masters = [tmp_path / "one.mkv", tmp_path / "other.mkv"]
    with pytest.raises(UsageError, match=r"other/scans would both be data/source/scans; give them in bags"):
        vsr.bag(masters, tmp_path / "bag", with_source=True)
    assert vsr.bag(masters, tmp_path / "bag").num_files


def test_checks_have_the_time_at_which_they_were_made(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_file = bag_module.copy_file

    def slow(*arguments: Any) -> Any:
        time.sleep(1.1)  # dates have whole seconds
        return copy_file(*arguments)

    monkeypatch.setattr(bag_module, "copy_file", slow)
    bag = vsr.bag([made / "plate.png"], tmp_path / "bag")
    root = ElementTree.parse(bag.folder / "data/plate.png.premis.xml").getroot()
    kinds, times = (_texts(root, f"event/{name}") for name in ("eventType", "eventDateTime"))
    when = dict(zip(kinds, map(datetime.fromisoformat, times), strict=True))
    assert when["creation"] <= when["fixity check"] < when["packing"]


def test_what_changed_is_not_packed(made: Path, tmp_path: Path) -> None:
    for name in ("master.mkv", "master.mkv.vsr.json", "clip.mp4"):
        shutil.copy(made / name, tmp_path / name)
    _flip(tmp_path / "master.mkv")
    with pytest.raises(VerificationError, match=r"output bytes: master\.mkv: changed"):
        vsr.bag(tmp_path / "master.mkv", tmp_path / "bag")
    shutil.copy(made / "master.mkv", tmp_path / "master.mkv")
    record = json.loads((tmp_path / "master.mkv.vsr.json").read_text())
    assert Path(record["input"]["path"]) == made / "clip.mp4"
    (made / "clip.mp4").rename(made / "away.mp4")
    try:
        with pytest.raises(UsageError, match="is not here; name it by --input"):
            vsr.bag(tmp_path / "master.mkv", tmp_path / "bag", with_source=True)
        bag = vsr.bag(tmp_path / "master.mkv", tmp_path / "bag", source=tmp_path / "clip.mp4", with_source=True)
    finally:
        (made / "away.mp4").rename(made / "clip.mp4")
    assert "source/clip.mp4" in _names(bag.folder)


def test_a_full_disk_leaves_no_folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vsr.archive.bag.shutil.disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(MachineError, match=r"GB are needed, and 0\.0 GB are free"):
        vsr.bag(made / "master.mkv", tmp_path / "bag")
    assert not list(tmp_path.iterdir())
