"""The cached heatmaps: round trip, staleness and damage."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from la2ds_cli.core.artifact import Recipe, staleness
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config_sections import HeatmapConfig
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features import heatmap_cache as module
from la2ds_cli.features.heatmap_cache import (
    cache_heatmaps,
    export_heatmaps,
    heatmap_recipe,
)
from la2ds_cli.features.heatmaps import clip_box, render_heatmaps, to_cells
from tests.movement import pose_of
from tests.processes import invoke

CONFIG = HeatmapConfig()
POSE_RECIPE = Recipe("poses", 1, {}, {"video": "v"})


def walk(frames: int, seed: int = 0) -> PoseSequence:
    """A penn13 clip whose joints drift smoothly; one joint unseen for a while."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(100, 300, (1, 13, 2)) + rng.normal(0, 2, (frames, 13, 2)).cumsum(axis=0)
    xy[3:6, 4] = np.nan
    score = rng.uniform(0.3, 1, (frames, 13))
    return pose_of(xy, score=score, box=np.zeros((frames, 4)), size=(480, 360))


@pytest.fixture
def project(tmp_path):
    """A project of two clips with 150 and 20 frames."""
    project = StoredProject.create(tmp_path / "p")
    for name, frames in (("long", 150), ("short", 20)):
        project.write_pose(name, walk(frames), POSE_RECIPE)
    project.add_videos(
        [Video("long", "long.mp4", "l", frames=150), Video("short", "short.mp4", "s", frames=20)]
    )
    return project


def rendered(pose: PoseSequence, config: HeatmapConfig = CONFIG) -> np.ndarray:
    cells = to_cells(
        pose.xy, clip_box(pose.xy, config.crop, config.padding), config.size, config.aspect
    )
    limbs = get_skeleton(pose.skeleton).limbs
    return render_heatmaps(cells, pose.score, limbs, config)


def test_the_maps_of_every_clip_are_stored(project):
    results = cache_heatmaps(project, CONFIG)
    assert [(r.video, r.status, r.frames) for r in results] == [
        ("long", "ok", 150),
        ("short", "ok", 20),
    ]


def test_second_run_keeps_current_files(project):
    first = cache_heatmaps(project, CONFIG)
    written = project.heatmap_path("long").stat().st_mtime_ns
    second = cache_heatmaps(project, CONFIG)
    assert [r.status for r in second] == ["cached", "cached"]
    assert [r.message for r in second] == [r.message for r in first]
    assert project.heatmap_path("long").stat().st_mtime_ns == written
    again = cache_heatmaps(project, CONFIG, overwrite=True)
    assert [r.status for r in again] == ["ok", "ok"]


CHANGES = {
    "size": 20,
    "sigma": 0.8,
    "sigma_unit": "pixels",
    "channels": "joints",
    "distance": "printed",
    "confidence": "one",
    "crop": "smallest",
    "aspect": "stretch",
    "padding": 0.2,
}


def test_every_field_is_tried():
    assert set(CHANGES) == {field.name for field in dataclasses.fields(HeatmapConfig)}


@pytest.mark.parametrize("name", sorted(CHANGES))
def test_one_changed_setting_makes_the_maps_stale(project, name):
    cache_heatmaps(project, CONFIG)
    changed = dataclasses.replace(CONFIG, **{name: CHANGES[name]})
    reason = staleness(project.heatmap_path("short"), heatmap_recipe(changed, POSE_RECIPE.key))
    stored = heatmap_recipe(CONFIG, POSE_RECIPE.key).config.get(name)  # None: added later
    assert reason == f"{name}: {stored} -> {CHANGES[name]}"
    assert [r.status for r in cache_heatmaps(project, changed)] == ["ok", "ok"]
    assert [r.status for r in cache_heatmaps(project, changed)] == ["cached", "cached"]
    # The poses themselves do not depend on it.
    assert staleness(project.pose_path("short"), POSE_RECIPE) is None


def test_clip_without_poses_is_skipped_and_damaged_poses_fail(project):
    project.add_videos([Video("new", "new.mp4", "n")])
    project.pose_path("short").write_bytes(b"not an artifact")
    results = {r.video: r for r in cache_heatmaps(project, CONFIG)}
    assert {video: r.status for video, r in results.items()} == {
        "long": "ok",
        "short": "failed",
        "new": "skipped",
    }
    assert "damaged" in results["short"].message
    assert results["new"].hint


def test_a_project_without_clips_has_no_heatmaps(tmp_path):
    with pytest.raises(UserError, match="no clips yet"):
        cache_heatmaps(StoredProject.create(tmp_path / "empty"), CONFIG)


def test_exported_heatmaps_are_those_of_the_cache_and_equal_without_one(project, monkeypatch):
    def export(name: str) -> dict[str, np.ndarray]:
        results = export_heatmaps(project, ["long"], project.root.parent / name)
        assert [(r.video, r.status, r.frames) for r in results] == [("long", "ok", 150)]
        with np.load(results[0].path) as file:  # which refuses pickles
            return dict(file)

    first = export("rendered")
    cache_heatmaps(project, CONFIG)
    monkeypatch.setattr(module, "compress_heatmaps", lambda *_: pytest.fail("rendered again"))
    second = export("read")
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
    pose = project.read_pose("long")[0]
    np.testing.assert_array_equal(first["maps"], np.rint(255 * rendered(pose)).astype(np.uint8))
    np.testing.assert_array_equal(first["time"], pose.time)
    np.testing.assert_array_equal(first["frame"], pose.frame)
    skeleton = get_skeleton("penn13")
    assert first["channel"][:13].tolist() == list(skeleton.joints)
    assert first["channel"][13:].tolist() == [
        "-".join(skeleton.joints[k] for k in limb) for limb in skeleton.limbs
    ]
    assert first["box"].tolist() == clip_box(pose.xy, CONFIG.crop, CONFIG.padding).tolist()
    assert [r.code for r in export_heatmaps(project, [], project.root.parent / "read")] == [
        "E001",
        "",
    ]


def test_the_command_exports_heatmaps(project):
    out = project.root.parent / "maps"
    invoke("export", "heatmaps", "long", "--project", project.root, "--out", out)
    assert [path.name for path in out.iterdir()] == ["long.npz"]


def test_a_damaged_cache_is_rendered_anew_for_an_export(project):
    cache_heatmaps(project, CONFIG)
    path = project.heatmap_path("short")
    content = bytearray(path.read_bytes())
    content[-20] ^= 255
    path.write_bytes(content)
    (result,) = export_heatmaps(project, ["short"])
    with np.load(result.path) as file:
        expected = np.rint(255 * rendered(project.read_pose("short")[0])).astype(np.uint8)
        np.testing.assert_array_equal(file["maps"], expected)
