"""ViTPose networks of transformers. Most tests need the package; the first ones do not."""

# pyright: reportMissingImports=false
# (transformers is an optional package)

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.poses.backends import backend_identity, resolve_backend
from la2ds_cli.poses.backends.vitpose import INSTALL, ViTPoseDecoder
from la2ds_cli.poses.top_down import HeatmapDecoder, TopDownBackend
from tests.poses.mmpose_reference import empty_heatmaps, seeded, seeded_heatmaps

# As published models call COCO's joints.
LABELS = {
    k: name.title().replace("Left_", "L_").replace("Right_", "R_")
    for k, name in enumerate(get_skeleton("coco17").joints)
}
BOXES = np.array([[60, 30, 180, 290.0], [10, 5, 200, 150.0], [-20, 100, 90, 350.0]])

needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None,
    reason=f"transformers is not installed: {INSTALL}",
)


def picture() -> np.ndarray:
    """Smooth colours (320, 240, 3)."""
    coarse = (127.5 * (seeded("picture", (12, 9, 3)) + 1)).astype(np.uint8)
    return cv2.resize(coarse, (240, 320), interpolation=cv2.INTER_CUBIC)


def save_model(folder: Path, *, labels: Any = LABELS, experts: int = 1, **more: Any) -> Any:
    """A small network of random weights whose heatmaps are positive, and its image processor."""
    from transformers import (
        VitPoseBackboneConfig,
        VitPoseConfig,
        VitPoseForPoseEstimation,
        VitPoseImageProcessor,
    )

    backbone = VitPoseBackboneConfig(
        image_size=[64, 48],
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_experts=experts,
        part_features=4,
        out_indices=[2],
    )
    config = VitPoseConfig(
        backbone_config=backbone,
        id2label=labels,
        label2id={v: k for k, v in labels.items()},
        **more,
    )
    torch.manual_seed(0)
    network = VitPoseForPoseEstimation(config).eval()
    torch.nn.init.normal_(network.head.conv.weight, std=0.02)
    torch.nn.init.constant_(network.head.conv.bias, 0.5)
    network.save_pretrained(folder)
    processor = VitPoseImageProcessor(size={"height": 64, "width": 48})
    processor.save_pretrained(folder)
    return network, processor


def theirs(network: Any, processor: Any, image: np.ndarray, boxes: np.ndarray) -> Any:
    """xy and score by transformers alone, from boxes x, y, width, height."""
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    inputs = processor(image, boxes=[sides.tolist()], return_tensors="pt")
    index = torch.zeros(len(boxes), dtype=torch.long)
    more = {"dataset_index": index} if network.config.backbone_config.num_experts > 1 else {}
    with torch.inference_mode():
        outputs = network(**inputs, **more)
    (people,) = processor.post_process_pose_estimation(outputs, boxes=[sides.tolist()])
    return tuple(
        np.stack([person[key].numpy() for person in people]) for key in ("keypoints", "scores")
    )


def test_a_missing_package_is_explained(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="transformers is not installed") as caught:
        resolve_backend(f"vitpose:{tmp_path}", "cpu")
    assert (caught.value.exit_code, caught.value.hint) == (ExitCode.ENVIRONMENT, INSTALL)


