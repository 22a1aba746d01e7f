"""Store MMPose's answers for the tests of machines without it (tests/poses/mmpose_reference.py).

    PYTHONPATH=.:models python scripts/write_mmpose_fixture.py

Needs the extra `mmpose`. The file holds the names and shapes of MMPose's HRNet parameters, values
of its heatmaps on seeded weights, its crop matrices and its decoded joints.
"""

import importlib.metadata
import json
import zlib

import numpy as np
from safetensors.numpy import save_file

from tests.poses import mmpose_reference as reference


def main() -> None:
    arrays: dict[str, np.ndarray] = {}
    for variant, alias in reference.CONFIGS.items():
        network = reference.mmpose_network(alias)
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        listed = zlib.compress(json.dumps(shapes).encode(), 9)
        arrays[f"names.{variant[:9]}"] = np.frombuffer(listed, np.uint8)
        network.load_state_dict(reference.seeded_state(shapes))
        height, width = network.cfg.codec.input_size[::-1]
        heatmap = reference.mmpose_heatmap(network, reference.seeded_crop((height, width)))
        arrays[f"heatmap.{variant}"] = heatmap.ravel()[reference.sample_places(heatmap.shape)]
        print(f"{variant}: heatmap {heatmap.shape}, {heatmap.min():.3f} to {heatmap.max():.3f}")
    matrices = [reference.mmpose_matrix(box) for box in reference.BOXES]
    arrays["matrix"] = np.stack(matrices).astype(np.float64)
    xy, score = reference.mmpose_joints(reference.seeded_heatmaps())
    arrays["xy"], arrays["score"] = xy.astype(np.float64), score.astype(np.float32)
    versions = {name: importlib.metadata.version(name) for name in ("mmpose", "torch", "numpy")}
    reference.FIXTURE.parent.mkdir(exist_ok=True)
    save_file(arrays, reference.FIXTURE, metadata=versions)
    print(f"{reference.FIXTURE}: {reference.FIXTURE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
