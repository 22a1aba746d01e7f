"""Embedding: one row per frame, alone, any length, by time, never of the wrong model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from la2ds_cli.core import artifact
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.resample import resample_pose
from la2ds_cli.network.embed import embed, ensure_embeddings, possible_embeddings
from la2ds_cli.network.embedder import (
    Embedder,
    EmbeddingStatistics,
    triangle,
    window_starts,
    with_motion,
)
from la2ds_cli.network.load_network import (
    light_embedder,
    load_embedder,
    torch_embedder,
    untrained_embedder,
)
from la2ds_cli.network.run_weights import checkpoint_path, weights_key
from la2ds_cli.network.torch_network import build_network
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, in_skeleton, sequence, warped_phase, without
from tests.small_runs import JOINTS
from tests.told import refused

SMALL = [*JOINTS, "model.motion=0", "train.steps=3", "train.batch_size=2", "train.validate_every=3"]


def untrained(*settings: str) -> Embedder:
    return untrained_embedder(load_config(overrides=[*SMALL, *settings]), "penn13", device="cpu")


@pytest.fixture
def embedder() -> Embedder:
    return untrained()


def test_motion_stands_beside_the_features_by_time_and_not_by_frame() -> None:
    value = np.array([[0.0, 1], [2, 1], [4, 1], [4, 1]])
    expected = [[0, 1, 3, 0], [2, 1, 6, 0], [4, 1, 3, 0], [4, 1, 0, 0]]
    np.testing.assert_allclose(with_motion(value, 3), expected)
    np.testing.assert_array_equal(with_motion(value, 0), value)
    moving = untrained("train.tempo=0", "model.motion=3")
    still = untrained("train.tempo=0", "model.motion=0")
    clip = sequence(warped_phase(40, 1), fps=20)
    (found,), (plain,) = moving([clip]), still([clip])
    assert found.shape == (40, 48)
    np.testing.assert_array_equal(found[:, :24], plain)
    change = 3 * (plain[2:] - plain[:-2]) / 2
    np.testing.assert_allclose(found[1:-1, 24:], change, atol=1e-5)
    # Twice the frames of the same movement: the same motion.
    twice = resample_pose(clip, np.linspace(clip.time[0], clip.time[-1], 79))
    (double,) = moving([twice])
    np.testing.assert_allclose(double[::2], found, atol=0.05)


def test_the_centre_that_training_found_is_subtracted_and_the_motion_stays() -> None:
    config = load_config(overrides=[*SMALL, "model.motion=2"])
    device, centre = torch.device("cpu"), np.linspace(-3, 3, 24)
    network = build_network(config.model, config.heatmap, get_skeleton("penn13"), 0)
    statistics = EmbeddingStatistics.of({"centre": centre.tolist(), "spread": 0.5}, 24)
    plain = torch_embedder(network, config, "penn13", "key", device)
    centred = torch_embedder(network, config, "penn13", "key", device, statistics=statistics)
    assert centred.spread == 0.5
    for clip in (sequence(warped_phase(40, 1), fps=30), sequence(warped_phase(25, 2), fps=12)):
        before, after = plain([clip])[0], centred([clip])[0]
        np.testing.assert_allclose(after[:, :24], before[:, :24] - centre, atol=1e-5)
        np.testing.assert_allclose(after[:, 24:], before[:, 24:], atol=1e-5)


def test_a_row_for_every_frame_and_none_depends_on_other_clips(embedder) -> None:
    clips = [sequence(warped_phase(n, n)) for n in (20, 33, 8)]
    together = embedder(clips)
    assert [value.shape for value in together] == [(20, 24), (33, 24), (8, 24)]
    np.testing.assert_array_equal(together[1], embedder([clips[1]])[0])


@pytest.mark.parametrize("length", [1, 2, 3, 127, 129, 700])
def test_any_length_embeds(embedder, length: int) -> None:
    value = embedder([sequence(np.linspace(0, 1, length))])[0]
    assert value.shape == (length, 24)
    assert np.isfinite(value).all()


def test_windows_cover_every_frame() -> None:
    for length in (5, 128, 129, 200, 513):
        covered = np.zeros(length)
        for start in window_starts(length, 128):
            covered[start : start + 128] += triangle(min(128, length))
        assert (covered > 0).all()


def _swaying(length: int) -> PoseSequence:
    """A slow movement to and fro; every window of 128 frames holds all of it."""
    return sequence(0.5 + 0.5 * np.sin(np.arange(length) / 15))


@pytest.mark.parametrize("position", ["rotary", "learned", "offset", "sinusoid", "none"])
def test_windows_join_without_a_jump(position: str) -> None:
    embedder = untrained(f"model.temporal_position={position}", "model.cross_layers=1")
    value = embedder([_swaying(400)])[0]
    step = np.linalg.norm(np.diff(value, axis=0), axis=1)
    seams = [s for start in window_starts(400, 128) for s in (start, start + 128) if 0 < s < 399]
    assert max(step[s - 2 : s + 2].max() for s in seams) < 2 * np.percentile(step, 95)


@pytest.mark.parametrize(("position", "frames_off"), [("none", 0.01), ("rotary", 0.5)])
def test_where_windows_lie_changes_little(position: str, frames_off: float) -> None:
    """Relative positions: a long clip is embedded like the same clip in one piece, and like the
    clip without its first 37 frames, whose windows begin elsewhere. A movement of 32 frames, so
    that every window holds the same; a learned table is several frames off here."""
    setting = f"model.temporal_position={position}"
    long, embedder = untrained(setting, "train.frames=300"), untrained(setting)
    clip = sequence(0.5 + 0.5 * np.sin(2 * np.pi * np.arange(512) / 32))
    whole, windows, later = long([clip])[0], *embedder([clip, clip.cut(37, 512)])
    step = np.linalg.norm(np.diff(whole, axis=0), axis=1).mean()
    for other, same in ((windows, whole), (later, windows[37:])):
        assert np.linalg.norm(other - same, axis=1).max() < frames_off * step


@pytest.mark.parametrize("length", [40, 64, 100, 128, 300])
def test_positions_that_training_never_showed_play_no_part(length: int) -> None:
    """Two networks that differ beyond the first 64 rows of their tables embed all clips alike."""
    settings = [*SMALL, "model.temporal_position=learned", "model.cross_layers=1"]
    config = load_config(overrides=[*settings, "model.embed_at=cross"])
    networks: list[Any] = [
        build_network(config.model, config.heatmap, get_skeleton("penn13"), 0) for _ in range(2)
    ]
    for position in (networks[1].position, networks[1].cross_position):
        assert position.table is not None
        with torch.no_grad():
            position.table[64:] += 100
    clip = sequence(np.linspace(0, 1, length))
    device = torch.device("cpu")
    first, second = (
        torch_embedder(network, config, "penn13", "key", device)([clip])[0] for network in networks
    )
    np.testing.assert_array_equal(first, second)
    assert len(first) == length


def test_the_same_movement_at_two_frame_rates_embeds_alike(embedder) -> None:
    slow = sequence(np.linspace(0, 1, 41), fps=20)
    fast = sequence(np.linspace(0, 1, 121), fps=60)
    first, second = embedder([slow, fast])
    assert len(second) == 121
    np.testing.assert_allclose(second[::3], first, atol=2e-3 * np.abs(first).max())


def test_missing_joints_embed_to_finite_numbers(embedder) -> None:
    pose = sequence(np.linspace(0, 1, 30))
    for unseen in (without(without(pose, slice(5, 9)), joints=3), without(pose)):
        assert np.isfinite(embedder([unseen])[0]).all()


def test_another_skeleton_is_refused(embedder) -> None:
    other = in_skeleton(sequence(np.linspace(0, 1, 10)), "hand21", far=False)
    with pytest.raises(UserError, match="reads the skeleton penn13, the poses have hand21"):
        embedder([other])


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Three clips, and a run."""
    made = StoredProject.create(tmp_path / "project")
    for n in range(3):
        add_sequence(made, f"clip{n}", sequence(warped_phase(20, n)))
    train(made, config=made.config(overrides=SMALL), options=TrainOptions("cpu"))
    return made