@pytest.mark.parametrize(
    ("setting", "message", "code"),
    [
        ("vitpose", "needs a model", ExitCode.USAGE),
        ("vitpose:nowhere", "nowhere contains no ViTPose model", ExitCode.UNREADABLE),
        ("vitpose:.", "contains no ViTPose model", ExitCode.UNREADABLE),
    ],
)
def test_a_setting_that_names_no_model_says_what_to_write(
    setting: str, message: str, code: ExitCode, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        backend_identity(setting)
    assert caught.value.exit_code == code
    assert "vitpose:FOLDER" in caught.value.hint


def test_the_identity_is_the_content(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    before = backend_identity(f"vitpose:{tmp_path}")
    assert backend_identity(f"vitpose:{tmp_path}") == before
    (tmp_path / "preprocessor_config.json").write_text("{}")
    assert backend_identity(f"vitpose:{tmp_path}") != before


@needs_transformers
@pytest.mark.parametrize("heatmap", [seeded_heatmaps(), empty_heatmaps()], ids=["seeded", "empty"])
def test_joints_are_those_that_transformers_decodes(heatmap: np.ndarray) -> None:
    from transformers import VitPoseImageProcessor
    from transformers.models.vitpose.modeling_vitpose import VitPoseEstimatorOutput

    box = [0, 0, 192 / 1.25, 256 / 1.25]  # its crop has the scale of the input
    outputs = VitPoseEstimatorOutput(heatmaps=torch.from_numpy(heatmap))
    found = VitPoseImageProcessor().post_process_pose_estimation(outputs, [[box]] * len(heatmap))
    xy, score = ViTPoseDecoder().joints(heatmap, (256, 192))
    # The package maps W cells on W pixels of the crop, ours the last cell on the last pixel of it.
    low = np.array([-0.125 * 192 / 1.25, -0.125 * 256 / 1.25])
    xy = low + xy * np.array([192 / 191, 256 / 255])
    for (person,), joints, values in zip(found, xy, score, strict=True):
        seen = values > 0
        np.testing.assert_allclose(person["keypoints"][seen], joints[seen], rtol=0, atol=2e-3)
        np.testing.assert_allclose(np.clip(person["scores"], 0, 1), values, atol=1e-6)
    # Else the comparison would not tell this decoder from that of MMPose.
    other, _ = HeatmapDecoder("dark", udp=True).joints(seeded_heatmaps(), (256, 192))
    ours, _ = ViTPoseDecoder().joints(seeded_heatmaps(), (256, 192))
    assert np.abs(other - ours).max() > 0.05


@needs_transformers
@pytest.mark.parametrize(
    "more", [{}, {"use_simple_decoder": False}, {"experts": 3}], ids=["simple", "classic", "moe"]
)
def test_a_model_gives_the_joints_of_transformers(tmp_path: Path, more: dict[str, Any]) -> None:
    """From the picture to its pixels. The boxes make crops fall on whole pixels, where OpenCV and
    scipy cut the same picture."""
    network, processor = save_model(tmp_path, **more)
    backend = resolve_backend(f"vitpose:{tmp_path}", "cpu", PosesConfig(batch_size=2))
    assert isinstance(backend, TopDownBackend)
    assert (backend.skeleton, backend.device, backend.input_size) == ("coco17", "cpu", (64, 48))
    # The scale (W - 1) / (1.25 w) is 1 for both axes of this odd box, up to its aspect.
    side = np.array([47 / 1.25, 63 / 1.25])
    middle = np.array([[120.5, 160.5], [90.5, 140.5], [150.5, 100.5]])
    box = np.concatenate([middle - side / 2, middle + side / 2], axis=1)
    xy, score = backend.estimate([picture()] * 3, box)
    expected = theirs(network, processor, picture(), box)
    assert np.ptp(xy, axis=1).min() > 20
    near = np.linalg.norm(xy - expected[0], axis=-1) < 0.05
    assert near.mean() > 0.95
    np.testing.assert_allclose(score, np.clip(expected[1], 0, 1), atol=5e-3)


@needs_transformers
def test_crops_are_those_of_transformers(tmp_path: Path) -> None:
    """To a few of 255 levels: OpenCV rounds places to 1/32 of a pixel, scipy cuts values off."""
    _, processor = save_model(tmp_path)
    backend: Any = resolve_backend(f"vitpose:{tmp_path}", "cpu")
    crops = []
    backend.forward.network.register_forward_pre_hook(
        lambda module, _, given: crops.append(given["pixel_values"].clone()), with_kwargs=True
    )
    backend.estimate([picture()] * 3, BOXES)
    sides = np.concatenate([BOXES[:, :2], BOXES[:, 2:] - BOXES[:, :2]], axis=1)
    expected = processor(picture(), boxes=[sides.tolist()], return_tensors="pt")["pixel_values"]
    difference = (torch.cat(crops) - expected).abs() * 0.225 * 255
    assert float(difference.median()) < 1
    assert float(difference.quantile(0.95)) < 4


@needs_transformers
def test_the_joints_are_ordered_by_their_names(tmp_path: Path) -> None:
    save_model(tmp_path / "a")
    save_model(tmp_path / "b", labels={k: LABELS[16 - k] for k in range(17)})
    a, b = (resolve_backend(f"vitpose:{tmp_path / name}", "cpu") for name in "ab")
    for one, other in zip(
        a.estimate([picture()] * 3, BOXES), b.estimate([picture()] * 3, BOXES), strict=True
    ):
        np.testing.assert_array_equal(one, other[:, ::-1])


@needs_transformers
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "vit"}, "it is a vit"),
        ({"backbone_config": {"model_type": "dinov2"}}, "can use"),
        ({"num_labels": 17, "id2label": {str(k): f"LABEL_{k}" for k in range(17)}}, "no skeleton"),
    ],
)
def test_other_networks_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    save_model(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=message) as caught:
        resolve_backend(f"vitpose:{tmp_path}", "cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH


@needs_transformers
def test_weights_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_model(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    del tensors["head.conv.weight"]
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(UserError, match=r"lacks head\.conv\.weight"):
        resolve_backend(f"vitpose:{tmp_path}", "cpu")
    path.write_bytes(b"no weights")
    with pytest.raises(UserError, match="can use") as caught:
        resolve_backend(f"vitpose:{tmp_path}", "cpu")
    assert caught.value.exit_code == ExitCode.MISMATCH
