"""SLEAP: .slp projects and predictions, and analysis .h5 files, read with the package sleap-io."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import write_bytes
from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.optional_package import optional_import
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.checks import FormatError, JointsError, PoseFileError
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, no_box
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import JointOrder, joint_order
from la2ds_models.startup import FOLDER, python

# Errors of sleap-io and h5py on truncated or foreign files.
_UNREADABLE = (
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def import_sleap(
    project: Project,
    root: Path,
    options: ImportOptions | None = None,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import a .slp or analysis .h5 file, or a folder of them.

    Reads nodes by name, points and their scores (1 for points placed by hand), tracks, frame
    numbers and the size, of each video of the file. If a frame has instances corrected by hand,
    only these count. Drops edges, suggestions and embedded images. Raises UserError (exit 6)
    without the package sleap-io.
    """
    sleap_io()
    pose_format = PoseFormat("sleap", (".slp", ".h5"), read_clips)
    return import_files(project, root, pose_format, options or ImportOptions(), progress)


def sleap_io() -> Any:
    """The package sleap-io; raises UserError (exit 6) if it cannot be imported."""
    with optional_import(
        ["sleap_io"],
        "SLEAP files need the package sleap-io, which is not installed",
        "pip install 'la2ds[sleap]'",
    ):
        import sleap_io as package  # pyright: ignore[reportMissingImports]
    return package


def read_clips(path: Path, options: ImportOptions) -> list[FileClip]:
    """One clip for each video of the file; raises PoseFileError."""
    labels = _READER.read(path)
    skeletons = {tuple(names) for names in labels["skeletons"]}
    if len(skeletons) != 1:
        raise JointsError(f"it has {len(skeletons)} skeletons, which have different nodes")
    names = list(skeletons.pop())
    order = joint_order(names, len(names), options.skeleton, options.renamed)
    clips: dict[int, dict[int, Sequence[Person]]] = defaultdict(dict)
    for number, frame, people in labels["frames"]:
        clips[number][frame] = [_person(*facts) for facts in people]
    return [
        _clip(path, labels["videos"][number], people, order, only=len(clips) == 1)
        for number, people in clips.items()
    ]


def _clip(
    path: Path,
    video: dict[str, Any],
    people: dict[int, Sequence[Person]],
    order: JointOrder,
    *,
    only: bool,
) -> FileClip:
    return FileClip(
        path.stem.removesuffix(".analysis") if only else video["stem"],
        path,
        people,
        order,
        complete=False,
        first=0,
        part=True,
        frames=video["frames"],
        fps=video["fps"],
        size=(video["size"][0], video["size"][1]),
    )


def _person(xy: list[list[float]], score: list[float], track: str | None) -> Person:
    return Person(np.array(xy, np.float64), np.array(score, np.float64), no_box(), track=track)


# --- sleap-io in a process of its own -------------------------------------------------------------
# The library below it, HDF5, never returns from some damaged files, and nothing can stop it but the
# end of its process. That one has a limit of processor time for each file, and of memory.

_SECONDS, _BYTES = 5, 1 << 30  # for a file, and for each megabyte of it:
_MORE_SECONDS, _MORE_BYTES = 2, 64 << 20
_SERVE = "from la2ds_cli.formats.sleap import serve; serve()"


class _Reader:
    """Asks a separate process, started with the first file and again after a file that ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0  # a fork of the owner must not ask in its place
        self._one_at_a_time = threading.Lock()

    def read(self, path: Path) -> Any:
        """The result of `_contents` for a file; raises PoseFileError."""
        megabytes = path.stat().st_size / 2**20
        seconds = _SECONDS + _MORE_SECONDS * megabytes
        question = [str(path.absolute()), seconds, int(_BYTES + _MORE_BYTES * megabytes)]
        with self._one_at_a_time:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps(question) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except BrokenPipeError:
                answer = ""
            except BaseException:  # its answer would be taken for that to the next question
                process.kill()
                self._process = None
                raise
            if not answer.endswith("\n"):
                self._process = None
                ended = process.wait()
        if not answer.endswith("\n"):
            timed_out = ended == -getattr(signal, "SIGPROF", 0)
            how = f"it takes more than {seconds:.0f} s" if timed_out else "it ends its process"
            raise PoseFileError(f"sleap-io cannot read it: {how}")
        labels = json.loads(answer)
        if "error" in labels:
            raise PoseFileError(labels["error"], labels["hint"])
        return labels

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._owner != os.getpid():
            settings = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, filter(None, sys.path)))}
            settings |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
            self._owner = os.getpid()
            self._process = subprocess.Popen(
                python("-c", _SERVE),
                cwd=FOLDER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="ascii",
                env=os.environ | settings,
            )
        return self._process


_READER = _Reader()


def serve() -> None:
    """Answer the requests of a _Reader, each with a line of JSON: the contents of a file, or an
    error."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what libraries print
    sleap_io()
    for line in sys.stdin:
        path, seconds, most_bytes = json.loads(line)
        _limit(seconds, most_bytes)
        try:
            answer = _contents(Path(path))
        except PoseFileError as error:
            answer = {"error": str(error), "hint": error.hint}
        except _UNREADABLE as error:
            answer = {"error": f"sleap-io cannot read it: {error}", "hint": ""}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        _limit(0, most_bytes)