def test_embedding_step_is_cached_and_follows_the_model_and_the_poses(
    project: StoredProject,
) -> None:
    assert [r.status for r in embed(project, device="cpu")] == ["ok"] * 3
    assert [r.status for r in embed(project, device="cpu")] == ["cached"] * 3
    add_sequence(project, "clip1", sequence(warped_phase(20, 77)))
    pose, recipe = project.read_pose("clip1")
    project.write_pose("clip1", pose, artifact.Recipe("import", 1, {}, {"labels": "changed"}))
    assert [r.status for r in embed(project, device="cpu")] == ["cached", "ok", "cached"]
    other = project.config(overrides=[*SMALL, "train.seed=5"])
    train(project, config=other, options=TrainOptions("cpu", overwrite=True))
    assert [r.status for r in embed(project, device="cpu")] == ["ok"] * 3
    (sequence_of_clip,) = ensure_embeddings(project, "default", ["clip0"], "cpu")
    assert sequence_of_clip.model == load_embedder(project, device="cpu").key
    assert recipe.step == "import"


def test_positions_beyond_the_longest_clip_of_a_run_play_no_part(project: StoredProject) -> None:
    """Its clips have 20 frames, and the rows of the table beyond them their initial values."""
    learned = project.config(overrides=[*SMALL, "model.temporal_position=learned", "train.fps=20"])
    train(project, config=learned, options=TrainOptions("cpu", overwrite=True))
    path = checkpoint_path(project, "default")
    arrays, recipe, facts = artifact.read_arrays(path)
    frames = facts["frames_shown"]
    assert frames == 20
    long = sequence(np.linspace(0, 1, 50), fps=20)
    before = load_embedder(project, device="cpu")([long])[0]
    arrays["position.table"][frames:] += 100
    artifact.write_arrays(path, arrays, recipe, facts)
    np.testing.assert_array_equal(load_embedder(project, device="cpu")([long])[0], before)
    arrays["position.table"][frames - 1] += 100
    artifact.write_arrays(path, arrays, recipe, facts)
    assert (load_embedder(project, device="cpu")([long])[0] != before).any()


