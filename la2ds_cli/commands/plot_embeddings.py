"""`la2ds plot-embeddings`: clips as trajectories in the feature space."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from la2ds_cli.commands.options import Features, Here, argument, option

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.views.embedding_plot import EmbeddingPlot


def plot_embeddings(
    clips: list[str] = argument("A B", "Video files, or clips of the project."),
    method: Literal["pca", "tsne"] = option("pca|tsne", "Projection to two dimensions.", "pca"),
    out: list[Path] | None = option("FILE", "Write .png, .svg, .pdf or .json; repeatable."),
    *,
    how: Features,
    here: Here,
) -> None:
    """Draw clips as trajectories in the feature space.

    \b
      la2ds plot-embeddings anna ben --project swings --out ab.png
      la2ds plot-embeddings anna ben cleo --method tsne --project swings

    One colour per clip, paler at its start; frames of the same phase are close together. All clips
    are projected together. Without --out, a picture is written to results/plot-embeddings.
    """
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.views import embedding_plot as step

    with here.console() as console:
        opened = here.clips(clips, console)
        targets = checked_outputs(opened, out or [], *step.A_PLOT)
        result = step.plot_embeddings(
            opened,
            clips,
            how.request(opened),
            method=method,
            progress=console.progress,
        )
        result = step.write(opened, result, targets, console.progress)
        console.document("plot-embeddings", result.to_json())
        _show(console, result)


def _show(console: Console, result: EmbeddingPlot) -> None:
    from la2ds_cli.alignment.request import features_name

    by = features_name(result.features, result.run)
    console.line(f"features: {by}")
    if result.explained is not None:
        first, second = result.explained
        console.line(f"the two components explain {first:.0%} and {second:.0%} of the variance")
    console.files(result.files)
