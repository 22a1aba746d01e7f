"""Damaged and malicious files of data sets: one clip fails with a sentence, the others go on."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.project import Project
from la2ds_cli.formats.h2o import import_h2o
from la2ds_cli.formats.ikea_asm import import_ikea_asm
from tests.formats.data_set_samples import (
    write_h2o,
    write_h2o_list,
    write_ikea,
    write_segments,
)
from tests.formats.file_samples import write_json
from tests.formats.test_hostile_files import _mutated

SCAN, OTHER = "Kallax_Shelf_Drawer/0001_a", "Kallax_Shelf_Drawer/0002_b"
Run = Callable[[], Sequence[ItemResult]]


def said(run: Run) -> list[str]:
    """What is said of the clips that cannot be used; any error but a UserError fails the test."""
    try:
        results = run()
        # The clip that is not touched is imported whatever the other holds.
        assert len(results) == 1 or any(result.usable for result in results)
        texts = [result.message for result in results if not result.usable]
    except UserError as error:
        texts = [error.message]
    assert all(text and "\n" not in text and len(text) < 1000 for text in texts), texts
    return texts


def test_predictions_with_values_of_the_wrong_kind(tmp_path: Path, project: Project):
    root = tmp_path / "ikea"
    folder = write_ikea(root, SCAN)
    write_ikea(root, OTHER)
    path = folder / "scan_video_000000000002_keypoints.json"
    document = json.loads(path.read_text())
    document["people"] *= 2
    rng = random.Random(0)
    refused = 0
    for _ in range(60):
        write_json(path, _mutated(document, rng))
        refused += bool(said(lambda: import_ikea_asm(project, root)))
    assert refused > 10


def test_segments_with_values_of_the_wrong_kind(tmp_path: Path, project: Project):
    root = tmp_path / "ikea"
    write_ikea(root, SCAN)
    write_ikea(root, OTHER)
    path = write_segments(root, {SCAN: [("NA", 0, 4), ("spin leg", 4, 8)]})
    document = json.loads(path.read_text())
    rng = random.Random(0)
    refused = 0
    for _ in range(60):
        write_json(path, _mutated(document, rng))
        refused += bool(said(lambda: import_ikea_asm(project, root)))
    assert refused > 10


def test_damaged_bytes_of_hands_intrinsics_and_lists(tmp_path: Path, project: Project):
    root = tmp_path / "h2o"
    folder = write_h2o(root)
    write_h2o(root, "subject2/h1/1")
    listed = write_h2o_list(root, "train", ["subject1/h1/1 5 0 2 0 7", "subject1/h1/1 23 3 6 0 7"])
    rng = random.Random(0)
    for path in (folder / "hand_pose/000003.txt", folder / "cam_intrinsics.txt", listed):
        content = path.read_bytes()
        refused = 0
        for trial in range(60):
            damaged = bytearray(content)
            if trial % 3 == 0:
                del damaged[rng.randrange(len(content)) :]
            elif trial % 3 == 1:
                damaged[rng.randrange(len(content))] = rng.randrange(256)
            else:
                start = rng.randrange(len(content))
                nasty = rng.choice([b"nan", b"1e999", b"-", b"inf", b"\n", b"\x00", b"9" * 400])
                damaged[start : start + rng.randrange(8)] = nasty
            path.write_bytes(damaged)
            refused += bool(said(lambda: import_h2o(project, root)))
        assert refused > 10, path
        path.write_bytes(content)
