"""Embeddings of other programs: scored as ours are, and refused with a sentence where they are
not what they should be."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import la2ds
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, Unreadable, Unusable
from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.evaluation_table import verdict
from la2ds_cli.evaluation.given_embeddings import GivenEmbeddings, read_embedding
from la2ds_cli.features.pose_features import raw_pose
from la2ds_cli.network.embedded import embed_clips
from la2ds_cli.network.load_network import light_base
from tests.evaluation.labelled_project import evaluated, labelled_project, random_run, shown
from tests.movement import warped_phase
from tests.told import refused

# As the row raw_pose is aligned, and the base model alone, on whole clips.
PLAIN = "align.open_ends=false", "align.movement=0", "align.base=0", "align.reference_clips=0"
UNCUT = load_config(overrides=[*PLAIN, "evaluate.max_trim=0", "evaluate.trim_draws=1"])
TRIMMED = load_config(overrides=["evaluate.trim_draws=1"])
Embed = Callable[[int, PoseSequence], FloatArray]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """Clips of unlike lengths and rates; the clip of number n has the phase warped_phase(n)."""
    return labelled_project(tmp_path_factory.mktemp("given"))


def folder_of(project: StoredProject, folder: Path, embed: Embed) -> Path:
    """Write the embedding of every clip, in either format by turns."""
    folder.mkdir(exist_ok=True)
    for n, video in enumerate(project.posed_videos()):
        pose = project.read_pose(video.id)[0]
        value = np.ascontiguousarray(embed(n, pose))
        if n % 2:
            np.save(folder / f"{video.id}.npy", value)
        else:
            save_file({"anything": value}, folder / f"{video.id}.safetensors")
    return folder


def phase_of(n: int, pose: PoseSequence) -> FloatArray:
    return warped_phase(len(pose), seed=n)[:, None]


def noise_of(n: int, pose: PoseSequence) -> FloatArray:
    return np.random.default_rng(n).normal(size=(len(pose), 8))


def figures(row: dict[str, Any]) -> dict[str, Any]:
    """The figures of a row, without the words about it."""
    return {name: value for name, value in row.items() if name not in ("variant", "uses")}


@pytest.mark.parametrize("protocol", ["la2ds", "paper"])
def test_raw_poses_and_the_base_model_score_as_our_rows(
    project: StoredProject, tmp_path: Path, protocol: str
) -> None:
    base = light_base()
    folders = [
        folder_of(project, tmp_path / "joints", lambda _, pose: raw_pose(pose)),
        folder_of(project, tmp_path / "network", lambda _, pose: base([pose])[0]),
    ]
    result = evaluated(project, config=UNCUT, embeddings=folders, protocol=protocol)
    rows = result["features"]
    assert list(rows)[:2] == ["joints", "network"]
    assert figures(rows["joints"]) == figures(rows["raw_pose"])
    assert figures(rows["network"]) == figures(rows["base"])
    name = "default~joints~network" + ("@paper" if protocol == "paper" else "")
    path = project.results_dir("evaluate") / f"{name}.json"
    assert json.loads(path.read_text("utf-8")) == result
    assert set(result["embeddings"]) == {"joints", "network"}


def test_true_time_is_right_and_noise_is_not(project: StoredProject, tmp_path: Path) -> None:
    folders = [
        folder_of(project, tmp_path / "truth", phase_of),
        folder_of(project, tmp_path / "noise", noise_of),
    ]
    result = evaluated(project, config=TRIMMED, embeddings=folders)
    median = {
        name: row["event_transfer"]["median_percent"]["value"]
        for name, row in result["features"].items()
    }
    # Nearest frames of unlike rates are half a frame apart at most.
    assert median["truth"] < 1
    assert median["noise"] > 5 * median["truth"] + 5
    classes = {
        n: r["phase_classification"]["100 %"]["value"] for n, r in result["features"].items()
    }
    assert classes["truth"] > 0.9 > classes["noise"]
    text = shown(result, 140)
    assert "truth" in text
    assert "truth = its embeddings of whole clips" in text
    against = {c["against"] for c in result["comparisons"] if c["features"] == "truth"}
    assert {"time_only", "whole_time", "raw_pose_best", "base", "untrained"} <= against
    assert any(line.startswith("truth beats time only") for line in verdict(result))
    events = project.results_dir("evaluate") / "default~truth~noise-events.csv"
    with events.open(newline="") as handle:
        assert {row["feature"] for row in csv.DictReader(handle)} == set(result["features"])


def test_a_clock_of_whole_clips_stands_beside_them(project: StoredProject, tmp_path: Path) -> None:
    """A number that only counts frames knows where the film was cut."""
    counted = folder_of(
        project, tmp_path / "counted", lambda _, pose: np.linspace(0, 1, len(pose))[:, None]
    )
    config = load_config(overrides=[*PLAIN, "evaluate.trim_draws=1"])
    rows = evaluated(project, config=config, embeddings=[counted])["features"]
    assert figures(rows["counted"]) == figures(rows["whole_time"])
    whole, clock = (
        rows[n]["event_transfer"]["mean_percent"]["value"] for n in ("counted", "time_only")
    )
    assert whole < clock
    assert "whole_time" not in evaluated(project, config=TRIMMED)["features"]


def test_files_of_la2ds_embed_are_taken(project: StoredProject, tmp_path: Path) -> None:
    random_run(project, "random")
    embedded = embed_clips(project, "random", None, "cpu", SILENT)
    folder = tmp_path / "ours"
    folder.mkdir()
    for clip in embedded.clips:
        path = project.embedding_path("random", clip)
        (folder / path.name).write_bytes(path.read_bytes())
    rows = evaluated(project, "random", config=UNCUT, embeddings=[folder])["features"]
    # Our row is computed by numpy, these files by torch.
    for metric, part in (("event_transfer", "mean_percent"), ("phase_classification", "100 %")):
        ours, model = (rows[name][metric][part]["value"] for name in ("ours", "model"))
        assert ours == pytest.approx(model, abs=0.01)


def test_python_takes_a_folder(project: StoredProject, tmp_path: Path) -> None:
    folder = folder_of(project, tmp_path / "mine", phase_of)
    own = la2ds.open(project.root)
    found = la2ds.evaluate(own, embeddings=folder, settings={"evaluate.trim_draws": 1})
    median = found.value("event_transfer.median_percent", "mine")
    assert median is not None
    assert median < 1


# --- which file is whose -------------------------------------------------------------------------


def test_files_may_be_named_like_the_video(tmp_path: Path) -> None:
    project = labelled_project(tmp_path / "p", train=0, test=3, split=False)
    stems = {Path(video.path).stem: n for n, video in enumerate(project.posed_videos())}
    (tmp_path / "m").mkdir()
    for stem, n in stems.items():
        pose = project.read_pose(project.posed_videos()[n].id)[0]
        np.save(tmp_path / "m" / f"{stem}.npy", phase_of(n, pose))
    assert "m" in evaluated(project, config=TRIMMED, embeddings=[tmp_path / "m"])["features"]


def test_all_missing_clips_are_named_at_once(project: StoredProject, tmp_path: Path) -> None:
    folder = folder_of(project, tmp_path / "few", phase_of)
    for name in ("test0.safetensors", "test1.npy", "train2.safetensors"):
        (folder / name).unlink()
    with refused(ExitCode.UNREADABLE, "3 of 10 clips: train2, test0, test1") as caught:
        evaluated(project, embeddings=[folder])
    assert "test0.npy" in caught.value.hint or "train2.npy" in caught.value.hint


def test_files_of_another_kind_are_named_with_what_to_write(
    project: StoredProject, tmp_path: Path
) -> None:
    folder = folder_of(project, tmp_path / "packed", phase_of)
    for path in folder.iterdir():
        np.savez(path.with_suffix(".npz"), 0)
        path.unlink()
    (folder / "notes.md").write_text("mine", "utf-8")
    with refused(ExitCode.UNREADABLE, "10 of 10 clips") as caught:
        evaluated(project, embeddings=[folder])
    assert "; .npz files are not read: write each array with numpy.save" in caught.value.hint


def test_training_clips_are_needed_only_where_classifiers_are_fitted(tmp_path: Path) -> None:
    project = labelled_project(tmp_path / "p", labels=False)
    folder = folder_of(project, tmp_path / "some", phase_of)
    for path in folder.glob("train*"):
        path.unlink()
    assert "some" in evaluated(project, config=TRIMMED, embeddings=[folder])["features"]


def test_training_clips_with_a_file_are_reference_clips(tmp_path: Path) -> None:
    project = labelled_project(tmp_path / "p", labels=False)
    config = load_config(overrides=["align.reference_clips=4", "evaluate.trim_draws=1"])
    folder = folder_of(project, tmp_path / "some", phase_of)
    row = evaluated(project, config=config, embeddings=[folder])["features"]["some"]
    assert row["uses"] == "its embeddings of whole clips + at most 4 other clips"
    (folder / "train0.safetensors").unlink()
    result = evaluated(project, config=config, embeddings=[folder])
    assert any("no file in some" in text and "1" in text for text in result["warnings"])


def test_a_film_and_its_part_have_the_frames_of_either(tmp_path: Path) -> None:
    whole = np.arange(60, dtype=np.float32)[:, None]
    frame = np.arange(20, 40)
    embeddings = GivenEmbeddings("m", {"clip": (frame, whole[frame])})
    pose = labelled_project(tmp_path, train=0, test=2).read_pose("test0")[0].cut(3, 9)
    part = replace(pose, clip="clip", frame=np.arange(25, 31))
    assert embeddings.of(part).ravel().tolist() == [25, 26, 27, 28, 29, 30]


# --- what cannot be used -------------------------------------------------------------------------

OBJECTS = np.array([{"a": 1}], dtype=object)
WRONG = {
    "objects": (OBJECTS, ExitCode.UNREADABLE, "Python objects"),
    "whole numbers": (np.ones((40, 3), int), ExitCode.UNUSABLE, "int64, not floating-point"),
    "complex": (np.ones((40, 3), complex), ExitCode.UNUSABLE, "complex128, not floating-point"),
    "text": (np.array([["a"]]), ExitCode.UNUSABLE, "not floating-point"),
    "one number": (np.ones(40), ExitCode.UNUSABLE, r"\(40,\), not \(frames, numbers\)"),
    "too deep": (np.ones((40, 2, 2)), ExitCode.UNUSABLE, r"\(40, 2, 2\), not \(frames"),
    "empty": (np.ones((40, 0)), ExitCode.UNUSABLE, "not .frames, numbers"),
    "nan": (np.full((40, 3), np.nan), ExitCode.UNUSABLE, "not finite numbers, first in row 0"),
    "too large for float32": (np.full((40, 3), 1e300), ExitCode.UNUSABLE, "not finite numbers"),
    "frames": (np.ones((7, 3)), ExitCode.MISMATCH, "clip test0 has 7 rows, expected 58, the fr"),
    "width": (np.ones((58, 3)), ExitCode.MISMATCH, "numbers for each frame, but"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_of_another_kind_is_one_sentence(
    project: StoredProject, tmp_path: Path, case: str
) -> None:
    value, code, sentence = WRONG[case]
    same = 1 if case == "width" else 3
    folder = folder_of(
        project, tmp_path / "m", lambda _, pose: np.ones((len(pose), same), np.float32)
    )
    (folder / "test0.safetensors").unlink()
    np.save(folder / "test0.npy", value, allow_pickle=True)
    with refused(code, sentence) as caught:
        evaluated(project, embeddings=[folder])
    assert caught.value.hint


def test_a_file_of_too_many_bytes_a_link_out_and_two_files_are_refused(
    project: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(project, tmp_path / "m", phase_of)
    np.save(folder / "test0.npy", np.ones((52, 1)))
    with refused(ExitCode.MISMATCH, "two files of clip test0: test0.npy and test0.safetensors"):
        evaluated(project, embeddings=[folder])
    (folder / "test0.safetensors").unlink()
    (folder / "test0.npy").unlink()
    (tmp_path / "out.npy").write_bytes((folder / "test1.npy").read_bytes())
    (folder / "test0.npy").symlink_to(tmp_path / "out.npy")
    with refused(ExitCode.UNREADABLE, "outside its folder"):
        evaluated(project, embeddings=[folder])
    (folder / "test0.npy").unlink()
    with (folder / "test0.npy").open("wb") as handle:
        handle.truncate((1 << 28) + 1)
    with refused(ExitCode.UNREADABLE, "at most 268,435,456 are read"):
        evaluated(project, embeddings=[folder])
    monkeypatch.setattr("la2ds_cli.evaluation.given_embeddings.MOST_BYTES", 1000)
    with refused(ExitCode.UNREADABLE, "at most 1,000 are read"):
        evaluated(project, embeddings=[folder])


def test_a_folder_needs_to_exist_and_a_name_of_its_own(
    project: StoredProject, tmp_path: Path
) -> None:
    with refused(ExitCode.UNREADABLE, "there is no folder"):
        evaluated(project, embeddings=[tmp_path / "none"])
    for name in ("raw_pose", "whole_time", "base"):
        (tmp_path / name).mkdir()
        with refused(ExitCode.USAGE, f"has the name '{name}' already"):
            evaluated(project, embeddings=[tmp_path / name])
    (tmp_path / "a").mkdir()
    with refused(ExitCode.USAGE, "has the name 'a' already"):
        evaluated(project, embeddings=[tmp_path / "a", tmp_path / "a"])
    (tmp_path / ".hidden").mkdir()
    with refused(ExitCode.USAGE, "name of its method"):
        evaluated(project, embeddings=[tmp_path / ".hidden"])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 200), st.sampled_from([".npy", ".safetensors"]))
def test_damaged_files_are_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("junk") / f"clip{suffix}"
    value = np.arange(12, dtype=np.float32).reshape(4, 3)
    if suffix == ".npy":
        np.save(path, value)
    else:
        save_file({"value": value}, path)
    content = bytearray(path.read_bytes())
    content[at : at + len(junk)] = junk
    path.write_bytes(bytes(content[: len(content) - len(junk) // 2]))
    with suppress(Unreadable, Unusable):
        read = read_embedding(path)
        assert np.isfinite(read).all()
        assert read.ndim == 2
