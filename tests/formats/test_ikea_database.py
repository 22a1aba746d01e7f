"""IKEA ASM's annotation in SQLite: phases where there is no gt_segments.json, and what is odd."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import Phase
from la2ds_cli.formats.ikea_asm import import_ikea_asm
from la2ds_cli.formats.ikea_labels import action_names, read_actions
from tests.formats.data_set_samples import (
    IKEA_ACTIONS,
    write_ikea,
    write_ikea_database,
    write_ikea_lists,
    write_segments,
)
from tests.told import Notes

FIRST = "Kallax_Shelf_Drawer/0001_black_table_02_01_2019_08_16_14_00"
SECOND = "Kallax_Shelf_Drawer/0001_oak_floor_05_02_2019_08_19_16_54"
SPIN, PICK, FLIP = IKEA_ACTIONS.values()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two scans of 8 frames and the lists of actions, without labels."""
    root = tmp_path / "ikea"
    for scan in (FIRST, SECOND):
        write_ikea(root, scan)
    write_ikea_lists(root)
    return root


def change(root: Path, *statements: str) -> None:
    with closing(sqlite3.connect(root / "ikea_annotation_db_full")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def phases_of(project: Project) -> list[list[Phase]]:
    labels = project.phases()
    return [labels.get(video.id, []) for video in project.videos()]


def actions_of(root: Path, camera: str = "dev3") -> Any:
    folder = root / "indexing_files"
    names = action_names(
        folder / "atomic_action_list.txt", folder / "action_object_relation_list.txt"
    )
    return read_actions(root / "ikea_annotation_db_full", names, camera)


def test_rows_become_phases_with_the_names_of_their_pairs(root: Path, project: Project):
    write_ikea_database(root, {FIRST: [(*PICK, 2, 5), (*SPIN, 5, 7)], SECOND: [(*FLIP, 0, 8)]})
    before = (root / "ikea_annotation_db_full").read_bytes()
    notes = Notes()
    results = import_ikea_asm(project, root, progress=notes)
    assert [r.status for r in results] == ["ok", "ok"]
    assert phases_of(project) == [
        [Phase(2, 5, "pick up panel"), Phase(5, 7, "spin leg")],
        [Phase(0, 8, "flip table")],
    ]
    assert notes.lines == [
        "there is no train_cross_env.txt or test_cross_env.txt: no clip gets a split"
    ]
    # Nothing is written, not even a journal beside the file.
    assert (root / "ikea_annotation_db_full").read_bytes() == before
    assert {p.name for p in root.iterdir()} == {
        *("Kallax_Shelf_Drawer", "indexing_files", "ikea_annotation_db_full")
    }


def test_a_folder_that_cannot_be_written_and_whose_name_is_like_an_address(tmp_path: Path):
    root = tmp_path / "a b?mode=rwc#%41"
    write_ikea_lists(root)
    write_ikea_database(root, {FIRST: [(*SPIN, 0, 3)]})
    root.chmod(0o555)
    try:
        assert actions_of(root) == {FIRST: [Phase(0, 3, "spin leg")]}
    finally:
        root.chmod(0o755)
    assert [p.name for p in tmp_path.iterdir()] == [root.name]


def frame_labels(rows: list[tuple[int, int, int, int]], frames: int) -> list[str]:
    """What the data set's loader makes of rows, one frame at a time."""
    names = {pair: name for name, pair in IKEA_ACTIONS.items()}
    label = ["NA"] * frames
    for action, thing, start, end in rows:
        name = names.get((action, thing))
        for frame in range(start, min(end, frames)):
            label[frame] = label[frame] if name is None else name
    return label


def test_overlaps_unlisted_pairs_and_late_ends_as_the_loader_reads_them(tmp_path: Path):
    """Rows at random; the loader's rule, restated frame by frame."""
    rng = np.random.default_rng(0)
    pairs = [SPIN, PICK, FLIP, (4, 7), (99, 2)]  # the last two are in no list
    scans: dict[str, list[tuple[int, int, int, int]]] = {}
    for n in range(40):
        starts = rng.integers(0, 30, rng.integers(0, 9))
        scans[f"Lack_TV_Bench/{n:04d}"] = [
            (*pairs[rng.integers(len(pairs))], int(start), int(start + rng.integers(0, 12)))
            for start in starts
        ]
    write_ikea_lists(tmp_path)
    write_ikea_database(tmp_path, scans, frames=32)
    found = actions_of(tmp_path)
    assert set(found) == set(scans)
    merged = 0
    for scan, rows in scans.items():
        label = ["NA"] * 32
        for before, after in zip([None, *found[scan]], found[scan], strict=False):
            label[after.start : after.end] = [after.name] * (after.end - after.start)
            assert before is None or before.end <= after.start
            # Neighbours of one name are one phase.
            assert before is None or before.end < after.start or before.name != after.name
        assert label == frame_labels(rows, 32)
        merged += len(found[scan]) != len(rows)
    assert merged > 10


def test_the_name_na_is_background_and_hides_what_is_below_it(root: Path, project: Project):
    write_ikea_lists(root, {**IKEA_ACTIONS, "NA": (8, 8)})
    write_ikea_database(root, {FIRST: [(*SPIN, 0, 8), (8, 8, 3, 5)], SECOND: [(8, 8, 0, 8)]})
    import_ikea_asm(project, root)
    assert phases_of(project) == [[Phase(0, 3, "spin leg"), Phase(5, 8, "spin leg")], []]


def test_lists_may_lie_beside_the_database_and_end_in_empty_lines(root: Path, project: Project):
    for path in (root / "indexing_files").iterdir():
        text = "\r\n".join(f" {line} " for line in path.read_text().splitlines())
        (root / path.name).write_bytes(b"\xef\xbb\xbf" + f"{text}\r\n\r\n \r\n".encode())
        path.unlink()
    write_ikea_database(root, {FIRST: [(*SPIN, 0, 3)]})
    import_ikea_asm(project, root)
    assert phases_of(project) == [[Phase(0, 3, "spin leg")], []]


def test_a_pair_that_is_listed_twice_has_the_first_name_of_the_alphabet(root: Path):
    write_ikea_lists(root, {"spin leg": (1, 1), "align leg": (1, 1), "tighten leg": (1, 1)})
    write_ikea_database(root, {FIRST: [(1, 1, 0, 3)]})
    assert actions_of(root) == {FIRST: [Phase(0, 3, "align leg")]}


def test_other_cameras_have_the_labels_of_the_annotated_one(root: Path, project: Project):
    write_ikea(root, FIRST, camera="dev1")
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)]})
    import_ikea_asm(project, root, camera="dev1")
    assert phases_of(project) == [[Phase(2, 5, "spin leg")]]