def test_one_damaged_clip_does_not_stop_the_batch(project: StoredProject) -> None:
    path = project.pose_path("clip1")
    path.write_bytes(path.read_bytes()[:200])
    results = embed(project, device="cpu")
    assert [r.status for r in results] == ["ok", "failed", "ok"]
    assert "damaged" in results[1].message


def test_one_clip_with_a_fault_nobody_foresaw_does_not_stop_the_others(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = StoredProject.write_embedding

    def odd(self: StoredProject, run: str, clip: str, *more: Any) -> None:
        if clip == "clip1":
            raise RuntimeError("odd")
        write(self, run, clip, *more)

    monkeypatch.setattr(StoredProject, "write_embedding", odd)
    assert [r.code for r in embed(project, device="cpu")] == ["", "X001", ""]
    ids = ["clip0", "clip1", "clip2"]
    found, failed = possible_embeddings(project, "default", ids, "cpu")
    assert set(found) == {"clip0", "clip2"}
    assert failed["clip1"].code == "X001"
    assert "odd" in failed["clip1"].message
    with pytest.raises(UserError, match="odd"):
        ensure_embeddings(project, "default", ids, "cpu")


def test_embeddings_of_a_run_lie_about_the_centre_of_its_training(project: StoredProject) -> None:
    facts = artifact.read_header(checkpoint_path(project, "default"))[1]
    poses = [project.read_pose(video)[0] for video in facts["videos"]]
    for embedder in (load_embedder(project, device="cpu"), light_embedder(project, device="cpu")):
        value = np.concatenate(embedder(poses))
        away = np.linalg.norm(value.mean(axis=0)) / np.linalg.norm(facts["centre"])
        assert away < 0.05
        embedder.statistics = EmbeddingStatistics()
        raw = np.concatenate(embedder(poses))
        np.testing.assert_allclose(value, raw - facts["centre"], atol=1e-4)


@pytest.mark.parametrize(
    "facts",
    [
        {"centre": [0.0] * 23},
        {"centre": ["x"] * 24},
        {"centre": 0},
        {"centre": [float("inf")] * 24},
        {"spread": -1.0},
        {"spread": "wide"},
    ],
)
def test_moments_that_are_none_are_damage(project: StoredProject, facts: dict[str, Any]) -> None:
    path = checkpoint_path(project, "default")
    arrays, recipe, kept = artifact.read_arrays(path)
    artifact.write_arrays(path, arrays, recipe, kept | facts)
    for load in (load_embedder, light_embedder):
        with refused(ExitCode.UNREADABLE, "is damaged: "):
            load(project, device="cpu")


def test_the_key_of_weights_follows_their_file(tmp_path: Path) -> None:
    """Also if another file of the same size takes its place at the same time."""
    project = StoredProject.create(tmp_path)
    path = checkpoint_path(project, "mine")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    assert weights_key(project, "mine") == artifact.file_digest(path)
    state = path.stat()
    artifact.write_bytes(path, b"two")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert weights_key(project, "mine") == artifact.file_digest(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        weights_key(project, "mine")
