"""What the page of a pair draws from is what the alignment says."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image as Pillow

from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import Phase
from la2ds_cli.views.report import pair_data
from tests.movement import sequence
from tests.views.report.conftest import Report


def test_packed_joints_come_back_to_a_fraction_of_a_pixel() -> None:
    pose = sequence(np.linspace(0, 1, 8))
    xy, score = pose.xy.copy(), pose.score.copy()
    xy[3, 2] = np.nan
    score[4, 5] = 0
    trust = np.ones_like(score)
    trust[6, 9] = 0.3
    pose = replace(pose, xy=xy, score=score, trust=trust)
    window = pair_data.windows(pose)
    joints, state = pair_data.packed_joints(pose, window)
    place = np.frombuffer(base64.b64decode(joints), "<i2").reshape(8, 13, 2)
    states = np.frombuffer(base64.b64decode(state), np.uint8).reshape(8, 13)
    height = (window[:, 3] - window[:, 1])[:, None, None]
    back = place / pair_data.UNIT * height + window[:, None, :2]
    seen = states > 0
    np.testing.assert_allclose(back[seen], pose.xy[seen], atol=0.06)
    assert (place[3, 2] == pair_data.UNSEEN).all()
    assert states[3, 2] == 0
    assert states[4, 5] == 1  # interpolated
    assert states[6, 9] == 1  # not trusted
    assert (states == 2).sum() == 8 * 13 - 3


@pytest.mark.parametrize(
    ("degrees", "limit"), [([1, -2], 20), ([25] * 9, 30), ([-170] * 9, 90), ([np.nan], 20)]
)
def test_the_colour_scale_holds_most_of_the_differences(degrees: list[float], limit: int) -> None:
    assert pair_data.scale_limit(np.array(degrees)) == limit


def test_a_phase_outside_of_the_clip_is_left_out(filmed: StoredProject) -> None:
    video = filmed.find("a")
    assert video is not None
    phases = [Phase(0, 10, "in"), Phase(36, 50, "after"), Phase(30, 99, "over the end")]
    pose = filmed.read_pose("a")[0]
    (_, _, first), (_, end, last) = pair_data.clip_json(video, pose, phases)["phases"]
    assert (first, last) == ("in", "over the end")
    assert end == pytest.approx(pose.time[-1] + 0.025, abs=1e-4)


def test_the_image_of_distances_is_dark_where_frames_are_alike(pair: Report) -> None:
    image = np.asarray(
        Pillow.open(io.BytesIO(base64.b64decode(pair_data.distance_image(pair.result)))).convert(
            "L"
        ),
        float,
    )
    assert image.shape == (30, 36)  # B upwards, A to the right
    path = pair.result.path
    on = image[29 - path[:, 1], path[:, 0]].mean()
    assert on < image.mean() - 20
    assert on < image[29 - path[::-1, 1], path[:, 0]].mean() - 20  # and not upside down