def test_a_camera_with_rows_of_its_own_has_those(root: Path):
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)]}, cameras=("dev1", "dev3"))
    change(
        root,
        "UPDATE annotations SET ending_frame = 4 WHERE video_id = "
        "(SELECT id FROM videos WHERE camera = 'dev1')",
    )
    for camera, end in (("dev1", 4), ("dev3", 5), ("dev2", 5)):
        assert actions_of(root, camera)[FIRST] == [Phase(2, end, "spin leg")]


def test_scans_that_are_not_annotated_are_counted(root: Path, project: Project):
    write_ikea_database(root, {FIRST: [(*SPIN, 0, 3)], SECOND: [(*SPIN, 0, 3)]})
    change(root, f"UPDATE videos SET annotated = 0 WHERE video_path LIKE '{SECOND}%'")
    notes = Notes()
    assert {r.status for r in import_ikea_asm(project, root, progress=notes)} == {"ok"}
    assert "scans not annotated in ikea_annotation_db_full, which get no phases: 1" in notes.lines
    assert phases_of(project) == [[Phase(0, 3, "spin leg")], []]


def test_a_database_of_other_scans(root: Path, project: Project):
    write_ikea_database(root, {"Kallax_Shelf_Drawer/renamed": [(*SPIN, 0, 3)]})
    with pytest.raises(UserError, match=r"none of the 2 scans in .* is annotated") as caught:
        import_ikea_asm(project, root)
    assert caught.value.exit_code == ExitCode.MISMATCH
    assert not project.videos()


