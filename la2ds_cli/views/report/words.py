"""What the page of a pair says in words, as HTML; every name in it is escaped here."""

from __future__ import annotations

import numpy as np

from la2ds_cli.alignment.confidence import NEAR, NOMINAL
from la2ds_cli.alignment.result import AlignResult
from la2ds_cli.poses.verdict import Weakness
from la2ds_cli.views.report.baselines import Baseline
from la2ds_cli.views.report.clip_data import PageClip
from la2ds_cli.views.report.film import Film
from la2ds_cli.views.report.page import Html, items, text

_SAME = 0.005  # seconds, which two digits show as 0
_LINES = {  # name -> stroke, dashes, as matrix.js draws them
    "path": ("the alignment", "#ffa41b", ""),
    "pose": ("raw poses", "#ffb3e6", "6 4"),
    "clock": ("constant speed", "#ffffff", "2 3"),
}


def facts(result: AlignResult) -> Html:
    """How the clips were aligned, and the figures for the whole of it."""
    found = result.alignment
    by = f"the model of run {result.run}" if found.features == "model" else "raw poses"
    how = f"Aligned by {text(found.method)} on {text(by)}"
    if result.references:
        how += f", by way of {result.references} other clips, too"
    lines = [f'<p class="soft">{how}.</p>', f"<p>{tempo(result)}</p>"]
    if result.reason:
        lines.append(f'<p><span class="warning">{text(result.reason)}</span></p>')
    left_out = int(np.isnan(found.position).sum())
    if left_out:
        lines.append(
            f"<p>{left_out} of {len(found.position)} frames of A have no counterpart in B: "
            "they are striped, and B is greyed there.</p>"
        )
    if found.mirrored:
        lines.append("<p>B is shown mirrored: its left is compared with A’s right.</p>")
    return "\n".join(lines)


def tempo(result: AlignResult) -> Html:
    """Seconds of both between the first and the last pair, and confidence."""
    found = result.alignment
    first, last = found.path[0], found.path[-1]
    a = found.time_a[last[0]] - found.time_a[first[0]]
    b = found.time_b[last[1]] - found.time_b[first[1]]
    line = "There is no tempo for the whole: pairs run back and forth in time."
    if np.isfinite(result.overall_ratio):
        line = (
            f"From the first to the last match A takes <b>{a:.2f} s</b> and B <b>{b:.2f} s</b>: "
            f"B takes <b>{result.overall_ratio:.2f} times</b> as long."
        )
    return (
        f"{line} Mean confidence {result.mean_confidence:.2f}: the probability that the true "
        f"moment of B lies within {NEAR:.0%} of its length."
    )


def film_note(
    clips: tuple[PageClip, PageClip], films: tuple[Film | None, Film | None], *, privacy: bool
) -> Html:
    """What became of the pictures, where it is not simply all of them."""
    if privacy:
        return "Made with --privacy: the page holds joints only, no picture of the videos."
    if films == (None, None):
        return "There is no video of either clip: their joints are drawn."
    notes: dict[str, list[str]] = {}  # what is said -> of which clips
    for clip, film in zip(clips, films, strict=True):
        if film is None:
            said = "no video: the joints are drawn"
        elif film.every > 1:
            rate = clip.pose.fps / film.every
            said = (
                f"one frame in {film.every} has its picture ({rate:.1f} per second, {film.size[1]} "
                "pixels high), to keep the page small; positions and curves are of all frames"
            )
        elif len(film.pictures) < len(clip.pose):
            said = f"the video no longer holds {len(clip.pose) - len(film.pictures)} of the frames"
        else:
            continue
        notes.setdefault(said, []).append(clip.letter)
    return " ".join(f"{' and '.join(of)}: {text(said)}." for said, of in notes.items())


def matrix_legend(beside: list[Baseline], *, phases: bool) -> Html:
    """Samples of what is drawn in the distance matrix; phases: both clips have some."""
    lines = [_sample(*_LINES[name]) for name in ("path", *(b.kind for b in beside))]
    lines.append(
        '<svg width="26" height="12" aria-hidden="true"><rect width="26" height="12" '
        'fill="#482878"/><rect y="2" width="26" height="8" fill="#ffffff" '
        f'fill-opacity="0.35"/></svg>{NOMINAL:.0%} interval'
    )
    if phases:
        lines.append(
            '<svg width="16" height="16" aria-hidden="true"><circle cx="8" cy="8" r="6" '
            'fill="none" stroke="#000" stroke-width="4"/><circle cx="8" cy="8" r="6" fill="none" '
            'stroke="#fff" stroke-width="2"/></svg>a phase begins in both'
        )
    scale = "background: dark = the two frames look alike, yellow = they differ"
    return "".join(f"<li>{line}</li>" for line in [*lines, scale])


def _sample(name: str, colour: str, dash: str) -> Html:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return (
        '<svg width="26" height="12" aria-hidden="true"><rect width="26" height="12" '
        f'fill="#482878"/><line x1="1" y1="6" x2="25" y2="6" stroke="{colour}" '
        f'stroke-width="2.4"{dashes}/></svg>{text(name)}'
    )


def baselines(result: AlignResult, beside: list[Baseline]) -> Html:
    """How far the baselines lie from the alignment; that is a difference, not an error."""
    lines = []
    for b in beside:
        name = _LINES[b.kind][0]
        if b.mean is None or b.worst is None or b.at is None:
            lines.append(f"{text(name)}: matches no frame that the alignment matches")
            continue
        if b.worst < _SAME:
            lines.append(f"<b>{text(name)}</b>: the same")
            continue
        at = float(result.alignment.time_a[b.at])
        lines.append(
            f"<b>{text(name)}</b>: <b>{b.mean:.2f} s</b> away on average, {b.worst:.2f} s at most "
            f"(at {at:.2f} s of A)"
        )
    if result.alignment.features != "model":
        lines.append("this alignment is itself one of raw poses; a trained model may do better")
    return (
        '<div class="beside"><p>Where B would be without a trained model, in seconds of B '
        "(a difference, no error: nobody knows the truth here):</p>" + items(lines) + "</div>"
    )


def quality(clip: PageClip) -> Html:
    """The weaknesses of a clip's joints, or that there are none."""
    lines = [_weakness(weakness) for weakness in clip.weaknesses]
    body = items(lines, "plain") or '<p class="good">✓ No weakness was found.</p>'
    return f"<div><h3>{clip.letter}: {text(clip.video.name)}</h3>{body}</div>"


def _weakness(weakness: Weakness) -> Html:
    return (
        f'<span class="warning">{text(weakness.message)} ({text(weakness.code)})</span>'
        f'<span class="hint">{text(weakness.hint)}</span>'
    )
