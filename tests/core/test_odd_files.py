"""Files of a project that are damaged inside, of another kind, or may not be used; and what writers
that were killed left behind."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from la2ds_cli.commands.app import app
from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import ArtifactError, Recipe, read_header, write_arrays
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.features.heatmap_cache import cache_heatmaps, export_heatmaps
from la2ds_cli.network.load_network import load_network
from la2ds_cli.poses.networks.onnx import open_session
from la2ds_cli.training.checkpoint import load_resume
from la2ds_cli.video.frame_conversion import FrameConverter
from la2ds_cli.video.media_files import is_image_folder
from la2ds_cli.video.reader import probe
from tests.drawn_clips import grey_steps, write_stamped
from tests.fuzz.parsers import MAKERS
from tests.told import refused

ALIGN = ("align", "clip-0", "clip-1")
Change = Callable[[dict[str, np.ndarray], dict[str, Any]], None]


def ended(root: Path, *command: str) -> Result:
    """What a command answers that must not end by an error nobody foresaw."""
    done = CliRunner().invoke(app, [*command, "--project", str(root)])
    assert isinstance(done.exception, SystemExit | None), (command, done.exception)
    return done


def _change(name: str, value: object) -> Change:
    def change(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
        target: Any = arrays if name in arrays else facts
        if value is None:
            del target[name]
        else:
            target[name] = value

    return change


def _no_frames(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    arrays |= {name: array[:0] for name, array in arrays.items()}


ODD: dict[str, Change] = {
    "no frames": _no_frames,
    "frames that are years apart": _change("time", 1e9 * np.arange(20)),
    "no number for a score": _change("score", np.full((20, 13), np.nan, np.float32)),
    "no facts of the file": _change("info", None),
    "no skeleton": _change("skeleton", None),
    "no xy": _change("xy", None),
    "xy of another shape": _change("xy", np.zeros((20, 5, 2), np.float32)),
    "a single number": _change("time", np.zeros((), np.float64)),
    "text": _change("fps", "fast"),
    "no rate": _change("fps", None),
    "an infinite rate": _change("fps", float("inf")),
    "a list": _change("fps", [30]),
    "no size": _change("size", []),
    "a negative size": _change("size", [-5, 10]),
    "a vast size": _change("size", [10**9, 10]),
    "infinite time": _change("time", np.array([*range(19), np.inf])),
    "infinite joints": _change("xy", np.full((20, 17, 2), np.inf, np.float32)),
    "a size of null": _change("size", [None, None]),
    "a skeleton that is none": _change("skeleton", ["coco17"]),
}


@pytest.mark.parametrize("name", ODD)
def test_poses_of_odd_content_are_damaged(project: StoredProject, name: str):
    path = project.pose_path("clip-0")
    arrays, recipe, facts = artifact.read_arrays(path)
    ODD[name](arrays, facts)
    # As anybody can write it; write_arrays would refuse nothing either, but its JSON has no NaN.
    write_arrays(path, arrays, recipe, facts)
    if name != "no facts of the file":
        with pytest.raises(UserError) as caught:
            project.read_pose("clip-0")
        assert caught.value.exit_code in (ExitCode.UNREADABLE, ExitCode.MISMATCH)
    for command in (("export", "wide-csv"), ("status",), ALIGN):
        done = ended(project.root, *command)
        assert done.exit_code in (0, *range(2, 9)), done.output


RECIPE = {"step": "poses", "version": 1, "config": {}, "inputs": {}}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        "null",
        json.dumps({"schema": 1, "recipe": RECIPE, "facts": None}),
        json.dumps({"schema": 1, "recipe": RECIPE, "facts": {"info": [1]}}),
        json.dumps({"schema": 1, "recipe": None, "facts": {}}),
        json.dumps({"schema": 1, "recipe": {**RECIPE, "config": 3}, "facts": {}}),
        json.dumps({"schema": 1, "recipe": {**RECIPE, "version": "new"}, "facts": {}}),
        json.dumps({"schema": 1, "recipe": {"step": "poses"}, "facts": {}}),
    ],
    ids=range(9),
)
def test_headers_of_odd_content_are_damaged_and_status_goes_on(project: StoredProject, text: str):
    path = project.pose_path("clip-0")
    save_file({"a": np.zeros(1)}, path, metadata={"la2ds": text})
    with pytest.raises(ArtifactError):
        read_header(path)
    done = ended(project.root, "status")
    assert done.exit_code == ExitCode.OK, done.output


@pytest.mark.parametrize("content", [b"", b"x", {"a": 1}, [1, 2], torch.zeros(3)])
def test_an_odd_resume_state_is_none_or_refused(tmp_path: Path, content: Any):
    path = tmp_path / "resume.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
        assert load_resume(path) is None
        return
    torch.save(content, path)
    from la2ds_cli.training.checkpoint import Records

    network = torch.nn.Linear(2, 2)
    optimiser = torch.optim.Adam(network.parameters())
    recipe = Recipe("train", 1, {}, {})
    records = Records(tmp_path, recipe, "coco17", [], network, optimiser)  # pyright: ignore
    with pytest.raises(UserError, match=r"resume\.pt is not the state of this run") as caught:
        records.resume()
    assert caught.value.exit_code == ExitCode.UNREADABLE


VERSIONS = ("1e999", '"1"', "null", "[1]")  # that are none
ODD_RECIPES = ["", "{", "[]", "[" * 100_000, '{"config": 3}', "\\xff"]
ODD_RECIPES += [
    f'{{"step": "a", "version": {one}, "config": {{}}, "inputs": {{}}}}' for one in VERSIONS
]


@pytest.mark.parametrize("text", ODD_RECIPES)
def test_an_odd_recipe_of_a_run_is_damaged(project: StoredProject, text: str):
    run = project.run_dir("default")
    run.mkdir(parents=True)
    (run / "recipe.json").write_text(text)
    with pytest.raises(ArtifactError):
        artifact.read_recipe(run / "recipe.json")
    assert artifact.read_document(run / "recipe.json").get("key") is None
    done = ended(project.root, "status")
    assert done.exit_code == ExitCode.OK, done.output
    done = ended(project.root, "train", "--input", "joints", "--device", "cpu")
    assert done.exit_code == ExitCode.UNREADABLE, done.output
    assert "recipe.json is damaged" in done.stderr


# --- things of another kind, and no permission ---------------------------------------------------


TABLES = ("videos.csv", "phases.csv", "subjects.csv", "project.toml")


@pytest.mark.parametrize("name", [*TABLES, "poses", "results", "logs"])
def test_a_folder_in_the_place_of_a_table_or_a_file_in_that_of_a_folder(
    project: StoredProject, name: str
):
    path, allowed = project.root / name, (0, *range(2, 9))
    if name in TABLES:
        allowed = (0, 2, 3)
        path.unlink(missing_ok=True)
        path.mkdir()
    else:
        shutil.rmtree(path, ignore_errors=True)
        path.write_text("")
        assert ended(project.root, "export", "wide-csv").exit_code in allowed
    assert ended(project.root, "status").exit_code in allowed
    assert ended(project.root, *ALIGN, "--features", "pose").exit_code in allowed


def test_names_longer_than_the_system_allows_are_errors_of_one_sentence(tmp_path: Path):
    name = "x" * 300
    for command in (["status"], ["extract-poses", f"{name}.mp4"], ["export", "wide-csv"]):
        done = ended(tmp_path / name, *command)
        assert done.exit_code in (2, 3, 7)
        assert done.stderr.count("error:") == 1


def test_a_table_that_may_not_be_read_is_an_error_of_one_sentence(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch
):
    real = os.open

    def forbidden(path: Any, *rest: Any, **named: Any) -> int:
        if os.fspath(path) == str(project.videos_path):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *rest, **named)

    monkeypatch.setattr(os, "open", forbidden)
    done = ended(project.root, "status")
    assert done.exit_code == ExitCode.UNREADABLE
    assert f"cannot read {project.videos_path}: Permission denied" in done.stderr


@pytest.mark.parametrize("number", [errno.EACCES, errno.EISDIR, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("named", [True, False], ids=["a file", "an open file"])
def test_what_the_system_refuses_is_never_a_traceback(
    project: StoredProject, monkeypatch: pytest.MonkeyPatch, number: int, named: bool
):
    def refused(self: Path, **_: Any) -> bool:
        raise OSError(number, os.strerror(number), *([str(self)] if named else []))

    monkeypatch.setattr(Path, "exists", refused)
    done = ended(project.root, "status")
    assert done.exit_code == ExitCode.STORAGE
    said = project.root / "project.toml" if named else "system error"
    assert f"{said}: {os.strerror(number)}" in done.stderr


def test_a_folder_of_clips_that_may_not_be_read_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def forbidden(path: Any = ".") -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", forbidden)
    monkeypatch.setattr(os, "listdir", forbidden)
    assert not is_image_folder(tmp_path)
    with pytest.raises(UserError, match=r"cannot open the folder .*Permission denied") as caught:
        probe(tmp_path)
    assert caught.value.code == "V006"


# --- temporary files -----------------------------------------------------------------------------


def test_temporary_files_of_killed_writers_are_removed_and_others_are_not(tmp_path: Path):
    past = 1_000_000_000
    left = tmp_path / f"{artifact.TEMPORARY}left.csv"
    held = tmp_path / f"{artifact.TEMPORARY}held.csv"
    young = tmp_path / f"{artifact.TEMPORARY}young.csv"
    others = [tmp_path / name for name in (".tmp-other", "mine.csv", ".hidden")]
    for path in (left, held, young, *others):
        path.write_text("x")
        if path != young:
            os.utime(path, (past, past))
    with held.open() as stream:
        fcntl.flock(stream.fileno(), fcntl.LOCK_EX)
        artifact.write_text(tmp_path / "a.csv", "a")
        assert not left.exists()
        assert all(path.exists() for path in (held, young, *others))


# --- numbers at their limits ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[train]\nseed = {'9' * 5000}", "not valid TOML: Exceeds the limit"),
        (f"[train]\nmethod = 0x{'f' * 5000}", "'a number of thousands of digits' is not a text"),
        (f"[align]\nskip_cost = 0x{'f' * 5000}", "'a number of thousands of digits' is too large"),
        (f"preset = 0x{'f' * 5000}", "not a number of thousands of digits"),
    ],
)
def test_numbers_of_thousands_of_digits_in_project_toml_are_refused(
    project: StoredProject, text: str, said: str
):
    (project.root / "project.toml").write_text(text)
    done = ended(project.root, "status")
    assert done.exit_code == ExitCode.USAGE, done.output
    assert said in done.stderr
    with pytest.raises(UserError, match="seed: '9"):
        project.config(overrides=[f"train.seed={'9' * 5000}"])


@pytest.mark.parametrize(
    "setting",
    [
        *("train.fps=1e9", "train.fps=inf", "train.seed=100000000000000000000"),
        *("train.steps=1000000000000", "train.learning_rate=inf", "model.width=1000003"),
        *("model.heads=9999", "model.motion=inf", "heatmap.size=100000", "heatmap.sigma=inf"),
        *("poses.max_duration=inf", "align.skip_cost=inf", "augment.warp=inf"),
        "evaluate.pairs=10000000000",
    ],
)
def test_absurd_settings_are_refused_with_their_limit(project: StoredProject, setting: str):
    with pytest.raises(UserError, match=r"must be .* and at most [0-9.e+]+, got"):
        project.config(overrides=[setting])


@pytest.mark.parametrize(
    "command",
    [
        ["retrieve", "--query", "clip-0@0.1", "--k", str(10**30)],
        ["import", "coco-json", "a.json", "--fps", "inf"],
        ["extract-poses", "images", "--fps", "inf"],
        ["extract-poses", "a.mp4", "--slowmo", "1e300"],
    ],
)
def test_absurd_options_are_refused(project: StoredProject, command: list[str]):
    done = ended(project.root, *command)
    assert done.exit_code == ExitCode.USAGE, done.output


# --- found by mutated files -----------------------------------------------------------------------


def rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """A file with other facts or another recipe."""
    arrays, recipe, facts = artifact.read_arrays(path)
    document = recipe.to_json()
    change(facts, document)
    artifact.write_arrays(path, arrays, artifact.Recipe(**document), facts)


@pytest.mark.parametrize(
    ("name", "value"), [("frames", 10**8), ("channels", []), ("size", 10**6), ("chunk", 0)]
)
def test_heatmaps_of_other_facts_are_rendered_anew_before_memory_is_taken(
    project: StoredProject, name: str, value: Any
):
    cache_heatmaps(project, project.config().heatmap)
    (before,) = export_heatmaps(project, ["clip-0"])
    expected = Path(before.path).read_bytes()
    rewrite(project.heatmap_path("clip-0"), lambda facts, recipe: facts.update({name: value}))
    (after,) = export_heatmaps(project, ["clip-0"], overwrite=True)
    assert after.status == "ok"
    assert Path(after.path).read_bytes() == expected


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda facts, recipe: facts.pop("skeleton"), ExitCode.UNREADABLE),
        (lambda facts, recipe: facts.update(skeleton=["coco17"]), ExitCode.UNREADABLE),
        # 16,384 wide: some 600 GB, which are not asked for
        (lambda facts, recipe: recipe["config"].update({"model.width": 16384}), ExitCode.MISMATCH),
    ],
)
def test_weights_whose_header_says_something_else(tmp_path: Path, change: Any, code: ExitCode):
    parser = MAKERS["weights"](tmp_path)
    path = tmp_path / "project" / "checkpoints" / "default" / "best.safetensors"
    project = StoredProject.open(tmp_path / "project")
    load_network(project, "default")
    rewrite(path, change)
    with pytest.raises(UserError) as caught:
        load_network(project, "default")
    assert caught.value.exit_code == code
    path.write_bytes(parser.seed)
    load_network(project, "default")


def test_a_damaged_onnx_network_prints_nothing_on_stdout(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    parser = MAKERS["onnx pose network"](tmp_path)
    path = tmp_path / "a.onnx"
    for cut in range(1, len(parser.seed), 97):
        path.write_bytes(parser.seed[:cut] + b"\xff" * 8 + parser.seed[cut + 8 :])
        with suppress(UserError):
            open_session(str(path), "cpu")
    assert capfd.readouterr().out == ""


def test_pixels_of_an_aspect_that_no_camera_has_are_square(tmp_path: Path):
    import av

    path = tmp_path / "a.mp4"
    write_stamped(path, grey_steps(3), [0, 0.1, 0.2])
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    for aspect, width in ((Fraction(2), 192), (Fraction(10**6), 96), (Fraction(1, 10**6), 96)):
        assert FrameConverter(frame, aspect).image(frame).shape == (64, width, 3)


def test_a_packed_resume_file_is_not_unpacked(tmp_path: Path):
    """A hundred megabytes of zeros in a file of 100 kB; torch.save packs nothing."""

    torch.save({"a": torch.zeros(25_000_000)}, tmp_path / "whole.pt")
    assert load_resume(tmp_path / "whole.pt") is not None
    with (
        zipfile.ZipFile(tmp_path / "whole.pt") as whole,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    assert (tmp_path / "packed.pt").stat().st_size < 1e6
    assert load_resume(tmp_path / "packed.pt") is None


@pytest.mark.parametrize("schema", [[1] * 3000, "x" * 3000])
def test_what_is_said_of_a_damaged_header_is_short(project: StoredProject, schema: Any):
    path = project.pose_path("clip-0")
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    for place in ("dtype", "schema"):
        changed = json.loads(json.dumps(header))
        if place == "dtype":
            changed["xy"]["dtype"] = schema
        else:
            inner = json.loads(changed["__metadata__"]["la2ds"])
            changed["__metadata__"]["la2ds"] = json.dumps({**inner, "schema": schema})
        text = json.dumps(changed).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])
        with pytest.raises(UserError) as caught:
            project.read_pose("clip-0")
        assert len(caught.value.message) < 600


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused_and_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A file in the place of a lock would outlive a kill, and be copied with the project."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    project = StoredProject.create(tmp_path / "project")
    for take in (project.lock, project.tables, project.studio_lock):
        with monkeypatch.context() as patch:
            patch.setattr(fcntl, "flock", refuse)
            with refused(ExitCode.STORAGE, "has no locks") as caught, take():
                pass
        assert "space" not in caught.value.hint
        with take():
            pass


def test_a_folder_in_the_place_of_an_output_is_no_matter_of_space(tmp_path: Path) -> None:
    (tmp_path / "d.png").mkdir()
    with refused(ExitCode.STORAGE, "it is a folder") as caught:
        artifact.write_bytes(tmp_path / "d.png", b"")
    assert "space" not in caught.value.hint
