"""`la2ds retrieve`: the frames of other clips that are most like a given frame."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from la2ds_cli.commands.options import Features, Here, option, out_option
from la2ds_cli.core.clip_names import ShownNames
from la2ds_cli.core.errors import UserError

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.retrieval.retrieve import RetrievalResult


def retrieve(
    query: str | None = option(
        "VIDEO[@SECONDS]",
        "A frame, or a clip for several frames; default the middle of the first clip.",
    ),
    k: int = option("N", "Frames per query.", 7, min=1, max=100_000),
    per_video: int | None = option("N", "At most this many from one clip; default all.", min=1),
    min_gap: float | None = option(
        "SECONDS",
        "Least time between frames of one clip; default a tenth of the clip, 0.25 to 1 s.",
        min=0,
        max=1e6,
    ),
    index: Literal["exact", "approximate"] = option(
        "exact|approximate",
        "approximate: faster for millions of frames; needs --store.",
        "exact",
    ),
    store: str | None = option(
        "FOLDER|URI", "Add the clips to this LanceDB, and search all projects in it."
    ),
    view: Literal["auto", "filmed", "mirrored", "other"] = option(
        "VIEW",
        "How to compare the query: auto|filmed|mirrored|other. mirrored: for a left-hander; "
        "other: from the other side; auto: for each clip, the best match of these.",
        "auto",
    ),
    out: Path | None = out_option("FILE", "Write .png, .svg, .pdf or .json."),
    *,
    how: Features,
    here: Here,
) -> None:
    """Find the most similar frames in other clips.

    \b
      la2ds retrieve --query anna@1.2 --project swings
      la2ds retrieve --query anna@1.2 --per-video 1 --out sheet.png
      la2ds retrieve --query anna@1.2 --store s3://bucket/frames

    Draws a sheet with the query on the left and the nearest frames beside it. With a phases.csv,
    frames of another phase have a red border. Without --out, a picture and a JSON file are written
    to results/retrieve. With --store, the clips are added to a table that several projects share,
    all projects in it are searched, and the result is only JSON.
    """
    from la2ds_cli.core.output_paths import checked_outputs
    from la2ds_cli.retrieval import retrieve as retrieval
    from la2ds_cli.retrieval.frame_search import Limits
    from la2ds_cli.views import retrieval_sheet

    if store == "":  # an empty shell variable; searching only the project was not meant
        raise UserError("--store needs a folder or URI", hint="--store FOLDER")
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
        _show(console, result, opened.clip_names() if store is None else ShownNames())


def _show(console: Console, result: RetrievalResult, names: ShownNames) -> None:
    """Print the found frames, how they were found, and the files."""
    from la2ds_cli.alignment.request import features_name
    from la2ds_cli.retrieval.retrieve import view_words

    store = result.store
    rows = [
        (
            f"{names[query.video]}@{query.time:.2f}",
            *([] if store is None else [hit.project or ""]),
            f"{names[hit.video]}@{hit.time:.2f}",
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
        console.line(f"left out: {names[video]}: {reason}", "yellow")
    console.files(result.files)
