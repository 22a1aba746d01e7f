"""By what clips are compared: features of clips in a view, each computed once."""

from __future__ import annotations

import numpy as np
import pytest

from la2ds_cli.alignment import clip_features
from la2ds_cli.alignment.clip_features import (
    MOVEMENT_SPREAD,
    ClipFeatures,
    Embedding,
    PosedClip,
    movement_features,
    network_features,
)
from la2ds_cli.alignment.consensus import pairwise_path
from la2ds_cli.core import memo
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.types import FloatArray
from la2ds_cli.core.view import VIEWS, View
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.tempo import paced_movement
from tests.movement import in_space, sequence, warped_phase

A, B = in_space(warped_phase(40, 1)), in_space(warped_phase(50, 2), turn=0.9, fps=25.0)
PLAIN = AlignConfig()


def given(width: int, seed: int) -> tuple[Embedding, FloatArray]:
    """A network of spread 2 that embeds every clip alike, and that embedding."""
    value = np.random.default_rng(seed).normal(size=(30, width)).astype(np.float32)
    return Embedding(lambda clip: value, 2.0), value


# --- the one distance ---------------------------------------------------------------------------


def test_base_and_movement_are_added_to_the_embedding_in_units_of_their_spreads() -> None:
    pose = sequence(warped_phase(30, 1))
    (network, embedding), (other, base) = given(5, 0), given(7, 1)
    settings = AlignConfig(movement=0.5, base=3.0)
    joined = network_features(network, settings, Embedding(other.compute, 4.0))(PosedClip(pose))
    moved = paced_movement(pose) / MOVEMENT_SPREAD
    for a, b in ((0, 7), (3, 29)):
        apart = ((embedding[a] - embedding[b]) ** 2).sum() / 4
        apart += 3 * ((base[a] - base[b]) ** 2).sum() / 16
        apart += 0.5 * ((moved[a] - moved[b]) ** 2).sum()
        assert ((joined[a] - joined[b]) ** 2).sum() == pytest.approx(apart, rel=1e-4)
    assert joined.dtype == np.float32


@pytest.mark.parametrize(("spread", "weight"), [(0.0, 1.0), (2.0, 0.0)])
def test_an_embedding_of_unknown_spread_or_without_weights_stays_alone(
    spread: float, weight: float
) -> None:
    network, embedding = given(5, 0)
    base, _ = given(7, 1)
    settings = AlignConfig(movement=weight, base=weight)
    features = network_features(Embedding(network.compute, spread), settings, base)
    np.testing.assert_array_equal(features(PosedClip(sequence(warped_phase(30, 1)))), embedding)


def test_a_base_model_of_unknown_spread_is_left_out() -> None:
    network, _ = given(5, 0)
    base, _ = given(7, 1)
    clip = PosedClip(sequence(warped_phase(30, 1)))
    alone = network_features(network, PLAIN)(clip)
    beside = network_features(network, PLAIN, Embedding(base.compute, 0.0))(clip)
    np.testing.assert_array_equal(beside, alone)


# --- a clip in a view -----------------------------------------------------------------------------


@pytest.mark.parametrize("view", VIEWS)
def test_the_movement_of_a_clip_in_a_view_is_that_of_its_joints_as_they_are_seen(
    view: View,
) -> None:
    clip = PosedClip(B, view, A)
    expected = paced_movement(seen(B, view, A))
    features = movement_features()
    np.testing.assert_allclose(features.movement(clip), expected, atol=1e-5)
    np.testing.assert_array_equal(features(clip), features.movement(clip).astype(np.float32))


def test_everything_is_computed_once_for_a_clip_in_a_view(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[tuple[str, object]] = []
    original = clip_features.describe
    monkeypatch.setattr(
        clip_features,
        "describe",
        lambda pose: [computed.append(("d", id(pose))), original(pose)][1],
    )

    def compute(clip: PosedClip, features: ClipFeatures) -> FloatArray:
        computed.append(("features", clip.key))
        return features.movement(clip)

    features = ClipFeatures(compute)
    clips = [PosedClip(A), PosedClip(B, "mirrored", A), PosedClip(B, "turned", A), PosedClip(B)]
    for _ in range(2):
        for clip in clips:
            again = PosedClip(clip.pose, clip.view, clip.towards)  # equal, and another object
            assert features(clip) is features(again)
            assert features.movement(clip) is features.movement(again)
            assert features.same_movement(clips[0], clip) is features.same_movement(clips[0], again)
    assert len(computed) == 2 * len(clips)
    assert len({key for name, key in computed if name == "features"}) == len(clips)


def test_paths_are_those_of_the_features_whichever_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[int] = []
    original = clip_features.pairwise_paths

    def pairwise_paths(a, clips, settings):
        found.append(len(clips))
        return original(a, clips, settings)

    monkeypatch.setattr(clip_features, "pairwise_paths", pairwise_paths)
    features, a = movement_features(), PosedClip(A)
    others = [PosedClip(sequence(warped_phase(30 + 7 * n, n), fps=20.0 + 5 * n)) for n in range(4)]
    opened = AlignConfig(open_ends=True)
    for settings in (PLAIN, opened, PLAIN):
        features.paths(a, others[1:3], settings)
        paths = features.paths(a, others, settings)
        for path, other in zip(paths, others, strict=True):
            expected = pairwise_path(features(a), features(other), settings)
            np.testing.assert_array_equal(path.forward, expected.forward)
            np.testing.assert_array_equal(path.backward, expected.backward)
    assert sum(found) == 2 * len(others)  # once by each settings


@pytest.mark.parametrize("room", range(1, 12))
def test_paths_do_not_depend_on_how_many_values_are_kept(
    room: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [PosedClip(sequence(warped_phase(20 + 3 * n, n))) for n in range(5)]
    expected = [movement_features().paths(a, clips, PLAIN) for a in clips]
    monkeypatch.setattr(memo, "MOST_KEPT", room)
    features = movement_features()
    for _ in range(2):
        for a, paths in zip(clips, expected, strict=True):
            for count in (2, 5):
                for path, other in zip(
                    features.paths(a, clips[:count], PLAIN), paths, strict=False
                ):
                    np.testing.assert_array_equal(path.forward, other.forward)


def test_what_is_forgotten_is_computed_again_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "MOST_KEPT", 2)
    features = movement_features()
    poses = [sequence(warped_phase(30 + n, n)) for n in range(4)]
    first = [features(PosedClip(pose)) for pose in poses]
    again = [features(PosedClip(pose)) for pose in poses]
    for one, other in zip(first, again, strict=True):
        assert one is not other
        np.testing.assert_array_equal(one, other)
