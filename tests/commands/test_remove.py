from __future__ import annotations

from pathlib import Path

import numpy as np

from la2ds_cli.core.annotations import JOINT, Annotation, Moment
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.poses.extract import extract_poses
from tests.movement import add_sequence, sequence
from tests.poses.conftest import clips, project
from tests.poses.grey_people import CONFIG
from tests.processes import invoke

__all__ = ["clips", "project"]  # fixtures


def remove(project: StoredProject, *names: str, code: int = 0):
    return invoke("remove", *names, "--project", project.root, code=code)


def files(folder: Path, name: str) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(f"*{name}*"))


def test_a_clip_leaves_and_what_people_set_for_it_comes_back_with_it(
    project: StoredProject, clips: Path
):
    anna, ben = (result.video for result in extract_poses(project, [str(clips)], CONFIG))
    text = project.videos_path.read_text().splitlines()
    text = [line + cell for line, cell in zip(text, (",coach", ",Mia", ",Lee"), strict=True)]
    project.videos_path.write_text("\n".join(text) + "\n")
    project.mark_video(anna, split="test", group="Anna")
    project.phases_path.write_text(f"video,start,end,phase\n{anna},0,8,up\n")
    nose = Annotation(JOINT, Moment(anna, 1, 0.12), None, "nose 1.00 2.00", "auto")
    project.change_annotations([], [nose])
    before = project.videos_path.read_text()
    labels = {path: path.read_text() for path in (project.phases_path, project.annotations_path)}
    for path in (project.heatmap_path(anna), project.embedding_path("run", anna)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    project.film_dir(anna).mkdir(parents=True)
    (project.film_dir(anna) / "0.film").write_bytes(b"x")
    project.results_dir("align").mkdir(parents=True)
    (project.results_dir("align") / f"{anna}--{ben}.csv").write_text("")

    remove(project, anna, "carla", code=3)
    assert len(project.videos()) == 2  # none is removed
    result = remove(project, anna, anna)
    assert result.stdout == f"removed {anna}\n"
    assert f"exported files were kept: results/align/{anna}--{ben}.csv" in result.stderr
    assert "extract-poses will add a clip again" in result.stderr
    assert [video.id for video in project.videos()] == [ben]
    assert files(project.root, anna) == [f"results/align/{anna}--{ben}.csv"]
    assert (clips / "anna" / "clip.mp4").exists()
    assert {path: path.read_text() for path in labels} == labels

    extract_poses(project, [str(clips)], CONFIG)
    assert project.videos_path.read_text() == before
    assert list(project.phases()) == [anna]


def test_what_has_been_set_since_is_not_replaced(project: StoredProject, clips: Path):
    """Also not by a row that was removed earlier."""
    anna, _ = (result.video for result in extract_poses(project, [str(clips)], CONFIG))
    for group in ("first", "second"):
        project.mark_video(anna, split="", group=group)
        remove(project, anna)
        extract_poses(project, [str(clips)], CONFIG)
        assert {v.id: v.group for v in project.videos()}[anna] == group


def test_results_that_are_called_after_the_file_are_named(tmp_path: Path):
    project = StoredProject.create(tmp_path / "project")
    for name in ("anna", "ben"):
        pose = sequence(np.linspace(0, 1, 20), fps=20.0)
        add_sequence(project, f"gym-{name}-1a2b3c4d", pose, path=f"{name}.mp4")
    project.results_dir("sync").mkdir(parents=True)
    for name in ("anna-ben", "susanna-ben"):
        (project.results_dir("sync") / f"{name}.mp4").write_text("")
    told = remove(project, "anna.mp4").stderr
    assert "results/sync/anna-ben.mp4" in told
    assert "susanna" not in told
