"""What is stale, and why, on projects whose state is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from la2ds_cli.core.annotations import JOINT, Annotation, Moment
from la2ds_cli.core.artifact import Recipe, write_arrays
from la2ds_cli.core.clip import Video
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.heatmap_cache import cache_heatmaps
from la2ds_cli.health.status import StepStatus, project_status
from la2ds_cli.network.embed import embed
from la2ds_cli.poses.current import PoseRecipes
from la2ds_cli.training.train import TrainOptions, train
from tests import small_runs
from tests.evaluation.labelled_project import evaluated
from tests.movement import add_sequence, sequence, warped_phase
from tests.processes import invoke

TINY = [*small_runs.TINY, "model.input=joints"]


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    made = StoredProject.create(tmp_path)
    for number in range(3):
        add_sequence(made, f"clip-{number}", sequence(warped_phase(30, seed=number)))
    return made


def _step(project: StoredProject, name: str, *overrides: str) -> StepStatus:
    found = project_status(project, project.config(overrides=overrides))
    return next(step for step in found.steps if step.step == name)


def test_an_empty_project_asks_for_videos(tmp_path: Path):
    found = project_status(StoredProject.create(tmp_path), StoredProject.create(tmp_path).config())
    assert found.videos == 0
    assert found.next.startswith("la2ds extract-poses")
    assert not found.runs


@pytest.mark.parametrize("facts", [{}, {"step": "x", "validation_error": 1.0}, {"step": None}])
def test_weights_that_do_not_say_their_step_are_no_trained_run(project: StoredProject, facts: dict):
    """As in a project from somebody else."""
    recipe, path = Recipe("train", 1, {}, {}), project.run_dir("odd") / "last.safetensors"
    write_arrays(path, {"a": np.zeros(1)}, recipe, facts)
    found = project_status(project, project.config())
    assert [(run.run, run.step) for run in found.runs] == [("odd", 0)]


def test_extracted_poses_are_stale_when_their_settings_change(project: StoredProject):
    names = ("poses.detector=full-frame", "poses.pose=hrnet-demo")
    config = project.config(overrides=names).poses
    video = Video("filmed-1", "films/one.mp4", "d" * 64, 30)
    (project.root / "films").mkdir()
    recipe = PoseRecipes(project, config).of(video)[0]
    project.write_pose(video.id, sequence(warped_phase(30, seed=9)), recipe)
    project.add_videos([video])
    assert _step(project, "poses", *names).current == 4
    changed = _step(project, "poses", *names, "poses.joint_threshold=0.2")
    assert changed.command == ""  # the file is gone
    for name in ("one", *range(2, 14)):
        (project.root / "films" / f"{name}.mp4").touch()
    changed = _step(project, "poses", *names, "poses.joint_threshold=0.2")
    assert changed.stale == {"filmed-1": "joint_threshold: 0.05 -> 0.2"}
    assert changed.command == f"la2ds extract-poses {project.root / 'films' / 'one.mp4'}"
    more = [Video(f"filmed-{n}", f"films/{n}.mp4", "d" * 64, 30) for n in range(2, 14)]
    project.add_videos(more)  # without poses
    many = _step(project, "poses", *names, "poses.joint_threshold=0.2")
    assert many.command == f"la2ds extract-poses {project.root / 'films'}"


def test_a_model_file_that_is_gone_is_the_reason_and_no_error(project: StoredProject):
    project.write_pose(
        "filmed-1", sequence(warped_phase(30, seed=9)), Recipe("poses", 1, {}, {"video": "d"})
    )
    project.add_videos([Video("filmed-1", "one.mp4", "d" * 64, 30)])
    poses = _step(project, "poses", "poses.pose=/no/such.onnx")
    assert poses.current == 3
    assert "no such model file" in poses.stale["filmed-1"]


def test_missing_and_damaged_poses_are_told_apart(project: StoredProject):
    (project.root / "clip-0.mat").touch()
    project.pose_path("clip-0").unlink()
    project.pose_path("clip-1").write_bytes(b"not an artifact")
    found = project_status(project, project.config())
    poses = found.steps[0]
    assert poses.current == 1
    assert poses.missing == ["clip-0"]
    assert poses.stale == {"clip-1": "damaged"}
    assert found.next == poses.command == f"la2ds import FORMAT {project.root / 'clip-0.mat'}"


def test_heatmaps_are_stale_when_a_setting_or_the_poses_change(project: StoredProject):
    assert len(_step(project, "heatmaps").missing) == 3
    cache_heatmaps(project, project.config().heatmap)
    assert _step(project, "heatmaps").current == 3
    changed = _step(project, "heatmaps", "heatmap.sigma=0.8")
    assert set(changed.stale.values()) == {"sigma: 0.6 -> 0.8"}
    other = Recipe("import", 1, {"format": "test"}, {"labels": "another file"})
    project.write_pose("clip-0", sequence(warped_phase(31, seed=5)), other)
    assert _step(project, "heatmaps").stale == {"clip-0": "input poses changed"}


def test_a_film_in_both_splits_is_named(project: StoredProject):
    for number, split in enumerate(("train", "train", "test")):
        project.mark_video(f"clip-{number}", split=split, group="")
    assert project_status(project, project.config()).split_problem == ""
    copy = project.clip("clip-1").sha256
    add_sequence(project, "copy", sequence(warped_phase(40, seed=9)), "test", sha256=copy)
    said = "test clip copy and training clip clip-1 come from the same video"
    assert project_status(project, project.config()).split_problem.startswith(f"{said}; give both")
    assert said in " ".join(invoke("status", "--project", project.root).output.split())


def test_a_run_knows_its_clips_and_its_settings(project: StoredProject):
    config = project.config(overrides=TINY)
    train(project, config=config)
    run = project_status(project, config).runs[0]
    assert (run.run, run.step, run.steps, run.stale, run.settings) == ("default", 2, 2, "", "")
    assert run.validation_error is not None
    wider = project_status(project, project.config(overrides=[*TINY, "model.width=32"])).runs[0]
    assert (wider.stale, wider.settings) == ("", "model.width: 32 -> 16")
    add_sequence(project, "clip-3", sequence(warped_phase(30, seed=7)))
    assert project_status(project, config).runs[0].stale == "input clips changed"


def test_embeddings_are_stale_when_the_model_or_the_poses_change(project: StoredProject):
    config = project.config(overrides=TINY)
    train(project, config=config)
    assert len(_step(project, "embeddings", *TINY).missing) == 3
    embed(project)
    assert _step(project, "embeddings", *TINY).current == 3
    train(
        project,
        config=project.config(overrides=[*TINY, "train.seed=1"]),
        options=TrainOptions(overwrite=True),
    )
    stale = _step(project, "embeddings", *TINY)
    assert set(stale.stale.values()) == {"input model changed"}
    assert stale.command == "la2ds embed --run default"


def test_corrected_joints_make_stale_what_was_made_of_the_others(project: StoredProject):
    config = project.config(overrides=TINY)
    train(project, config=config)
    cache_heatmaps(project, config.heatmap)
    embed(project)
    right = Annotation(JOINT, Moment("clip-0", 1, 4 / 20), None, "left_wrist 12.50 30.00")
    project.change_annotations([], [right])
    for name in ("heatmaps", "embeddings"):
        assert _step(project, name, *TINY).stale == {"clip-0": "input poses changed"}
    assert project_status(project, config).runs[0].stale == "input clips changed"
    cache_heatmaps(project, config.heatmap)
    embed(project)
    for name in ("poses", "heatmaps", "embeddings"):
        assert _step(project, name, *TINY).current == 3
    train(project, config=config, options=TrainOptions(overwrite=True))
    assert project_status(project, config).runs[0].stale == ""


def test_the_next_command_follows_the_work(project: StoredProject):
    config = project.config(overrides=TINY)
    assert project_status(project, config).next == ""  # too few clips to train
    for number in range(3, 10):
        add_sequence(project, f"clip-{number}", sequence(warped_phase(30, seed=number)))
    assert project_status(project, config).next == "la2ds train"
    train(project, run="one", config=config)
    assert project_status(project, config).next == "la2ds evaluate --run one"
    evaluated(project, "one", config=config, features=["model"])
    found = project_status(project, config)
    assert found.next == ""
    again = project.config(overrides=[*TINY, "train.seed=7"])
    train(project, run="one", config=again, options=TrainOptions(overwrite=True))
    assert project_status(project, config).next == "la2ds evaluate --run one"


def test_a_project_with_nothing_left_to_do_is_told_so_with_clips_of_its_own(project: StoredProject):
    result = invoke("status", "--project", project.root)
    assert (
        "everything is up to date; to align two clips: la2ds align clip-0 clip-1" in result.stderr
    )
    assert "next:" not in result.stderr


def test_the_two_clips_are_named_as_a_person_names_them(project: StoredProject):
    """By their files where that means them and nothing else, as in every other line."""
    from la2ds_cli.health.status import an_alignment

    def listed(*paths: str) -> str:
        project.add_videos((), removed=[video.id for video in project.videos()])
        project.add_videos(Video(f"id-{n}", path, f"{n:064x}") for n, path in enumerate(paths))
        return an_alignment(project)

    assert listed("clips/anna.mp4", "clips/ben.mp4") == "la2ds align anna ben"
    assert listed("one/anna.mp4", "one/anna.mov") == "la2ds align id-0 id-1"
    assert listed("clips/a b.mp4", "clips/ben.mp4") == "la2ds align 'a b' ben"


def test_a_video_that_is_gone_is_named(tmp_path: Path):
    """Its poses stay current, so nothing else would say it."""
    from la2ds_cli.core.config_sections import PosesConfig
    from la2ds_cli.poses.extract import extract_poses
    from tests.poses.grey_people import film

    project = StoredProject.create(tmp_path / "project")
    for name, length in (("here", 20), ("gone", 25)):
        film(tmp_path / f"{name}.mp4", [{200: (60, 30, 110, 140)}] * length)
    grey = PosesConfig(detector="tests.poses.grey_people", pose="tests.poses.grey_people")
    extract_poses(project, [str(tmp_path / "here.mp4"), str(tmp_path / "gone.mp4")], grey)
    add_sequence(project, "imported", sequence(warped_phase(30, seed=9)))
    assert project_status(project, project.config()).gone == []
    (tmp_path / "gone.mp4").unlink()
    (gone,) = project_status(project, project.config()).gone
    assert gone in {video.id for video in project.videos() if video.path.endswith("gone.mp4")}
    shown = invoke("status", "--project", project.root)
    assert f"clips whose video is missing (1): {gone}; put" in " ".join(shown.output.split())


def test_heatmaps_that_nobody_stored_are_not_listed_as_missing(project: StoredProject):
    assert "\nheatmaps " not in invoke("status", "--project", project.root).output
    cache_heatmaps(project, project.config().heatmap)
    assert "\nheatmaps " in invoke("status", "--project", project.root).output
