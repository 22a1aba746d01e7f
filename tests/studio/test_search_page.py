"""What the page of the search asks: the frames of other clips that are nearest to one, as by the
command."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.retrieval.frame_search import Limits
from la2ds_cli.retrieval.retrieve import RetrievalRequest, retrieve
from tests.movement import add_sequence, sequence, warped_phase
from tests.studio.browsing import asked, check_refused, finished
from tests.views.report.conftest import FIRST, SHADE, two_filmed


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """a and b are filmed, of 36 frames at 20 per second and 30 at 25; c moves as a, at half the
    rate, and has no film."""
    project = two_filmed(tmp_path)
    add_sequence(project, "c", sequence(warped_phase(36, 1)[::2], fps=10.0))
    return project


def near(client: TestClient, clip: str, row: int) -> dict[str, Any]:
    """What is found; both tabs that ask wait for the job that embeds the clips first."""
    question = {"clip": clip, "row": row}
    answers = [client.post("/search/near", json=question) for _ in range(2)]
    first, second = (answer.json()["number"] for answer in answers)
    assert first == second
    assert finished(client, answers[0])["state"] == "done"
    answer = client.post("/search/near", json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()["found"]


def test_what_is_found_is_what_the_command_finds(project: StoredProject) -> None:
    with asked(project) as client:
        found = near(client, "b", 7)
        assert len(client.get("/jobs").json()) == 1
    (query,) = retrieve(project, RetrievalRequest(f"b@{7 / 25}", Limits(4, 2))).queries
    told = [(hit["clip"], hit["row"], hit["distance"]) for hit in found["hits"]]
    assert told == [(one.video, one.index, pytest.approx(one.distance)) for one in query.hits]
    assert sorted(clip for clip, _, _ in told) == ["a", "a", "c", "c"]
    assert found["notes"] == []


def test_what_is_no_question_is_refused(project: StoredProject) -> None:
    wrong = [
        *(({"clip": clip}, "choose a clip") for clip in ("x", "")),
        *(({"row": row}, "no such frame") for row in (36, -1)),
    ]
    with asked(project) as client:
        cases = [({"clip": "a", "row": 3} | body, said) for body, said in wrong]
        check_refused(client, "/search/near", cases)
        assert client.get("/jobs").json() == []


def test_nothing_to_compare_with_is_said(tmp_path: Path) -> None:
    project = StoredProject.create(tmp_path / "project")
    add_sequence(project, "a", sequence(warped_phase(36, 1)))
    with asked(project) as client:
        check_refused(client, "/search/near", [({"clip": "a", "row": 3}, "no other clip")])
        assert client.get("/search").status_code == 200
        assert client.get("/search", params={"clip": "x"}).status_code == 400


def test_a_picture_is_of_its_frame(project: StoredProject) -> None:
    with asked(project) as client:
        for row in (0, 17, 29):
            answer = client.get(f"/search/picture/b/{row}")
            assert answer.headers["content-type"] == "image/webp"
            image = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB"))
            assert image.shape[0] == 216
            grey = np.median(image[:12, :12])  # a corner, away from the body
            assert round((grey - FIRST) / SHADE) == row
            assert (np.ptp(image.reshape(-1, 3).astype(int), axis=1) > 100).sum() > 50  # limbs
        assert client.get("/search/picture/b/30").status_code == 400
        assert client.get("/search/picture/x/0").status_code == 400
        drawn = client.get("/search/picture/c/3")  # no film: the joints alone
        assert drawn.status_code == 200
        assert drawn.content[:4] == b"RIFF"
