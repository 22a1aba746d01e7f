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

from la2ds_cli.alignment.same_movement import STRANGERS, Described
from la2ds_cli.core import artifact

SEED = 99  # train_base.py begins at 0
NUMBER = 24


def main() -> None:
    clips = [
        Described.of(performances(SEED, number, performers=1)[0].pose) for number in range(NUMBER)
    ]
    content = {
        "movement": np.concatenate([clip.movement for clip in clips]).astype(np.float16),
        "posture": np.concatenate([clip.posture for clip in clips]).astype(np.float16),
        "frames": np.array([len(clip.posture) for clip in clips], np.int64),
    }
    artifact.write_bytes(STRANGERS, save(content))
    print(f"{STRANGERS}: {NUMBER} clips, {STRANGERS.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
