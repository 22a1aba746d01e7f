"""Features of video frames from ResNet-50 up to Conv4c: the base network of methods that read RGB.

TCC (Dwibedi et al., CVPR 2019) resizes frames to 224 x 224 and uses the output of Conv4c of a
ResNet-50 trained on ImageNet, 14 x 14 x 1024 (sec. "Implementation Details"). It compares with TCN
and SaL on the same base network; LAV (CVPR 2021) and VAVA (CVPR 2022) adopt its encoder. Conv4c is
the third block of the fourth stage: torchvision's `layer3[2]`, and `conv4_block3_out` in the
released code of TCC.

Differs from these papers:
* the base network is not trained. They fine-tune it (the released code of TCC only its batch
  normalisation, `only_bn`), which needs a GPU; with fixed weights the features of a clip are
  computed once, and training runs on a CPU;
* the mean over the 14 x 14 cells is used here. They pass the entire maps of a frame and of earlier
  frames to two 3D convolutions and then use the maximum over cells. The mean keeps what is in the
  image but little of where it is;
* the network is torchvision's (stride in the 3 x 3 convolutions), with its weights of 2021
  (IMAGENET1K_V2). The released code of TCC uses Keras's ResNet50V2, which normalises before each
  block.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import resnet50

from la2ds_models.pose import IMAGENET_MEAN, IMAGENET_STD, load_all, read_checkpoint

SIZE = 224  # pixels per side of a frame as it is read


class Conv4c(nn.Module):
    """(B, 3, 224, 224) from `prepare` -> (B, 1024): the mean over the output of Conv4c.

    Parameters have torchvision's names. Weights are random until `load_resnet`.
    """

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # its random weights are replaced
            resnet = resnet50(weights=None)
        self.conv1, self.bn1, self.relu = resnet.conv1, resnet.bn1, resnet.relu
        self.maxpool, self.layer1, self.layer2 = resnet.maxpool, resnet.layer1, resnet.layer2
        self.layer3 = cast(nn.Sequential, resnet.layer3)[:3]

    def forward(self, image: Tensor) -> Tensor:
        value = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        return self.layer3(self.layer2(self.layer1(value))).mean(dim=(2, 3))


def prepare(frames: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Return frames (H, W, 3) uint8 RGB as (B, 3, 224, 224) float32, normalised as for ImageNet.

    Frames of any shape are resized to the square, as in TCC: bilinear, antialiased when shrunk.
    """
    resized = [
        interpolate(
            torch.from_numpy(np.ascontiguousarray(frame)).to(device).permute(2, 0, 1)[None] / 255,
            size=(SIZE, SIZE),
            mode="bilinear",
            antialias=True,
        )
        for frame in frames
    ]
    mean, std = (
        torch.tensor(value, device=device)[:, None, None] for value in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (torch.cat(resized) - mean) / std


def load_resnet(path: Path) -> Conv4c:
    """Return the network with weights from a file of torchvision's ResNet-50.

    path: .pth or .safetensors. Nothing in it is executed; layers above Conv4c are ignored. Raises
    ValueError, which names keys, if the file is not such a ResNet-50, and `pickle.UnpicklingError`
    if it would run code.
    """
    network = Conv4c()
    names = network.state_dict().keys()
    tensors = {key: value for key, value in read_checkpoint(path)[0].items() if key in names}
    load_all(network, tensors, path.name)
    network.eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() == 4:  # this memory format is a quarter faster on a CPU
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
