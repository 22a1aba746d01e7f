"""The table of bad inputs, row by row: where each is tested. Rows of tests/commands/bad_inputs.json
are named alone; how to write that record anew: tests.commands.bad_input_runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.bad_input_runs import recorded

ROOT = Path(__file__).parents[2]
BATCH = "tests/commands/test_bad_inputs_batch.py::"
SINGLE = "tests/commands/test_bad_inputs_single.py::"
AROUND = "tests/commands/test_bad_inputs_project.py::"
INTERRUPTION = "tests/poses/test_interruption.py::"
DOWNLOAD = "tests/models/test_download.py::"
WEIGHTS = "tests/models/test_weight_files.py::"

TABLE: dict[str, tuple[str, ...]] = {
    "no person in any frame": ("no person in any frame",),
    "no person in some frames": ("no person in some frames", "a person, but no joint"),
    "several people": (
        *("several people", SINGLE + "test_the_query_of_a_retrieval_is_told_the_same"),
        "tests/poses/test_several_people.py::test_subjects_csv_has_the_last_word",
    ),
    "two people who both matter": (
        *("two people who both matter", "fewer people than asked for", "second person not kept"),
    ),
    "corrupt file (no moov)": ("corrupt, no moov",),
    "truncated mid-stream": ("truncated mid-stream", "truncated, too little left"),
    "zero bytes, zero frames, fewer than 8 frames": (
        *("zero bytes", "zero frames", "fewer than 8 frames"),
        BATCH + "test_a_batch_of_nothing_but_bad_files",
    ),
    "VFR": (
        *("variable frame rate", BATCH + "test_what_the_report_notes"),
        "tests/poses/test_time.py",
    ),
    "mixed fps, slow motion": ("slow motion", BATCH + "test_clips_of_two_rates"),
    "rotation metadata": (
        *("rotation metadata", BATCH + "test_unusual_clips_give_the_joints_of_usual_ones"),
    ),
    "sideways with no metadata": ("sideways without metadata",),
    "very long video": ("very long video",),
    "HDR, 10-bit": ("HDR, 10-bit",),
    "odd sizes, 1xN, non-square pixels": (
        *("odd sides", "one pixel wide", "non-square pixels", "a person of a few pixels"),
    ),
    "non-ASCII, spaces, very long paths, symlinks": (
        *("non-ASCII name with spaces", "very long path", "name longer than the system allows"),
        *("symlink", "dangling symlink"),
    ),
    "same name in different folders": (BATCH + "test_one_name_in_two_folders",),
    "same content twice": (BATCH + "test_one_content_twice",),
    "audio only, image, PDF renamed mp4": (
        *("audio only", "image renamed mp4", "PDF renamed mp4"),
    ),
    "folder of images": (
        *("folder of images", "images of two sizes", "unreadable image"),
        *("folder of images, --fps", "images of two sizes, --fps", "unreadable image, --fps"),
        BATCH + "test_images_come_in_natural_order",
    ),
    "GIF, animated WebP": ("GIF", "animated WebP"),
    "unsupported codec": ("unsupported codec",),
    "URL, -": ("URL", "standard input"),
    "no such file": ("missing file", "missing file, no project", "folder without videos"),
    "disk full": ("disk full", WEIGHTS + "test_a_full_disk_is_told_with_the_bytes_needed"),
    "read-only source": ("read-only source", BATCH + "test_a_batch_dies_for_no_file"),
    "Ctrl-C": (AROUND + "test_ctrl_c_ends_a_batch_and_the_same_command_goes_on",),
    "kill -9": (
        INTERRUPTION + "test_a_killed_run_goes_on_inside_a_long_clip",
        DOWNLOAD + "test_a_killed_process_is_gone_on_from",
    ),
    "two runs at once": (
        "two runs at once",
        INTERRUPTION + "test_two_runs_on_one_project_are_refused",
    ),
    "GPU OOM": (
        "tests/poses/backends/test_hrnet.py::test_out_of_memory_halves_the_batch",
        "tests/poses/backends/test_hrnet.py::test_out_of_memory_at_one_crop_ends_the_run",
    ),
    "--device cuda without CUDA": ("--device cuda without CUDA",),
    "weights missing, offline": ("weights missing, offline",),
    "partial weight download": (
        DOWNLOAD + "test_the_wrong_content_is_thrown_away_and_the_liar_named",
        WEIGHTS + "test_a_damaged_file_is_fetched_again",
    ),
    "untrusted checkpoint": (
        "tests/models/test_pose.py::test_a_pickle_that_would_run_code_is_refused",
    ),
    "model of another skeleton": (
        *("model trained on another skeleton", "clips of two skeletons"),
        "clips of two skeletons, train",
    ),
    "poses from another extractor version": (
        AROUND + "test_poses_of_another_version_or_setting_are_stale",
    ),
    "fewer than 2 or 10 clips": (
        *("fewer than 2 clips, train", "fewer than 2 clips, evaluate"),
        "tests/commands/test_train.py::test_train_makes_a_run_and_says_what_comes_next",
    ),
    "labels": (
        *(
            "labels: column missing",
            "labels: not a number",
            "labels: seconds",
            "labels: ends before it starts",
        ),
        *("labels: too few fields", AROUND + "test_labels_may_be_unsorted_and_leave_gaps"),
    ),
    "constant embedding, tau NaN": (
        "tests/evaluation/test_kendall.py::test_constant_embedding_is_counted_and_is_no_success",
        "tests/evaluation/test_evaluate.py::"
        "test_motionless_clips_are_null_with_reasons_and_still_written",
    ),
    "subject leaves and returns, cut in the edit": (
        *("subject leaves and returns", "cut in the edit"),
        "tests/poses/test_extract.py::test_frames_without_the_subject_are_nan",
    ),
    "mirror or selfie camera": ("mirror or selfie camera",),
}


@pytest.mark.parametrize("row", TABLE)
def test_every_row_is_tested(row: str) -> None:
    for place in TABLE[row]:
        if not place.startswith("tests/"):
            assert place in recorded()
            continue
        file, _, test = place.partition("::")
        assert (
            f"def {test}(" in (ROOT / file).read_text("utf-8") if test else (ROOT / file).exists()
        )


def test_the_record_holds_no_row_that_is_gone() -> None:
    assert set(recorded()) == {p for places in TABLE.values() for p in places if "::" not in p} - {
        "tests/poses/test_time.py"
    }
