"""The Pair page: two clips played in step along their alignment, and matches corrected by hand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, cast

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from la2ds_cli.alignment.align import align_pair, anchored_frames, hint_of_slow_motion
from la2ds_cli.alignment.confidence import NEAR
from la2ds_cli.alignment.consensus import AlignmentCache
from la2ds_cli.alignment.request import (
    AlignRequest,
    ChosenKind,
    FeatureChoice,
    PreparedPair,
    features_name,
    prepare_pair,
)
from la2ds_cli.alignment.result import AlignResult, rounded
from la2ds_cli.alignment.same_movement import doubt
from la2ds_cli.core.clip import Video
from la2ds_cli.core.corrections import turning_of
from la2ds_cli.core.drawings import (
    MOST_DRAWINGS,
    Drawing,
    drawings_of,
    read_drawings,
    write_drawings,
)
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.notes import Note, notes_of, read_notes, write_notes
from la2ds_cli.core.notes import Row as NoteRow
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features.joint_angles import angle_triples
from la2ds_cli.features.pose_features import body_frame
from la2ds_cli.studio.anchors import Anchor, anchors_among, anchors_of, write_anchors
from la2ds_cli.studio.anchors import Row as AnchorRow
from la2ds_cli.studio.clips import posed_clip
from la2ds_cli.studio.film import Films
from la2ds_cli.studio.pages import named_to_command, page, posted
from la2ds_cli.views.report.frame_images import windows
from la2ds_cli.views.report.pair_data import (
    Baseline,
    baselines,
    match_json,
    notes_json,
    page_clip,
    pair_json,
)

HELD = 6  # pairs in memory, with their features and those of the reference clips


class _Notes(Progress):
    """Collects the notes for the user."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


@dataclass(frozen=True)
class _Undo:
    """How to undo a change: anchors to remove and those to restore, or a drawing of a clip and what
    replaces it, or else notes to restore (`there`) or to remove. It leaves whatever else has been
    set since, and holds for either order of the clips, because anchors and notes are rows with
    their ids."""

    anchors: tuple[Sequence[AnchorRow], Sequence[AnchorRow]] | None = None
    drawing: tuple[str, Drawing | None, Drawing | None] | None = None
    notes: Sequence[NoteRow] = ()
    there: bool = False


def frames_of(note: Note) -> tuple[int | None, int | None]:
    """Of A and of B."""
    return note.frame_a, note.frame_b


