"""MMDetection's box detectors by configuration, and the stand-in for MMCV's compiled operators."""

# pyright: reportMissingImports=false
# (MMDetection is an optional package)

from __future__ import annotations

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.plugins import trust
from la2ds_cli.poses.networks import detector_identities, resolve_detector
from la2ds_cli.poses.openmmlab import INSTALL, building, model_settings, operators
from la2ds_cli.poses.threads import one_thread_each
from tests.poses.mmpose_reference import seeded

POSE: Any = None
RTMDET = "rtmdet_tiny_8xb32-300e_coco"
FASTER_RCNN = "faster-rcnn_r50_fpn_1x_coco"

needs_mmdet = pytest.mark.skipif(
    importlib.util.find_spec("mmdet") is None,
    reason="MMDetection is not installed: pip install 'la2ds[mmpose]'",
)


def resolve(setting: str) -> Any:
    return resolve_detector(setting, "cpu", POSE, PosesConfig())


def test_a_missing_package_is_explained(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="mmdet needs packages") as caught:
        detector_identities("mmdet:any.py,any.pth")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert caught.value.hint == INSTALL


def test_a_setting_without_a_configuration_says_what_to_write() -> None:
    with pytest.raises(UserError, match="needs a configuration") as caught:
        resolve("mmdet")
    assert "--detector mmdet:CONFIG,CHECKPOINT" in caught.value.hint


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
    with pytest.raises(UserError, match="modulated_deform_conv_forward") as caught:
        operators().modulated_deform_conv_forward(1, two=2)
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def picture() -> np.ndarray:
    coarse = (127.5 * (seeded("picture", (12, 16, 3)) + 1)).astype(np.uint8)
    return cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)


def random_weights(alias: str, folder: Path, classes: tuple[str, ...] | None = None) -> str:
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


@needs_mmdet
@pytest.mark.heavy
@pytest.mark.parametrize("alias", [RTMDET, FASTER_RCNN])
def test_the_boxes_are_those_of_mmdetection(tmp_path: Path, alias: str) -> None:
    setting = random_weights(alias, tmp_path)
    detector = resolve(setting)
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


@needs_mmdet
@pytest.mark.heavy
def test_threads_get_their_own_boxes(tmp_path: Path) -> None:
    detector = resolve(random_weights(RTMDET, tmp_path))
    images = [picture(), picture()[::-1], picture()[:, ::-1]]
    # As an extraction runs them: one thread per call. With random weights many scores nearly tie,
    # so that the order of the boxes hangs on the last bits of sums, and these on the number of
    # threads, which torch keeps for each thread of Python apart.
    with one_thread_each(3), ThreadPoolExecutor(3) as pool:
        alone = [detector.detect([image])[0] for image in images]
        together = list(pool.map(lambda image: detector.detect([image])[0], images))
    assert all(len(boxes) for boxes in alone)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_mmdet
@pytest.mark.heavy
def test_a_detector_of_other_things_is_refused(tmp_path: Path) -> None:
    setting = random_weights(RTMDET, tmp_path, classes=tuple(f"kind{n}" for n in range(80)))
    with pytest.raises(
        UserError, match="does not detect people; its classes are kind0, kind1"
    ) as caught:
        resolve(setting)
    assert caught.value.exit_code == ExitCode.MISMATCH


@needs_mmdet
def test_a_configuration_alone_has_no_weights() -> None:
    with pytest.raises(UserError, match="names no checkpoint") as caught:
        resolve(f"mmdet:{RTMDET}")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT
    assert f"--detector mmdet:{RTMDET},FILE.pth" in caught.value.hint


@needs_mmdet
def test_an_unknown_configuration_names_near_ones() -> None:
    with pytest.raises(UserError, match="no configuration called 'rtmdet_tiny_8xb32'") as caught:
        resolve("mmdet:rtmdet_tiny_8xb32,x.pth")
    assert caught.value.exit_code == ExitCode.USAGE
    assert RTMDET in caught.value.hint
