"""The sheet of cached heatmaps: drawn from the files, with every joint in the ink of its side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.features.heatmap_cache import cache_heatmaps
from la2ds_cli.views import heatmap_sheet
from la2ds_cli.views.heatmap_sheet import picture
from tests.movement import add_sequence, sequence, warped_phase


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    add_sequence(project, "long", sequence(warped_phase(90, 1)))
    add_sequence(project, "short", sequence(warped_phase(30, 2), fps=12.0))
    return project


def test_a_joint_has_the_ink_of_its_side_and_a_limb_is_grey() -> None:
    skeleton = get_skeleton("penn13")
    maps = np.zeros((len(skeleton.joints) + len(skeleton.limbs), 3, 4))
    maps[skeleton.joints.index("left_wrist"), 0, 0] = 1
    maps[skeleton.joints.index("right_wrist"), 0, 1] = 1
    maps[skeleton.joints.index("head"), 0, 2] = 1
    maps[len(skeleton.joints), 1, 0] = 1
    image = picture(maps, skeleton)
    assert image.shape == (3, 4, 3)
    red, blue, black = image[0, 0], image[0, 1], image[0, 2]
    assert red.argmax() == 0
    assert blue.argmax() == 2
    np.testing.assert_allclose(black, 0)
    np.testing.assert_allclose(image[1, 0], 0.65)
    np.testing.assert_allclose(image[2], 1)  # nothing there


def test_maps_of_limbs_alone_are_grey() -> None:
    skeleton = get_skeleton("penn13")
    maps = np.ones((len(skeleton.limbs), 2, 2)) * np.eye(len(skeleton.limbs))[0][:, None, None]
    np.testing.assert_allclose(picture(maps, skeleton), 0.65)


def test_the_sheet_is_drawn_from_the_cache(project: Project, tmp_path: Path) -> None:
    path = tmp_path / "maps.png"
    with pytest.raises(UserError, match="no cached heatmaps of long") as caught:
        heatmap_sheet.write(project, ["long", "short"], path)
    assert caught.value.exit_code == ExitCode.UNUSABLE
    assert not path.exists()
    cache_heatmaps(project, load_config().heatmap)
    for video in ("long", "short"):  # the joints are not needed
        project.pose_path(video).unlink()
    heatmap_sheet.write(project, ["long", "short"], path)
    pixels = np.asarray(Image.open(path).convert("RGB"), dtype=int)
    red = (pixels[..., 0] - pixels[..., 2] > 60).sum()
    blue = (pixels[..., 2] - pixels[..., 0] > 60).sum()
    assert min(red, blue) > 200
