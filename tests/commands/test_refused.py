"""Command lines that are refused, by command: arguments, exit code, and what is said on stderr.

Nothing is printed on stdout, and no file of the project or beside it changes.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.core.stored_project import StoredProject
from tests.commands.conftest import four_clips, squats
from tests.formats.file_samples import mmpose_frames, write_json
from tests.movement import add_sequence
from tests.processes import invoke

USAGE, UNREADABLE, UNUSABLE = ExitCode.USAGE, ExitCode.UNREADABLE, ExitCode.UNUSABLE
MISMATCH, STORAGE = ExitCode.MISMATCH, ExitCode.STORAGE
OF_TWO = [  # of every command that aligns two clips
    ("clip-0 missing.mp4", UNREADABLE, "no such file: missing.mp4 (V006)"),
    ("gone.mp4 missing.mp4", UNREADABLE, "no such files: gone.mp4, missing.mp4 (V006)"),
    ("gone.mp4 gone.mp4", UNREADABLE, "no such file: gone.mp4 (V006)"),
    ("clip-0 clip", MISMATCH, "'clip' fits 4 videos"),
    ("clip-0 clip-1 --out ab.docx", USAGE, "unknown file type"),
    ("clip-0 clip-1 --method dwt", USAGE, "did you mean 'dtw'?"),
    ("clip-0 clip-1 --features model", UNUSABLE, "la2ds train --run default trains it"),
]
ROWS = {
    "align": [
        *OF_TWO,
        ("clip-0", USAGE, "missing argument 'B'"),
        ("clip-0 clip-1 clip-2", USAGE, "unexpected extra argument"),
        ("clip-0 clip-1 --out project/phases.csv", USAGE, "would be lost"),
        ("one many --repetition all --out project/videos.csv", USAGE, "would be lost"),
        ("clip-0 clip-1 --view turned", MISMATCH, "--view turned needs joints in metres"),
        (
            "one many --repetition 5",
            USAGE,
            "there is no repetition 5 in many, which has 3 repetitions",
        ),
        ("one many --repetition every", USAGE, "'every' does not name a repetition"),
        ("one many --repetition 0", USAGE, "'0' does not name a repetition"),
        ("one many --repetition all --out ab.docx", USAGE, "unknown file type"),
        ("one many --repetition all --out ab.mp4", USAGE, "cannot write repetitions to 'ab.mp4'"),
        ("one many --repetition all --out ab.html", USAGE, "cannot write repetitions"),
    ],
    "compare": [
        *OF_TWO,
        ("clip-0 clip-1 --out project/annotations.csv", USAGE, "would be lost"),
        ("clip-0 --attempts clip-1,clip-2 --out ab.docx", USAGE, "unknown file type"),
        ("clip-0 --attempts clip-1,clip-2 --method dwt", USAGE, "did you mean 'dtw'?"),
        ("clip-0 --attempts 'you-*'", UNREADABLE, "no file matches you-* (V006)"),
        ("clip-0 --attempts clip-1", UNUSABLE, "two are needed"),
        ("gone.mp4 --attempts 'clip-*'", UNREADABLE, "no such file: gone.mp4 (V006)"),
    ],
    "report": OF_TWO,
    "sync": [
        *OF_TWO,
        ("clip-0 clip-1 --privacy --no-skeleton", USAGE, "cannot be combined with --no-skeleton"),
        ("clip-0 clip-1 --out text.onnx/s.mp4", STORAGE, "a part of the path is a file"),
    ],
    "lab plot-embeddings": [
        ("clip-0", USAGE, "at least two clips"),
        ("clip-0 clip-0", USAGE, "clip-0 is named twice"),
        ("clip-0 clip-1 --out project/poses/a.json", USAGE, "belongs to the project"),
        ("clip-0 clip-1 --out plot.doc", USAGE, "unknown file type"),
        ("clip-0 clip-1 --run other", UNUSABLE, "run 'other' has no trained model"),
        ("clip-0 no-clip", UNREADABLE, "did you mean 'clip-3'?"),
    ],
    "retrieve": [
        ("--k 0", USAGE, "greater than or equal to 1"),
        ("--query clip-0 --out project/poses/a.json", USAGE, "belongs to the project"),
        ("--query clip-0@99", USAGE, "99 s lies outside the clip"),
        ("--query nobody", UNREADABLE, "no such file: nobody (V006)"),
        ("--query nobody@1", UNREADABLE, "no such file: nobody (V006)"),
        ("--features model", UNUSABLE, "run 'default' has no trained model"),
        ("--store ''", USAGE, "--store needs a folder or URI"),
        ("--store folder --out sheet.png", USAGE, "unknown file type"),
    ],
    "embed": [
        ("--run nope", UNUSABLE, "la2ds train --run nope trains it"),
        ("--run ../x", USAGE, "'../x' is not a run name"),
    ],
    "train": [
        ("--sett a.b=1", USAGE, "no such option: --sett"),
        ("--input rgb", USAGE, "--method gtcc or lav or sal or tcc"),
        ("--set train.step=3", USAGE, "did you mean 'steps'?"),
        ("--set trian.steps=3", USAGE, "did you mean 'train'?"),
        ("--set train.steps", USAGE, "--set section.key=value"),
        ("--set train.schedule=cosin", USAGE, "one of: cosine"),
        ("--method casa --set model.input=heatmap", USAGE, "'casa' does not read heatmap"),
        ("--preset casa --set model.input=heatmap", USAGE, "'casa' does not read heatmap"),
        ("--seeds 0,1 --set train.seed=3", USAGE, "--seeds 3"),
        ("--method casa --preset heatmap", USAGE, "omit --preset, and change single settings"),
        ("--method casa --from base", USAGE, "omit --preset or --from base, and change"),
    ],
    "lab reproduce": [
        ("table5 --seeds '0;1'", USAGE, "--seeds 0,1,2"),
        ("table5 --minutes 0", USAGE, "more than 0 minutes"),
        ("table5 --preset paper-pen", USAGE, "paper-penn-casa"),
        ("table5 --set train.step=2", USAGE, "did you mean 'steps'?"),
    ],
    "lab benchmark": [
        ("--methods tccc", USAGE, "lav"),
        ("--methods tcc,tcc", USAGE, "methods: "),
        ("--seeds '0;1'", USAGE, "--seeds 0,1,2"),
        ("--protocol papre", USAGE, "did you mean 'paper'?"),
        ("--project project --project project", USAGE, "give --project DIR once for each"),
        ("--methods tcc,la2ds --set model.input=rgb", USAGE, "--method gtcc or lav or sal"),
    ],
    "import": [
        ("mmpose-json poses.json --size 640", USAGE, "'640' is not a frame size"),
        ("mmpose-json poses.json --size 0x480", USAGE, "not a frame size"),
        ("mmpose-json poses.json --map nose", USAGE, "--map takes THEIRS=OURS"),
        ("mmpose-json poses.json --fps 0", USAGE, "greater than or equal to 0.001"),
        ("mmpose-json poses.json", USAGE, "the frame rate is not in the file (I007)"),
        ("mmpose-json poses.json --fps 25 --skeleton coco", MISMATCH, "did you mean 'coco17'"),
        ("mmpose-json poses.json --fps 25 --skeleton body25", MISMATCH, "(I002)"),
        ("mmpose-json poses.json --video no.mp4", UNREADABLE, "there is no video no.mp4"),
        ("trc a.trc", UNREADABLE, "no such file: a.trc"),
        ("penn-action nowhere", UNREADABLE, "no Penn Action label files in nowhere"),
        ("ikea-asm nowhere", UNREADABLE, "in nowhere"),
        ("h2o nowhere", UNREADABLE, "in nowhere"),
        ("casa-npy nowhere --fps 30", UNREADABLE, "no such file: nowhere"),
    ],
    "export": [
        ("csv", USAGE, "Did you mean 'dlc-csv'?"),
        ("trc clip-9", UNREADABLE, "there is no clip 'clip-9'"),
        ("labels --format elan", USAGE, "--format is not an option; write only the value"),
    ],
    "transfer-labels": [
        ("", USAGE, "missing option '--from'"),
        ("--from nobody", UNREADABLE, "there is no clip 'nobody'"),
        ("--from clip-1", MISMATCH, "'clip-1' has no phases set by a person"),
        ("--from clip-0 --method dwt", USAGE, "did you mean 'dtw'?"),
        ("--from clip-0 --features model", UNUSABLE, "run 'default' has no trained model"),
    ],
    "evaluate": [
        ("--run d,c --run b,a,d", USAGE, "a run is named twice hint: name each once: d, c, b, a"),
        ("--run none", UNUSABLE, "run 'none' has no trained model"),
        ("--run default", UNUSABLE, "la2ds train --run default"),
        ("--protocol papr", USAGE, "did you mean 'paper'"),
    ],
    "offset": [("one", USAGE, "two or more recordings"), ("one one", USAGE, "each named once")],
    "remove": [
        ("nobody", UNREADABLE, "there is no clip 'nobody' in the project"),
        ("clip", MISMATCH, "'clip' fits 4 videos"),
    ],
    "init": [
        ("text.onnx", STORAGE, "a part of the path is a file"),
        ("new --preset nonsense", USAGE, "known: "),
        ("project --preset demo", USAGE, 'preset = "demo"'),
    ],
}
LINES = [(f"{command} {given}", *rest) for command, rows in ROWS.items() for given, *rest in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of four clips, one of them labelled, and squats; files beside it."""
    root = tmp_path_factory.mktemp("refused")
    project = four_clips(root / "project")
    add_sequence(project, "one", squats(1))
    add_sequence(project, "many", squats(3))
    project.phases_path.write_text("video,start,end,phase\nclip-0,0,20,down\n")
    write_json(root / "poses.json", mmpose_frames())
    (root / "text.onnx").write_text("a text")
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """What is there but locks, and embeddings, which any command may compute."""
    files = (path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in files}
    own = ("project/logs/", "project/embeddings/")
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith(own)}


@pytest.mark.parametrize(("line", "code", "said"), LINES, ids=[line for line, *_ in LINES])
def test_a_line_is_refused_and_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, code: ExitCode, said: str
):
    monkeypatch.chdir(folder)
    before = contents(folder)
    project = {} if line.startswith("init") else {"LA2DS_PROJECT": "project"}
    result = invoke(*shlex.split(line), code=code, env=project)
    assert said in " ".join(result.stderr.split())
    assert result.stdout == ""
    assert contents(folder) == before


LOCKING = ("train", "embed", "lab cache-heatmaps", "lab reproduce table5", "lab benchmark")
LOCKING += ("remove clip-0",)


@pytest.mark.parametrize("line", [*LOCKING, "import mmpose-json poses.json --fps 25"])
def test_a_project_that_another_command_writes_to_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str
):
    monkeypatch.chdir(folder)
    before = contents(folder)
    with StoredProject.open(Path("project")).lock():
        result = invoke(*shlex.split(line), code=MISMATCH, env={"LA2DS_PROJECT": "project"})
    assert "another la2ds command is writing" in result.stderr
    assert contents(folder) == before
