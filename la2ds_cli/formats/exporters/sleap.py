"""SLEAP .slp files, written with the package sleap-io."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from la2ds_cli.core.artifact import write_bytes
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.formats.importers.sleap import sleap_io

SUFFIX = ".slp"


def export_sleap(pose: PoseSequence, name: str, path: Path) -> None:
    """Predicted instances of one track: nodes, edges and symmetries by name, points and scores.

    Points are exact. Frames without joints have no instance. The video is named after the clip and
    not embedded; its frame rate and size are kept. Lost: times other than frame / rate, and boxes.
    UserError (exit 6) without sleap-io.
    """
    sio = sleap_io()
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
        if np.isfinite(pose.xy[t]).any():
            instance = sio.PredictedInstance.from_numpy(
                points_data=pose.xy[t].astype(np.float64),
                skeleton=skeleton,
                point_scores=pose.score[t].astype(np.float64),
                score=float(pose.score[t].mean()),
                track=track,
            )
            labeled.append(
                sio.LabeledFrame(video=video, frame_idx=int(frame), instances=[instance])
            )
    labels = sio.Labels(
        labeled_frames=labeled, videos=[video], skeletons=[skeleton], tracks=[track]
    )
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "poses.slp"
        sio.save_slp(labels, str(made), embed=False, verbose=False)
        write_bytes(path, made.read_bytes())
