"""Several processes train as one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

import la2ds_cli.training.train as train_module
from la2ds_cli.core.config import load_config
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.training import checkpoint
from la2ds_cli.training.data import Clip, draw_batch
from la2ds_cli.training.distributed import Processes, ReportedElsewhere
from la2ds_cli.training.loop import step_generator
from la2ds_cli.training.losses import get_method, method_recipe, weight_of
from la2ds_cli.training.network import build_network
from la2ds_cli.training.train import TrainOptions, train
from tests.movement import add_sequence, sequence, warped_phase
from tests.small_runs import clips
from tests.told import Notes

SMALL = [
    "model.input=joints",
    "model.width=24",
    "model.temporal_layers=1",
    "train.steps=12",
    "train.batch_size=5",  # 3 pairs for the first process, 2 for the second
    "train.validate_every=1",
    "train.threads=1",
    "train.precision=fp32",
    "train.learning_rate=3e-4",  # Adam magnifies rounding in its first steps
]
SCRIPT = """
import sys; from pathlib import Path
from la2ds_cli.core.project import Project
from la2ds_cli.training.train import TrainOptions, train
project = Project.open(Path(sys.argv[1]))
config = project.config(overrides=sys.argv[3:])
result = train(project, run=sys.argv[2], config=config, options=TrainOptions("cpu"))
print(result.steps, result.best_step, result.validation_error)
tasks = Path("/proc/self/task")
names = [(task / "comm").read_text() for task in tasks.iterdir()] if tasks.exists() else []
assert not [name for name in names if "gloo" in name], names  # they could abort this process
"""


def _launch(
    store: TCPStore, project: Project, run: str, overrides: list[str]
) -> list[subprocess.Popen[str]]:
    """Two processes with the environment that torchrun gives to its own. They meet at `store`, as
    at torchrun's: a port that is merely found free may be taken before they have started."""
    shared = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(store.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "TORCHELASTIC_RESTART_COUNT": "0",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(project.root), run, *overrides],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """The same loss at every step within 1e-5, the same weights, one set of files."""
    project = Project.create(tmp_path / "project")
    for n in range(8):
        add_sequence(project, f"clip{n}", sequence(warped_phase(16 + 5 * n, n)))
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    started = _launch(store, project, "two", SMALL)
    ended = [process.communicate(timeout=600) for process in started]
    assert [process.returncode for process in started] == [0, 0], ended
    # Both know steps, best step and error; the library of torch 2.8 adds lines of its own.
    said = [[t for t in out.splitlines() if not t.startswith("[Gloo]")] for out, _ in ended]
    assert said[0] == said[1]
    assert len(said[0]) == 1
    train(project, run="one", config=project.config(overrides=SMALL), options=TrainOptions("cpu"))
    rows = [
        [json.loads(line) for line in (project.run_dir(run) / "metrics.jsonl").open()]
        for run in ("one", "two")
    ]
    assert [row["step"] for row in rows[1]] == list(range(1, 13))
    losses = np.array([[row["loss"] for row in part] for part in rows])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[0].std() > 1  # the curve says something
    one, two = (
        checkpoint.load_weights(project.run_dir(run) / "last.safetensors")[0]
        for run in ("one", "two")
    )
    # What these add to all frames alike changes no distance between frames: their gradients are
    # rounding, which Adam turns into steps of the full rate.
    unmoved = {"head.0.bias", "head.2.bias"}
    assert unmoved < one.keys()
    for name in one.keys() - unmoved:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-5)


EXACT = ["la2ds", "casa", "tcc", "tcc-classification", "lav", "vava", "vaot"]


