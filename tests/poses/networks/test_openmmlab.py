"""MMPose networks and MMDetection's box detectors by configuration. Most tests need the packages;
the first ones do not."""

# pyright: reportMissingImports=false
# (they are optional)

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
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
from la2ds_cli.poses.networks import TopDownBackend, pose_identities, resolve_detector, resolve_pose
from la2ds_cli.poses.networks.openmmlab import (
    INSTALL,
    building,
    install_stand_ins,
    match_skeleton,
    model_settings,
    operators,
)
from la2ds_cli.poses.networks.paper import Forward
from la2ds_models.pose import build_pose_network, load_pose_weights
from tests.poses import mmpose_reference as reference
from tests.told import refused

W32 = reference.CONFIGS["hrnet-w32"]
RTMDET = "rtmdet_tiny_8xb32-300e_coco"
FASTER_RCNN = "faster-rcnn_r50_fpn_1x_coco"
CONFIG = PosesConfig(batch_size=4)
POSE: Any = None  # a detector of boxes does not ask for joints
BOX = np.array([[60, 30, 180, 290.0], [10, 5, 200, 300.0], [-20, 100, 90, 350.0]])

needs_mmlab = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("mmpose", "mmdet")),
    reason="MMPose is not installed: pip install 'la2ds[mmpose]'",
)


def picture() -> np.ndarray:
    """Smooth colours (320, 240, 3): neighbouring crops give neighbouring heatmaps."""
    coarse = (127.5 * (reference.seeded("picture", (12, 9, 3)) + 1)).astype(np.uint8)
    return cv2.resize(coarse, (240, 320), interpolation=cv2.INTER_CUBIC)


def detector_of(setting: str) -> Any:
    return resolve_detector(setting, "cpu", POSE, PosesConfig())


def unbuilt(setting: str, code: ExitCode, match: str | None = None) -> UserError:
    """Why a pose network or a detector is not built."""
    is_pose = setting.startswith("mmpose")
    with refused(code, match) as caught:
        resolve_pose(setting, "cpu", CONFIG) if is_pose else detector_of(setting)
    return caught.value


