"""Poses of any values within the limits: every format that la2ds writes gives them back."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats import format_names, load_exporter
from la2ds_cli.formats.checks import FormatError
from tests.any_values import poses
from tests.formats.test_round_trip import KEPT, pairs, round_trip, skip_without

TEXT_FORMATS = [name for name in pairs() if name != "sleap"]


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def bodies(name: str) -> tuple[str, ...]:
    return ("body25",) if name == "openpose_json" else tuple(sorted(SKELETONS))


@pytest.mark.parametrize("name", TEXT_FORMATS)
@given(data=st.data())
def test_poses_come_back_whatever_their_values(name: str, data: st.DataObject):
    kept = KEPT[name]
    first = 10**6 if kept.time else 0  # without times, a clip begins with its first frame
    values = poses(farthest=2.0**19, skeletons=bodies(name), first=first, plain=True)
    pose = data.draw(values)
    if name == "trc":  # which holds the joints in the image of no other clip
        pose = replace(pose, world=None)
    with TemporaryDirectory() as folder:
        back = round_trip(name, pose, Path(folder), skeleton=pose.skeleton)
    assert back.skeleton == pose.skeleton
    assert back.frame.tolist() == pose.frame.tolist()
    if kept.time:
        assert back.time.tolist() == pose.time.tolist()
    np.testing.assert_allclose(back.xy, pose.xy, atol=6e-5, rtol=2e-7)
    if kept.score:
        seen = np.isfinite(pose.xy[..., 0])
        np.testing.assert_allclose(back.score[seen], pose.score[seen], atol=6e-5)
    if kept.size:
        assert back.size == pose.size


@pytest.mark.parametrize("name", format_names("write_clip"))
@given(pose=poses())
def test_poses_at_the_limits_are_written_or_refused(name: str, pose: PoseSequence):
    """Of pixels up to 2**100, frame numbers of 64 bits, and the smallest rate that there is."""
    skip_without(name)
    export, suffix = load_exporter(name)
    with TemporaryDirectory() as folder:
        path = Path(folder, f"a{suffix}")
        try:
            export(pose, "a", path)
        except FormatError:
            assert not list(Path(folder).iterdir())
            return
        assert [entry.name for entry in Path(folder).iterdir()] == [path.name]
