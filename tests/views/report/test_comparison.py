"""What a comparison found, on the page of a pair in a real browser."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.compare.compare_clips import CompareResult, compare, document_sentences
from la2ds_cli.compare.words import joint_name
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.views import compare_files
from la2ds_cli.views.report.pair_data import compared_angles
from tests.compare.performers import body, film, label, performance, project_of, slowed, steady
from tests.views.report.conftest import Open

PHASE = steady()
SLOW = slowed("rise", 1.6, 76)
FPS_B = 25.0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """A coach, and trainees filmed at another rate: with a fault, of which there is a film, and
    without."""
    root = tmp_path_factory.mktemp("page")
    fault = {"change": "right_knee", "degrees": -40}
    made = project_of(
        root / "project",
        coach=performance(PHASE, noise=0.5),
        trainee=performance(SLOW, fps=FPS_B, noise=0.5, seed=5, **fault),
        twin=performance(steady(76), fps=FPS_B, noise=0.5, seed=6, build=body(2)),
    )
    label(made, coach=PHASE)
    film(root / "trainee.mp4", SLOW, fps=FPS_B, **fault)
    path = str(root / "trainee.mp4")
    made.add_videos([replace(v, path=path) for v in made.videos() if v.id == "trainee"])
    return made


def compared(project: StoredProject, other: str) -> CompareResult:
    return compare(project, "coach", other, AlignRequest(project.config()))


def page_of(project: StoredProject, result: CompareResult, *, privacy: bool = False) -> Path:
    file = project.root / f"{result.aligned.b.id}.html"
    compare_files.write(project, result, [file], Progress(), privacy=privacy)
    return file


def test_a_difference_leads_to_its_moment_and_marks_its_angle(
    project: StoredProject, open_page: Open
) -> None:
    result = compared(project, "trainee")
    first = result.findings[0]
    opened = open_page(page_of(project, result))
    page = opened.page
    said = document_sentences(result.to_json())
    differs = page.locator("#differs li").all_inner_texts()
    assert differs == [one["text"] for one in said["differs"]]
    assert page.locator("#tempo li").all_inner_texts() == said["tempo"]
    page.click("#differs button")
    assert opened.row() == first.row
    opened.settle()
    knee = page.evaluate(
        "([row, joint]) => { const { angles, sides } = data.skeleton;"
        " const p = stages.a.place(row), at = 2 * (row * sides.length + angles[joint][1]);"
        " return [A.joints[at] * p.scale + p.x, A.joints[at + 1] * p.scale + p.y,"
        " stages.a.width, stages.a.height]; }",
        [first.row, first.joint],
    )
    x, y, width, height = knee
    ring = 1.4 * height / 60  # its radius
    red, green, blue = opened.pixel("stage-a", x / width, (y + ring) / height)
    assert red > 200
    assert max(green, blue) < 110
    opened.harmless()


def test_the_strip_is_pale_where_noise_may_explain_it(
    project: StoredProject, open_page: Open
) -> None:
    result = compared(project, "trainee")
    first = result.findings[0]
    angles = compared_angles(result)
    assert angles["names"][0] == joint_name(first.joint)
    assert angles["stated"][0][first.row] == 1
    quiet = int(np.argmin(angles["stated"][0]))
    opened = open_page(page_of(project, result))
    count, names = len(result.angles.time), len(angles["names"])
    saturation = []
    for row in (first.row, quiet):
        inks = opened.pixel("track-angles", (row + 0.5) / count, 0.5 / names)
        saturation.append(max(inks) - min(inks))
    assert saturation[0] > 80
    assert saturation[1] < 40


def test_a_clip_without_a_fault_says_so(project: StoredProject, open_page: Open) -> None:
    twin = compared(project, "twin")
    assert twin.findings == ()
    opened = open_page(page_of(project, twin))
    assert opened.page.locator("#differs li").all_inner_texts() == [
        "No joint differs by more than noise and camera explain."
    ]
    assert opened.page.locator("#differs button").count() == 0


def test_key_positions_lead_to_their_moments(project: StoredProject, open_page: Open) -> None:
    result = compared(project, "trainee")
    opened = open_page(page_of(project, result))
    page = opened.page
    page.click("#positions-part summary")
    names = page.locator("#positions th button").all_inner_texts()
    assert names == [position.name for position in result.key_positions]
    assert len(names) >= 3
    page.click("#positions th button >> nth=1")
    assert opened.row() == result.key_positions[1].row
    stated = sum(value.stated for position in result.key_positions for value in position.values)
    assert page.locator("#positions strong").count() == stated > 0
    opened.harmless()


def test_privacy_shows_no_picture_of_the_video(project: StoredProject) -> None:
    result = compared(project, "trainee")
    webp = b"UklGR"  # RIFF, in base64
    assert webp in page_of(project, result).read_bytes()
    assert webp not in page_of(project, result, privacy=True).read_bytes()