@pytest.mark.parametrize("package", ["mmpose", "mmdet"])
def test_a_missing_package_and_a_missing_configuration_are_explained(monkeypatch, package) -> None:
    error = unbuilt(package, ExitCode.USAGE, f"{package} needs a configuration")
    assert f" {package}:CONFIG,CHECKPOINT" in error.hint
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    setting, said = f"{package}:any.py,any.pth", f"{package} needs packages"
    assert unbuilt(setting, ExitCode.ENVIRONMENT, said).hint == INSTALL


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
    with refused(ExitCode.ENVIRONMENT, "COCO reads a data set"):
        importlib.import_module("xtcocotools.coco").COCO("annotations.json")
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
    with refused(ExitCode.MISMATCH, r"swan\.py .*: beak, tail"):
        match_skeleton(["beak", "tail"], "swan.py")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The seeded W32 as MMPose 1.x stores it."""
    path = tmp_path_factory.mktemp("mmpose") / "w32.pth"
    torch.save({"state_dict": reference.seeded_w32()}, path)
    yield path
    path.unlink()


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


@needs_mmlab
@pytest.mark.heavy
def test_the_joints_are_those_of_mmpose(checkpoint: Path) -> None:
    config = replace(CONFIG, batch_size=2)
    backend = resolve_pose(f"mmpose:{W32},{checkpoint}", "cpu", config)
    assert (backend.skeleton, backend.device) == ("coco17", "cpu")
    xy, score, _ = backend.estimate([picture()] * 3, BOX)
    expected = theirs(W32, BOX)
    np.testing.assert_allclose(xy, expected[0], atol=1e-3)
    np.testing.assert_allclose(score, np.clip(expected[1], 0, 1), atol=1e-5)


@needs_mmlab
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


@needs_mmlab
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


@needs_mmlab
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


@needs_mmlab
@pytest.mark.parametrize(
    ("setting", "code", "text"),
    [
        ("mmpose:no_such_config", ExitCode.USAGE, "no configuration called 'no_such_config'"),
        ("mmdet:rtmdet_tiny_8xb32,x.pth", ExitCode.USAGE, f"did you mean .*{RTMDET}"),
        ("mmpose:missing.py,x.pth", ExitCode.UNREADABLE, "no such configuration: missing.py"),
        (f"mmpose:{W32},missing.pth", ExitCode.UNREADABLE, "no such checkpoint: missing.pth"),
        (f"mmdet:{RTMDET}", ExitCode.ENVIRONMENT, f"names no checkpoint .*{RTMDET},FILE.pth"),
    ],
)
def test_settings_that_name_nothing(setting: str, code: ExitCode, text: str) -> None:
    trust(str(Path("missing.py").resolve()))
    error = unbuilt(setting, code)
    assert re.search(text, f"{error.message} {error.hint}")


@needs_mmlab
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
    unbuilt(f"mmpose:{config},{path}", ExitCode.MISMATCH, text)


@needs_mmlab
@pytest.mark.heavy
def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self):
            return (print, ("this must never run",))

    path = tmp_path / "hostile.pth"
    torch.save({"state_dict": {}, "meta": Hostile()}, path)
    said = r"holds only weights: .*print"
    assert "publish_model" in unbuilt(f"mmpose:{W32},{path}", ExitCode.ENVIRONMENT, said).hint


# --- detectors ----------------------------------------------------------------------------------


def test_the_stand_in_suppresses_overlapping_boxes() -> None:
    """Boxes 0 and 1 overlap by 80 of 120 and 0 scores lower; box 2 lies apart."""
    box = torch.tensor([[0.0, 0, 10, 10], [0, 2, 10, 12], [50, 50, 60, 60]])
    score = torch.tensor([0.5, 0.9, 0.1])
    stand_in: Any = operators()
    assert stand_in.nms(box, score, iou_threshold=0.6).tolist() == [1, 2]
    assert stand_in.nms(box, score, iou_threshold=0.7).tolist() == [1, 0, 2]
    # Counted in pixels, corners included, they overlap by 99 of 143 = 0.692, not 0.667.
    assert stand_in.nms(box, score, iou_threshold=0.68, offset=0).tolist() == [1, 0, 2]
    assert stand_in.nms(box, score, iou_threshold=0.68, offset=1).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("layer", "torchvision"),
    [
        ({"type": "RoIAlign", "output_size": 7}, True),
        ({"type": "RoIAlign", "pool_mode": "max"}, False),
        ({"type": "RoIPool"}, False),
    ],
)
def test_regions_are_averaged_by_torchvision(layer: dict[str, Any], torchvision: bool) -> None:
    """A maximum is not, and needs the compiled MMCV, as the stand-in says."""
    model = model_settings({"init_cfg": {"checkpoint": "x"}, "heads": [{"roi_layer": layer}]})
    assert model["init_cfg"] is None
    assert model["heads"][0]["roi_layer"].get("use_torchvision", False) == torchvision


def test_other_operators_say_what_is_missing() -> None:
    with refused(ExitCode.ENVIRONMENT, "modulated_deform_conv_forward"):
        operators().modulated_deform_conv_forward(1, two=2)


def random_detector(alias: str, folder: Path, classes: tuple[str, ...] | None = None) -> str:
    """The setting of a detector with random weights that finds boxes with any score."""
    with building("mmdet"):
        import mmdet
        from mmdet.registry import MODELS
        from mmengine.config import Config

        configs = Path(str(mmdet.__file__)).parent / ".mim" / "configs"
        (base,) = configs.rglob(f"{alias}.py")
        any_score = {RTMDET: "score_thr=0.0", FASTER_RCNN: "rcnn=dict(score_thr=0.0)"}[alias]
        path = folder / f"{alias}.py"
        trust(str(path))
        path.write_text(f'_base_ = "{base}"\nmodel = dict(test_cfg=dict({any_score}))\n')
        torch.manual_seed(0)
        network = MODELS.build(model_settings(Config.fromfile(path).model))
    state = network.state_dict()
    for name in state:
        if name.endswith(("fc_cls.bias", "rtm_cls.0.bias", "rtm_cls.1.bias", "rtm_cls.2.bias")):
            state[name][0] += 5  # else hardly any box is a person
    meta = {"dataset_meta": {"CLASSES": classes}} if classes else {}
    torch.save({"state_dict": state, "meta": meta}, folder / "random.pth")
    return f"mmdet:{path},{folder / 'random.pth'}"


@needs_mmlab
@pytest.mark.heavy
@pytest.mark.parametrize("alias", [RTMDET, FASTER_RCNN])
def test_the_boxes_are_those_of_mmdetection(tmp_path: Path, alias: str) -> None:
    setting = random_detector(alias, tmp_path)
    detector = detector_of(setting)
    found = detector.detect([picture(), picture()[:, ::-1]])
    from mmdet.apis import inference_detector, init_detector
    from mmengine.config import Config

    name, _, checkpoint = setting.removeprefix("mmdet:").partition(",")
    config = Config.fromfile(name)
    config.model = model_settings(config.model)  # without what is compiled
    network = init_detector(config, None, device="cpu")
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["state_dict"])
    for image, boxes in zip([picture(), picture()[:, ::-1]], found, strict=True):
        expected = inference_detector(
            network, np.ascontiguousarray(image[..., ::-1])
        ).pred_instances
        person = (expected.labels == 0).numpy()
        assert boxes.dtype == np.float32
        assert boxes.shape == (person.sum(), 5)
        assert len(boxes) > 0
        np.testing.assert_allclose(boxes[:, :4], expected.bboxes.numpy()[person], atol=1e-3)
        np.testing.assert_allclose(boxes[:, 4], expected.scores.numpy()[person], atol=1e-6)


@needs_mmlab
@pytest.mark.heavy
def test_a_detector_of_other_things_is_refused(tmp_path: Path) -> None:
    setting = random_detector(RTMDET, tmp_path, classes=tuple(f"kind{n}" for n in range(80)))
    said = "does not detect people; its classes are kind0, kind1"
    unbuilt(setting, ExitCode.MISMATCH, said)
