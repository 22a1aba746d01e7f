from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.pose_errors import KINDS, errors_of, with_error
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.demo.demo_clips import performed
from la2ds_cli.features.body_joints import body_joints
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.features.resample import resample_pose
from la2ds_cli.poses import trust
from la2ds_cli.poses.trust import LEAST_TRUST, WRONG, doubts, trust_of, trusted, with_trust
from tests.movement import figure, sequence, shaken, without

SKELETON = get_skeleton("penn13")
ELBOW, WRIST = SKELETON.index("left_elbow"), SKELETON.index("left_wrist")
OTHER_WRIST, KNEE = SKELETON.index("right_wrist"), SKELETON.index("left_knee")
FPS = 30.0


def moving(length: int = 90, fps: float = FPS, **changes) -> PoseSequence:
    """The figure's movement in three seconds of a network's joints: jitter, and scores of 0.9."""
    pose = shaken(sequence(np.linspace(0, 1, length), fps=fps), 0.6, 3)  # a hundredth of the torso
    return replace(pose, **{"score": np.full((length, 13), 0.9), **changes})


def changed(pose: PoseSequence, rows: slice, joint: int, by: tuple[float, float]) -> PoseSequence:
    xy = pose.xy.copy()
    xy[rows, joint] += np.array(by)
    return replace(pose, xy=xy)


def test_joints_of_a_good_clip_are_trusted():
    for fps, length in ((30.0, 90), (60.0, 180), (20.0, 60)):
        pose = moving(length, fps)
        value = trust_of(pose)
        assert value.shape == pose.score.shape
        assert value.dtype == np.float32
        assert value.min() > 0.8
        assert trusted(pose).all()
        assert doubts(pose) == []


@pytest.mark.parametrize(("fps", "length"), [(30.0, 90), (60.0, 180)])
def test_a_hidden_limb_is_named_with_its_seconds(fps: float, length: int):
    pose = moving(length, fps)
    score = pose.score.copy()
    first, stop = length // 3, 2 * length // 3
    score[first:stop, ELBOW], score[first:stop, WRIST] = 0.45, 0.3
    pose = replace(pose, score=score)
    ((limb, start, end),) = doubts(pose)
    assert limb == "left arm"
    assert (start, end) == pytest.approx((1.0, 2.0), abs=0.15)
    assert trusted(pose)[:, [OTHER_WRIST, KNEE]].all()


def test_a_joint_that_leaps_is_not_trusted():
    pose = changed(moving(), slice(40, 41), WRIST, (50, -40))
    assert not trusted(pose)[40, WRIST]
    assert trusted(pose)[40, KNEE]


def test_a_limb_may_become_shorter_but_not_longer():
    pose = moving()
    xy = pose.xy.copy()
    upper = xy[:, WRIST] - xy[:, ELBOW]
    slowly = np.sin(np.linspace(0, np.pi, 90))[:, None]
    xy[:, WRIST] = xy[:, ELBOW] + upper * (1 - 0.7 * slowly)
    short = replace(pose, xy=xy)
    xy = xy.copy()
    xy[:, WRIST] = xy[:, ELBOW] + upper * (1 + 2.5 * slowly)
    assert trusted(short)[:, WRIST].all()
    assert not trusted(replace(pose, xy=xy))[45, WRIST]
    assert trusted(replace(pose, xy=xy))[[0, 89], WRIST].all()


@pytest.mark.parametrize(
    "change",
    [
        lambda xy: xy * np.linspace(1, 2.5, 90)[:, None, None],  # who comes nearer
        # A camera that shakes by a quarter of the torso.
        lambda xy: xy + np.random.default_rng(1).normal(0, 15, (90, 1, 2)),
    ],
)
def test_what_all_joints_do_says_nothing_against_them(change: Any):
    pose = moving()
    assert trusted(replace(pose, xy=change(pose.xy))).all()


def test_exchanged_sides_are_not_trusted_while_they_are():
    pose = moving(xy=figure(np.full(90, 1.0)))  # arms overhead, apart
    xy = pose.xy.copy()
    pair = [ELBOW, WRIST, SKELETON.flip[ELBOW], SKELETON.flip[WRIST]]
    xy[30:50, pair] = xy[30:50][:, [pair[2], pair[3], pair[0], pair[1]]]
    trust = trust_of(replace(pose, xy=xy))
    assert (trust[30:50, pair] < LEAST_TRUST).all()
    assert (trust[:27, pair] >= LEAST_TRUST).all()
    assert (trust[54:, pair] >= LEAST_TRUST).all()


