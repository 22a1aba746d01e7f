"""What is no document of a format, and numbers out of range, in a sentence; tests/fuzz has files
that are damaged in any way."""

from __future__ import annotations

from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.formats import load_importer
from la2ds_cli.formats.file_clip import ImportOptions
from tests.formats.file_samples import (
    coco_document,
    coco_results,
    mmpose_frames,
    write_json,
)

OPTIONS = ImportOptions(fps=25, size=(640, 480))


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
