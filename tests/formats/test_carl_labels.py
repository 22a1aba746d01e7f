"""Phase labels of Penn Action in the layout of CARL's preparation script."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.penn_action import import_penn_action
from tests.formats.test_penn_action import SHARED, write_mat
from tests.told import Notes


def write_labels(root: Path, split: str, action: str, name: str, labels: object) -> Path:
    path = root / split / action / name
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.asarray(labels))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """0001 golf train, 0002 golf test, 0003 squat train."""
    labels = tmp_path / "Penn_Action" / "labels"
    write_mat(labels / "0001.mat", frames=4)
    write_mat(labels / "0002.mat", frames=6, train=-1)
    write_mat(labels / "0003.mat", frames=5, action="squat")
    return labels.parent


@pytest.fixture
def carl(tmp_path: Path) -> Path:
    folder = tmp_path / "penn_action_labels"
    write_labels(folder, "train", "golf_swing", "0001.npy", [0, 0, 1, 2])
    write_labels(folder, "val", "golf_swing", "0002_label.npy", [-1, 0, 0, 1, 1, -1])
    (folder / "train.pkl").write_bytes(b"")  # other files beside the splits
    return folder


def test_labels_become_phases(root: Path, carl: Path, project: Project):
    notes = Notes()
    results = import_penn_action(project, root, None, progress=notes, carl_labels=carl)
    assert [r.status for r in results] == ["ok"] * 3
    one, two, three = (v.id for v in project.videos())
    phases = project.phases()
    assert phases[one] == [Phase(0, 2, "phase 0"), Phase(2, 3, "phase 1"), Phase(3, 4, "phase 2")]
    assert phases[two] == [Phase(1, 3, "phase 0"), Phase(3, 5, "phase 1")]
    assert three not in phases
    assert notes.lines == ["clips without labels: 1"]


def test_labels_of_another_number_of_frames_are_stretched(root: Path, carl: Path, project: Project):
    write_labels(carl, "train", "golf_swing", "0001.npy", [0, 0, 0, 1, 1, 1, 2, 2])
    write_labels(carl, "val", "golf_swing", "0002_label.npy", [0, 1, 2])
    import_penn_action(project, root, "golf_swing", carl_labels=carl)
    one, two = (v.id for v in project.videos())
    # Frame t takes the label of floor(t L / T): 0, 2, 4, 6 of 8, and each of 3 twice.
    assert [(p.start, p.end) for p in project.phases()[one]] == [(0, 2), (2, 3), (3, 4)]
    assert [(p.start, p.end) for p in project.phases()[two]] == [(0, 2), (2, 4), (4, 6)]


def test_other_labels_than_those_of_an_earlier_import_are_taken_once_its_rows_are_deleted(
    root: Path, carl: Path, project: Project
):
    import_penn_action(project, root, "golf_swing", carl_labels=carl)
    text = project.phases_path.read_text()
    results = import_penn_action(project, root, "golf_swing", carl_labels=carl)
    assert {r.status for r in results} == {"cached"}
    assert project.phases_path.read_text() == text
    write_labels(carl, "train", "golf_swing", "0001.npy", [5, 5, 5, 5])
    notes = Notes()
    import_penn_action(project, root, "golf_swing", progress=notes, carl_labels=carl)
    assert project.phases_path.read_text() == text
    assert notes.lines[-1].startswith("1 clip keeps labels that differ from the imported ones")
    one = project.videos()[0].id
    kept = [line for line in text.splitlines(keepends=True) if not line.startswith(one)]
    project.phases_path.write_text("".join(kept))
    import_penn_action(project, root, "golf_swing", carl_labels=carl)
    assert project.phases()[one] == [Phase(0, 4, "phase 5")]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.zeros((4, 2)), "should have one label for each frame"),
        (np.zeros(0), "should have one label for each frame"),
        (np.array([0, 0.5, 1, 1]), "should be whole numbers"),
        (np.array([0, np.nan, 1, 1]), "should be whole numbers"),
        (np.array(["a", "b", "c", "d"]), "should be whole numbers"),
        (np.array([{}, {}, {}, {}]), "not an array that can be read"),  # pickled
    ],
)
def test_a_clip_with_wrong_labels_fails_alone(
    root: Path, carl: Path, project: Project, labels: np.ndarray, said: str
):
    write_labels(carl, "train", "golf_swing", "0001.npy", labels)
    first, second = import_penn_action(project, root, "golf_swing", carl_labels=carl)
    assert (first.status, first.code, second.status) == ("failed", "I001", "ok")
    assert said in first.message
    assert "0001.npy" in first.message
    assert list(project.phases()) == [second.video]
    assert len(project.videos()) == 1


def test_labels_of_another_action(root: Path, carl: Path, project: Project):
    write_labels(carl, "train", "squat", "0001.npy", [0, 0, 1, 2])
    (carl / "train" / "golf_swing" / "0001.npy").unlink()
    first, _ = import_penn_action(project, root, "golf_swing", carl_labels=carl)
    assert first.status == "failed"
    assert "it is in the folder squat, but the clip shows golf_swing" in first.message


def test_two_files_for_a_clip(root: Path, carl: Path, project: Project):
    write_labels(carl, "val", "golf_swing", "0001_b.npy", [0, 0, 1, 2])
    with pytest.raises(UserError, match="clip 0001 has two files of labels") as caught:
        import_penn_action(project, root, "golf_swing", carl_labels=carl)
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert not project.videos()


def test_a_folder_without_labels(root: Path, project: Project, tmp_path: Path):
    with pytest.raises(UserError, match=r"no labels like train/golf_swing/0168.npy") as caught:
        import_penn_action(project, root, "golf_swing", carl_labels=tmp_path)
    assert caught.value.exit_code == ExitCode.UNREADABLE
    assert not project.videos()


def test_real_clips_with_labels_in_this_layout(tmp_path: Path, project: Project):
    """Real label files of Penn Action; labels made up: the first half, the second half."""
    root = SHARED / "penn_action"
    if not root.is_dir():
        pytest.skip(f"no Penn Action labels in {root}")
    import_penn_action(project, root, "golf_swing")
    lengths = {v.id: (Path(v.path).stem, v.frames, v.split) for v in project.videos()}
    folder = tmp_path / "carl"
    for name, frames, split in lengths.values():
        labels = (np.arange(frames) * 2 >= frames).astype(np.int64)
        write_labels(folder, {"test": "val"}.get(split, split), "golf_swing", f"{name}.npy", labels)
    notes = Notes()
    results = import_penn_action(project, root, "golf_swing", progress=notes, carl_labels=folder)
    assert {r.status for r in results} == {"cached"}
    assert not notes.lines
    phases = project.phases()
    assert len(phases) == len(lengths) == 166
    for video, (_, frames, _) in lengths.items():
        half = -(-frames // 2)
        assert phases[video] == [Phase(0, half, "phase 0"), Phase(half, frames, "phase 1")]