@dataclass
class HeldPair:
    """Two prepared clips, with everything needed to align them again.

    plain: their alignment without anchors, which chose the features. beside: baseline alignments.
    undo: how to undo each of the user's changes, the latest one last. lock: held while one is made
    or undone. Both are shared with the pair of B and A (HeldPairs).
    """

    project: Project
    request: AlignRequest
    pair: PreparedPair
    cache: AlignmentCache
    plain: AlignResult
    beside: list[Baseline]
    notes: list[str]
    undo: list[_Undo] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @classmethod
    def prepared(cls, project: Project, a: str, b: str) -> HeldPair:
        """Prepare and align two clips. Raises what find_alignment raises."""
        said, cache = _Notes(), AlignmentCache()
        request = AlignRequest(project.config())
        pair = prepare_pair(project, a, b, request, said)
        pair = replace(pair, names=(pair.clips[0].name, pair.clips[1].name))
        plain = align_pair(project, pair, request, said, cache)
        hints = doubt(plain.same_movement, pair.names), hint_of_slow_motion(plain, pair.names)
        said.notes += [hint for hint in hints if hint]
        beside = baselines(project, plain)
        return cls(project, request, pair, cache, plain, beside, said.notes)

    @property
    def anchors(self) -> list[Anchor]:
        return anchors_of(self.project, *self.pair.ids)

    def seconds(self, anchors: Sequence[Anchor]) -> tuple[tuple[float, float], ...]:
        """Times (A, B) of the anchors whose frames both clips have."""
        found = (anchor.seconds(*self.pair.poses) for anchor in anchors)
        return tuple(pair for pair in found if pair is not None)

    def aligned(self, anchors: Sequence[Anchor]) -> AlignResult:
        """Align the clips with these anchors.

        The features chosen without anchors are kept, because a wrong match is no evidence for
        others. Raises UserError (exit 2) for anchors that run backwards in time.
        """
        seconds = self.seconds(anchors)
        if not seconds:
            return self.plain
        kind = cast(ChosenKind, self.plain.alignment.features)
        request = replace(self.request, features=kind, anchors=seconds)
        pair = replace(self.pair, choice=FeatureChoice(kind, ""))
        return align_pair(self.project, pair, request, cache=self.cache)

    @property
    def written(self) -> list[Note]:
        return notes_of(self.project.notes_path, *self.pair.ids)

    def change(self, anchors: Sequence[Anchor]) -> AlignResult:
        """Align the clips with these anchors and store them."""
        result = self.aligned(anchors)
        a, b = self.pair.ids
        old = self.anchors
        new = [(a, b, anchor) for anchor in anchors if anchor not in old]
        gone = [(a, b, anchor) for anchor in old if anchor not in anchors]
        write_anchors(self.project, a, b, anchors)
        self.undo.append(_Undo(anchors=(new, gone)))
        return result

    def note(self, note: Note, *, remove: bool = False) -> None:
        """Write or remove a note. Raises UserError (exit 2) if it already exists, or does not exist
        to be removed."""
        wanted = (*frames_of(note), note.text)
        same = [old for old in self.written if (*frames_of(old), old.text) == wanted]
        if remove and not same:
            raise UserError("this note has already been removed", hint="load the page again")
        if same and not remove:
            raise UserError("this moment already has this note")
        a, b = self.pair.ids
        rows = [(a, b, one) for one in (same if remove else [note])]
        self._write(rows, there=not remove)
        self.undo.append(_Undo(notes=rows, there=remove))

    def _write(self, notes: Sequence[NoteRow], *, there: bool) -> None:
        """Write these notes (`there`), or remove them."""
        with self.project.tables():
            rows = read_notes(self.project.notes_path)
            if there:
                rows += notes
            else:
                gone = {*notes, *((b, a, note.exchanged) for a, b, note in notes)}
                rows = [row for row in rows if row not in gone]
            write_notes(self.project.notes_path, rows)

    def drawn(self, side: str) -> list[Drawing]:
        """What clip `a` or `b` shows."""
        video, pose = self._side(side)
        return drawings_of(self.project.drawings_path, video, turning_of(pose.info))

    def draw(self, side: str, old: Drawing | None, new: Drawing | None) -> None:
        """Draw `new` on clip `a` or `b` in the place of `old`; None: nothing is replaced, or `old`
        is removed.

        Raises UserError (exit 2) if `old` is not there, `new` already is, or the clip has no room
        for it.
        """
        video, _ = self._side(side)
        with self.project.tables():
            there = self.drawn(side)
            if old is not None and old not in there:
                raise UserError(
                    "this drawing has been changed or removed", hint="load the page again"
                )
            if new is not None and new in there:
                raise UserError("the clip already has this drawing")
            if old is None and len(there) >= MOST_DRAWINGS:
                raise UserError(
                    f"a clip can have at most {MOST_DRAWINGS} drawings", hint="remove one first"
                )
            self._redraw(video, old, new)
        self.undo.append(_Undo(drawing=(video, new, old)))

    def _redraw(self, video: str, old: Drawing | None, new: Drawing | None) -> None:
        """As `draw`, without its checks."""
        with self.project.tables():
            rows = read_drawings(self.project.drawings_path)
            at = rows.index((video, old)) if old and (video, old) in rows else len(rows)
            left = [row for row in rows if row != (video, old)]
            left[at:at] = [(video, new)] if new and (video, new) not in left else []
            write_drawings(self.project.drawings_path, left)

    def _side(self, side: str) -> tuple[str, PoseSequence]:
        at = "ab".index(side)
        return self.pair.ids[at], self.pair.poses[at]

    def take_back(self) -> AlignResult:
        """Undo the last change. Raises UserError (exit 2) if there is none."""
        if not self.undo:
            raise UserError("there is nothing to undo")
        last = self.undo[-1]
        anchors = self.anchors
        if last.anchors is not None:
            gone, back = (anchors_among(rows, *self.pair.ids) for rows in last.anchors)
            left = [anchor for anchor in anchors if anchor not in gone]
            anchors = [*left, *(anchor for anchor in back if anchor not in left)]
        result = self.aligned(anchors)
        if last.drawing is not None:
            self._redraw(*last.drawing)
        elif last.anchors is None:
            self._write(last.notes, there=last.there)
        else:
            write_anchors(self.project, *self.pair.ids, anchors)
        self.undo.pop()
        return result

    def drawings_json(self) -> dict[str, Any]:
        """The drawings of either clip: kind, and points in pixels of its picture."""
        return {
            side: [{"kind": one.kind, "points": one.points} for one in self.drawn(side)]
            for side in "ab"
        }

    def changed(self, result: AlignResult) -> dict[str, Any]:
        """What the page shows about an alignment of the pair, besides the clips themselves."""
        poses = self.pair.poses
        return match_json(result) | {
            "sureness": f"{result.sureness}. Sure means correct to within {NEAR:.0%} of B’s length",
            "anchors": [
                {
                    "frames": [anchor.frame_a, anchor.frame_b],
                    "seconds": anchor.seconds(*poses),
                    "set": anchor.at,
                }
                for anchor in self.anchors
            ],
            "written": notes_json(self.written),
            "drawings": self.drawings_json(),
            "undo": len(self.undo),
            "overall": rounded([result.overall_ratio])[0],
        }


