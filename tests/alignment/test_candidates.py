"""The features that find the same moments on every way are believed, for each pair by itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.alignment import request
from la2ds_cli.alignment.align import NEARER, Candidate, best, find_alignment, reason
from la2ds_cli.alignment.confidence import Certainty
from la2ds_cli.alignment.consensus import AlignmentCache
from la2ds_cli.alignment.request import AlignRequest, FeatureChoice
from la2ds_cli.alignment.result import Match
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import EmbeddingSequence
from la2ds_cli.embedding import embed, trained
from tests.movement import add_sequence, sequence, warped_phase


def candidate(kind, cycle: float) -> Candidate:
    none = np.zeros(0)
    sure = Certainty(none, none, none)
    match = Match(none, none, np.zeros((0, 2)), none, sure, references=9, cycle=cycle)
    return Candidate(kind, "default" if kind == "model" else "", match, False)


def test_another_candidate_has_to_be_clearly_nearer_to_itself() -> None:
    preferred = candidate("model", 4.0)
    nearly, clearly = candidate("pose", 4.0 * NEARER + 0.01), candidate("pose", 4.0 * NEARER - 0.01)
    assert best([preferred, nearly]) is preferred
    assert best([preferred, candidate("base", 3.9), clearly]) is clearly
    assert reason(preferred, [preferred, nearly]) == ""
    assert reason(clearly, [preferred, clearly]) == (
        "aligned on raw poses rather than the model of run default: through 9 other clips, its "
        "matches agree to 3.4 % of B, against 4.0 %"
    )


def test_a_candidate_without_a_cycle_is_never_taken_for_another() -> None:
    unknown, known = candidate("model", math.nan), candidate("pose", 1.0)
    assert best([unknown, known]) is unknown
    assert best([known, unknown]) is known


@pytest.fixture
def swings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Eight clips of unequal length and rate, and a run `default` whose embeddings are noise."""
    project = Project.create(tmp_path)
    for n in range(8):
        pose = sequence(warped_phase(30 + 7 * n, n), fps=25.0 if n % 2 else 12.5, scale=40.0 + n)
        add_sequence(project, f"clip{n}", pose)

    def embeddings(project, run, videos) -> dict[str, EmbeddingSequence]:
        made = {}
        for video in videos:
            pose = project.read_pose(video)[0]
            noise = np.random.default_rng(len(pose)).normal(size=(len(pose), 4)).astype(np.float32)
            made[video] = EmbeddingSequence(noise, pose.frame, pose.time, "key")
        return made

    monkeypatch.setattr(trained, "has_model", lambda project, run: True)
    monkeypatch.setattr(embed, "_current_embeddings", embeddings)
    return project


def test_a_model_that_knows_nothing_is_not_used_for_a_pair(swings: Project) -> None:
    config = swings.config(overrides=["align.movement=0", "align.base=0"])
    notes: list[str] = []

    class Heard(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    result = find_alignment(swings, "clip0", "clip3", AlignRequest(config), Heard())
    rows = {row["features"]: row for row in result.candidates}
    assert list(rows) == ["model", "base", "pose"]
    assert rows["pose"]["cycle_percent"] < 0.5 * rows["model"]["cycle_percent"]
    assert [row["features"] for row in result.candidates if row["chosen"]] == ["pose"]
    assert result.alignment.features == "pose"
    assert any("aligned on raw poses rather than the model of run default" in n for n in notes)
    truth = np.interp(warped_phase(30, 0), warped_phase(51, 3), np.arange(51))
    assert np.nanmean(np.abs(result.alignment.position - truth)) < 1.5


@pytest.mark.parametrize("other", ["clip3", "clip0"])
def test_one_note_says_which_features_were_used(
    swings: Project, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Noise, which the project prefers, loses for a pair; a clip and itself have no candidates."""
    choice = FeatureChoice("model", "aligned on what the project prefers")
    monkeypatch.setattr(request, "choose_features", lambda *_: choice)
    config = swings.config(overrides=["align.movement=0", "align.base=0"])
    notes: list[str] = []

    class Heard(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    result = find_alignment(swings, "clip0", other, AlignRequest(config), Heard())
    said = [note for note in notes if note.startswith("aligned on")]
    assert said == [result.reason]
    assert (result.reason == choice.reason) == (other == "clip0")


def test_features_that_are_asked_for_are_the_only_candidate(swings: Project) -> None:
    config = swings.config(overrides=["align.movement=0", "align.base=0"])
    result = find_alignment(swings, "clip0", "clip3", AlignRequest(config, features="model"))
    assert [row["features"] for row in result.candidates] == ["model"]
    assert result.alignment.features == "model"


def test_the_cache_changes_no_candidate(swings: Project) -> None:
    config = swings.config(overrides=["align.movement=0", "align.base=0"])
    cache = AlignmentCache()
    for b in ("clip1", "clip3", "clip6"):
        alone = find_alignment(swings, "clip0", b, AlignRequest(config))
        shared = find_alignment(swings, "clip0", b, AlignRequest(config), cache=cache)
        assert shared.candidates == alone.candidates
        np.testing.assert_array_equal(shared.alignment.position, alone.alignment.position)
