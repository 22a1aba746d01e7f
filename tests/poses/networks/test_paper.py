"""The networks of the paper, what every network promises, and how one is found."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.plugins import plugin_names
from la2ds_cli.demo.demo_clips import write_demo_clips
from la2ds_cli.poses.networks import (
    detector_identities,
    detector_name,
    pose_identities,
    resolve_detector,
    resolve_pose,
)
from la2ds_cli.poses.networks.paper import POSES, FasterRcnnDetector, Forward
from la2ds_cli.video.reader import read_frames
from la2ds_models.pose import POSE_VARIANTS, build_pose_network
from la2ds_models.weight_files import WeightFile, zoo
from tests.poses.grey_people import GreyPose, scene
from tests.told import refused

POSE: Any = None
ROOT = Path(__file__).parents[3]
NETWORKS = "la2ds_cli.poses.networks"
DETECTORS = ("fasterrcnn", "fasterrcnn-mobilenet", "full-frame", "blazepose", "ultralytics")
KINDS: dict[str, Any] = {
    "POSES": lambda name: resolve_pose(name, "cpu"),
    "DETECTORS": lambda name: resolve_detector(name, "cpu", POSE),
}


def test_every_name_has_its_variant_and_its_plugin() -> None:
    assert set(POSES) == set(POSE_VARIANTS) <= set(plugin_names(NETWORKS, declared="POSES"))
    assert set(DETECTORS) <= set(plugin_names(NETWORKS, declared="DETECTORS"))


@pytest.mark.parametrize("name", [*POSES, *DETECTORS])
def test_identities_name_the_network_and_its_weights(name: str) -> None:
    (identity,) = (pose_identities if name in POSES else detector_identities)(name)
    assert identity.startswith(f"{name}:")
    assert len(identity.split(":")[1]) >= (8 if name in POSES else 1)


@pytest.mark.parametrize(("kind", "option"), [("POSES", "--pose"), ("DETECTORS", "--detector")])
def test_an_unknown_name_lists_the_known_ones(kind: str, option: str) -> None:
    with refused(ExitCode.USAGE, r"unknown .* 'openpose'") as caught:
        KINDS[kind]("openpose")
    for text in (*plugin_names(NETWORKS, declared=kind), f"{option} FILE.onnx"):
        assert text in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "name"), [("POSES", "hrnet-w32"), ("DETECTORS", "fasterrcnn-mobilenet")]
)
def test_missing_weights_are_explained_and_nothing_takes_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str
) -> None:
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("LA2DS_OFFLINE", "1")
    with refused(ExitCode.ENVIRONMENT, name) as caught:
        KINDS[kind](name)
    entry = zoo()[name]
    for text in (entry.file, entry.sha256, entry.urls[0], str(tmp_path), "FILE.onnx"):
        assert text in caught.value.hint


def test_auto_goes_by_the_device_and_accepts_the_other(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert detector_name("auto", "auto", "hrnet-w32") == "fasterrcnn-mobilenet"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert detector_name("auto", "auto", "hrnet-w32") == "fasterrcnn"
    assert detector_name("auto", "cpu", "hrnet-w32") == "fasterrcnn-mobilenet"
    assert detector_name("full-frame", "auto", "hrnet-w32") == "full-frame"
    assert detector_name("auto", "auto", "blazepose-lite") == "blazepose"
    assert detector_name("fasterrcnn", "auto", "blazepose") == "fasterrcnn"
    both = detector_identities("fasterrcnn") + detector_identities("fasterrcnn-mobilenet")
    assert set(detector_identities("auto")) == {*both, *detector_identities("blazepose")}


# --- HRNet --------------------------------------------------------------------------------------


def test_the_demo_network_finds_the_joints_of_a_rendered_person(tmp_path: Path) -> None:
    """Median error below 4 % of the height of the person, on frames it was not trained on."""
    (clip,) = write_demo_clips(tmp_path, n=1, seed=11)
    frames = list(read_frames(clip.path))[::12]
    rows = [frame.index for frame in frames]
    low, high = clip.xy[rows].min(axis=1), clip.xy[rows].max(axis=1)
    margin = 0.1 * (high - low).max(axis=1, keepdims=True)
    box = np.concatenate([low - margin, high + margin], axis=1)
    backend = resolve_pose("hrnet-demo", "cpu")
    xy, score, _ = backend.estimate([frame.image for frame in frames], box)
    error = np.linalg.norm(xy - clip.xy[rows], axis=-1) / (high - low)[:, None, 1]
    assert float(np.median(error)) < 0.04
    assert float(score.mean()) > 0.3


def test_w32_loads_a_checkpoint_from_the_weights_folder(tmp_path: Path, monkeypatch) -> None:
    """A file in OpenMMLab's naming, with its hash in the list, put where a download would go."""
    torch.manual_seed(0)
    network = build_pose_network("hrnet-w32")
    state = {
        (f"head.{key}" if key.startswith("final_layer") else key): value
        for key, value in network.state_dict().items()
    }
    path = tmp_path / "weights" / "w32.pth"
    path.parent.mkdir()
    torch.save({"state_dict": state}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = WeightFile("hrnet-w32", "w32.pth", "none", "nothing", sha256=digest[:8])
    monkeypatch.setattr("la2ds_models.weight_files.zoo", lambda: {"hrnet-w32": entry})
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    backend = resolve_pose("hrnet-w32", "cpu")
    image = np.random.default_rng(0).integers(0, 255, (300, 200, 3), np.uint8)
    xy, _, _ = backend.estimate([image], np.array([[20, 20, 180, 280.0]]))
    assert xy.shape == (1, 17, 2)
    assert np.isfinite(xy).all()
    assert pose_identities("hrnet-w32")[0] == f"hrnet-w32:{digest[:8]}"
    torch.save({"state_dict": {"fc.weight": torch.zeros(2, 2)}}, path)
    entry = WeightFile("hrnet-w32", "w32.pth", "none", "nothing")
    monkeypatch.setattr("la2ds_models.weight_files.zoo", lambda: {"hrnet-w32": entry})
    with refused(ExitCode.ENVIRONMENT, r"w32\.pth"):
        resolve_pose("hrnet-w32", "cpu")


def test_out_of_memory_ends_the_run() -> None:
    def full(batch: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("no room")

    with refused(ExitCode.ENVIRONMENT, "too little free memory"):
        Forward(full, torch.device("cpu"))(np.ones((4, 3, 4, 4), np.float32))


@pytest.mark.gpu
def test_cuda_gives_the_joints_of_the_cpu(tmp_path: Path) -> None:
    (clip,) = write_demo_clips(tmp_path, n=1, seed=3)
    images = [frame.image for frame in read_frames(clip.path)][:4]
    box = np.tile([20, 20, 220, 300.0], (len(images), 1))
    cpu = resolve_pose("hrnet-demo", "cpu").estimate(images, box)
    cuda = resolve_pose("hrnet-demo", "cuda").estimate(images, box)
    np.testing.assert_allclose(cuda[1], cpu[1], atol=1e-2)
    assert float(np.median(np.abs(cuda[0] - cpu[0]))) < 0.5


# --- detectors ----------------------------------------------------------------------------------


def test_fasterrcnn_returns_people_alone() -> None:
    class Network:
        def __call__(self, batch: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            assert [tuple(image.shape) for image in batch] == [(3, 20, 30)]
            assert float(batch[0].max()) == 1.0
            return [
                {
                    "boxes": torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8.0]]),
                    "labels": torch.tensor([18, 1]),
                    "scores": torch.tensor([0.9, 0.7]),
                }
            ]

    detector = FasterRcnnDetector(Network(), torch.device("cpu"))
    found = detector.detect([np.full((20, 30, 3), 255, np.uint8)] * 2)
    assert len(found) == 2
    np.testing.assert_allclose(found[0], [[5, 6, 7, 8, 0.7]], rtol=1e-6)
    assert found[0].dtype == np.float32


def test_the_full_frame_closes_in_on_the_person() -> None:
    """The three outermost joints of the 40 x 80 figure, and 5 % of its height on every side."""
    images = [scene({200: (60, 30, 100, 110)}), scene({200: (70, 30, 110, 110)})]
    found = resolve_detector("full-frame", "cpu", GreyPose()).detect(images)
    assert [f.shape for f in found] == [(1, 5), (1, 5)]
    np.testing.assert_allclose(found[0][0, :4], [56, 26, 103, 113], atol=1.5)
    np.testing.assert_allclose(found[1][0, :4] - found[0][0, :4], [10, 0, 10, 0], atol=1.5)
    assert found[0][0, 4] > 0.8
    (empty,) = resolve_detector("full-frame", "cpu", GreyPose()).detect([scene({})])
    assert empty[0, 4] < 0.1