class HeldPairs:
    """The most recently viewed pairs, ready to be aligned again. _shared: for two clips in either
    order, the undo list and the lock of their pairs, which change the same rows."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._held: OrderedDict[tuple[str, str], tuple[object, HeldPair]] = OrderedDict()
        self._shared: dict[frozenset[str], tuple[list[_Undo], Lock]] = {}
        self._lock = Lock()

    def get(self, a: str, b: str) -> HeldPair:
        """The pair, prepared if it is new or if its clips or the settings have changed."""
        stamp = self._stamp(a, b)
        with self._lock:  # one at a time: preparing a pair uses all cores
            known = self._held.get((a, b))
            if known is None or known[0] != stamp:
                held = HeldPair.prepared(self.project, a, b)
                shared = self._shared.setdefault(frozenset((a, b)), (held.undo, held.lock))
                held.undo, held.lock = shared
                self._held[a, b] = self._stamp(a, b), held
            self._held.move_to_end((a, b))
            while len(self._held) > HELD:
                self._held.popitem(last=False)
            return self._held[a, b][1]

    def _stamp(self, a: str, b: str) -> object:
        project = self.project
        paths = [project.pose_path(a), project.pose_path(b)]
        paths += [project.videos_path, project.corrections_path]
        times = [path.stat().st_mtime_ns if path.exists() else 0 for path in paths]
        return times, str(self.project.settings)


# --- the page ---------------------------------------------------------------------------------


class _Asked(NamedTuple):
    a: Video
    b: Video


def _asked(project: Project, a: str, b: str) -> _Asked:
    """The two clips of a request. Raises UserError (exit 2) if they are not a pair of clips, (exit
    4) if one has no joints."""
    if not (a and b):
        raise UserError("choose two clips of the project", hint="go back to the list of pairs")
    asked = _Asked(posed_clip(project, a), posed_clip(project, b))
    if asked.a.id == asked.b.id:
        raise UserError("a pair needs two different clips", hint="choose another clip for B")
    return asked


def asked_pair(request: Request, content: Mapping[str, Any] | None = None) -> _Asked:
    """The two clips named in the address or in `content`; raises what _asked raises."""
    given = request.query_params if content is None else content
    return _asked(request.app.state.studio.project, *(str(given.get(side, "")) for side in "ab"))


def _show(request: Request) -> Response:
    """The page of a pair; without two clips, the page to choose them."""
    project: Project = request.app.state.studio.project
    clips = project.posed_videos()
    a, b = (request.query_params.get(side, "") for side in "ab")
    if not (a and b):
        return HTMLResponse(page("pair_choice.html", "Pair", here="/pair", clips=clips, a=a, b=b))
    asked = _asked(project, a, b)
    return HTMLResponse(
        page(
            "pair.html",
            f"{asked.a.name} and {asked.b.name}",
            here="/pair",
            clips=clips,
            a=asked.a,
            b=asked.b,
            name_a=asked.a.name,
            name_b=asked.b.name,
            mirrored=False,
            curves=[
                {"name": "the alignment", "colour": "#ffa41b", "dash": ""},
                {"name": "raw poses", "colour": "#ffb3e6", "dash": "6 4"},
                {"name": "constant speed", "colour": "#ffffff", "dash": "2 3"},
            ],
            nominal="90%",
            both_have_phases=True,
        )
    )


def _data(request: Request) -> Response:
    """Everything that the page of a pair shows."""
    studio = request.app.state.studio
    asked = asked_pair(request)
    held = studio.pairs.get(asked.a.id, asked.b.id)
    with held.lock:
        return JSONResponse(pair_data(held, studio.films))


def pair_data(held: HeldPair, films: Films) -> dict[str, Any]:
    """pair_json of the alignment with its anchors, and what the studio shows in addition to a
    report.

    For each clip: pictures, see Films.facts; window: (T, 4), the part of each frame that is shown,
    in pixels; size: of the picture; flipped: whether it is shown mirrored; turned: how the clip is
    read, see turning_of; body: length of the torso in pixels. For the skeleton: angles, as the
    joints before, at and after each; root, the joints that locate the body.
    """
    try:
        result, problem = held.aligned(held.anchors), ""
    except UserError as error:  # the anchors were set in another version of the clips
        result, problem = held.plain, f"{error.message}; {error.hint}"
    project, plain = held.project, held.plain
    mirrored = result.alignment.mirrored
    poses = result.pose_a, result.shown_b
    phases = project.phases(propagated=True)
    clips = tuple(
        page_clip(project, letter, video, pose, phases.get(video.id, []))
        for letter, video, pose in zip("AB", held.pair.clips, poses, strict=True)
    )
    data = pair_json(result, (clips[0], clips[1]), held.beside) | held.changed(result)
    for side, clip, flipped in (("a", clips[0], False), ("b", clips[1], mirrored)):
        film = films.facts(clip.video, clip.pose.frame)
        data[side] |= _picture(clip.pose, film, flipped=flipped)
    skeleton = get_skeleton(result.pose_a.skeleton)
    triples = angle_triples(skeleton)
    data["skeleton"]["angles"] = [list(triple) for triple in triples.values()]
    data["skeleton"]["root"] = list(skeleton.root)
    chosen = plain.alignment.features
    return data | {
        "notes": [*held.notes, *([problem] if problem else [])],
        "features": features_name(chosen, plain.run),
        "method": plain.alignment.method,
        "references": plain.references,
        "reason": plain.reason,
        "candidates": [
            one | {"name": features_name(one["features"], one["run"] or "")}
            for one in plain.candidates
        ],
    }


def _picture(pose: PoseSequence, film: dict[str, Any] | None, *, flipped: bool) -> dict[str, Any]:
    return {
        "pictures": film
        if all(pose.size)
        else None,  # else the joints have no place in the picture
        "window": [rounded(row, 2) for row in windows(pose)],
        "size": list(pose.size),
        "flipped": flipped,
        "turned": turning_of(pose.info),
        "body": float(body_frame(pose)[1]),
    }


# --- anchors ----------------------------------------------------------------------------------


async def _set_anchor(request: Request) -> Response:
    """Set an anchor at these frames; it replaces any anchor with one of them."""
    return await _changed(request, _with)


async def _remove_anchor(request: Request) -> Response:
    return await _changed(request, _without)


async def _undo(request: Request) -> Response:
    return await _changed(request, None)


def _with(held: HeldPair, frames: tuple[int, int]) -> list[Anchor]:
    new = Anchor.now(*frames)
    if new.seconds(*held.pair.poses) is None:
        raise UserError("there is no such frame", hint="load the page again: a clip has changed")
    others = [
        anchor
        for anchor in held.anchors
        if anchor.frame_a != new.frame_a and anchor.frame_b != new.frame_b
    ]
    anchors = sorted([*others, new], key=lambda anchor: anchor.frame_a)
    anchored_frames(held.seconds(anchors), held.pair)  # raises for those that run backwards
    return anchors


def _without(held: HeldPair, frames: tuple[int, int]) -> list[Anchor]:
    return [one for one in held.anchors if (one.frame_a, one.frame_b) != frames]


async def _changed(request: Request, change: Any) -> Response:
    """The alignment after a change of its anchors. change: (pair, frames) -> anchors, None = undo
    the last change."""
    studio = request.app.state.studio
    content = await posted(request)
    asked = asked_pair(request, content)
    given = content.get("frames")
    frames = tuple(given) if isinstance(given, list) else ()
    if change and not (len(frames) == 2 and all(type(one) is int and one >= 0 for one in frames)):
        raise UserError("an anchor needs a frame of A and a frame of B")

    def work() -> dict[str, Any]:
        held = studio.pairs.get(asked.a.id, asked.b.id)
        with held.lock:
            done = held.change(change(held, frames)) if change else held.take_back()
            return held.changed(done)

    return JSONResponse(await run_in_threadpool(work))


# --- exports ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Export:
    """A command that writes a file about a pair. name: shown to the user. suffix: of the file.
    anchored: whether it uses the corrected matches."""

    command: str
    name: str
    suffix: str
    options: tuple[str, ...] = ()
    anchored: bool = True


EXPORTS = {
    "video": _Export("sync", "video side by side", ".mp4", ("--height", "720")),
    "picture": _Export("align", "picture", ".png"),
    "table": _Export("align", "table of frames", ".csv"),
    "sheet": _Export("compare", "key positions", ".sheet.png", anchored=False),
    "sheet-pdf": _Export("compare", "key positions for print", ".sheet.pdf", anchored=False),
    "page": _Export("report", "offline page", ".html"),
}


def _export_path(project: Project, asked: _Asked, kind: str) -> Path:
    export = EXPORTS.get(kind)
    if export is None:
        raise UserError(f"unknown kind of export: {kind[:40]!a}")
    return project.results_dir("studio") / f"{asked.a.id}--{asked.b.id}{export.suffix}"


def export_arguments(held: HeldPair, asked: _Asked, kind: str) -> list[str]:
    """The command that writes what the page shows, with its anchors."""
    export, project = EXPORTS[kind], held.project
    # --force: the page already shows the alignment and its doubts, so the command need not ask.
    options = [*export.options, "--force", f"--project={project.root}"]
    if export.anchored and (anchors := held.seconds(held.anchors)):
        options.append(f"--features={held.plain.alignment.features}")
        options += [f"--anchor={a!r}={b!r}" for a, b in anchors]
    options.append(f"--out={_export_path(project, asked, kind)}")
    ids = named_to_command((asked.a.id, asked.b.id), "")
    return [export.command, *ids, *options]


async def _export(request: Request) -> Response:
    """Queue the command that writes a file about the pair."""
    studio = request.app.state.studio
    content = await posted(request)
    asked = asked_pair(request, content)
    kind = str(content.get("kind", ""))
    _export_path(studio.project, asked, kind)

    def arguments() -> list[str]:
        held = studio.pairs.get(asked.a.id, asked.b.id)
        with held.lock:
            return export_arguments(held, asked, kind)

    title = f"{EXPORTS[kind].name} of {asked.a.name} and {asked.b.name}"
    job = studio.jobs.add(title, await run_in_threadpool(arguments))
    return JSONResponse({"number": job.number})


def _exports(request: Request) -> Response:
    """What has been exported of a pair: kind, bytes and time in seconds since 1970."""
    project: Project = request.app.state.studio.project
    asked = asked_pair(request)
    found = []
    for kind, export in EXPORTS.items():
        path = _export_path(project, asked, kind)
        if path.is_file():
            status = path.stat()
            facts = {"kind": kind, "name": export.name, "file": path.name}
            found.append(facts | {"bytes": status.st_size, "time": status.st_mtime})
    return JSONResponse(found)


def _exported(request: Request) -> Response:
    project: Project = request.app.state.studio.project
    asked = asked_pair(request)
    path = _export_path(project, asked, request.path_params["kind"])
    if not path.is_file():
        raise UserError("this has not been exported yet", hint="export it on the Pair page")
    return FileResponse(path, filename=path.name)


ROUTES = [
    Route("/pair", _show),
    Route("/pair/data", _data),
    Route("/pair/anchor", _set_anchor, methods=["POST"]),
    Route("/pair/anchor/remove", _remove_anchor, methods=["POST"]),
    Route("/pair/undo", _undo, methods=["POST"]),
    Route("/pair/export", _export, methods=["POST"]),
    Route("/pair/exports", _exports),
    Route("/pair/exported/{kind}", _exported),
]
