"""The page about an output: everything inside, nothing fetched, every case of input gone, changed or awkward."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from page_reader import Page, decode_uri, read_page
from program import Run
from videos import X264, encode, scene

import vsr
from vsr.errors import MachineError, UsageError, VerificationError
from vsr.pipeline.seal import record_pieces, seal

pytestmark = pytest.mark.usefixtures("no_leaks")

Clips, Call = Callable[[str], Path], Callable[..., Run]
Upscaled = Callable[..., tuple[Path, dict[str, Any]]]


def _check_structure(page: Page) -> None:
    """What holds for every page, whatever it shows."""
    assert page.faults == []
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    for element in page.elements:
        for name in ("src", "href", "poster", "action", "data", "srcset"):
            value = element.attributes.get(name, "")
            assert value.startswith(("data:", "#")) or not value, f"{element.tag} {name}={value[:60]}"
            if value.startswith("#"):
                assert value[1:] in ids
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
        for name in ("aria-labelledby", "aria-describedby", "for"):
            assert element.attributes.get(name, ids[0]) in ids
        if element.tag == "img":
            assert "alt" in element.attributes
            assert element.attributes["alt"] or "a" in element.inside, "an image without words and without a link"
        if element.tag == "svg" and "svg" not in element.inside:
            assert element.attributes["role"] == "img"
            assert element.attributes["aria-label"]
    labelled = {e.attributes["for"] for e in page.of("label") if "for" in e.attributes}
    for field in page.of("input"):
        assert "label" in field.inside or field.attributes["id"] in labelled
    assert [len(page.of(tag)) for tag in ("h1", "main", "title")] == [1, 1, 1]
    assert page.of("html")[0].attributes["lang"] == "en"
    _check_policy(page)


def _check_policy(page: Page) -> None:
    """The policy names exactly the style and the script that are there."""
    policy = next(e.attributes["content"] for e in page.of("meta") if "http-equiv" in e.attributes)
    assert policy.startswith("default-src 'none'")
    for tag, name in (("style", "style-src"), ("script", "script-src")):
        [element] = page.of(tag)
        digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
        assert f"{name} 'sha256-{digest}'" in policy
    assert "http" not in page.of("style")[0].text
    assert not re.search(r"fetch|XMLHttpRequest|import|https?:", page.of("script")[0].text)


def _images(page: Page, what: str) -> list[np.ndarray]:
    uris = [e.attributes["src"] for e in page.of("img") if e.attributes["alt"].startswith(what)]
    return [cv2.imdecode(np.frombuffer(decode_uri(uri)[1], np.uint8), cv2.IMREAD_COLOR) for uri in uris]


def test_a_page_has_everything(run: Upscaled, clips: Clips) -> None:
    output, manifest = run("cuts", scale=2)
    place = vsr.make_report(output)
    assert place == output.with_name("out.mp4.report.html")
    assert place.stat().st_size < 8_000_000
    page = read_page(place)
    _check_structure(page)
    before, after = _images(page, "Input"), _images(page, "Output")
    assert [image.shape for image in before] == [(64, 96, 3)] * 12
    assert [image.shape for image in after] == [(128, 192, 3)] * 12
    for small, large in zip(before, after, strict=True):
        again = cv2.resize(large, (96, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(again.astype(int) - small).mean() < 6, "before and after show different frames"
    assert "No generative model took part" in page.text
    assert "3 shots; new ones begin at 0:00:01.480 (frame 37), 0:00:03.600 (frame 90)" in page.text
    assert manifest["output"]["files"]["out.mp4"] in page.text
    [record] = page.of("pre")
    assert json.loads(record.text) == json.loads(output.with_name("out.mp4.vsr.json").read_text())
    kind, data = decode_uri(page.of("video")[0].attributes["src"])
    assert (kind, len(data) > 1000) == ("video/mp4", True)
    captions = [e.text for e in page.of("figcaption")]
    assert sum("a shot begins" in text for text in captions) == 2
    assert sum("agrees least with the input" in text for text in captions) == 3


def test_the_reference_gives_curves(run: Upscaled, tmp_path: Path) -> None:
    reference = encode(tmp_path / "reference.mkv", scene(24, 96, 64), "-c:v", "ffv1")
    small = encode(tmp_path / "small.mp4", scene(24, 96, 64), *X264, "-crf", "12", vf="scale=48:32:flags=bicubic")
    output, _ = run(small, scale=2)
    page = read_page(vsr.make_report(output, reference=reference, frames=3, video=False))
    _check_structure(page)
    labels = [e.attributes["aria-label"] for e in page.of("svg") if "aria-label" in e.attributes]
    assert [label.split(":")[0] for label in labels] == [
        "Agreement with the input",
        "PSNR against the reference",
        "SSIM against the reference",
        "Sharpness",
        "Residual",
    ]
    assert "input, enlarged by bicubic" in labels[1]
    assert not page.of("video")


def test_references_that_do_not_fit(run: Upscaled, tmp_path: Path) -> None:
    source = encode(tmp_path / "source.mp4", scene(30, 48, 32), *X264)
    output, _ = run(source, scale=2)
    film = encode(tmp_path / "film.mkv", scene(30, 96, 64), "-c:v", "ffv1", rate="24")
    with pytest.raises(UsageError, match=r"only 2 of 30 frames.*24 fps"):
        vsr.make_report(output, reference=film)
    short = encode(tmp_path / "short.mkv", scene(20, 96, 64), "-c:v", "ffv1")
    page = read_page(vsr.make_report(output, reference=short, frames=2, video=False))
    assert "10 of 30 frames of the input have no partner" in page.text
    assert "PSNR against the reference, dB" in page.text
    wide = encode(tmp_path / "wide.mkv", scene(30, 128, 64), "-c:v", "ffv1")
    page = read_page(vsr.make_report(output, reference=wide, frames=2, video=False))
    assert "neither one size nor one shape" in page.text
    assert "PSNR against the reference" not in page.text


@pytest.mark.parametrize("change", ["gone", "other"])
def test_without_its_input_the_output_is_shown_alone(run: Upscaled, clips: Clips, tmp_path: Path, change: str) -> None:
    source = tmp_path / "input.mp4"
    source.write_bytes(clips("plain").read_bytes())
    output, _ = run(source, scale=2)
    if change == "gone":
        source.unlink()
    else:
        source.write_bytes(clips("cfr").read_bytes())
    page = read_page(vsr.make_report(output, frames=4))
    _check_structure(page)
    assert (len(_images(page, "Input")), len(_images(page, "Output"))) == (0, 4)
    assert ("is not here any more" if change == "gone" else "has changed since") in page.text
    assert "Frames of the output" in page.text


@pytest.mark.parametrize(
    ("clip", "extension", "settings"),
    [
        ("rotated", "mp4", {}),
        ("sar", "mp4", {}),
        ("interlaced", "mp4", {"deinterlace": "field"}),
        ("mpeg2_ts", "mp4", {}),
        ("ten_bit", "mkv", {"codec": "ffv1"}),
        ("hdr", "mp4", {}),
        ("rgb", "mkv", {"codec": "ffv1"}),
        ("gray", "mkv", {"codec": "ffv1"}),
        ("damaged", "mp4", {}),
        ("size_change", "mp4", {}),
        ("plain", "png", {}),
        ("plain", "mp4", {"size": "192x192"}),
        ("plain", "mp4", {"scale": 1}),
        ("plain", "mp4", {"scale": 1.5}),
    ],
)
def test_awkward_sources(run: Upscaled, clip: str, extension: str, settings: dict[str, Any]) -> None:
    output, _ = run(clip, extension, **settings)
    place = vsr.make_report(output, frames=3)
    page = read_page(place)
    _check_structure(page)
    before, after = _images(page, "Input"), _images(page, "Output")
    assert len(after) == 3
    if clip == "rotated":
        assert [p.shape for p in (before[0], after[0])] == [(96, 64, 3), (192, 128, 3)]
    if clip == "sar":
        [video] = page.of("video")
        aspect = vsr.probe(output).video.sample_aspect_ratio
        assert aspect != 1
        width, height = (int(video.attributes[name]) for name in ("width", "height"))
        assert (width - 8) / 2 / height == pytest.approx(float(aspect) * 192 / 128, rel=0.02)
    if clip == "damaged":
        assert "damaged and were concealed" in page.text or "could not be decoded" in page.text
    if clip == "size_change":
        assert "changes from 64x48 to 96x64" in page.text
    else:
        assert len(before) == 3
    if extension == "png":
        assert place == output.parent.with_name(f"{output.parent.name}.report.html")


def test_a_part_of_the_input_is_named_as_such(run: Upscaled) -> None:
    output, _ = run("damaged", end=8)
    text = read_page(vsr.make_report(output, frames=2, video=False)).text
    assert "Only a part of the input was asked for: " in text
    assert " in the input, concealed by the decoder" in text


def test_names_are_only_names(run: Upscaled, clips: Clips, tmp_path: Path) -> None:
    source = tmp_path / "<img src=x onerror=alert(1)>&amp;'\".mp4"
    source.write_bytes(clips("plain").read_bytes())
    output, _ = run(source)
    page = read_page(vsr.make_report(output, frames=2))
    _check_structure(page)
    assert source.name in page.text


@pytest.mark.parametrize(
    ("evidence", "generative", "words"),
    [
        ("learned", False, "network trained on other images"),
        ("generative", True, "A generative model took part."),
        ("observation-model", False, "the camera recorded"),
        ("unheard-of", False, "does not know that class"),
    ],
)
def test_evidence_is_said_plainly(run: Upscaled, evidence: str, generative: bool, words: str) -> None:
    output, _ = run("plain", end=8)
    record = output.with_name("out.mp4.vsr.json")
    manifest = json.loads(record.read_text())
    manifest["method"] |= {"evidence": evidence, "generative": generative, "assumed_degradation": "camera"}
    manifest["method"]["findings"] = {"noise_sigma": 0.01, "frames_used": 4.2, "psf_sigma_px": 0.45}
    for segment in manifest["segments"]:
        segment["findings"] = manifest["method"]["findings"]
    seal(manifest)
    record.write_text("".join(record_pieces(manifest)))
    text = read_page(vsr.make_report(output, frames=1, video=False)).text
    assert words in text
    assert ("No generative model took part." in text) is not generative
    assert "degraded again by a blur of 0.45 px" in text
    assert all(title in text for title in ("Frames used", "Noise and misregistration"))


@pytest.mark.slow
def test_images_make_room_and_the_video_goes_first_out(run: Upscaled, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (14, 180, 320, 3)).astype(np.uint8)
    source = encode(tmp_path / "noise.mp4", noise, *X264, "-crf", "10")
    output, _ = run(source, scale=2, crf=10)
    place = vsr.make_report(output, frames=8, max_bytes=2_400_000)
    assert place.stat().st_size < 2_400_000
    assert "WebP of quality 95" not in read_page(place).text
    tight = vsr.make_report(output, tmp_path / "tight.html", frames=14, max_bytes=1_000_000)
    page = read_page(tight)
    _check_structure(page)
    assert not page.of("video")
    assert "the video is left out" in page.text.lower()


def test_what_the_input_says_of_itself_is_handed_on(run: Upscaled, tmp_path: Path) -> None:
    tag = "comment=vsr 0.1.0 dream: a generative model took part: detail may be invented"
    source = encode(tmp_path / "dreamt.mkv", scene(6), "-c:v", "ffv1", "-metadata", tag)
    output, _ = run(source)
    text = read_page(vsr.make_report(output, frames=1, video=False)).text
    assert "says of itself: vsr 0.1.0 dream: a generative model took part" in text


def test_refusals(run: Upscaled, call: Call, clips: Clips, tmp_path: Path) -> None:
    output, _ = run("plain", end=6)
    nowhere = call("report", output, "-o", tmp_path / "none" / "page.html")
    assert (nowhere.code, "there is no folder" in nowhere.one_line()) == (5, True)
    done = call("report", output, "-o", tmp_path / "page.html", "--frames", "2", "--no-video")
    assert (done.code, done.out.strip()) == (0, str(tmp_path / "page.html"))
    with pytest.raises(UsageError, match="1 to 100 frames"):
        vsr.make_report(output, frames=0)
    with pytest.raises(UsageError, match="1 MB"):
        vsr.make_report(output, max_bytes=10)
    with pytest.raises(UsageError, match="is a folder"):
        vsr.make_report(output, tmp_path)
    for taken in (output, clips("plain"), output.with_name("out.mp4.vsr.json")):
        before = taken.read_bytes()
        with pytest.raises(UsageError, match="name another file"):
            vsr.make_report(output, taken)
        assert taken.read_bytes() == before
    with pytest.raises(MachineError, match="is not writable"):
        vsr.make_report(output, "/proc/page.html")
    data = bytearray(output.read_bytes())
    data[len(data) // 2] ^= 1
    output.write_bytes(data)
    with pytest.raises(VerificationError, match="not the output that its manifest describes"):
        vsr.make_report(output)
    output.unlink()
    with pytest.raises(VerificationError, match="no such output"):
        vsr.make_report(output)
    with pytest.raises(VerificationError, match="has no manifest"):
        vsr.make_report(tmp_path / "other.mp4")
    assert issubclass(VerificationError, MachineError)


def test_other_commands_outputs_are_refused_by_name(clips: Clips, tmp_path: Path) -> None:
    source = clips("plain")
    vsr.export_frames(source, tmp_path / "frames" / "%06d.png", end=3)
    with pytest.raises(UsageError, match=r"frames as they were recorded.*vsr verify.*outputs of upscale and still"):
        vsr.make_report(tmp_path / "frames" / "%06d.png")


def test_a_manifest_of_another_version_or_file(run: Upscaled, tmp_path: Path) -> None:
    output, manifest = run("plain", end=6)
    record = output.with_name("out.mp4.vsr.json")
    for change, words in (
        ({"format": 1}, "is not a manifest of format 2 to 3"),
        ({}, "was changed after it was written"),
    ):
        changed = {**manifest, **change}
        changed["seconds"] = 1.0
        if change:
            seal(changed)
        record.write_text("".join(record_pieces(changed)))
        with pytest.raises(VerificationError, match=words):
            vsr.make_report(output)
    other, _ = run("cfr", "mkv", end=6)
    record.write_bytes(other.with_name(f"{other.name}.vsr.json").read_bytes())
    with pytest.raises(VerificationError, match="not the output that its manifest describes"):
        vsr.make_report(output)
