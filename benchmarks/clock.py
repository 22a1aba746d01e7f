"""How much of what a run has learned is elapsed time: the second table of docs/results/paper.md.

    python benchmarks/clock.py --project golf --runs default,wide

Prints CSV, a row for each run or kept checkpoint (benchmarks/paper.py), on the test clips of the
project. loss: of the last ten steps (eq. 5, frames squared). of counting: of a guess that knows the
number of a frame and the lengths of S and S', but no pose, learned on other copies: only a lower
loss shows that poses are used. tokens: the movement within clips of what the spatial transformer
makes of the frames, as a share of its mean length. rank: effective, of all embeddings
(participation ratio). still: the share of the embeddings' movement within clips that the clip's
first frame, repeated, has as well; it is 1 if frames are counted, from wherever the first frame is.
tau and event transfer on trimmed pairs: of the embedding alone, by the protocol `la2ds`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GroupKFold, cross_val_predict

from la2ds_cli.core.artifact import read_header
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.evaluation.evaluate import Request, score_request
from la2ds_cli.experiments.runner import ALONE
from la2ds_cli.features.network_input import NetworkInput
from la2ds_cli.network.load_network import load_network
from la2ds_cli.network.run_weights import checkpoint_path, run_header
from la2ds_cli.network.torch_network import embed_input
from la2ds_cli.training.data import (
    TrainingSet,
    batch_positions,
    batch_size,
    clip_at,
    draw_copy,
    load_training_set,
    pair_rng,
    to_clip,
    to_input,
)
from la2ds_cli.training.validate import effective_rank

CPU = torch.device("cpu")
PAIRS = 2560  # that show the loss of counting
COLUMNS = (
    *("run", "steps", "loss", "of counting", "tokens", "rank", "still", "tau"),
    *("median %", "mean %"),
)


def counting_loss(data: TrainingSet, config: Config) -> float:
    """Of a guess by frame j of N, and M, and by the place that evenly dropped frames would have."""
    lengths, known, places, pairs = tuple(len(clip.xy) for clip in data.train), [], [], []
    size = batch_size(config.train, len(lengths))
    for step in range(PAIRS // size):
        for place in batch_positions(lengths, config.train, config.augment, step):
            clip = data.train[clip_at(config.train.seed, len(lengths), place)]
            rng = pair_rng(config.train.seed, size, place)
            original, copy = draw_copy(clip, data.skeleton, config, rng)
            shown, of, m = np.arange(1, len(copy.source) + 1), len(copy.source), len(original.xy)
            even = shown * (m + 1) / (of + 1) - 1
            known.append(np.stack([even, shown, *np.full((2, of), [[of], [m]])], axis=1))
            places.append(copy.source - even)
            pairs.append(np.full(of, place))
    truth, guess = np.concatenate(places), HistGradientBoostingRegressor(min_samples_leaf=200)
    groups = np.concatenate(pairs)
    off = truth - cross_val_predict(
        guess, np.concatenate(known), truth, groups=groups, cv=GroupKFold(5)
    )
    return float((off**2).mean())


def still(item: NetworkInput) -> NetworkInput:
    """A clip of the same length that shows the first frame."""
    first = {name: getattr(item, name) for name in ("maps", "joints")}
    rows = np.zeros(len(item), dtype=np.int64)
    return replace(item, **{name: None if x is None else x[rows] for name, x in first.items()})


def movement(value: np.ndarray) -> np.ndarray:
    """Rows (T, ...) of a clip less their mean."""
    return value - value.mean(axis=0)


def spread(project: StoredProject, run: str) -> tuple[float, float, float]:
    """The movement of frames as the network reads them, effective rank of the embeddings, and the
    share of their movement that still clips have."""
    network, stored = load_network(project, run)
    network.eval()
    config, skeleton = stored.header.config, get_skeleton(stored.header.skeleton)
    shown, within, at_rest, read, moved = [], [], [], [], []
    for video in project.posed_videos():
        if video.split != "test":
            continue
        clip = to_clip(video.id, project.read_pose(video.id)[0], config.train.fps)
        item = to_input(clip, skeleton, config)
        moving, resting = (embed_input(network, one, CPU) for one in (item, still(item)))
        shown.append(moving)
        within.append(movement(moving))
        at_rest.append(movement(resting))
        if item.maps is not None:
            with torch.no_grad():
                tokens = network.read(torch.from_numpy(item.maps)).flatten(1).numpy()
            read.append(np.linalg.norm(tokens.mean(axis=0)))
            moved.append(np.sqrt((movement(tokens) ** 2).sum(axis=1).mean()))
    own = np.concatenate(within)
    rest = ((own - np.concatenate(at_rest)) ** 2).sum() / (own**2).sum()
    tokens = float(np.mean(moved) / np.mean(read)) if read else np.nan
    return tokens, effective_rank(np.concatenate(shown)), 1 - float(rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--runs", required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    project, rows = StoredProject.open(given.project), []
    for run in given.runs.split(","):
        config = run_header(project, run).config
        data = load_training_set(project, config)
        step = read_header(checkpoint_path(project, run))[1]["step"]
        written = project.run_dir(run.partition("-step")[0]) / "loss.jsonl"
        losses = map(json.loads, written.read_text("utf-8").splitlines())
        loss = next(row["loss"] for row in losses if row["step"] == step)
        request = Request(project, project.config(overrides=ALONE), (run,), features=("model",))
        scored = score_request(request).document["features"]["model"]
        transfer = scored["event_transfer"]
        tokens, rank, share = spread(project, run)
        figures = [
            *(f"{loss:.2f}", f"{counting_loss(data, config):.2f}"),
            *(f"{tokens:.3f}", f"{rank:.2f}", f"{share:.3f}"),
            f"{scored['kendalls_tau']['value']:.3f}",
            *(f"{transfer[f'{kind}_percent']['value']:.2f}" for kind in ("median", "mean")),
        ]
        rows.append([run, str(step), *figures])
    print(table_text(COLUMNS, rows), end="")


if __name__ == "__main__":
    main()
