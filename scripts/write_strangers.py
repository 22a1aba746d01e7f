"""Write la2ds_cli/alignment/strangers.safetensors: rendered performers of random movements.

    python scripts/write_strangers.py

Two clips show the same movement if they are nearer to each other than to these
(la2ds_cli/alignment/same_movement.py). Their joints are those that the base model is trained on,
other movements; no video and no data of others go in.
"""

from __future__ import annotations

import numpy as np
from base_movements import performances
from safetensors.numpy import save

from la2ds_cli.alignment.same_movement import STRANGERS, ClipDescription
from la2ds_cli.core import artifact
from la2ds_cli.network.base_weights import base_key

SEED = 99  # train_base.py begins at 0
NUMBER = 24
DIRECTIONS = 16  # of the embeddings, in which 99.7 % of their variance lies


def main() -> None:
    poses = [performances(SEED, number, performers=1)[0].pose for number in range(NUMBER)]
    embedded = np.concatenate([ClipDescription.from_pose(pose, None).embedding for pose in poses])
    directions = np.linalg.svd(embedded - embedded.mean(axis=0), full_matrices=False)[2]
    projection = np.ascontiguousarray(directions[:DIRECTIONS].T, np.float32)
    clips = [ClipDescription.from_pose(pose, projection) for pose in poses]
    parts = zip(*(clip.compared for clip in clips), strict=True)
    content: dict[str, np.ndarray] = {
        name: np.concatenate(part).astype(np.float16)
        for name, part in zip(("movement", "posture", "embedding"), parts, strict=True)
    }
    content["projection"] = projection
    content["frames"] = np.array([len(clip.posture) for clip in clips], np.int64)
    artifact.write_bytes(STRANGERS, save(content, {"base": base_key()}))
    print(f"{STRANGERS}: {NUMBER} clips, {STRANGERS.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
