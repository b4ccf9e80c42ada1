"""PSNR of every solver on the synthetic suite, with true and with estimated motion. Prints Markdown.

    python benchmarks/reconstruction/synthetic.py [--quick]

Three photographs (camera / astronaut / coffee of scikit-image, 384 × 384), 16 frames, point spread function of 1 pixel,
noise 2/255, 8 bits; "outliers" adds 5 % salt and pepper and one misregistered frame. Values are dB without a border of
16 pixels. All solvers start from the median of the frames, enlarged and laid on each other. ``--quick`` takes one
image.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import cache

import torch
from suite import IMAGES, SIGMA_PX, SIZE, Case, make_case, photographs, psnr_db
from torch import Tensor

from vsr.observation import reading_blur, resample
from vsr.observation.model import ObservationModel
from vsr.registration import register, sample_bicubic
from vsr.registration.phase import phase_correlation
from vsr.solvers import SOLVERS, find_solver
from vsr.solvers.base import Observations
from vsr.solvers.bayesian import estimate_psf

ORDER = (
    "l2", "farsiu-fast", "farsiu", "irwsr", "l1-btv", "huber-btv", "bayesian", "tsai-huang"
)  # fmt: skip
COLUMNS = ((3, False), (3, True), (4, False), (4, True))


def observations(case: Case, shifts_px: Tensor | None = None, sigma_px: float = SIGMA_PX) -> Observations:
    """The case with a point spread function and motion, by default the true ones."""
    frame_size = (int(case.frames.shape[1]), int(case.frames.shape[2]))
    size = (int(case.hr.shape[0]), int(case.hr.shape[1]))
    blur = reading_blur((sigma_px, sigma_px), (case.scale, case.scale))
    shifts = case.shifts_px if shifts_px is None else shifts_px
    return Observations(case.frames, ObservationModel.from_shifts(frame_size, size, shifts, blur))


def median_start(observed: Observations) -> Tensor:
    """Median of the frames, enlarged and laid on each other."""
    model = observed.model
    frame_size = (int(observed.frames.shape[1]), int(observed.frames.shape[2]))
    laid = []
    for number, frame in enumerate(observed.frames):
        shift = [-float(value) for value in model.shifts_yx[number]]
        places = [(size / frame_size[axis], shift[axis]) for axis, size in enumerate(model.size_yx)]
        axes = [
            (torch.arange(size) + 0.5) / scale - 0.5 + move
            for size, (scale, move) in zip(model.size_yx, places, strict=True)
        ]
        rows, cols = torch.meshgrid(*axes, indexing="ij")
        laid.append(sample_bicubic(frame[None], rows, cols)[0])
    return torch.stack(laid).median(0).values


def bicubic(case: Case) -> Tensor:
    """The reference frame enlarged."""
    return resample(case.frames[0], (int(case.hr.shape[0]), int(case.hr.shape[1])), kernel="bicubic")


def row(title: str, cells: Sequence[str]) -> None:
    """Print a table row."""
    print("| " + " | ".join([title, *cells]) + " |", flush=True)


def header(titles: Sequence[str]) -> None:
    """Print the head of a table."""
    row(titles[0], titles[1:])
    print("|" + "---|" * len(titles))


@cache
def _photographs() -> dict[str, Tensor]:
    return photographs()


@cache
def cases(names: tuple[str, ...], scale: int, outliers: bool, num_frames: int = 16) -> tuple[Case, ...]:
    """The suite's cases at a scale."""
    return tuple(
        make_case(name, _photographs()[name], scale, outliers=outliers, num_frames=num_frames) for name in names
    )


def scores(
    solve: Callable[[Case], Tensor], names: tuple[str, ...], scale: int, outliers: bool, num_frames: int = 16
) -> str:
    """PSNR of each image, with slashes between."""
    found = [psnr_db(solve(case), case.hr) for case in cases(names, scale, outliers, num_frames)]
    return " / ".join(f"{value:.1f}" for value in found)


def solved(name: str, case: Case, shifts_px: Tensor | None = None, sigma_px: float = SIGMA_PX) -> Tensor:
    """The case solved with a solver's defaults."""
    observed = observations(case, shifts_px, sigma_px)
    return find_solver(name)(observed, median_start(observed))


