"""`la2ds retrieve`: the frames of other clips that look most like a given one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from la2ds_cli.commands.options import Features, Here, option, out_option
from la2ds_cli.core.errors import UserError

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.retrieval.retrieve import RetrievalResult


def retrieve(
    query: str | None = option(
        "VIDEO[@SECONDS]",
        "A frame, or several spread over a clip; default the middle of the first clip.",
    ),
    k: int = option("N", "Frames per query.", 7, min=1, max=100_000),
    per_video: int | None = option("N", "At most this many from one clip; default all.", min=1),
    min_gap: float | None = option(
        "SECONDS",
        "Between two from one clip; default a tenth of the clip, 0.25 to 1 s.",
        min=0,
        max=1e6,
    ),
    index: Literal["exact", "approximate"] = option(
        "exact|approximate",
        "approximate, with --store: search near lists only, for millions of frames.",
        "exact",
    ),
    store: str | None = option(
        "FOLDER|URI", "Write the clips to this LanceDB and search those of all projects in it."
    ),
    view: Literal["auto", "filmed", "mirrored", "other"] = option(
        "VIEW",
        "How the query is compared: as filmed, mirrored (a left-hander) or from the other side; "
        "auto takes, for each clip, the nearest of auto|filmed|mirrored|other.",
        "auto",
    ),
    out: Path | None = out_option("FILE", "Write .png, .svg, .pdf or .json."),
    *,
    how: Features,
    here: Here,
) -> None:
    """Find the frames of other clips that are most alike.

    \b
      la2ds retrieve --query anna@1.2 --project swings
      la2ds retrieve --query anna@1.2 --per-video 1 --out sheet.png
      la2ds retrieve --query anna@1.2 --store s3://bucket/frames

    Draws a sheet with the query on the left and its nearest frames beside it. With a phases.csv,
    frames of another phase have a red border. Without --out, a picture and a JSON file are written
    to results/retrieve. With --store, the clips are written to a table that several projects share,
    all of which are searched; the result is then JSON alone.
    """
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.retrieval import retrieve as retrieval
    from la2ds_cli.retrieval.frame_search import Limits
    from la2ds_cli.views import retrieval_sheet

    if store == "":  # of an empty variable of the shell: the project alone is not what was meant
        raise UserError("--store names no folder", hint="--store FOLDER")
    with here.console() as console:
        opened = here.open()
        named = [out] if out else []
        inputs = [query, query.rpartition("@")[0]] if query else []
        suffixes, what = retrieval_sheet.SUFFIXES, "a contact sheet"
        if store is not None:
            suffixes, what = (".json",), "the frames of a store"
        targets = checked_outputs(opened, named, what, suffixes, inputs)
        request = retrieval.RetrievalRequest(
            query,
            Limits(k, per_video, min_gap),
            how.features,
            how.run,
            store,
            index == "approximate",
            view,
            how.device,
        )
        result = retrieval.retrieve(opened, request, console.progress)
        result = retrieval_sheet.write(opened, result, targets, console.progress)
        console.document("retrieve", result.to_json())
        _show(console, result)


def _show(console: Console, result: RetrievalResult) -> None:
    from la2ds_cli.alignment.request import features_name
    from la2ds_cli.retrieval.retrieve import view_words

    store = result.store
    rows = [
        (
            f"{query.video}@{query.time:.2f}",
            *([] if store is None else [hit.project or ""]),
            f"{hit.video}@{hit.time:.2f}",
            f"{hit.distance:.3g}",
            view_words(hit.view, hit.unsure),
            hit.phase or "",
        )
        for query in result.queries
        for hit in query.hits
    ]
    project = () if store is None else ("project",)
    console.table(("query", *project, "found", "distance", "view", "phase"), rows)
    by = features_name(result.features, result.run)
    console.line(f"compared by {by}")
    searched = f"searched {result.frames} frames of {result.clips} clips"
    if store is None:
        console.line(searched)
    else:
        changes = f"{store.changes['added']} clips added, {store.changes['dropped']} dropped"
        console.line(
            f"{searched} of {store.projects} project{'s' * (store.projects != 1)} in {store.table} "
            f"of {store.uri}, {store.index} search, {changes} as {store.project}"
        )
    if result.agreement is not None:
        console.line(f"{result.agreement:.0%} of the labelled frames have the phase of their query")
    for video, reason in result.left_out.items():
        console.line(f"left out {video}: {reason}", "yellow")
    console.files(result.files)
