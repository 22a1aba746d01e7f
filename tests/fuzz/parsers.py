"""Every parser of la2ds that reads files of others, each with a small good file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from la2ds_cli.core import artifact
from la2ds_cli.core.annotations import Annotation, Moment, write_annotations
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config import load_config
from la2ds_cli.core.people_table import PersonRow, read_people, write_people
from la2ds_cli.core.progress import SILENT
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.datasets.h2o import import_h2o
from la2ds_cli.datasets.ikea_asm import import_ikea_asm
from la2ds_cli.datasets.penn_action import import_penn_action
from la2ds_cli.features.heatmap_cache import cache_heatmaps, export_heatmaps
from la2ds_cli.formats import WRITTEN, coco_json, load_format
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from la2ds_cli.poses.subjects import read_subjects, set_subjects
from la2ds_cli.video.reader import probe, read_frames
from tests.formats import data_set_samples as sets
from tests.formats import file_samples as samples
from tests.formats.c3d_files import C3dFile, event_group
from tests.formats.pose_samples import person_in_metres, sample
from tests.fuzz.harness import Mutate, Parser, of_bytes, of_bytes_in_place, of_json, of_safetensors
from tests.movement import add_sequence, sequence, warped_phase

DATA_SETS = {"h2o": import_h2o, "ikea-asm": import_ikea_asm, "penn-action": import_penn_action}
OPTIONS = ImportOptions(fps=25, size=(640, 480))


def project_in(folder: Path) -> StoredProject:
    """Two clips with poses and labels."""
    project = StoredProject.create(folder / "project")
    for number, length in enumerate((12, 15)):
        add_sequence(project, f"clip-{number}", sequence(warped_phase(length, seed=number)))
    project.phases_path.write_text("video,start,end,phase\nclip-0,0,5,down\nclip-1,2,9,up\n")
    return project


# --- pose files of other tools, imported to the end ----------------------------------------------


def _importer(name: str) -> Callable[..., list[Any]]:
    return DATA_SETS.get(name) or partial(import_poses, format_name=name)


def _imported(
    name: str,
    file: str,
    mutate: Mutate,
    write: Callable[[Path], object],
    of_folder: bool = False,
    **told: Any,
) -> Any:
    """An importer of a file, or of a folder, of which `file` is the one that is mutated."""

    def maker(folder: Path) -> Parser:
        (folder / "good").mkdir()
        target = folder / "good" / file
        root = folder / "good" if of_folder else target
        write(root)
        seed = target.read_bytes()
        project = StoredProject.create(folder / "project")

        def parse(path: Path) -> None:
            shutil.copyfile(path, target)
            options = told or {"options": OPTIONS}
            _foreseen(project, _importer(name)(project, root=root, **options))

        return Parser(target.name, seed, parse, mutate)

    return maker


_in_folder = partial(_imported, of_folder=True)


def _foreseen(project: StoredProject, results: list[Any]) -> None:
    """Raise what a batch made a row of because nobody foresaw it."""
    for result in results:
        if result.code == "X001":
            log = next((project.root / "logs").glob("error-*.txt"))
            text = log.read_text()
            log.unlink()
            raise AssertionError(text)
        assert "\n" not in result.message


def _exported(name: str, file: str, mutate: Mutate = of_bytes) -> Any:
    def write(path: Path) -> None:
        load_format(name, WRITTEN).write_clip(sample(frames=6), "a", path)

    return _imported(name, file, mutate, write)


def _json(document: Callable[[], Any]) -> Callable[[Path], object]:
    return lambda path: path.write_text(json.dumps(document()))


def _penn(root: Path) -> None:
    from scipy.io import savemat

    t, k = np.mgrid[:4, :13].astype(np.float64)
    fields = {"action": "golf_swing", "pose": "left", "x": 100 + 10 * k + t, "y": 50 + 5 * k}
    fields |= {"visibility": np.ones((4, 13), np.uint8), "train": 1, "nframes": 4}
    fields |= {"bbox": np.tile([91.0, 41, 241, 131], (4, 1))}
    fields |= {"dimensions": np.array([360, 480, 4], np.uint16)}
    (root / "labels").mkdir(parents=True)
    savemat(root / "labels" / "0001.mat", fields)


def _c3d(**told: Any) -> Any:
    """Six frames of 17 markers and 4 analogue channels, and an event."""

    def write(path: Path) -> None:
        labels = list(get_skeleton("coco17").joints)
        points = 1000 * person_in_metres(frames=6)
        more = {"POINT:Y_SCREEN": "+X", **event_group(("Left", "Foot Strike", 0.03))}
        C3dFile(points, labels, analogue=4, parameters=more, **told).write(path)

    return _imported("c3d", "a.c3d", of_bytes_in_place, write)


def _sleap_analysis(folder: Path) -> Parser:
    """An analysis file of SLEAP, as the package sleap-io writes it; HDF5 hangs on some damaged
    .slp files."""
    for package in ("sleap_io", "shapely"):
        pytest.importorskip(package, reason="SLEAP files need sleap-io, which needs shapely")
    from tests.formats.test_sleap import labels, save

    def write(path: Path) -> None:
        save(path, labels(frames=4))

    return _imported("sleap", "a.h5", of_bytes_in_place, write)(folder)


# --- pictures ------------------------------------------------------------------------------------


def _film(file: str, codec: str, pixels: str = "yuv420p") -> Any:
    def maker(folder: Path) -> Parser:
        path = folder / f"good-{file}"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=Fraction(25))
            stream.width, stream.height, stream.pix_fmt = 32, 24, pixels
            for t in range(6):
                image = np.full((24, 32, 3), 30 * t, np.uint8)
                image[t : t + 8, t : t + 8] = 200
                frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

        def parse(path: Path) -> None:
            probe(path)
            for _ in read_frames(path):
                pass

        return Parser(file, path.read_bytes(), parse, of_bytes)

    return maker


def _picture(suffix: str) -> Any:
    def maker(folder: Path) -> Parser:
        image = np.zeros((24, 32, 3), np.uint8)
        image[4:12, 4:20] = 200
        images = folder / "images"
        images.mkdir()
        for number in range(2):
            cv2.imwrite(str(images / f"{number}{suffix}"), image)
        options = ClipOptions(fps=10)

        def parse(path: Path) -> None:
            shutil.copyfile(path, images / f"1{suffix}")
            probe(images, options)
            for _ in read_frames(images, options):
                pass

        return Parser(f"1{suffix}", (images / f"0{suffix}").read_bytes(), parse, of_bytes)

    return maker


# --- networks ------------------------------------------------------------------------------------


def _onnx_pose(folder: Path) -> Parser:
    from la2ds_cli.core.config_sections import PosesConfig
    from la2ds_cli.poses.networks import onnx
    from tests.poses.onnx_models import write_pose

    good = write_pose(folder / "good.onnx")

    def parse(path: Path) -> None:
        onnx.build_pose(str(path), "cpu", PosesConfig())

    return Parser("a.onnx", good.read_bytes(), parse, of_bytes)


def _resume(folder: Path) -> Parser:
    import torch

    from la2ds_cli.training.checkpoint import load_resume

    state = {"network": {"a": torch.zeros(3)}, "optimiser": {}, "state": {"step": 1}}
    torch.save(state, folder / "good.pt")
    return Parser("resume.pt", (folder / "good.pt").read_bytes(), load_resume, of_bytes)


def _openmmlab(folder: Path) -> Parser:
    """Weights as OpenMMLab publishes them, with numpy numbers in their meta data."""
    import torch

    from la2ds_cli.poses.networks.openmmlab import Source, load_weights

    network = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    meta = {"epoch": 210, "time": "Mon", "sigmas": np.float64(0.5), "sizes": np.ones(2)}
    torch.save({"meta": meta, "state_dict": network.state_dict()}, folder / "good.pth")

    def parse(path: Path) -> None:
        load_weights(network, Source("mmpose", Path("a.py"), checkpoint=path))

    return Parser("a.pth", (folder / "good.pth").read_bytes(), parse, of_bytes)


def _yolo(folder: Path) -> Parser:
    from la2ds_cli.poses.networks.ultralytics import read_checkpoint
    from tests.poses.yolo_files import write_checkpoint

    good = write_checkpoint(folder / "good.pt", pytest.MonkeyPatch(), train_args={"imgsz": 640})
    return Parser("a.pt", good.read_bytes(), read_checkpoint, of_bytes)


# --- lists and labels of data sets ---------------------------------------------------------------


def _ikea_segments(root: Path) -> None:
    sets.write_ikea(root, "shelf/0001_a", frames=4)
    sets.write_segments(root, {"shelf/0001_a": [("spin leg", 0, 2), ("flip table", 2, 4)]})


# --- files of a project --------------------------------------------------------------------------


def _replacing(
    file: str,
    mutate: Mutate,
    read: Callable[[StoredProject], object],
    write: Callable[[StoredProject], object] = lambda project: None,
) -> Any:
    """A file of a project, named by a pattern, read as the project reads it."""

    def maker(folder: Path) -> Parser:
        project = project_in(folder)
        write(project)
        (target,) = project.root.glob(file)
        seed = target.read_bytes()

        def parse(path: Path) -> None:
            shutil.copyfile(path, target)
            read(StoredProject(project.root, {}))

        return Parser(target.name, seed, parse, mutate)

    return maker


def _use_poses(project: StoredProject) -> None:
    """What status and the exporters do with poses, too."""
    from la2ds_cli.poses.quality import clip_facts, verdict

    verdict(clip_facts(project, "clip-0"))
    pose, _ = project.read_pose("clip-0")
    coco_json.write_clip(pose, "clip-0", project.root / "a.json")


def _heatmaps(project: StoredProject) -> None:
    (project.root / "project.toml").write_text("[heatmap]\nsize = 6\n")
    cache_heatmaps(project, project.config().heatmap)


def _write_embedding(project: StoredProject) -> None:
    from la2ds_cli.core.types import EmbeddingSequence

    value = EmbeddingSequence(np.ones((12, 4)), np.arange(12), np.arange(12) / 20, "model")
    recipe = artifact.Recipe("embed", 1, {}, {"poses": "a"})
    project.write_embedding("default", "clip-0", value, recipe)


def _small_weights(project: StoredProject) -> None:
    from la2ds_cli.network.torch_network import build_network
    from la2ds_cli.training.checkpoint import save_weights, training_recipe

    config = load_config(
        {"model": {"input": "joints", "width": 8, "heads": 2, "temporal_layers": 1}}
    )
    skeleton = get_skeleton("penn13")
    network = build_network(config.model, config.heatmap, skeleton, 0)
    facts = {"skeleton": "penn13", "step": 4, "videos": [], "spread": 0.5}
    recipe = training_recipe(config, "digest")
    project.run_dir("default").mkdir(parents=True)
    save_weights(project.run_dir("default") / "best.safetensors", network, recipe, facts)


def _read_weights(project: StoredProject) -> None:
    from la2ds_cli.network.load_network import load_network

    load_network(project, "default")


def _documents(project: StoredProject) -> None:
    path = project.run_dir("default") / "recipe.json"
    artifact.read_document(path)
    artifact.read_recipe(path)


def _write_recipe(project: StoredProject) -> None:
    recipe = artifact.Recipe("train", 1, {"model": {"width": 8}}, {"data": "a"})
    artifact.write_json(project.run_dir("default") / "recipe.json", recipe.to_json())


def _write_annotations(project: StoredProject) -> None:
    first, second = Moment("clip-0", 1, 1.25), Moment("clip-1", 2, 0.04)
    rows = [
        Annotation("anchor", first, second),
        Annotation("note", first, Moment("clip-1", 2), "hips first"),
        Annotation(
            "angle", Moment("clip-0", 1), None, "1.00 2.00 3.00 4.00 5.00 1.00", "rotate=90"
        ),
    ]
    write_annotations(project.annotations_path, rows)


def _write_settings(project: StoredProject) -> None:
    (project.root / "project.toml").write_text(
        'preset = "default"\n[train]\nfps = 20\nsteps = 10\n[align]\nskip_cost = 1.1\n'
        '[poses]\nsubject = "auto"\nmin_frames = 9\n[model]\nwidth = 192\npooling = "mean"\n'
    )


def _read_settings(project: StoredProject) -> None:
    opened = StoredProject.open(project.root)
    opened.config()
    opened.config(overrides=["train.fps=10"])


def _rows(project: StoredProject) -> None:
    for video in project.videos():
        project.source(video)
        project.pose_path(video.id)
        assert project.find(video.id) == video or video.id != project.videos()[0].id


def _labels(project: StoredProject) -> None:
    project.phases(propagated=True)
    project.phase_table().text()


_BORIS_TABLE = """Observation id,Media file name,Subject,Behavior,Behavior type,Time
first,a.mp4,s1,down,START,0.1
first,a.mp4,s1,down,STOP,0.4
"""


def _label_file(name: str, mutate: Mutate, table: str = "") -> Any:
    """Labels of a clip as the format `name` is written, or a table of it, imported to the end."""

    def maker(folder: Path) -> Parser:
        from la2ds_cli.labels.exchange import export_labels
        from la2ds_cli.labels.import_plan import import_labels

        project = project_in(folder)
        (written,) = export_labels(project, name, ["clip-0"], folder / "good")
        seed = Path(written.path)
        if table:
            seed = seed.with_suffix(".csv")
            seed.write_text(table)

        def parse(path: Path) -> None:
            results = import_labels(project, name, [path], clip="clip-0", overwrite=True)
            _foreseen(project, results)

        return Parser(seed.name, seed.read_bytes(), parse, mutate)

    return maker


def _write_people(project: StoredProject) -> None:
    write_people(project.people_path, {"clip-0": PersonRow("auto", "3 10 20 90 95; 9 1 2 3 4")})


def _manifest(folder: Path) -> Parser:
    from la2ds_cli.poses.sources import read_manifest

    rows = ["path,start,end,rotate,mirror,slowmo,fps,subject,group,split"]
    rows += ["a.mp4,1,2.5,90,true,8,,2,anna,train", "b.mp4,,,,,,,,,"]
    return Parser("list.csv", ("\n".join(rows) + "\n").encode(), read_manifest, of_bytes)


MAKERS: dict[str, Callable[[Path], Parser]] = {
    "mp4": _film("a.mp4", "libx264"),
    "mkv": _film("a.mkv", "libx264"),
    "mpegts": _film("a.ts", "mpeg2video"),
    "gif": _film("a.gif", "gif", "rgb8"),
    "png": _picture(".png"),
    "jpg": _picture(".jpg"),
    "coco": _imported("coco-json", "a.json", of_json, _json(samples.coco_document)),
    "mmpose": _imported("mmpose-json", "a.json", of_json, _json(samples.mmpose_frames)),
    "openpose": _in_folder(
        "openpose-json",
        "clip_000000000002_keypoints.json",
        of_json,
        lambda root: samples.write_openpose(root, frames=4),
    ),
    "wide csv": _exported("wide-csv", "a.csv"),
    "dlc csv": _exported("dlc-csv", "a.csv"),
    "trc": _exported("trc", "a.trc"),
    "c3d of floats": _c3d(),
    "c3d of integers": _c3d(scale=0.1),
    "sleap analysis": _sleap_analysis,
    "penn action": _in_folder("penn-action", "labels/0001.mat", of_bytes, _penn, action=None),
    "casa": _imported(
        "casa-npy",
        "a_train.npy",
        of_bytes,
        lambda path: sets.write_records(path, {"a": sets.record(frames=4)}),
        options=OPTIONS,
    ),
    "h2o": _in_folder(
        "h2o",
        "subject1/h1/1/cam4/hand_pose/000003.txt",
        of_bytes,
        lambda root: sets.write_h2o(root, frames=4),
        progress=SILENT,
    ),
    "ikea": _in_folder(
        "ikea-asm",
        "Kallax_Shelf_Drawer/0001_a/dev3/predictions/pose2d/keypoint_rcnn_ft/"
        "scan_video_000000000002_keypoints.json",
        of_json,
        lambda root: sets.write_ikea(root, "Kallax_Shelf_Drawer/0001_a", frames=4),
        progress=SILENT,
    ),
    "ikea segments": _in_folder(
        "ikea-asm", "gt_segments.json", of_json, _ikea_segments, progress=SILENT
    ),
    "openmmlab weights": _openmmlab,
    "yolo checkpoint": _yolo,
    "onnx pose network": _onnx_pose,
    "resume state": _resume,
    "project.toml": _replacing("project.toml", of_bytes, _read_settings, _write_settings),
    "videos.csv": _replacing("videos.csv", of_bytes, _rows),
    "phases.csv": _replacing("phases.csv", of_bytes, _labels),
    "subjects.csv": _replacing(
        "subjects.csv", of_bytes, read_subjects, lambda p: set_subjects(p, {"clip-0": "2"})
    ),
    "people.csv": _replacing(
        "people.csv", of_bytes, lambda p: read_people(p.people_path), _write_people
    ),
    "annotations.csv": _replacing(
        "annotations.csv", of_bytes, lambda project: project.annotations(), _write_annotations
    ),
    "manifest": _manifest,
    "elan": _label_file("elan", of_bytes),
    "kinovea": _label_file("kinovea", of_bytes),
    "boris": _label_file("boris", of_json),
    "boris table": _label_file("boris", of_bytes, _BORIS_TABLE),
    "via 3": _label_file("via3", of_json),
    "recipe": _replacing("checkpoints/default/recipe.json", of_json, _documents, _write_recipe),
    "poses": _replacing("poses/clip-0.safetensors", of_safetensors, _use_poses),
    "embedding": _replacing(
        "embeddings/default/clip-0.safetensors",
        of_safetensors,
        lambda project: project.read_embedding("default", "clip-0"),
        _write_embedding,
    ),
    "heatmaps": _replacing(
        "heatmaps/clip-0.safetensors",
        of_safetensors,
        lambda project: export_heatmaps(project, ["clip-0"], overwrite=True),
        _heatmaps,
    ),
    "weights": _replacing(
        "checkpoints/default/best.safetensors", of_safetensors, _read_weights, _small_weights
    ),
}
