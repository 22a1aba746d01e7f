"""YOLO networks: settings, checkpoints that are refused, which person of a crop, and boxes."""

from __future__ import annotations

import copy
import importlib.util
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.poses import networks
from la2ds_cli.poses.networks import ultralytics
from la2ds_cli.poses.networks import ultralytics as backends
from tests.poses.yolo_files import LAYERS, DetectionModel, write_checkpoint
from tests.told import refused


@pytest.mark.parametrize(
    ("setting", "model"),
    [
        ("C:/models/Person.PT", "C:/models/Person.PT"),
        ("ultralytics", "yolo11n"),
        ("ultralytics:", "yolo11n"),
        ("ultralytics:yolo26n", "yolo26n"),
        ("ultralytics:a,b.pt", "a,b.pt"),
    ],
)
def test_settings(setting: str, model: str) -> None:
    assert ultralytics.model_name(setting, "yolo11n") == model


def test_identities(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"weights")
    digest = artifact.file_digest(path)
    assert networks.pose_identities(str(path)) == (f"ultralytics:{digest}",)
    assert networks.detector_identities(str(path)) == (f"ultralytics:{digest},linear",)
    assert networks.pose_identities("ultralytics")[0].startswith(
        "ultralytics:yolo11n-pose:869e83fc"
    )
    assert networks.detector_identities("ultralytics")[0].startswith("ultralytics:yolo11n:0ebbc80d")
    for setting, code, said in (
        ("yolo11n.pt", ExitCode.UNREADABLE, r"no such model file: yolo11n\.pt"),
        ("ultralytics:yolo5", ExitCode.USAGE, "unknown YOLO network 'yolo5'"),
    ):
        with refused(code, said) as caught:
            networks.pose_identities(setting)
    assert "known: yolo11n, yolo11n-pose, yolo26n, yolo26n-pose; or" in caught.value.hint