def _limit(seconds: float, most_bytes: int) -> None:
    """End this process after this much more processor time, 0 = never; not on Windows."""
    if not hasattr(signal, "setitimer"):
        return
    import resource

    signal.setitimer(signal.ITIMER_PROF, seconds)
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = most_bytes if most == resource.RLIM_INFINITY else min(most, most_bytes)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))


def _contents(path: Path) -> dict[str, Any]:
    """Videos, the node names of each skeleton, and the people of each frame, as JSON."""
    labels = _load(path)
    return {
        "videos": [_video(video) for video in labels.videos],
        "skeletons": [[str(name) for name in skeleton.node_names] for skeleton in labels.skeletons],
        "frames": [
            (labels.videos.index(frame.video), int(frame.frame_idx), _people(frame))
            for frame in labels.labeled_frames
        ],
    }


def _load(path: Path) -> Any:
    package = sleap_io()
    if path.suffix.lower() == ".slp":
        return package.load_slp(str(path), open_videos=False)
    import h5py  # comes with sleap-io  # pyright: ignore[reportMissingImports]

    with h5py.File(path, "r") as handle:
        is_analysis = "tracks" in handle and "node_names" in handle
    if not is_analysis:
        raise PoseFileError(
            "it is not an analysis file of SLEAP",
            "an .h5 of DeepLabCut holds pickled objects, which are not opened: have DeepLabCut "
            "write the .csv (save_as_csv=True) and use dlc-csv",
        )
    return package.load_analysis_h5(str(path))


def _video(video: Any) -> dict[str, Any]:
    """Name, number of frames, size and rate of a video according to the file; 0 = unknown."""
    name = video.filename[0] if isinstance(video.filename, list) else video.filename
    shape = video.shape or (0, 0, 0, 0)
    rate = (video.backend_metadata or {}).get("fps")
    return {
        "stem": Path(str(name).replace("\\", "/")).stem,
        "frames": int(shape[0] or 0),
        "size": [int(shape[2] or 0), int(shape[1] or 0)],
        "fps": float(rate) if isinstance(rate, (int, float)) and rate > 0 else 0.0,
    }


def _people(frame: Any) -> list[tuple[list[Any], list[Any], str | None]]:
    """Joints, scores and track of each person; instances corrected by hand take precedence over
    predicted ones."""
    people = []
    for instance in list(frame.user_instances) or frame.predicted_instances:
        xy = np.asarray(instance.numpy(), np.float64)
        predicted = "score" in (instance.points.dtype.names or ())
        score = np.asarray(instance.points["score"], np.float64) if predicted else np.ones(len(xy))
        track = None if instance.track is None else str(instance.track.name)
        people.append((xy.tolist(), score.tolist(), track))
    return people


# --- writing -------------------------------------------------------------------------------------

SUFFIX = ".slp"


def export_sleap(pose: PoseSequence, name: str, path: Path) -> None:
    """Write predicted instances of one track: points, scores, and a skeleton with named nodes.

    Points are exact. Frames without joints have no instance; only the first frame is listed even
    then, so that the clip begins there. The video is named after the clip and not embedded; its
    frame rate and size are kept. Times other than frame / rate, and boxes, are
    lost. Raises UserError (exit 6) without sleap-io, and FormatError for frames before 0.
    """
    sio = sleap_io()
    if (first := int(pose.frame.min(initial=0))) < 0:
        raise FormatError(f"SLEAP has no frame {first}")
    ours = get_skeleton(pose.skeleton)
    pairs = [(k, mirrored) for k, mirrored in enumerate(ours.flip) if k < mirrored]
    skeleton = sio.Skeleton(
        nodes=list(ours.joints),
        edges=[(ours.joints[a], ours.joints[b]) for a, b in ours.limbs],
        symmetries=[(ours.joints[a], ours.joints[b]) for a, b in pairs],
        name=ours.name,
    )
    frames = int(pose.frame[-1]) + 1 if len(pose) else 0
    facts = {"shape": (frames, pose.size[1], pose.size[0], 3), "fps": pose.fps}
    video = sio.Video(filename=f"{name}.mp4", backend_metadata=facts, open_backend=False)
    track = sio.Track(name="1")
    labeled = []
    for t, frame in enumerate(pose.frame):
        instances = []
        if np.isfinite(pose.xy[t]).any():
            instance = sio.PredictedInstance.from_numpy(
                points_data=pose.xy[t].astype(np.float64),
                skeleton=skeleton,
                point_scores=pose.score[t].astype(np.float64),
                score=float(pose.score[t].mean()),
                track=track,
            )
            instances.append(instance)
        if instances or t == 0:
            labeled.append(sio.LabeledFrame(video=video, frame_idx=int(frame), instances=instances))
    labels = sio.Labels(
        labeled_frames=labeled, videos=[video], skeletons=[skeleton], tracks=[track]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "poses.slp"
        sio.save_slp(labels, str(file), embed=False, verbose=False)
        write_bytes(path, file.read_bytes())