def test_phases_after_the_poses_are_cut_and_that_is_said(root: Path, project: Project):
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 50)], SECOND: []}, frames=30)
    results = import_ikea_asm(project, root)
    assert [(r.status, r.code) for r in results] == [("degraded", "I003"), ("ok", "")]
    assert "they end at frame 29, and its poses end at frame 7" in results[0].message
    assert phases_of(project)[0] == [Phase(2, 8, "spin leg")]


# --- both files -----------------------------------------------------------------------------


def test_gt_segments_wins_and_is_compared_in_silence_where_they_agree(root: Path, project: Project):
    """Segments that are split in the one and rows that overlap in the other: the same frames."""
    write_segments(
        root,
        {FIRST: [("NA", 0, 2), ("spin leg", 2, 4), ("spin leg", 4, 6), ("flip table", 6, 8)]},
    )
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 7), (*FLIP, 6, 8)], SECOND: [(*SPIN, 0, 8)]})
    notes = Notes()
    import_ikea_asm(project, root, progress=notes)
    assert notes.lines == []
    assert [len(phases) for phases in phases_of(project)] == [3, 0]


def test_where_they_disagree_the_scan_is_named_and_gt_segments_wins(root: Path, project: Project):
    labelled = {FIRST: [("spin leg", 2, 5)], SECOND: [("spin leg", 2, 5)]}
    write_segments(root, labelled)
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)], SECOND: [(*FLIP, 2, 5)]})
    notes = Notes()
    import_ikea_asm(project, root, progress=notes)
    assert notes.lines == [
        "scans whose actions in gt_segments.json, which is used, differ from those in "
        f"ikea_annotation_db_full: 1 of 2, first {SECOND}"
    ]
    assert phases_of(project) == [[Phase(2, 5, "spin leg")]] * 2


def test_segments_without_their_last_frame_are_recognised(root: Path, project: Project):
    """As the data set's script writes them: the last frame as the end, no runs of one frame."""
    write_segments(root, {FIRST: [("NA", 0, 1), ("spin leg", 2, 4), ("flip table", 5, 6)]})
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5), (*FLIP, 5, 7), (*PICK, 7, 8)]})
    notes = Notes()
    import_ikea_asm(project, root, progress=notes)
    (line,) = notes.lines
    assert "end one frame earlier in gt_segments.json" in line
    assert "1 of 1; move gt_segments.json away" in line
    (root / "gt_segments.json").unlink()
    project.phases_path.unlink()
    import_ikea_asm(project, root)
    assert phases_of(project)[0][0] == Phase(2, 5, "spin leg")


@pytest.mark.parametrize("broken", ["database", "lists"])
def test_what_cannot_be_compared_does_not_stop_the_import(
    root: Path, project: Project, broken: str
):
    write_segments(root, {FIRST: [("spin leg", 2, 5)]})
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)]})
    if broken == "database":
        (root / "ikea_annotation_db_full").write_bytes(b"SQLite format 3\x00")
    else:
        (root / "indexing_files" / "atomic_action_list.txt").unlink()
    notes = Notes()
    import_ikea_asm(project, root, progress=notes)
    assert any("could not be checked: " in line for line in notes.lines)
    assert phases_of(project) == [[Phase(2, 5, "spin leg")], []]


# --- what is odd ----------------------------------------------------------------------------


