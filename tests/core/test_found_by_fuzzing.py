"""What mutated files once did: ended with a traceback, or the process, or took all memory."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from la2ds_cli.core import artifact
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.embedding.trained import load_network
from la2ds_cli.features.heatmap_cache import cache_heatmaps, read_heatmaps
from la2ds_cli.poses.networks.onnx import open_session
from la2ds_cli.poses.quality import verdict
from la2ds_cli.training.checkpoint import load_resume
from la2ds_cli.video.frame_conversion import FrameConverter
from la2ds_cli.video.reader import probe
from tests.drawn_clips import grey_steps, write_stamped
from tests.fuzz.parsers import MAKERS


def rewrite(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """A file with other facts or another recipe."""
    arrays, recipe, facts = artifact.read_arrays(path)
    document = recipe.to_json()
    change(facts, document)
    artifact.write_arrays(path, arrays, artifact.Recipe(**document), facts)


def test_facts_of_another_kind_judge_nothing():
    assert verdict({"frames": [], "seconds": "x", "coverage": None}) == ()
    found = verdict({"ambiguous": True, "margin": None, "coverage": 0.1})
    assert [weakness.code for weakness in found] == ["V021", "V022"]


@pytest.mark.parametrize(
    ("name", "value"), [("frames", 10**8), ("channels", []), ("size", 10**6), ("chunk", 0)]
)
def test_heatmaps_of_other_facts_are_damaged_before_memory_is_taken(
    project: Project, name: str, value: Any
):
    cache_heatmaps(project, load_config({"heatmap": {"size": 6}}).heatmap)
    assert read_heatmaps(project, "clip-0").shape[2:] == (6, 6)
    rewrite(project.heatmap_path("clip-0"), lambda facts, recipe: facts.update({name: value}))
    with pytest.raises(UserError, match="damaged") as caught:
        read_heatmaps(project, "clip-0")
    assert caught.value.exit_code == ExitCode.UNREADABLE


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
    project = Project.open(tmp_path / "project")
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


def test_pictures_that_cannot_be_converted_are_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def fail(self: FrameConverter, frame: Any) -> None:
        raise ValueError("no such format")

    write_stamped(tmp_path / "a.mp4", grey_steps(3), [0, 0.1, 0.2])
    monkeypatch.setattr(FrameConverter, "image", fail)
    with pytest.raises(UserError, match=r"cannot be converted \(no such format\)") as caught:
        probe(tmp_path / "a.mp4")
    assert caught.value.code == "V001"


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
def test_what_is_said_of_a_damaged_header_is_short(project: Project, schema: Any):
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