def solver_table(names: tuple[str, ...]) -> None:
    """Every solver with true motion and point spread function."""
    header(["true motion", "×3 clean", "×3 outliers", "×4 clean", "×4 outliers", "seconds"])
    row("bicubic", [*(scores(bicubic, names, *column) for column in COLUMNS), ""])
    for name in ORDER:
        began = time.perf_counter()
        cells = [scores(lambda case, name=name: solved(name, case), names, *column) for column in COLUMNS]
        seconds = (time.perf_counter() - began) / len(COLUMNS) / len(names)
        row(name, [*cells, f"{seconds:.1f}"])
    missing = sorted(set(SOLVERS) - set(ORDER))
    print(f"\nNot in the table: {', '.join(missing)} (needs shifts by whole steps of the fine grid).", flush=True)
    if not opencv_has_superres():
        print("OpenCV's BTV-L1 is left out: this build of OpenCV has no superres module.", flush=True)


def opencv_has_superres() -> bool:
    """Whether OpenCV's own super-resolution could be compared."""
    try:
        import cv2
    except ImportError:
        return False
    return hasattr(cv2, "superres")


def estimated_shifts(case: Case) -> Tensor:
    """Shifts in samples as registration finds them."""
    found = [torch.zeros(2, dtype=torch.float64)]
    for frame in case.frames[1:]:
        motion = register(case.frames[0], frame, model="translation")
        # Content at p of the first frame is at p + motion of this one, which so shows at p what was at p - motion.
        found.append(-torch.tensor(motion.shift_yx, dtype=torch.float64))
    return torch.stack(found)


def phase_shifts(case: Case) -> Tensor:
    """Shifts in samples by phase correlation alone."""
    found = [phase_correlation(case.frames[0], frame).shift_yx for frame in case.frames]
    return -torch.tensor(found, dtype=torch.float64)


def registered(case: Case, find: Callable[[Case], Tensor]) -> Tensor:
    """huber-btv with estimated motion."""
    return solved("huber-btv", case, find(case))


def blind(case: Case) -> Tensor:
    """huber-btv with an estimated point spread function."""
    observed = observations(case)
    sigma = estimate_psf(observed, median_start(observed))
    return solved("huber-btv", case, sigma_px=SIGMA_PX if sigma is None else sigma)


def sensitivity_table(names: tuple[str, ...]) -> None:
    """The default solver with estimated or wrong motion and blur."""
    header(["huber-btv", "×3 clean", "×3 outliers", "×4 clean", "×4 outliers"])
    ways: list[tuple[str, Callable[[Case], Tensor]]] = [
        ("true motion, true PSF", lambda case: solved("huber-btv", case)),
        ("motion by phase correlation", lambda case: registered(case, phase_shifts)),
        ("motion by registration", lambda case: registered(case, estimated_shifts)),
        ("PSF 0.85 for 1.0", lambda case: solved("huber-btv", case, sigma_px=0.85)),
        ("PSF 1.15 for 1.0", lambda case: solved("huber-btv", case, sigma_px=1.15)),
        ("PSF estimated", blind),
    ]
    for title, way in ways:
        row(title, [scores(way, names, *column) for column in COLUMNS])
    for count in (1, 2, 4, 9):
        row(f"{count} frames", [scores(ways[0][1], names, *column, num_frames=count) for column in COLUMNS])


def psf_table(names: tuple[str, ...]) -> None:
    """Estimated point spread functions, in pixels."""
    true_sigmas = (0.7, 1.0, 1.4)
    header(["estimated PSF, pixels", *(f"true {sigma}" for sigma in true_sigmas)])
    for scale in (2, 3, 4):
        cells = []
        for sigma in true_sigmas:
            found = []
            for name in names:
                observed = observations(make_case(name, _photographs()[name], scale, sigma_px=sigma))
                found.append(estimate_psf(observed, median_start(observed)))
            cells.append(" / ".join("none" if value is None else f"{value:.2f}" for value in found))
        row(f"×{scale} clean", cells)


def motion_line(names: tuple[str, ...]) -> None:
    """Root mean square error of estimated shifts, in samples."""
    for title, find in (("phase correlation", phase_shifts), ("registration", estimated_shifts)):
        found = [(find(case), case.shifts_px) for case in cases(names, 3, False)]
        errors = [(shifts - true).square().mean().sqrt() for shifts, true in found]
        listed = " / ".join(f"{float(error):.3f}" for error in errors)
        print(f"Shift error of {title}, ×3 clean, samples: {listed}.")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one image")
    names = IMAGES[:1] if parser.parse_args().quick else IMAGES
    torch.set_num_threads(1)
    print(f"PSNR in dB, {' / '.join(names)}, {SIZE} × {SIZE}, 16 frames.\n")
    solver_table(names)
    print()
    sensitivity_table(names)
    motion_line(names)
    print()
    psf_table(names)


if __name__ == "__main__":
    main()