def refused(project: Project, root: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        import_ikea_asm(project, root)
    error = caught.value
    assert "\n" not in error.message
    assert error.hint
    assert not project.videos()
    assert project.phases() == {}
    return error


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has no table 'videos'"),
        (b"no database, but some text that is long enough to be one" * 20, "not a database"),
        (b"SQLite format 3\x00", "cannot be read as an SQLite database"),
        (b"\x00" * 4096, "cannot be read as an SQLite database"),
    ],
)
def test_files_that_are_no_database(root: Path, project: Project, content: bytes, said: str):
    (root / "ikea_annotation_db_full").write_bytes(content)
    error = refused(project, root)
    assert said in error.message
    assert "ikea_annotation_db_full" in error.message
    assert error.exit_code == ExitCode.UNREADABLE


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE annotations", "it has no table 'annotations'"),
        ("ALTER TABLE videos RENAME TO clips", "it has no table 'videos'"),
        ("ALTER TABLE videos DROP COLUMN nframes", "table 'videos' has no column 'nframes'"),
        (
            "ALTER TABLE annotations RENAME COLUMN ending_frame TO last",
            "table 'annotations' has no column 'ending_frame'",
        ),
        ("UPDATE videos SET video_path = 'scan'", "has the path 'scan', not <furniture>/<scan>"),
        ("UPDATE videos SET video_path = NULL", "has the path None"),
        ("UPDATE videos SET video_path = x'00ff'", "has the path b'\\x00\\xff'"),
        ("UPDATE videos SET video_path = hex(zeroblob(2000000))", "too big"),
    ],
)
def test_tables_that_are_not_as_they_should_be(
    root: Path, project: Project, statement: str, said: str
):
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)]})
    change(root, statement)
    error = refused(project, root)
    assert said in error.message
    assert error.exit_code == ExitCode.UNREADABLE


def test_a_view_is_no_table(root: Path, project: Project):
    """It would run for ever."""
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)]})
    change(
        root,
        "DROP TABLE annotations",
        "CREATE VIEW annotations AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x FROM n) "
        "SELECT x AS video_id, x AS atomic_action_id, x AS object_id, x AS starting_frame, "
        "x AS ending_frame FROM n",
    )
    assert "it has no table 'annotations'" in refused(project, root).message


@pytest.mark.parametrize(
    ("name", "content", "said", "code"),
    [
        ("atomic_action_list.txt", "spin leg\n", "has 1 actions, ", ExitCode.MISMATCH),
        ("atomic_action_list.txt", "a\n\nb\n", "line 2: atomic_action", ExitCode.UNREADABLE),
        ("action_object_relation_list.txt", "", "has 0 pairs", ExitCode.MISMATCH),
        ("action_object_relation_list.txt", "4 2\n0\n3 11", "'0' should be", ExitCode.UNREADABLE),
        ("action_object_relation_list.txt", "4 2\n0 7\n3 x", "'x' is no", ExitCode.UNREADABLE),
        ("action_object_relation_list.txt", "4 2\n0 -7\n3 1", "'-7' is no", ExitCode.UNREADABLE),
        (
            "action_object_relation_list.txt",
            f"4 2\n0 {'9' * 5000}\n3 1",
            "line 2: '99999",
            ExitCode.UNREADABLE,
        ),
    ],
)
def test_lists_that_do_not_fit(
    root: Path, project: Project, name: str, content: str, said: str, code: ExitCode
):
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)]})
    (root / "indexing_files" / name).write_text(content)
    error = refused(project, root)
    assert said in error.message
    assert len(error.message) < 1000
    assert error.exit_code == code