@pytest.mark.parametrize(
    ("scores", "doubted"), [((0.9, 0.9), {"left arm", "right arm"}), ((0.65, 0.9), {"left arm"})]
)
def test_two_limbs_in_one_place_are_not_two_limbs(scores: tuple[float, float], doubted: set[str]):
    pose = moving(xy=figure(np.full(90, 1.0)))
    arms = [ELBOW, WRIST]
    others = [SKELETON.flip[k] for k in arms]
    xy, score = pose.xy.copy(), pose.score.copy()
    jitter = np.random.default_rng(5).normal(0, 0.6, (30, 2, 2))
    xy[30:60, arms] = xy[30:60][:, others] + jitter
    score[30:60, arms], score[30:60, others] = scores
    copied = replace(pose, xy=xy, score=score)
    found = doubts(copied)
    assert {limb for limb, _, _ in found} == doubted
    for _, *seconds in found:
        assert seconds == pytest.approx([1.0, 2.0], abs=0.15)
    # Seen from the side, shoulders lie on each other, too: nothing speaks against the joints.
    everywhere = pose.xy.copy()
    shoulders = [SKELETON.index("left_shoulder"), SKELETON.index("right_shoulder")]
    left, right = [shoulders[0], *arms], [shoulders[1], *others]
    everywhere[:, left] = everywhere[:, right] + np.random.default_rng(6).normal(0, 0.6, (90, 3, 2))
    assert "copied" in trust.EVIDENCE
    assert not trust.evidence(replace(pose, xy=everywhere))["copied"].any()


def test_nothing_is_known_across_a_cut():
    pose = moving()
    xy = pose.xy.copy()
    xy[45:, [ELBOW, WRIST]] -= 60
    jump = replace(pose, xy=xy)
    assert not trusted(jump)[44:46].all()
    assert trusted(replace(jump, info={"cut_rows": [45]}))[44:46].all()


def test_unseen_joints_and_odd_clips():
    pose = moving()
    gap = without(pose, slice(10, 20), WRIST)
    assert (trust_of(gap)[10:20, WRIST] == 0).all()
    assert not trusted(gap)[10:20, WRIST].any()
    nobody = without(pose)
    assert not trust_of(nobody).any()
    assert doubts(nobody) == []
    one = trust_of(pose.cut(0, 1))
    assert one.shape == (1, 13)
    assert (one > LEAST_TRUST).all()
    point = replace(pose, xy=np.zeros_like(pose.xy))
    assert np.isfinite(trust_of(point)).all()


@pytest.mark.parametrize("name", ["hand21", "hands42", "mediapipe33", "body25"])
def test_any_skeleton(name: str):
    count = len(get_skeleton(name).joints)
    at = np.random.default_rng(0).uniform(0, 100, (count, 2))
    xy = at + np.arange(40)[:, None, None] * 0.5
    pose = moving(40, 25, xy=xy, score=np.ones((40, count)), size=(0, 0), skeleton=name)
    assert trust_of(pose).shape == (40, count)


def test_stored_trust_goes_before_what_the_joints_say():
    pose = moving()
    stored = replace(pose, trust=np.full((90, 13), 0.25))
    assert trust_of(stored) is stored.trust
    assert with_trust(stored) is stored
    np.testing.assert_array_equal(with_trust(pose).trust, trust_of(pose))


def test_trust_follows_the_joints():
    pose = with_trust(changed(moving(), slice(40, 41), WRIST, (60, 0)))
    turned = mirror(pose)
    np.testing.assert_allclose(trust_of(turned), trust_of(replace(turned, trust=None)), atol=1e-5)
    assert trust_of(turned)[40, OTHER_WRIST] < LEAST_TRUST
    assert trust_of(pose.cut(35, 60))[5, WRIST] < LEAST_TRUST
    denser = resample_pose(pose, np.linspace(0, pose.time[-1], 179))
    assert trust_of(denser)[80, WRIST] == pytest.approx(trust_of(pose)[40, WRIST], abs=1e-6)
    clip = with_trust(performed(0, 4, 1)[0])
    body = trust_of(body_joints(clip))
    np.testing.assert_array_equal(body[:, 1:], trust_of(clip)[:, 5:])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "drifting"])
def test_trust_tells_wrong_joints_from_right_ones(kind: str):
    """Area under the ROC curve; weights were fitted to other movements of other people."""
    from sklearn.metrics import roc_auc_score

    wrong, trusts = [], []
    for seed in range(6):
        truth, _ = performed(seed, 6, 400 + seed)
        pose = with_error(truth, kind, np.random.default_rng(seed))
        wrong.append((errors_of(pose, truth) > WRONG)[:, 5:].ravel())
        trusts.append(trust_of(pose)[:, 5:].ravel())
    truth = np.concatenate(wrong)
    assert 0.01 < truth.mean() < 0.5
    assert roc_auc_score(truth, -np.concatenate(trusts)) >= 0.9
