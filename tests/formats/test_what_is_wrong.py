"""Pose files that are wrong, in a sentence with the file's name, a code and a hint: one row each;
tests/fuzz has files that are damaged in any way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses
from tests.formats.file_samples import (
    coco_document,
    dlc_rows,
    joints,
    mmpose_frames,
    mmpose_instance,
    openpose_frame,
    write_json,
    write_openpose,
    write_rows,
)
from tests.formats.test_tables import COCO, trc_rows, wide_rows
from tests.told import refused

EXIT = {"I001": ExitCode.UNREADABLE, "I002": ExitCode.MISMATCH, "I003": ExitCode.MISMATCH,
        "I007": ExitCode.USAGE}  # fmt: skip
GOOD: dict[str, Callable[[], Any]] = {
    "coco-json": coco_document,
    "mmpose-json": mmpose_frames,
    "wide-csv": wide_rows,
    "dlc-csv": lambda: dlc_rows(COCO),
    "trc": trc_rows,
}


def _write(name: str, path: Path, document: Any) -> Path:
    if name.endswith("json"):
        return write_json(path.with_suffix(".json"), document)
    if name == "trc":
        return write_rows(path.with_suffix(".trc"), document, "\t")
    return write_rows(path.with_suffix(".csv"), document)


def _set(row: int, column: int, text: str) -> Callable[[Any], object]:
    return lambda rows: rows[row].__setitem__(column, text)


def _images(**changed: float) -> Callable[[Any], object]:
    """The width of all images, their times at a distance, the rate of their video."""

    def change(document: dict[str, Any]) -> None:
        for n, image in enumerate(document["images"]):
            image |= {"video_id": 1} | {k: v for k, v in changed.items() if k == "width"}
            image |= {"time": n * changed["time"]} if "time" in changed else {}
        document["videos"] = [{"id": 1, "name": "a", "fps": changed.get("fps", 0)}]

    return change


@pytest.mark.parametrize(
    ("name", "change", "code", "said"),
    [
        ("coco-json", lambda d: d.pop("images"), "I001", "document has no 'images'"),
        ("coco-json", lambda d: d["annotations"].clear(), "I001", "has a person"),
        ("coco-json", lambda d: d["annotations"][1].update(keypoints=[1, 2, 3]), "I002",
         r"different numbers of joints: \[1, 17\]"),
        ("coco-json", lambda d: d["annotations"][1]["keypoints"].__setitem__(4, "x"), "I001",
         "annotation 1 does not follow the format.* 'x'"),
        ("coco-json", lambda d: d["annotations"][1].update(bbox=[1, 2]), "I001",
         "annotation 1 does not follow the format.* unpack"),
        ("coco-json", lambda d: d["annotations"][1].update(image_id=77), "I003",
         "annotation 1: its image 77 is not listed"),
        ("coco-json", lambda d: d["images"][1].update(file_name="img/0.jpg"), "I003",
         "frame 0 appears twice"),
        ("coco-json", lambda d: d["images"][1].update(file_name="one.jpg"), "I003",
         "no frame number in"),
        ("coco-json", lambda d: d["images"][1].update(width=320), "I001", "2 different sizes"),
        ("coco-json", _images(), "I007", "the frame rate is not in the file"),
        ("coco-json", _images(fps=1e9), "I001", r"rate is 1e\+09, not above 0 and at most 1,000"),
        ("coco-json", _images(fps=25, width=10**7), "I001", r"1e\+07 x 480 pixels, not 0 to 1,000"),
        ("coco-json", _images(time=4e7), "I001", r"its times span 2e\+08 s, more than 100,000"),
        ("mmpose-json", lambda d: d.__setitem__(2, {"frame_id": 1, "instances": []}), "I003",
         "frame 1 appears twice"),
        ("mmpose-json", lambda d: d[2].pop("frame_id"), "I001", "entry 2 has no 'frame_id'"),
        ("mmpose-json", lambda d: d[2]["instances"][0].pop("keypoint_scores"), "I001",
         "no 'keypoint_scores'"),
        ("mmpose-json", lambda d: d[2]["instances"][0]["keypoint_scores"].pop(), "I001",
         r"entry 2 .* 17 joints, but scores \(16,\)"),
        ("mmpose-json", lambda d: d[2]["instances"][0].update(keypoints=[[1, 2, 3]] * 17), "I001",
         "entry 2 .* not pairs"),
        ("mmpose-json", lambda d: d.insert(0, mmpose_instance(joints(0))), "I001", "of one image"),
        ("mmpose-json", lambda d: d[-1].update(frame_id=10**8), "I003", "only 6 of the frame"),
        ("mmpose-json", lambda d: d[-1].update(frame_id=10**12), "I003", "is not a frame number"),
        ("wide-csv", _set(2, 0, "0"), "I003", "row 3: frame 0 comes after frame 0"),
        ("wide-csv", _set(2, 1, "0"), "I003", "times of its frames do not increase"),
        ("wide-csv", _set(2, 3, "?"), "I001", r"row 3 does not follow the format.* '\?'"),
        ("wide-csv", lambda rows: rows[2].append("1"), "I001", "row 3: it has 54 columns"),
        ("wide-csv", lambda rows: rows.__setitem__(0, ["a"] * 53), "I002", "no columns <joint>_x"),
        ("wide-csv", lambda rows: rows.__delitem__(slice(1, None)), "I001", "no rows below"),
        ("wide-csv", lambda rows: [row.pop(1) for row in rows], "I007", "the frame rate is not"),
        ("dlc-csv", _set(3, 0, "labeled-data/a/img1.png"), "I003", "is not a frame number"),
        ("dlc-csv", _set(2, 3, "z"), "I001", "column 4 is 'z'"),
        ("dlc-csv", _set(1, 4, "nose"), "I002", "body part 'nose' appears twice"),
        ("dlc-csv", lambda rows: rows.pop(1), "I001", "no rows 'bodyparts' and 'coords'"),
        ("trc", _set(0, 0, "Path"), "I001", "does not begin with PathFileType"),
        ("trc", _set(2, 4, "feet"), "I001", "units are 'feet', not px, m, cm, mm"),
        ("trc", _set(2, 4, "mm"), "I001", "it is 2D in mm, not in pixels"),
        ("trc", _set(6, 4, "12"), "I001", "not 2D"),
        ("trc", _set(3, 0, "Frame"), "I001", "does not name Frame#"),
        ("trc", lambda rows: rows.__delitem__(slice(2, None)), "I001", "header does not follow"),
        ("trc", _set(2, 0, "fast"), "I001", "the header does not follow the format.* 'fast'"),
    ],
)  # fmt: skip
def test_a_file_fails_alone_with_its_reason(
    project: StoredProject, tmp_path: Path, name: str, change: Callable[[Any], object], code: str,
    said: str,
):  # fmt: skip
    document = GOOD[name]()
    change(document)
    has_times = name in ("wide-csv", "trc") or "videos" in document
    options = ImportOptions(fps=None if has_times else 25)
    bad = _write(name, tmp_path / "files" / "bad", document)
    with refused(EXIT[code], said, code) as caught:
        import_poses(project, name, bad, options)
    assert caught.value.message.startswith(f"{bad}: ")
    assert caught.value.hint
    good = _write(name, tmp_path / "files" / "good", GOOD[name]())
    results = {r.path: r for r in import_poses(project, name, good.parent, options)}
    assert (results[str(bad)].status, results[str(bad)].code) == ("failed", code)
    assert results[str(good)].status == ("failed" if "videos" in document else "ok")  # no rate


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"\xff\xfe\x00", "not a text file"),
        (b"{", "it is not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'"text"', "does not follow the format"),
        (b"[]", "has a person|list of results"),
        (b"{}", "the document has no 'i"),
        (b"[1, 2]", "does not follow the format|list of results"),
    ],
)
@pytest.mark.parametrize("name", ["coco-json", "mmpose-json"])
def test_what_is_no_document_of_the_format(
    project: StoredProject, name: str, content: bytes, said: str, tmp_path: Path
):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with refused(ExitCode.UNREADABLE, said, "I001") as caught:
        import_poses(project, name, path, ImportOptions(fps=25))
    assert str(path) in caught.value.message


THIRD = "clip_000000000003"


@pytest.mark.parametrize(
    ("file", "content", "code", "said"),
    [
        (THIRD, "{", "I001", "not JSON"),
        (THIRD, "[]", "I001", "keypoints.json does not follow the format"),
        (THIRD, "{}", "I001", "no 'people'"),
        (THIRD, {"people": [{"pose_keypoints_2d": [1, 2]}]}, "I001", "size 2 into"),
        (
            THIRD,
            {"people": [{"pose_keypoints_2d": {"a": 1}}]},
            "I001",
            "does not follow the format",
        ),
        ("clip_3", openpose_frame([]), "I003", "frame 3 appears twice"),
    ],
)
def test_an_openpose_folder_fails_alone_with_its_file(
    project: StoredProject, tmp_path: Path, file: str, content: Any, code: str, said: str
):
    folder = write_openpose(tmp_path / "out" / "bad")
    write_openpose(tmp_path / "out" / "good")
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / f"{file}_keypoints.json").write_text(text)
    options = ImportOptions(fps=25)
    with refused(EXIT[code], said, code) as caught:
        import_poses(project, "openpose-json", folder, options)
    assert f"{file}_keypoints.json" in caught.value.message
    results = import_poses(project, "openpose-json", tmp_path / "out", options)
    assert {Path(r.path).name: r.status for r in results} == {"bad": "failed", "good": "ok"}


def test_a_folder_without_files_of_openpose(project: StoredProject, tmp_path: Path):
    write_json(tmp_path / "out" / "a.json", {})
    with refused(ExitCode.UNREADABLE, "no OpenPose files"):
        import_poses(project, "openpose-json", tmp_path / "out")


def test_the_other_csv_is_suggested(project: StoredProject, tmp_path: Path):
    for name, other in (("dlc-csv", "wide-csv"), ("wide-csv", "dlc-csv")):
        path = _write(other, tmp_path / other, GOOD[other]())
        with pytest.raises(UserError) as caught:
            import_poses(project, name, path, ImportOptions(fps=25))
        assert other in caught.value.hint
