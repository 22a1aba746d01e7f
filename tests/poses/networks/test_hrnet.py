from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.demo.clips import write_demo_clips
from la2ds_cli.poses.networks import pose_identities, resolve_pose
from la2ds_cli.poses.networks.paper import POSES, Forward
from la2ds_cli.video.reader import read_frames
from la2ds_models.pose import POSE_VARIANTS, build_pose_network
from la2ds_models.weight_files import WeightFile, bundled_path, zoo


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


def test_identity_of_the_demo_network_is_the_digest_of_its_file() -> None:
    content = bundled_path(zoo()["hrnet-demo"]).read_bytes()
    assert pose_identities("hrnet-demo")[0] == f"hrnet-demo:{hashlib.sha256(content).hexdigest()}"


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


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "weights" / "w32.pth"
    path.parent.mkdir()
    torch.save({"state_dict": {"fc.weight": torch.zeros(2, 2)}}, path)
    entry = WeightFile("hrnet-w32", "w32.pth", "none", "nothing")
    monkeypatch.setattr("la2ds_models.weight_files.zoo", lambda: {"hrnet-w32": entry})
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"w32\.pth") as caught:
        resolve_pose("hrnet-w32", "cpu")
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_out_of_memory_ends_the_run() -> None:
    def full(batch: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(UserError, match="too little free memory") as caught:
        Forward(full, torch.device("cpu"))(np.ones((4, 3, 4, 4), np.float32))
    assert caught.value.exit_code == ExitCode.ENVIRONMENT


def test_every_name_has_its_variant() -> None:
    assert set(POSES) == set(POSE_VARIANTS)


@pytest.mark.gpu
def test_cuda_gives_the_joints_of_the_cpu(tmp_path: Path) -> None:
    (clip,) = write_demo_clips(tmp_path, n=1, seed=3)
    images = [frame.image for frame in read_frames(clip.path)][:4]
    box = np.tile([20, 20, 220, 300.0], (len(images), 1))
    cpu = resolve_pose("hrnet-demo", "cpu").estimate(images, box)
    cuda = resolve_pose("hrnet-demo", "cuda").estimate(images, box)
    np.testing.assert_allclose(cuda[1], cpu[1], atol=1e-2)
    assert float(np.median(np.abs(cuda[0] - cpu[0]))) < 0.5
