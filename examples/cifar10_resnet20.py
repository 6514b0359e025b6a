"""A ResNet-20 that somebody else trained on CIFAR-10, audited on 5,000 of its training and 5,000 of its test images.
python examples/cifar10_resnet20.py reproduction --data ../shared/data
"""

import argparse
import io
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad, relu


class Block(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.stride, self.more = outside // inside, outside - inside
        self.conv1 = nn.Conv2d(inside, outside, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        short = pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more // 2))
        return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))) + short)


class ResNet(nn.Module):
    """Takes images as bytes, (records, 32, 32, 3), and normalises them itself."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        widths = [16, 16, 32, 64]
        for stage, (inside, outside) in enumerate(pairwise(widths), 1):
            rest = (Block(outside, outside) for _ in range(blocks - 1))
            setattr(self, f"layer{stage}", nn.Sequential(Block(inside, outside), *rest))
        self.linear = nn.Linear(64, 10)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        z = (x.movedim(3, 1) / 255 - self.mean) / self.std
        z = relu(self.bn1(self.conv1(z)))
        return self.linear(self.layer3(self.layer2(self.layer1(z))).mean((2, 3)))


def resnet20() -> ResNet:
    return ResNet(blocks=3)


def decode(file: Path, folder: Path) -> None:
    """Train and test images as plain arrays, from one array of encoded images and where each begins."""
    from PIL import Image

    z = np.load(file)
    header, data, offsets = z["header"].tobytes() if "header" in z else b"", z["data"].tobytes(), z["offsets"]
    pieces = [header + data[a:b] for a, b in pairwise(offsets)]
    x = np.stack([np.asarray(Image.open(io.BytesIO(piece)).convert("RGB")) for piece in pieces])
    test = z["is_test"].astype(bool)
    for name, rows in (("train", ~test), ("test", test)):
        np.savez(folder / f"cifar10_{name}.npz", x=x[rows], y=z["label"][rows].astype(np.int64))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where decoded images and the report go")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    decode(given.data / "cifar10_lossless10k.npz", given.folder)
    sets = ("--members", given.folder / "cifar10_train.npz", "--non-members", given.folder / "cifar10_test.npz")
    weights = given.data / "models" / "resnet20_cifar10_akamaster.safetensors"
    model = ("--model", "cifar10_resnet20:resnet20", "--weights", weights)
    meter = Path(sys.executable).with_name("privacy-meter")
    sys.exit(subprocess.call([meter, "audit", *model, *sets, "--out", given.folder / "resnet20"]))