@pytest.mark.parametrize("name", EXACT)
def test_the_shares_of_a_batch_weigh_as_in_the_whole(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loss and gradient of a batch of clips of different lengths are those of its two shares."""
    preset, settings = method_recipe(name)
    config = load_config(preset=preset, overrides=[*settings, *SMALL, "model.heads=2"])
    skeleton, method = get_skeleton("penn13"), get_method(config.train.method)
    poses = [sequence(warped_phase(12 + 8 * n, n)) for n in range(8)]
    shown = [Clip(f"clip{n}", pose.xy, pose.score) for n, pose in enumerate(poses)]
    network = build_network(config.model, config.heatmap, skeleton, 0)

    def loss_of(share: slice) -> tuple[torch.Tensor, int]:
        batch = draw_batch(shown, skeleton, config, 0, torch.device("cpu"), share)
        network.zero_grad()
        loss = method.loss(network, batch, config, step_generator(config.train, 0))
        loss.backward()
        return loss.detach(), weight_of(method, batch)

    def gradient() -> torch.Tensor:
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    whole, expected = loss_of(slice(None))[0], gradient()
    other, weight = loss_of(Processes(1, 2).share)
    sent = torch.cat([gradient(), other[None], torch.ones(1)]) * weight
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: flat.add_(sent))
    loss, weight = loss_of(Processes(0, 2).share)
    mean = Processes(0, 2).mean_gradients(network.parameters(), loss, weight)
    torch.testing.assert_close(mean, whole, rtol=1e-5, atol=0)
    assert float((gradient() - expected).norm() / expected.norm()) < 1e-3


@pytest.mark.parametrize(("method", "notes"), [("tcc", 0), ("gtcc", 1), ("tcn", 1), ("sal", 1)])
def test_methods_that_draw_say_that_each_process_draws_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, notes: int
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_module, "run_loop", stop)
    monkeypatch.setattr(train_module, "process_group", lambda *_: nullcontext())
    monkeypatch.setattr(Processes, "gather", lambda self, texts: list(texts))
    project, told = clips(tmp_path / "project"), Notes()
    config = load_config(preset=method, overrides=SMALL)
    for count in (1, 2):
        one = Processes(0, count)
        monkeypatch.setattr(Processes, "from_environment", lambda one=one: one)
        with pytest.raises(KeyboardInterrupt):
            train(
                project,
                run=f"of-{count}",
                config=config,
                options=TrainOptions("cpu"),
                progress=told,
            )
    said = [line for line in told.lines if "processes" in line]
    assert len(said) == notes
    assert all("each of the 2 processes draws its own" in line for line in said)


def _torchrun(project: Project, *settings: str) -> subprocess.CompletedProcess[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    la2ds = [sys.executable, "-c", "from la2ds_cli.main import main; main()"]
    command = [*torchrun, "--standalone", "--no-python", "--", *la2ds, "train"]
    changed = [part for text in (*SMALL, *settings) for part in ("--set", text)]
    return subprocess.run(
        [*command, "--run", "two", "--device", "cpu", "--project", str(project.root), *changed],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.parametrize("page", ["docs/how-to/cluster.md", "docs/reference/cli.md"])
def test_torchrun_leaves_the_options_of_the_documented_line_to_la2ds(page: str) -> None:
    """Without `--`, it takes --run as an abbreviation of its own options."""
    from torch.distributed.run import parse_args

    text = (Path(__file__).parents[2] / page).read_text("utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("torchrun")]
    parsed = parse_args([*line.partition("#")[0].split()[1:], "--run", "two"])
    script = [
        part for part in (parsed.training_script, *parsed.training_script_args) if part != "--"
    ]
    assert script[:2] == ["la2ds", "train"]
    assert script[-2:] == ["--run", "two"]


@pytest.mark.heavy
def test_torchrun_starts_the_command(tmp_path: Path) -> None:
    project = clips(tmp_path / "project")
    done = _torchrun(project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("12 steps") == 1
    assert (project.run_dir("two") / "best.safetensors").exists()
    refused = _torchrun(project, "train.steps=13")
    assert refused.returncode != 0
    assert refused.stderr.count("error: run 'two' was trained differently") == 1
    assert "RuntimeError" not in refused.stderr  # nobody waited for one who had gone


def test_one_process_without_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    alone = Processes.from_environment()
    assert (alone.first, alone.several, alone.count) == (True, False, 1)
    assert alone.broadcast([1.5, 2]) == [1.5, 2]
    assert alone.gather(["a"]) == ["a"]
    monkeypatch.setenv("WORLD_SIZE", "4")  # as batch systems set it for jobs of one process
    assert Processes.from_environment() == alone


def _fail() -> None:
    raise UserError("no room", hint="make some", exit_code=ExitCode.STORAGE)


def test_an_error_of_one_process_ends_all_and_is_told_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Processes().call_in_all(lambda: 7) == 7
    with pytest.raises(UserError, match="no room") as alone:
        Processes().call_in_all(_fail)
    assert not isinstance(alone.value, ReportedElsewhere)
    # Of three processes the last two fail; every rank is played in turn.
    texts = ["", json.dumps(["no room", "make some", 7]), json.dumps(["no room", "make some", 7])]
    monkeypatch.setattr(Processes, "gather", lambda self, text: texts)
    for rank, action, silent in ((0, lambda: None, True), (1, _fail, False), (2, _fail, True)):
        with pytest.raises(UserError, match="no room") as caught:
            Processes(rank, 3, rank, 3).call_in_all(action)
        assert isinstance(caught.value, ReportedElsewhere) is silent
        assert (caught.value.hint, caught.value.exit_code) == ("make some", ExitCode.STORAGE)


def test_an_error_that_all_find_is_told_by_the_first() -> None:
    error = UserError("the loss is not a number", exit_code=ExitCode.UNUSABLE)
    assert Processes(0, 2).report_once(error) is error
    other = Processes(1, 2).report_once(error)
    assert isinstance(other, ReportedElsewhere)
    assert other.exit_code == ExitCode.UNUSABLE


def test_the_places_of_a_batch_are_divided_without_rest() -> None:
    places = list(range(7))
    shares = [places[Processes(rank, 3).share] for rank in range(3)]
    assert sorted(sum(shares[1:], shares[0])) == places
    assert Processes(2, 3, 1, 2).device(torch.device("cuda")) == torch.device("cuda", 1)
    assert Processes(2, 3, 1, 2).device(torch.device("cpu")) == torch.device("cpu")


def test_more_processes_than_pairs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project.create(tmp_path)
    for name, value in {"RANK": "0", "WORLD_SIZE": "9", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "9")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    config = load_config(overrides=["train.batch_size=8"])
    with pytest.raises(UserError, match="9 processes cannot share batches of 8"):
        train(project, config=config, options=TrainOptions("cpu"))
