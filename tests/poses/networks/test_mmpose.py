"""MMPose networks by configuration. Most tests need the package; the first ones do not."""

# pyright: reportMissingImports=false
# (MMPose is an optional package)

from __future__ import annotations

import importlib
import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.plugins import trust
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses.networks import pose_identities, resolve_pose
from la2ds_cli.poses.networks.openmmlab import match_skeleton
from la2ds_cli.poses.networks.paper import Forward
from la2ds_cli.poses.openmmlab import INSTALL, install_stand_ins
from la2ds_cli.poses.top_down import TopDownBackend
from la2ds_models.pose import build_pose_network, load_pose_weights
from tests.poses import mmpose_reference as reference

W32 = reference.CONFIGS["hrnet-w32"]
CONFIG = PosesConfig(batch_size=4)
BOX = np.array([[60, 30, 180, 290.0], [10, 5, 200, 300.0], [-20, 100, 90, 350.0]])

needs_mmpose = pytest.mark.skipif(
    importlib.util.find_spec("mmpose") is None,
    reason="MMPose is not installed: pip install 'la2ds[mmpose]'",
)


def test_a_missing_package_is_explained(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="mmpose") as caught:
        pose_identities("mmpose:any.py,any.pth")[0]
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert caught.value.hint == INSTALL


def test_a_setting_without_a_configuration_says_what_to_write() -> None:
    with pytest.raises(UserError, match="needs a configuration") as caught:
        resolve_pose("mmpose", "cpu")
    assert caught.value.exit_code == ExitCode.USAGE
    assert "--pose mmpose:CONFIG,CHECKPOINT" in caught.value.hint


def test_data_sets_are_stood_in_for_where_xtcocotools_is_missing(monkeypatch) -> None:
    """MMPose's imports work, and what they import says what is missing when it is used."""
    names = [name for name in sys.modules if name.partition(".")[0] == "xtcocotools"]
    for name in (*names, "xtcocotools", "xtcocotools.mask", "xtcocotools.coco"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "xtcocotools.cocoeval", None)  # its import fails
    monkeypatch.setitem(sys.modules, "mmcv._ext", sys)  # as if it were there
    install_stand_ins()
    mask = importlib.import_module("xtcocotools.mask")
    assert mask is importlib.import_module("xtcocotools").mask
    with pytest.raises(UserError, match="COCO reads a data set") as caught:
        importlib.import_module("xtcocotools.coco").COCO("annotations.json")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    for name in ("xtcocotools", *(f"xtcocotools.{part}" for part in ("coco", "cocoeval", "mask"))):
        monkeypatch.delitem(sys.modules, name)


def test_joints_are_matched_by_name() -> None:
    coco = get_skeleton("coco17").joints
    assert match_skeleton(coco, "x") == ("coco17", list(range(17)))
    assert match_skeleton(coco[::-1], "x") == ("coco17", list(range(17))[::-1])
    assert match_skeleton(["left_big_toe", *coco, "left_thumb1"], "x")[0] == "coco17"
    halpe = [{"mid_hip": "hip"}.get(name, name) for name in get_skeleton("halpe26").joints]
    assert match_skeleton(halpe, "x") == ("halpe26", list(range(26)))
    hand = ["wrist"] + [
        f"{finger}{n}"
        for finger in ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
        for n in range(1, 5)
    ]
    assert match_skeleton(hand, "x") == ("hand21", list(range(21)))


def test_joints_of_no_skeleton_are_refused() -> None:
    with pytest.raises(UserError, match=r"swan\.py .*: beak, tail") as caught:
        match_skeleton(["beak", "tail"], "swan.py")
    assert caught.value.exit_code == ExitCode.MISMATCH


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The seeded W32 as MMPose 1.x stores it."""
    path = tmp_path_factory.mktemp("mmpose") / "w32.pth"
    torch.save({"state_dict": reference.seeded_w32()}, path)
    yield path
    path.unlink()


def picture() -> np.ndarray:
    """Smooth colours (320, 240, 3): neighbouring crops give neighbouring heatmaps."""
    coarse = (127.5 * (reference.seeded("picture", (12, 9, 3)) + 1)).astype(np.uint8)
    return cv2.resize(coarse, (240, 320), interpolation=cv2.INTER_CUBIC)


def theirs(config: Any, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """xy and score by MMPose's own inference function, on a BGR picture."""
    network = reference.mmpose_network(config)
    from mmpose.apis import inference_topdown

    network.load_state_dict(reference.seeded_w32())
    network.test_cfg = {**network.test_cfg, "flip_test": False}
    bgr = np.ascontiguousarray(picture()[..., ::-1])
    found = inference_topdown(network, bgr, box.astype(np.float32))
    xy = np.concatenate([one.pred_instances.keypoints for one in found])
    return xy, np.concatenate([one.pred_instances.keypoint_scores for one in found])


@needs_mmpose
@pytest.mark.heavy
def test_the_joints_are_those_of_mmpose(checkpoint: Path) -> None:
    config = replace(CONFIG, batch_size=2)
    backend = resolve_pose(f"mmpose:{W32},{checkpoint}", "cpu", config)
    assert (backend.skeleton, backend.device) == ("coco17", "cpu")
    xy, score, _ = backend.estimate([picture()] * 3, BOX)
    expected = theirs(W32, BOX)
    np.testing.assert_allclose(xy, expected[0], atol=1e-3)
    np.testing.assert_allclose(score, np.clip(expected[1], 0, 1), atol=1e-5)


