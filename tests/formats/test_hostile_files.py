"""Damaged and malicious files of every text format: a sentence for the user, never a traceback."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.formats import load_exporter, load_importer
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.file_samples import (
    coco_document,
    coco_results,
    dlc_rows,
    joints,
    mmpose_frames,
    openpose_frame,
    write_json,
    write_openpose,
    write_rows,
)
from tests.formats.pose_samples import sample

OPTIONS = ImportOptions(fps=25, size=(640, 480))
NASTY = (
    *(None, True, -1, 0, 10**40, 1e308, float("nan"), float("inf"), "", "NaN", "12", "é\x00"),
    *([], {}, [[]], [None] * 3, {"id": 1}, [1] * 5000),
)


def _places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    listed = enumerate(node) if isinstance(node, list) else ()
    for key, value in node.items() if isinstance(node, dict) else listed:
        yield (*path, key)
        yield from _places(value, (*path, key))


def _mutated(document: Any, rng: random.Random) -> Any:
    """The document with one value replaced or taken out."""
    document = copy.deepcopy(document)
    # Shallow places, where the structure is, as often as the many numbers.
    by_depth: dict[int, list[tuple[Any, ...]]] = {}
    for place in _places(document):
        by_depth.setdefault(len(place), []).append(place)
    *inner, last = rng.choice(by_depth[rng.choice(list(by_depth))])
    node = document
    for key in inner:
        node = node[key]
    if rng.random() < 0.2:
        del node[last]
    else:
        node[last] = rng.choice(NASTY)
    return document


def attempt(name: str, path: Path, project: Project) -> bool:
    """Whether the file was read; any error but a UserError fails the test."""
    try:
        results = load_importer(name)(project, path, OPTIONS)
        said = [result.message for result in results]
        good = all(result.usable for result in results)
    except UserError as error:
        said, good = [error.message], False
    assert all("\n" not in text and len(text) < 1000 for text in said), said
    assert good or all(said)
    return good


DOCUMENTS: dict[str, tuple[str, Callable[[], Any]]] = {
    "coco results": ("coco_json", coco_results),
    "coco data set": ("coco_json", coco_document),
    "mmpose": ("mmpose_json", mmpose_frames),
    "mmpose demo": (
        "mmpose_json",
        lambda: {
            "meta_info": {"keypoint_id2name": dict(enumerate(get_skeleton("coco17").joints))},
            "instance_info": mmpose_frames(),
        },
    ),
}


@pytest.mark.parametrize("kind", sorted(DOCUMENTS))
def test_values_of_the_wrong_kind(kind: str, tmp_path: Path):
    name, make = DOCUMENTS[kind]
    project = Project.create(tmp_path / "project")
    path = tmp_path / "a.json"
    document = json.loads(json.dumps(make()))
    assert attempt(name, write_json(path, document), project)
    rng = random.Random(0)
    refused = 0
    for _ in range(80):
        write_json(path, _mutated(document, rng))
        refused += not attempt(name, path, project)
    assert refused > 10


def test_values_of_the_wrong_kind_in_openpose_files(tmp_path: Path):
    project = Project.create(tmp_path / "project")
    folder = write_openpose(tmp_path / "clip")
    assert attempt("openpose_json", folder, project)
    document = json.loads(json.dumps(openpose_frame([joints(2, count=25)])))
    rng = random.Random(0)
    refused = 0
    for _ in range(80):
        write_json(folder / "clip_000000000002_keypoints.json", _mutated(document, rng))
        refused += not attempt("openpose_json", folder, project)
    assert refused > 10


def _tables(folder: Path) -> dict[str, Path]:
    paths = {"dlc_csv": write_rows(folder / "d.csv", dlc_rows(get_skeleton("coco17").joints))}
    for name, ending in (("wide_csv", "csv"), ("trc", "trc")):
        paths[name] = folder / f"{name}.{ending}"
        load_exporter(name)[0](sample(frames=6), "a", paths[name])
    return paths


@pytest.mark.parametrize("name", ["dlc_csv", "wide_csv", "trc"])
def test_cells_of_the_wrong_kind_and_damaged_bytes(name: str, tmp_path: Path):
    project = Project.create(tmp_path / "project")
    path = _tables(tmp_path)[name]
    assert attempt(name, path, project)
    content = path.read_bytes()
    rng = random.Random(0)
    refused = 0
    for trial in range(120):
        damaged = bytearray(content)
        if trial % 3 == 0:
            del damaged[rng.randrange(len(content)) :]
        elif trial % 3 == 1:
            for _ in range(3):
                damaged[rng.randrange(len(content))] = rng.randrange(256)
        else:
            start = rng.randrange(len(content))
            nasty = rng.choice([b"nan", b"1e999", b"-", b"\t,\t", b'"', b"\n", b"\x00", b"9" * 400])
            damaged[start : start + rng.randrange(8)] = nasty
        path.write_bytes(damaged)
        refused += not attempt(name, path, project)
    assert refused > 10


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"{", "it is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'"text"', "should be"),
        (b"[]", "has|holds"),
        (b"{}", "has|should"),
        (b"[1, 2]", "should be"),
    ],
)
@pytest.mark.parametrize("name", ["coco_json", "mmpose_json"])
def test_what_is_no_document_of_the_format(name: str, content: bytes, said: str, tmp_path: Path):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        load_importer(name)(Project.create(tmp_path / "project"), path, OPTIONS)
    assert str(path) in caught.value.message
    assert caught.value.code == "I001"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fps": 1e9}, "frame rate is 1e\\+09, not above 0 and at most 1,000,000"),
        ({"fps": 1e-320}, "times of its frames"),
        ({"width": 10**7}, "1e\\+07 x 480 pixels, not 0 to 1,000,000"),
        ({"width": -5}, "-5 x 480 pixels"),
        ({"time": 1e-9}, "frame rate is 1e\\+09"),
        ({"time": 1e-320}, "frame rate is inf"),
        ({"time": 4e7}, "its times span 2e\\+08 s, more than 100,000"),  # of nanoseconds
    ],
)
def test_a_rate_a_size_or_times_out_of_range_are_named(
    changes: dict[str, float], said: str, tmp_path: Path
):
    document = coco_document()
    for n, image in enumerate(document["images"]):
        image |= {"video_id": 1} | {key: v for key, v in changes.items() if key == "width"}
        image |= {"time": n * changes["time"]} if "time" in changes else {}
    fps = changes.get("fps", 0 if "time" in changes else 25)
    document["videos"] = [{"id": 1, "name": "a", "fps": fps}]
    path = write_json(tmp_path / "a.json", document)
    with pytest.raises(UserError, match=said) as caught:
        load_importer("coco_json")(Project.create(tmp_path / "project"), path, ImportOptions())
    assert (caught.value.code, caught.value.exit_code) == ("I001", ExitCode.UNREADABLE)
    assert "or add --" in caught.value.hint


@pytest.mark.parametrize("name", ["coco_json", "mmpose_json"])
def test_a_frame_number_beyond_reason_takes_no_memory(name: str, tmp_path: Path):
    key, make = ("image_id", coco_results) if name == "coco_json" else ("frame_id", mmpose_frames)
    document = make()
    project = Project.create(tmp_path / "project")
    for number in (10**8, 10**12, 10**30 + 1):
        document[-1][key] = number
        with pytest.raises(UserError) as caught:
            load_importer(name)(project, write_json(tmp_path / "a.json", document), OPTIONS)
        assert caught.value.code == "I003"
