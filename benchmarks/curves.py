"""Pictures of what la2ds costs against the number of clips, of frames and the length of a clip.

    OMP_NUM_THREADS=1 python benchmarks/curves.py [--out docs/images/cost.png] [--rounds 3]

CPU seconds of this process, least of the rounds, on the clips of `timeline.py` (performers of the
demo with noise): putting clips of 100 frames on one timeline by raw poses; embedding clips of 100
frames by the base model (torch, one thread); and one path between two clips. Beside each curve two
lines through its last point: what cost in proportion to the number, and to its square, would be.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from many_clips import performers
from timeline import make_project, of_length

from la2ds_cli.alignment.consensus import pairwise_path
from la2ds_cli.alignment.request import AlignRequest
from la2ds_cli.alignment.timeline import align_all, clips_of
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.embedding.trained import light_base
from la2ds_cli.features.tempo import paced_movement
from la2ds_cli.views.figure import BLUE, GREY, ORANGE

CLIPS = (12, 25, 50, 100, 200)
FRAMES = (500, 1000, 2000, 4000, 8000)
LENGTHS = (50, 100, 200, 400, 800, 1500)


def least(work: Callable[[], object], rounds: int) -> float:
    """CPU seconds of the quickest call; one before is not counted."""
    work()
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def by_clips(work: Path, rounds: int) -> list[float]:
    seconds = []
    for clips in CLIPS:
        project = make_project(work / str(clips), clips, 100)
        request = AlignRequest(project.config(), features="pose")
        names = clips_of(project)
        seconds.append(least(lambda p=project, r=request, n=names: align_all(p, n, r), rounds))
    return seconds


def by_frames(rounds: int) -> list[float]:
    """Embedding by the base model of clips of 100 frames, that many frames in all."""
    embed, rng = light_base(), np.random.default_rng(0)
    clips = [of_length(pose, 100, rng) for pose in performers()]
    seconds = []
    for count in FRAMES:
        some = [clips[n % len(clips)] for n in range(count // 100)]
        seconds.append(least(lambda some=some: embed(some), rounds))
    return seconds


def by_length(rounds: int) -> list[float]:
    rng, settings = np.random.default_rng(0), AlignConfig(reference_clips=0)
    seconds = []
    for length in LENGTHS:
        a, b = (of_length(pose, length, rng) for pose in performers()[:2])
        feature = [paced_movement(pose).astype(np.float32) for pose in (a, b)]
        calls = max(1, 4000 // length)

        def align(feature: Sequence[np.ndarray] = feature, calls: int = calls) -> None:
            for _ in range(calls):
                pairwise_path(feature[0], feature[1], settings)

        seconds.append(least(align, rounds) / calls)
    return seconds


def told(seconds: float) -> str:
    number, unit = (seconds, "s") if seconds >= 1 else (1000 * seconds, "ms")
    return f"{float(f'{number:.2g}'):g} {unit}"


def draw(curves: Sequence[tuple[str, Sequence[int], Sequence[float]]], out: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    figure = Figure(figsize=(12, 4.2), dpi=130, layout="constrained")
    for number, (name, size, seconds) in enumerate(curves):
        axes = figure.add_subplot(1, 3, number + 1)
        x = np.array(size, float)
        axes.loglog(x, seconds[-1] * x / x[-1], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        axes.loglog(x, seconds[-1] * (x / x[-1]) ** 2, color=ORANGE, linewidth=1, linestyle=":")
        axes.loglog(x, seconds, color=BLUE, linewidth=2, marker="o")
        axes.set_ylim(min(seconds) / 3, max(seconds) * 2)
        axes.set_xlim(x[0] * 0.55, x[-1] * 1.15)
        axes.set_xticks(size, [f"{n:,}" for n in size], fontsize=8.5)
        axes.minorticks_off()
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: told(value)))
        axes.set_title(name, fontsize=10.5, loc="left")
        axes.set_ylabel("CPU time" if number == 0 else "")
        axes.grid(color="#e4e4e4", linewidth=0.7)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        for n, value in zip(size, seconds, strict=True):
            axes.annotate(
                told(value), (n, value), (-3, 7), textcoords="offset points", ha="right",
                fontsize=8,
            )  # fmt: skip
    figure.axes[0].legend(
        ["in proportion", "with the square", "la2ds"], frameon=False, fontsize=9, loc="lower right"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images/cost.png"))
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        curves = [
            ("clips of 100 frames on one timeline", CLIPS, by_clips(Path(folder), chosen.rounds)),
            ("frames embedded by the base model", FRAMES, by_frames(chosen.rounds)),
            ("frames of each of two clips, aligned", LENGTHS, by_length(chosen.rounds)),
        ]
    for name, size, seconds in curves:
        print(name, *(f"{n}: {value:.3g} s" for n, value in zip(size, seconds, strict=True)))
    draw(curves, chosen.out)


if __name__ == "__main__":
    main()
