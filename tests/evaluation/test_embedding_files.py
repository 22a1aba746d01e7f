"""Embeddings of other code under evaluation: known answers, and files that do not fit."""

from __future__ import annotations

import io
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.config import Config, load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray
from la2ds_cli.embedding.embed import embed
from la2ds_cli.evaluation.embedding_files import EmbeddingFiles, read_embedding_file
from la2ds_cli.evaluation.evaluate import evaluate, evaluate_all
from la2ds_cli.evaluation.table import notes, verdict
from tests.evaluation.labelled_project import labelled_project
from tests.evaluation.test_evaluate_phases import shown
from tests.evaluation.test_runs import TINY, add_run
from tests.movement import warped_phase

CLIPS = [(f"train{n}", n) for n in range(6)] + [(f"test{n}", 6 + n) for n in range(4)]
ALONE = ["align.movement=0", "align.base=0"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return labelled_project(tmp_path_factory.mktemp("project"))


def moments(folder: Path, noise: float = 0.0) -> Path:
    """Embeddings that hold the moment of the movement that each frame shows, and nothing else."""
    folder.mkdir()
    for name, n in CLIPS:
        phase = warped_phase(40 + 3 * n, seed=n)
        rng = np.random.default_rng(n)
        np.save(folder / f"{name}.npy", phase[:, None] + noise * rng.normal(size=(len(phase), 2)))
    return folder


def shape_of(path: Path) -> tuple[int, ...]:
    return np.load(path).shape


def test_a_runs_own_embeddings_give_its_figures_of_whole_clips(
    project: Project, tmp_path: Path
) -> None:
    add_run(project, "own", 0)
    embed(project, run="own", device="cpu")
    folder = tmp_path / "exported"
    folder.mkdir()
    for name, _ in CLIPS:
        np.save(folder / f"{name}.npy", project.read_embedding("own", name)[0].value)
    result = evaluate(
        project,
        run="own",
        config=load_config(overrides=[*TINY, *ALONE]),
        device="cpu",
        features=["model", "time_only"],
        embeddings=[folder],
    )
    own, imported = (result["features"][name] for name in ("model", "embeddings"))
    for metric in ("kendalls_tau", "phase_classification", "phase_progression", "precision_at_k"):
        assert imported[metric] == own[metric]
        assert imported[metric] != result["features"]["time_only"][metric]
    assert imported["event_transfer"]["events"] == own["event_transfer"]["events"]


@pytest.mark.parametrize("references", [0, 40])
def test_rows_of_trimmed_clips_are_those_of_the_frames_that_are_left(
    project: Project, tmp_path: Path, references: int
) -> None:
    """The moment of every frame is known: nothing but the rounding to frames is left, at unequal
    lengths, rates and trims. Rows from the start of the file would be off by the trims."""
    config = load_config(overrides=[f"align.reference_clips={references}"])
    result = evaluate(
        project, config=config, features=["time_only"], embeddings=[moments(tmp_path / "known")]
    )
    row = result["features"]["embeddings"]
    assert row["event_transfer"]["mean_percent"] < 1
    assert result["features"]["time_only"]["event_transfer"]["mean_percent"] > 4
    assert row["uses"]["other_clips"] == (6 if references else 0)
    assert not row["uses"]["movement"]
    assert row["precision_at_k"]["5"]["value"] > 0.95


def test_the_verdict_and_the_notes_are_about_the_imported_embedding(
    project: Project, tmp_path: Path
) -> None:
    result = evaluate(
        project,
        config=load_config(overrides=TINY),
        device="cpu",
        embeddings=[moments(tmp_path / "known")],
    )
    assert list(result["embeddings"]) == ["known"]
    assert next(iter(result["features"])) == "embeddings"
    sentences = verdict(result)
    assert all(line.startswith("The imported embedding ") for line in sentences)
    assert any("beats time only" in line for line in sentences)
    said = " ".join(notes(result))
    assert "computed with knowledge of what was cut off" in said
    assert "whether imported embeddings were trained on test clips is unknown" in said
    assert "imported embeddings of 1 of at least 3 training runs" in said
    assert "run default has no model: it was left out" in said
    assert "imported embedding = embeddings of the files" in shown(result)
    assert (project.results_dir("evaluate") / "default+embeddings-known.json").is_file()


def test_folders_are_training_runs_of_one_network(project: Project, tmp_path: Path) -> None:
    folders = [moments(tmp_path / f"seed{n}", noise=0.02 * n) for n in range(3)]
    alone = [
        evaluate(project, config=Config(), features=["time_only"], embeddings=[folder])["features"][
            "embeddings"
        ]["kendalls_tau"]["value"]
        for folder in folders
    ]
    evaluated = evaluate_all(
        project, runs=(), config=Config(), features=["time_only"], embeddings=folders
    )
    entry = evaluated.document["features"]["embeddings"]["kendalls_tau"]
    assert list(entry["by_run"].values()) == pytest.approx(alone)
    assert entry["value"] == pytest.approx(np.mean(alone))
    assert entry["spread"] == pytest.approx(np.std(alone, ddof=1))
    assert len({*evaluated.document["embeddings"].values()}) == 3
    assert list(evaluated.document["by_run"]) == [f"embeddings:seed{n}" for n in range(3)]


def refused(project: Project, *folders: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        evaluate(project, config=Config(), features=["time_only"], embeddings=folders)
    return caught.value


def test_what_is_missing_is_said(project: Project, tmp_path: Path) -> None:
    error = refused(project, tmp_path / "nowhere")
    assert error.exit_code == ExitCode.UNREADABLE
    folder = moments(tmp_path / "some")
    (folder / "test1.npy").unlink()
    (folder / "train0.npy").unlink()
    error = refused(project, folder)
    assert error.exit_code == ExitCode.UNUSABLE
    assert f"{folder} has no test1.npy, nor files of 1 other clips" in error.message


def test_two_folders_of_one_name_are_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    error = refused(project, moments(tmp_path / "s"), moments(tmp_path / "other" / "s"))
    assert (error.exit_code, "same name" in error.message) == (ExitCode.USAGE, True)


def test_rows_that_are_not_the_frames_are_refused(project: Project, tmp_path: Path) -> None:
    folder = moments(tmp_path / "short")
    path = folder / "test1.npy"
    frames = shape_of(path)[0]
    np.save(path, np.load(path)[:-1])
    error = refused(project, folder)
    assert error.exit_code == ExitCode.MISMATCH
    assert f"has {frames - 1} rows of 2 numbers, expected {frames} rows" in error.message
    shutil.rmtree(folder)
    moments(folder)
    np.save(path, np.zeros((frames, 3)))
    assert f"of 3 numbers, expected {frames} rows (the frames of the clip's poses) of 2" in (
        refused(project, folder).message
    )


def with_nan(width: int) -> FloatArray:
    value = np.zeros((4, width))
    value[2, 1] = np.nan
    return value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (with_nan(2), "not finite"),
        (np.full((4, 2), 1e300), "not finite in float32"),
        (np.zeros((4, 0)), "is empty"),
        (np.zeros(4), r"holds float64 \(4,\)"),
        (np.zeros((4, 2, 2)), r"holds float64 \(4, 2, 2\)"),
        (np.zeros((4, 2), np.complex64), "holds complex64"),
        (np.full((4, 2), "a"), "holds <U1"),
    ],
)
def test_other_contents_are_refused(value: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.npy"
    np.save(path, value)
    with pytest.raises(UserError, match=said) as caught:
        read_embedding_file(path)
    assert caught.value.exit_code == ExitCode.MISMATCH


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_no_file_runs_code_or_asks_for_memory_it_does_not_fill(tmp_path: Path) -> None:
    path, trace = tmp_path / "clip.npy", tmp_path / "trace"
    np.save(path, np.array([[Bomb(trace)]], object), allow_pickle=True)
    with pytest.raises(UserError, match="cannot be read as a file") as caught:
        read_embedding_file(path)
    assert caught.value.exit_code == ExitCode.UNREADABLE
    assert not trace.exists()
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000, 128), }"
    header = header.ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    for content in (path.read_bytes(), b"", b"no array", archive()):
        path.write_bytes(content)
        with pytest.raises(UserError):
            read_embedding_file(path)


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, value=np.zeros((4, 2)))
    return buffer.getvalue()


def test_parts_of_a_clip_have_the_rows_of_their_frames(project: Project, tmp_path: Path) -> None:
    pose = project.read_pose("test2")[0]
    folder = tmp_path / "rows"
    folder.mkdir()
    np.save(folder / "test2.npy", np.arange(len(pose))[:, None])
    files = EmbeddingFiles(folder, [pose])
    assert files(pose.cut(5, 9)).ravel().tolist() == [5, 6, 7, 8]
    assert files(pose).dtype == np.float32