def test_a_missing_package_is_named_with_its_extra_and_licence(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with refused(ExitCode.ENVIRONMENT, "package ultralytics is not installed") as caught:
        ultralytics.load_model("yolo11n", "cpu", 1)
    assert "pip install 'la2ds[ultralytics]'" in caught.value.hint
    assert "AGPL-3.0" in caught.value.hint
    assert list(tmp_path.iterdir()) == []  # nothing was downloaded for nothing


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Of the package. Weights are random, but what comes out must be what it computes."""
    monkeypatch.setenv("LA2DS_HOME", str(tmp_path))
    if importlib.util.find_spec("ultralytics") is None:
        pytest.skip("needs la2ds[ultralytics]")
    return ultralytics.import_part("nn.tasks")


def saved(tasks: Any, folder: Path, name: str) -> tuple[Any, str]:
    """A network of random weights and its file, written by torch as ultralytics does."""
    kind = tasks.PoseModel if "pose" in name else tasks.DetectionModel
    torch.manual_seed(0)
    network = kind(f"{name}.yaml", nc=1, verbose=False).eval()
    network.names = {0: "person"}
    torch.save({"model": copy.deepcopy(network), "ema": None, "train_args": {}}, folder / "a.pt")
    return network, str(folder / "a.pt")


@pytest.mark.parametrize("name", ["yolo11n", "yolo26n-pose"])
def test_a_network_is_built_again(tasks: Any, tmp_path: Path, name: str) -> None:
    network, path = saved(tasks, tmp_path, name)
    state = torch.get_rng_state()
    model = ultralytics.load_model(path, "cpu", 8)
    assert torch.equal(state, torch.get_rng_state())
    assert model.joints == ((17, 3) if "pose" in name else None)
    assert (model.device, model.batch_size, model.image_size) == ("cpu", 1, 640)
    feed = torch.rand(1, 3, 64, 96)
    with model.networks.borrow() as rebuilt, torch.inference_mode():
        torch.testing.assert_close(rebuilt(feed)[0], network(feed)[0], atol=1e-3, rtol=1e-3)


def test_people_whatever_the_company_and_the_thread(tasks: Any, tmp_path: Path) -> None:
    backend = networks.resolve_pose(saved(tasks, tmp_path, "yolo11n-pose")[1], "cpu")
    assert isinstance(backend, ultralytics.UltralyticsBackend)
    assert (backend.skeleton, backend.device) == ("coco17", "cpu")
    assert "AGPL-3.0" in backend.notice
    random = np.random.default_rng(0)
    pictures = list(random.integers(0, 256, (3, 64, 96, 3), dtype=np.uint8))
    found = backend.model.detect(pictures, 0.0)
    assert all(rows.shape[1] == 5 + 51 for rows in found)
    assert all(len(rows) for rows in found)
    wide = random.integers(0, 256, (96, 64, 3), dtype=np.uint8)
    with ThreadPoolExecutor(3) as threads:
        jobs = [
            threads.submit(backend.model.detect, [p], 0.0) for p in (*pictures, wide, *pictures)
        ]
        again = [job.result()[0] for job in jobs]
    for rows, once, twice in zip(found, again[:3], again[4:], strict=True):
        np.testing.assert_array_equal(rows, once)
        np.testing.assert_array_equal(rows, twice)


@pytest.mark.usefixtures("tasks")
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch) -> None:
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch)
    with refused(ExitCode.MISMATCH, "does not fit the installed ultralytics"):
        ultralytics.load_model(str(path), "cpu", 1)
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, names={0: "cat", 1: "dog"})
    with pytest.raises(UserError, match="does not detect people; its classes are cat, dog"):
        ultralytics.load_model(str(path), "cpu", 1)


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> Any:
        return os.mkdir, (self.folder,)


def unread(path: Path, match: str) -> UserError:
    with refused(ExitCode.MISMATCH, match) as caught:
        ultralytics.read_checkpoint(path)
    return caught.value


def test_tensors_and_layers_are_read(tmp_path: Path, monkeypatch) -> None:
    network = DetectionModel()
    network.register_buffer("scratch", torch.zeros(3), persistent=False)
    path = write_checkpoint(
        tmp_path / "a.pt", monkeypatch, network=network, train_args={"imgsz": 320}
    )
    read = ultralytics.read_checkpoint(path)
    expected = network.state_dict()
    assert set(read.tensor) == set(expected)
    for name, tensor in expected.items():
        assert torch.equal(read.tensor[name], tensor)
    assert read.layers == LAYERS
    assert read.classes == {0: "person", 1: "dog"}
    assert read.image_size == 320
    assert read.joints is None


def test_the_averaged_network_goes_first(tmp_path: Path, monkeypatch) -> None:
    average = DetectionModel()
    average.yaml, average.names = LAYERS, ["person"]
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, ema=average)
    read = ultralytics.read_checkpoint(path)
    assert torch.equal(read.tensor["model.0.weight"], average.state_dict()["model.0.weight"])
    assert read.classes == {0: "person"}
    assert read.image_size == 640


def test_the_joints_of_a_pose_network(tmp_path: Path, monkeypatch) -> None:
    layers = {
        **LAYERS,
        "activation": "torch.nn.LeakyReLU(0.1)",
        "kpt_shape": [17, 3],
        "head": [[[0, 1], 1, "Pose", ["nc", "kpt_shape"]]],
    }
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, layers=layers)
    assert ultralytics.read_checkpoint(path).joints == (17, 3)


def test_a_hostile_file_runs_nothing(tmp_path: Path) -> None:
    folder, path = tmp_path / "made", tmp_path / "a.pt"
    torch.save({"model": Hostile(folder)}, path)
    error = unread(path, r"a\.pt is refused: it names posix\.mkdir")
    assert "publisher" in error.hint
    assert not folder.exists()
    torch.load(path, weights_only=False)  # it would have
    assert folder.exists()


def test_what_others_declared_safe_counts_for_nothing_here(tmp_path: Path, monkeypatch) -> None:
    folder = tmp_path / "made"
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, extra=Hostile(folder))
    with torch.serialization.safe_globals([(os.mkdir, "posix.mkdir")]):
        unread(path, "it names posix")
        assert (os.mkdir, "posix.mkdir") in torch.serialization.get_safe_globals()
    assert not folder.exists()


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    folder, path = tmp_path / "made", tmp_path / "a.pt"
    for content in (b"", b"PK\x03\x04 damaged", b"\x89PNG"):
        path.write_bytes(content)
        unread(path, "not a YOLO checkpoint")
    for protocol in (0, 2, 4):
        path.write_bytes(pickle.dumps({"model": Hostile(folder)}, protocol))
        unread(path, "not a YOLO checkpoint")
    torch.save({"model": Hostile(folder)}, path, pickle_protocol=4)  # of newer opcodes
    unread(path, "not a YOLO checkpoint")
    torch.save(DetectionModel().state_dict(), path)
    unread(path, "it contains no network")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"head": [[-1, 1, "Segment", ["nc"]]]}, "its last layer is Segment"),
        ({"head": [[-1, 1, "Detect"]]}, "does not describe its layers"),
        ({"backbone": [[-1, 1, "TorchVision", [8, "vit"]]]}, "does not know its layer TorchVision"),
        ({"backbone": [[-1, 1, "nn.Module", []]]}, r"does not know its layer nn\.Module"),
        ({"activation": "__import__('os').mkdir('x')"}, "its activation is"),
        ({"channels": 4}, "not RGB"),
        ({"backbone": None, "head": None}, "does not describe its layers"),
    ],
)
def test_layers_that_might_do_more_than_compute(
    tmp_path: Path, monkeypatch, changed: dict[str, Any], reason: str
) -> None:
    layers = {**copy.deepcopy(LAYERS), **changed}
    unread(write_checkpoint(tmp_path / "a.pt", monkeypatch, layers=layers), reason)


def test_a_network_inside_itself_is_refused(tmp_path: Path, monkeypatch) -> None:
    network = DetectionModel()
    network.model.add_module("2", network)
    path = write_checkpoint(tmp_path / "a.pt", monkeypatch, network=network)
    unread(path, "contains itself")


# --- people in crops and pictures ---------------------------------------------------------------


def row(box: tuple[float, ...], score: float, x: float, y: float, seen: float) -> np.ndarray:
    """A person all of whose joints lie at (x, y)."""
    return np.array([*box, score, *np.tile([x, y, seen], 17)], np.float32)


class TwoPeople:
    """Stands for the network: a strong person at the left edge of every crop, and a weak one whose
    box is what is bright, with the joints in its middle."""

    image_size = 128
    joints = (17, 3)
    device = "cpu"

    def detect(self, pictures: list[np.ndarray], least_score: float) -> list[np.ndarray]:
        assert least_score == 0.25
        found = []
        for picture in pictures:
            assert picture.shape == (128, 96, 3)
            people = [row((0, 0, 10, 128), 0.9, 5, 64, 0.9)]
            y, x = np.nonzero(picture[:, :, 0] > 200)
            if len(x):
                box = x.min(), y.min(), x.max() + 1, y.max() + 1
                people.append(row(box, 0.3, x.mean(), y.mean(), 0.6))
            found.append(np.stack(people))
        return found


def test_the_person_in_the_box_is_taken() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[60:140, 100:140] = 255
    model: Any = TwoPeople()
    box = np.array([[100, 60, 140, 140], [102, 70, 150, 130.0]])
    xy, score, _ = ultralytics.UltralyticsBackend(model).estimate([image, image], box)
    assert xy.shape == (2, 17, 2)
    assert xy.dtype == score.dtype == np.float32
    np.testing.assert_allclose(xy, np.broadcast_to([119.5, 99.5], (2, 17, 2)), atol=0.6)
    np.testing.assert_allclose(score, 0.6)
    nobody = ultralytics.UltralyticsBackend(model).estimate([], np.zeros((0, 4)))
    assert [len(part) for part in nobody] == [0] * 3


def test_the_best_match() -> None:
    found = np.array([[0, 0, 10, 10, 0.9], [10, 0, 20, 10, 0.3], [12, 0, 22, 10, 0.3]])
    assert ultralytics.best_match(found, np.array([11, 0, 21, 10])) == 1  # equal overlap: the first
    assert ultralytics.best_match(found, np.array([13, 0, 23, 10])) == 2
    assert ultralytics.best_match(found, np.array([40, 0, 50, 10])) == -1
    assert ultralytics.best_match(found[:0], np.array([0, 0, 10, 10])) == -1


def test_joints_without_a_score_get_that_of_the_person() -> None:
    xy, score = ultralytics.read_joints(np.arange(5 + 34, dtype=np.float32) / 100)
    np.testing.assert_allclose(xy[0], [0.05, 0.06])
    np.testing.assert_allclose(score, 0.04)
    xy, score = ultralytics.read_joints(row((0, 0, 1, 1), 0.4, 7, 8, 1.0001))
    np.testing.assert_array_equal(xy, np.tile([7, 8], (17, 1)))
    np.testing.assert_array_equal(score, 1)


@pytest.mark.parametrize(
    ("joints", "found"), [(None, "only boxes"), ((21, 3), "21 joints"), ((4, 2), "4 joints")]
)
def test_other_joints_are_refused(monkeypatch, joints: Any, found: str) -> None:
    model = SimpleNamespace(joints=joints)
    monkeypatch.setattr(backends, "load_model", lambda *_: model)
    with refused(ExitCode.MISMATCH, f"finds {found}, but la2ds needs the 17 joints of coco17"):
        networks.resolve_pose("ultralytics:hand.pt", "cpu")


class SquareFinder:
    """Stands for the network: the box of what is bright, of score 0.9, and joints to ignore."""

    image_size = 64

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []

    def detect(self, pictures: list[np.ndarray]) -> list[np.ndarray]:
        self.seen += [picture.shape for picture in pictures]
        return [self._box(picture[:, :, 0] > 200) for picture in pictures]

    @staticmethod
    def _box(bright: np.ndarray) -> np.ndarray:
        y, x = np.nonzero(bright)
        if not len(x):
            return np.zeros((0, 8), np.float32)
        row = [x.min(), y.min(), x.max() + 1, y.max() + 1, 0.9, 1, 2, 3]
        return np.array([row], np.float32)


def noise(shape: tuple[int, int], seed: int) -> np.ndarray:
    """A picture (H, W, 3) uint8 with detail of every size."""
    layers = [
        cv2.resize(np.random.default_rng([seed, side]).random((side, side, 3)), shape[::-1])
        for side in (4, 16, 64, 256)
    ]
    return np.asarray(255 * np.mean(layers, axis=0), np.uint8)


def bright(shape: tuple[int, int], x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    image = np.zeros((*shape, 3), np.uint8)
    image[y1:y2, x1:x2] = 255
    return image


def test_boxes_come_back_to_pictures_of_several_sizes() -> None:
    finder: Any = SquareFinder()
    images = [
        bright((96, 128), 20, 40, 60, 80),
        bright((96, 128), 64, 0, 128, 48),
        bright((128, 80), 8, 16, 40, 96),
        np.zeros((128, 80, 3), np.uint8),
    ]
    found = ultralytics.UltralyticsDetector(finder).detect(images)
    assert finder.seen == [(64, 64, 3), (64, 64, 3), (64, 64, 3), (64, 64, 3)]
    np.testing.assert_allclose(found[0], [[20, 40, 60, 80, 0.9]], rtol=1e-6)
    np.testing.assert_allclose(found[1], [[64, 0, 128, 48, 0.9]], rtol=1e-6)
    np.testing.assert_allclose(found[2], [[8, 16, 40, 96, 0.9]], rtol=1e-6)
    assert found[3].shape == (0, 5)


def test_boxes_are_those_of_ultralytics(tasks: Any, tmp_path: Path) -> None:
    """Boxes of YOLO.predict, sides cut at the border of the picture as it does. The weights are
    random, but pictures went through the layers, so that boxes and scores differ from place to
    place."""
    models = ultralytics.import_part("models")
    backend = ultralytics.UltralyticsBackend(SquareFinder())  # pyright: ignore
    torch.manual_seed(0)
    network = tasks.DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # statistics of all pictures below
    with torch.no_grad():
        for seed in range(3):
            picture = torch.from_numpy(noise((384, 640), seed))
            network.train().predict(picture.permute(2, 0, 1)[None].float() / 255)
    for head in (*network.model[-1].cv2, *network.model[-1].cv3):
        torch.nn.init.normal_(head[-1].weight, std=0.2)
        torch.nn.init.constant_(head[-1].bias, -1)
    network.eval().names = {0: "person"}
    network.args = dict(tasks.DEFAULT_CFG_DICT)
    path = tmp_path / "random.pt"
    torch.save({"model": network, "ema": None, "train_args": {}}, path)
    detector = networks.resolve_detector(str(path), "cpu", backend)
    yolo = models.YOLO(str(path))
    for shape in ((481, 854), (1080, 1920), (640, 360), (200, 300)):
        picture = noise(shape, 5)
        expected = yolo.predict(picture[..., ::-1], conf=0.05, verbose=False, device="cpu")[0].boxes
        (found,) = detector.detect([picture])
        found[:, :4] = np.clip(found[:, :4], 0, np.tile(shape[::-1], 2))
        assert len(expected) > 5
        np.testing.assert_allclose(found[:, :4], expected.xyxy.numpy(), rtol=0, atol=0.05)
        np.testing.assert_allclose(found[:, 4], expected.conf.numpy(), rtol=0, atol=1e-4)
