"""One function aligns: whoever asks for a pair of clips gets the same bytes from it."""

from __future__ import annotations

import ast
import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import la2ds
from la2ds_cli.alignment import align as heart
from la2ds_cli.alignment import project_aligner
from la2ds_cli.alignment.aligned_repetitions import align_clips
from la2ds_cli.alignment.alignment import Alignment
from la2ds_cli.alignment.clip_features import Embedding, network_features
from la2ds_cli.alignment.project_aligner import ProjectAligner
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all
from la2ds_cli.compare.compare_clips import compare
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.evaluation import features as evaluation_features
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.labels.propagate import propagate_labels
from la2ds_cli.network.load_network import light_base
from la2ds_cli.studio.held_pairs import HeldPairs
from tests.movement import add_sequence, sequence, warped_phase
from tests.processes import invoke

TEST, TRAIN = 8, 10  # clips
PAIRS = list(itertools.permutations([f"test{n}" for n in range(TEST)], 2))[:50]
SETTINGS = ("align.reference_clips=4", "evaluate.max_trim=0", "evaluate.trim_draws=1")
Digests = dict[tuple[str, str], set[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    """Clips of unequal lengths and three frame rates, and others that are reference clips."""
    project = StoredProject.create(tmp_path_factory.mktemp("one") / "project")
    for n in range(TEST + TRAIN):
        name, split = (f"test{n}", "test") if n < TEST else (f"train{n}", "train")
        pose = sequence(warped_phase(24 + 3 * n, n), fps=(12.5, 25.0, 30.0)[n % 3], scale=40 + n)
        add_sequence(project, name, pose, split)
    rows = ["video,start,end,phase"]
    for video in project.videos():
        if video.split == "test":
            middle = video.frames // 2
            rows += [f"{video.id},0,{middle},down", f"{video.id},{middle},{video.frames},up"]
    project.phases_path.write_text("\n".join(rows) + "\n")
    return StoredProject(
        project.root,
        {
            "align": {"reference_clips": 4},
            "evaluate": {"max_trim": 0.0, "trim_draws": 1},
        },
    )


def digest(result: Alignment) -> str:
    """Of all that an alignment says about the frames of A."""
    arrays = result.path, result.position, result.confidence, result.low, result.high
    whole = hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays))
    whole.update(f"{result.view} {result.references} {result.same_movement}".encode())
    return whole.hexdigest()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Digests:
    """The digests of all alignments by pair, whoever asks."""
    digests: Digests = {}
    original = heart.align

    def recorded(a: Any, b: Any, *rest: Any, **more: Any) -> Alignment:
        result = original(a, b, *rest, **more)
        digests.setdefault((a.clip, b.clip), set()).add(digest(result))
        return result

    for module in (project_aligner, evaluation_features):
        monkeypatch.setattr(module, "align", recorded)
    return digests


@pytest.fixture(scope="module")
def expected(project: StoredProject) -> dict[tuple[str, str], str]:
    """By the function itself, from poses alone."""
    base = light_base()
    settings = project.config().align
    poses = {video.id: project.read_pose(video.id)[0] for video in project.videos()}
    references = [poses[name] for name in sorted(poses) if name.startswith("train")]
    network = Embedding(lambda clip: base([clip.seen()])[0], base.spread)
    features = network_features(network, settings, kind="base", run=BASE_RUN)
    found = {}
    for a, b in PAIRS:
        result = heart.align(poses[a], poses[b], references, features, settings)
        assert result.references == 4
        assert len({len(result.pose_a), len(result.pose_b)}) == 2
        found[a, b] = digest(result)
    assert len(set(found.values())) == len(PAIRS) == 50
    return found


def by_align(project: StoredProject, request: AlignRequest) -> None:
    for a, b in PAIRS:
        align_clips(project, a, b, request)


def by_one_aligner(project: StoredProject, request: AlignRequest) -> None:
    aligner = ProjectAligner(project, request)
    for a, b in reversed(PAIRS):
        aligner.align_names(a, b)


def by_command(project: StoredProject, request: AlignRequest) -> None:
    (project.root / "project.toml").write_text("[align]\nreference_clips = 4\n")
    for a, b in PAIRS[:4]:
        invoke("align", a, b, "--project", project.root, "--out", project.root / "results/a.json")


def by_timeline(project: StoredProject, request: AlignRequest) -> None:
    names = [f"test{n}" for n in range(TEST)]
    for reference in names:
        align_all(project, names, request, reference=reference)


def by_transfer(project: StoredProject, request: AlignRequest) -> None:
    names = [f"test{n}" for n in range(TEST)]
    for source in names:
        targets = [name for name in names if name != source]
        propagate_labels(project, [source], targets, request)


def by_compare(project: StoredProject, request: AlignRequest) -> None:
    for a, b in PAIRS:
        compare(project, a, b, request)


def by_studio(project: StoredProject, request: AlignRequest) -> None:
    pairs = HeldPairs(project)
    for a, b in PAIRS:
        pairs.get(a, b)


def by_python(project: StoredProject, request: AlignRequest) -> None:
    opened = la2ds.open(project.root)
    for a, b in PAIRS:
        la2ds.align(opened, a, b, settings={"align.reference_clips": 4})


def by_evaluation(project: StoredProject, request: AlignRequest) -> None:
    config = project.config()
    score_request(Request(project, config, (), "la2ds", ["base"], "cpu"))


CALLERS: list[Callable[[StoredProject, AlignRequest], None]] = [
    *(by_align, by_one_aligner, by_command, by_timeline, by_transfer),
    *(by_compare, by_studio, by_python, by_evaluation),
]


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.__name__)
def test_every_caller_gets_the_same_bytes(
    caller: Callable[[StoredProject, AlignRequest], None],
    project: StoredProject,
    expected: dict[tuple[str, str], str],
    seen: Digests,
) -> None:
    caller(project, AlignRequest(project.config(), device="cpu"))
    for pair in PAIRS[:4] if caller is by_command else PAIRS:
        assert seen.get(pair) == {expected[pair]}, pair


# --- nobody matches clips otherwise ---------------------------------------------------------------

INSIDE = {"match_clips", "consensus", "direct_match", "compute_certainty", "align_features"}


def test_the_parts_of_the_aligner_are_used_by_the_aligner_alone() -> None:
    """Features, offsets and searches compare frames by other means, but no other room matches two
    clips by these functions."""
    root = Path(heart.__file__).parents[1]
    for path in root.rglob("*.py"):
        if path.parent.name in ("alignment", "methods"):
            continue
        tree = ast.parse(path.read_text("utf-8"))
        names = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("la2ds_cli.alig")
            for alias in node.names
        }
        assert not names & INSIDE, path