@needs_mmpose
@pytest.mark.heavy
def test_our_own_hrnet_gives_the_joints_of_mmpose(checkpoint: Path) -> None:
    """From the picture to its pixels: crop, network and decoding.

    The boxes make the biased crop fall on whole pixels, where MMPose's float32 matrix and our
    float64 one cut the same picture.
    """
    side = np.array([[153.6, 204.8], [153.6, 204.8], [307.2, 409.6]])  # 192 x 256 / 1.25 and twice
    middle = np.array([[120, 160], [90, 140], [120, 160]])
    box = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    network = build_pose_network("hrnet-w32").eval()
    load_pose_weights(network, checkpoint)
    forward = Forward(network, torch.device("cpu"))
    backend = TopDownBackend(forward, (256, 192), "coco17", "cpu")
    xy, score, _ = backend.estimate([picture()] * 3, box)
    expected = theirs(W32, box)
    np.testing.assert_allclose(xy, expected[0], atol=0.05)
    np.testing.assert_allclose(score, expected[1], atol=1e-5)


@needs_mmpose
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("config", "skeleton"),
    [
        ("rtmpose-t_8xb256-420e_coco-256x192", "coco17"),  # SimCC
        ("rtmpose-t_8xb1024-700e_body8-halpe26-256x192", "halpe26"),
        ("td-hm_hrnet-w32_udp-regress-8xb64-210e_coco-256x192", "coco17"),
    ],
)
def test_other_heads_run(tmp_path: Path, config: str, skeleton: str) -> None:
    path = random_weights(config, tmp_path)
    backend = resolve_pose(f"mmpose:{config},{path}", "cpu", CONFIG)
    xy, score, _ = backend.estimate([picture()] * 3, BOX)
    assert backend.skeleton == skeleton
    assert xy.shape == (3, len(get_skeleton(skeleton).joints), 2)
    assert np.isfinite(xy).all()
    assert ((score >= 0) & (score <= 1)).all()
    assert resolve_pose(f"mmpose:{config},{path}", "cpu", CONFIG).estimate([], BOX[:0])[0].size == 0


def random_weights(config: str, folder: Path) -> Path:
    path = folder / "random.pth"
    torch.manual_seed(0)
    torch.save({"state_dict": reference.mmpose_network(config).state_dict()}, path)
    return path


@needs_mmpose
@pytest.mark.heavy
def test_threads_get_their_own_joints(checkpoint: Path) -> None:
    backend = resolve_pose(f"mmpose:{W32},{checkpoint}", "cpu", CONFIG)
    alone = [backend.estimate([picture()], BOX[i : i + 1])[0] for i in range(3)]
    with ThreadPoolExecutor(3) as pool:
        together = list(
            pool.map(lambda i: backend.estimate([picture()], BOX[i : i + 1])[0], range(3))
        )
    np.testing.assert_array_equal(together, alone)


@needs_mmpose
def test_identity_follows_what_the_configuration_says_and_the_weights(tmp_path: Path) -> None:
    base = f'_base_ = "{reference.mmpose_config(W32).filename}"\n'
    texts = {
        "same": base,
        "comment": f"# more words\n{base}",
        "sigma": f"{base}model = dict(test_cfg=dict(shift_heatmap=False))\n",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
        trust(str(tmp_path / f"{name}.py"))
    for name in ("a", "b"):
        (tmp_path / f"{name}.pth").write_text(name)

    def identity(config: str, weights: str = "a") -> str:
        return pose_identities(f"mmpose:{tmp_path / config}.py,{tmp_path / weights}.pth")[0]

    assert identity("same") == identity("comment")
    assert len({identity("same"), identity("sigma"), identity("same", "b")}) == 3
    assert "mmpose1." in identity("same")


@needs_mmpose
@pytest.mark.parametrize(
    ("setting", "code", "text"),
    [
        ("mmpose:no_such_config", ExitCode.USAGE, "no configuration called 'no_such_config'"),
        ("mmpose:missing.py,x.pth", ExitCode.UNREADABLE, "no such configuration: missing.py"),
        (f"mmpose:{W32},missing.pth", ExitCode.UNREADABLE, "no such checkpoint: missing.pth"),
        ("mmpose:rtmpose-t_8xb256-420e_coco-256x192", ExitCode.ENVIRONMENT, "names no checkpoint"),
    ],
)
def test_settings_that_name_nothing(setting: str, code: ExitCode, text: str) -> None:
    trust(str(Path("missing.py").resolve()))
    with pytest.raises(UserError, match=text) as caught:
        resolve_pose(setting, "cpu", CONFIG)
    assert caught.value.exit_code == code
    assert caught.value.hint


@needs_mmpose
@pytest.mark.heavy
@pytest.mark.parametrize(
    ("config", "text"),
    [
        ("dekr_hrnet-w32_8xb10-140e_coco-512x512", "top-down"),  # bottom-up
        ("td-hm_hrnet-w32_8xb64-210e_aic-256x192", "joints of .*aic.* fit no skeleton"),
        ("td-hm_hrnet-w48_8xb32-210e_coco-256x192", "does not hold the weights"),
    ],
)
def test_networks_that_do_not_fit_are_refused(checkpoint: Path, tmp_path, config, text) -> None:
    path = checkpoint if "w48" in config else random_weights(config, tmp_path)
    with pytest.raises(UserError, match=text) as caught:
        resolve_pose(f"mmpose:{config},{path}", "cpu", CONFIG)
    assert caught.value.exit_code == ExitCode.MISMATCH


@needs_mmpose
@pytest.mark.heavy
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return (print, ("this must never run",))

    path = tmp_path / "hostile.pth"
    torch.save({"state_dict": {}, "meta": Hostile()}, path)
    with pytest.raises(UserError, match=r"holds only weights: .*print") as caught:
        resolve_pose(f"mmpose:{W32},{path}", "cpu", CONFIG)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert "publish_model" in caught.value.hint
