"""Markdown, CSV and JSON of one evaluation."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from vsr.evaluation import Evaluation, ItemScore, Scores, SetScore, render
from vsr.evaluation.records import mean_scores

A, B = Scores(30.0, 0.8, 40.0, 1.0), Scores(math.inf, 0.9, 50.0, 3.0, temporal_psnr_y=31.0)
EVALUATION = Evaluation(
    (
        SetScore("bicubic", "x", "d", 2, "Set|5", (ItemScore("a", 1, A),)),
        SetScore("some/where/net.pth", "y", "e", 4, "clips", (ItemScore("a", 1, A), ItemScore("b", 9, B))),
    ),
    {"version": "1"},
    {"torch": "2"},
)


def test_json_is_one_strict_document_with_means_and_items() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(render(EVALUATION, "json"), parse_constant=refuse)
    first, second = document["results"]
    assert (first["psnr_y"], first["ssim_y"], first["lr_psnr"]) == (30.0, 0.8, 40.0)
    assert "temporal_psnr_y" not in first
    assert (second["num_items"], second["num_frames"]) == (2, 10)
    assert second["psnr_y"] is None  # infinite
    assert second["ssim_y"] == pytest.approx(0.85)
    assert second["temporal_psnr_y"] == 31.0
    assert [item["seconds_per_picture"] for item in second["items"]] == [1.0, 3.0]


def test_csv_has_a_row_for_each_result() -> None:
    rows = list(csv.DictReader(io.StringIO(render(EVALUATION, "csv"))))
    assert [row["method"] for row in rows] == ["bicubic", "some/where/net.pth"]
    assert (rows[0]["psnr_y"], rows[0]["temporal_psnr_y"]) == ("30.0", "")
    assert (rows[1]["psnr_y"], rows[1]["seconds_per_picture"]) == ("inf", "2.0")


def test_markdown_lines_up_and_shows_what_was_measured() -> None:
    lines = render(EVALUATION, "markdown").splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in (lines[0], *lines[2:])]
    assert "LPIPS" not in cells[0]
    assert cells[1] == ["bicubic", "×2", "Set\\|5", "30.00", "0.8000", "40.00", "–", "1.000"]
    assert cells[2] == ["net.pth", "×4", "clips", "∞", "0.8500", "45.00", "31.00", "2.000"]


def test_means_leave_out_what_is_missing() -> None:
    mean = mean_scores([A, B, A])
    assert (mean.ssim_y, mean.temporal_psnr_y, mean.lpips) == (pytest.approx(2.5 / 3), 31.0, None)
    with pytest.raises(ValueError, match="no scores"):
        mean_scores([])
