"""AlexNet on CIFAR-100 under three attacks: on its gradients, on its last layers' outputs, on its answers alone.
python examples/alexnet_cifar100.py tutorials --data ../shared/data         # --width 64 is the whole network
"""

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from fcn_tafeng import train
from PIL import Image
from torch import Tensor, nn

import ml_privacy_meter as pm

MEANS, STDDEVS = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]  # of each channel, over 255


class AlexNet(nn.Module):
    """After github.com/bearpaw/pytorch-classification, where ``width`` is 64: layers 1 to 13, and a linear one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        first = (nn.Conv2d(3, width, 11, stride=4, padding=5), nn.ReLU(), nn.MaxPool2d(2))
        second = (nn.Conv2d(width, 3 * width, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2))
        sizes = ((3 * width, 6 * width), (6 * width, 4 * width), (4 * width, 4 * width))
        others = [part for a, b in sizes for part in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU())]
        self.features = nn.Sequential(*first, *second, *others, nn.MaxPool2d(2))
        self.classifier = nn.Linear(4 * width, 100)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


def write(source: Path, folder: Path, records: int) -> list[Path]:
    """All images in use, and those that train the model: files of bytes with the channels first."""
    z, rows = np.load(source), np.random.default_rng(0).permutation(60_000)[: 2 * records]
    header, data, begins = z["header"].tobytes(), z["data"].tobytes(), z["offsets"]
    pieces = (io.BytesIO(header + data[begins[row] : begins[row + 1]]) for row in rows)
    x = np.stack([np.asarray(Image.open(piece).convert("RGB")).transpose(2, 0, 1) for piece in pieces])
    for name, some in (("everyone", slice(None)), ("members", slice(records))):
        np.savez(folder / f"{name}.npz", x=x[some], y=z["label"][rows[some]].astype(np.int64))
    return [folder / "everyone.npz", folder / "members.npz"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where images, results and plots go")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    for name, usual in (("records", 25_000), ("epochs", 40), ("width", 32), ("attack-epochs", 50)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    given = parser.parse_args()
    (here := given.folder / "alexnet_cifar100").mkdir(parents=True, exist_ok=True)
    files = write(given.data / "cifar100_jpeg90.npz", here, given.records)
    # Of half of the members, and as many others, the adversary knows what they are; the rest is what attacks judge.
    data = pm.utils.attack_data.attack_data(*files, 100, 50, normalization=True, input_shape=(32, 32, 3))
    data.means, data.stddevs = MEANS, STDDEVS
    torch.manual_seed(0)
    members, mean, spread = np.load(files[1]), *(torch.tensor(of).view(3, 1, 1) for of in (MEANS, STDDEVS))
    x, y = (torch.from_numpy(members["x"]) / 255 - mean) / spread, torch.from_numpy(members["y"])
    model = train(AlexNet(given.width), x, y, given.epochs)
    models, settings = (model, model, data, data), {"learning_rate": 0.001, "epochs": given.attack_epochs}
    attacks = [
        pm.attack.meminf.initialize(*models, model_name=name, **exploited, **settings, folder=here / "logs")
        for name, exploited in {
            "whitebox1": {"layers_to_exploit": ["classifier"], "gradients_to_exploit": ["classifier"]},
            "outputs1": {"layers_to_exploit": ["features.12", "classifier"]},
            "blackbox1": {"layers_to_exploit": ["classifier"], "exploit_loss": False},
        }.items()
    ]
    for attack in attacks:
        attack.train_attack()
    print("All of whitebox1:", attacks[0].test_attack().folder)
    report, folder = pm.attack.compare_models(*attacks, folder=here / "logs")
    print(report, f"Report: {folder / 'report' / 'index.html'}", sep="\n")