@pytest.mark.parametrize("name", ["atomic_action_list.txt", "action_object_relation_list.txt"])
def test_a_list_that_is_not_there_or_no_text(root: Path, project: Project, name: str):
    write_ikea_database(root, {FIRST: [(*SPIN, 2, 5)]})
    path = root / "indexing_files" / name
    path.write_bytes(b"\xff\xfe\x00")
    assert "it is not a text file" in refused(project, root).message
    path.unlink()
    error = refused(project, root)
    assert f"there is no {name}" in error.message
    assert "move ikea_annotation_db_full away" in error.hint
    assert error.exit_code == ExitCode.UNREADABLE


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((*SPIN, 5, 3), "row 1 of annotations: it begins at frame 5 and ends at 3"),
        ((*SPIN, -1, 3), "starting_frame: -1 is not a frame number"),
        ((*SPIN, 0.5, 3), "starting_frame: 0.5 is not a frame number"),
        ((*SPIN, 0, "many"), "ending_frame: 'many' is not a frame number"),
        ((*SPIN, 0, None), "ending_frame: None is not a frame number"),
        ((*SPIN, 0, b"\x03"), "ending_frame: b'\\x03' is not a frame number"),
        ((*SPIN, 0, 2**63 - 1), "is not a frame number"),
        ((*SPIN, 0, 1e300), "is not a frame number"),
        ((*SPIN, float("inf"), float("inf")), "is not a frame number"),
        (("1; DROP TABLE videos", 2, 0, 3), "is not the number of an action or object"),
        ((4, 2.5, 0, 3), "2.5 is not the number of an action or object"),
    ],
)
def test_a_scan_whose_rows_are_wrong_fails_alone(
    root: Path, project: Project, row: tuple[Any, ...], said: str
):
    write_ikea_database(root, {FIRST: [row], SECOND: [(*SPIN, 0, 3)]})
    results = import_ikea_asm(project, root)
    assert [r.status for r in results] == ["failed", "ok"]
    assert said in results[0].message
    assert f"ikea_annotation_db_full, {FIRST}" in results[0].message
    assert phases_of(project) == [[Phase(0, 3, "spin leg")]]


@pytest.mark.parametrize("frames", ["many", -1, 2.5, 10**15])
def test_a_number_of_frames_that_is_none(root: Path, project: Project, frames: Any):
    write_ikea_database(root, {FIRST: [(*SPIN, 0, 3)]}, frames=frames)
    results = import_ikea_asm(project, root)
    assert [r.status for r in results] == ["failed", "ok"]
    assert f"nframes: {frames!r} is not a frame number" in results[0].message


def test_an_unknown_number_of_frames_cuts_nothing(root: Path):
    write_ikea_database(root, {FIRST: [(*SPIN, 0, 5000), (*FLIP, 5000, 10**9)]}, frames=None)
    assert actions_of(root)[FIRST][1] == Phase(5000, 10**9, "flip table")


def test_a_scan_that_is_there_twice_fails_alone(root: Path, project: Project):
    write_ikea_database(root, {FIRST: [(*SPIN, 0, 3)], SECOND: [(*SPIN, 0, 3)]})
    change(
        root,
        "INSERT INTO videos (video_path, camera, annotated, nframes) "
        f"VALUES ('{FIRST}/dev3/images', 'dev3', 1, 8)",
    )
    results = import_ikea_asm(project, root)
    assert [r.status for r in results] == ["failed", "ok"]
    assert "2 annotated videos of 'dev3'" in results[0].message


def test_names_that_look_like_sql_are_names(tmp_path: Path, project: Project):
    root, scan = tmp_path / "ikea", "Kallax'; DROP TABLE videos; --/0001' OR '1'='1"
    action = 'spin"; DELETE FROM annotations; --, leg'
    write_ikea(root, scan)
    write_ikea_lists(root, {action: (1, 1)})
    path = write_ikea_database(root, {scan: [(1, 1, 2, 5)]})
    before = path.read_bytes()
    import_ikea_asm(project, root)
    assert phases_of(project) == [[Phase(2, 5, action)]]
    assert path.read_bytes() == before


def test_damaged_bytes(root: Path, project: Project):
    """A database that is cut off or has wrong bytes gives phases or a sentence, never a bug."""
    spans = [(*SPIN, n % 6, n % 6 + 2) for n in range(400)]
    path = write_ikea_database(root, {FIRST: spans, SECOND: spans})
    content = path.read_bytes()
    assert len(content) > 4 * 4096
    rng = random.Random(0)
    said = 0
    for trial in range(150):
        damaged = bytearray(content)
        if trial % 3 == 0:
            del damaged[rng.randrange(len(content)) :]
        else:
            for _ in range(10 ** (trial % 3)):
                # Half of it in the header and the schema, where the structure is.
                damaged[rng.randrange(rng.choice([1024, len(content)]))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            found = actions_of(root)
            problems = [str(v) for v in found.values() if isinstance(v, Exception)]
        except UserError as error:
            problems = [error.message]
        assert all(text and "\n" not in text and len(text) < 1000 for text in problems), problems
        said += bool(problems)
    assert said > 50
