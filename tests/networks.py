"""Models of many kinds, each with a few records, and their gradients by single backward passes."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ml_privacy_meter.signals.classifier import loss


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase] = nn.LSTM, **settings) -> None:
        super().__init__()
        self.words = nn.Embedding(20, 6, padding_idx=0)
        self.cells = kind(6, 7, 2, batch_first=True, dropout=0.3, **settings)
        self.head = nn.Linear(7 * (2 if self.cells.bidirectional else 1), 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cells(self.words(x))[0][:, -1])


class Transformer(nn.Module):
    def __init__(self, *, records_first: bool = True) -> None:
        super().__init__()
        self.records_first = records_first
        self.words, self.places = nn.Embedding(20, 8), nn.Parameter(torch.randn(9, 8))
        block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=records_first)
        self.blocks, self.head = nn.TransformerEncoder(block, 2, enable_nested_tensor=False), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.words(x) + self.places
        z = self.blocks(z) if self.records_first else self.blocks(z.transpose(0, 1)).transpose(0, 1)
        return self.head(z.mean(1))


class Tied(nn.Module):
    """One weight looks words up and scores them, and one layer is called twice."""

    def __init__(self, *, functional: bool = False) -> None:
        super().__init__()
        self.words, self.mix, self.head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, 20, bias=False)
        self.head.weight = self.words.weight
        self.functional = functional

    def forward(self, x: Tensor) -> Tensor:
        z = self.mix(self.mix(self.words(x)).relu()).mean(1)
        return F.linear(z, self.words.weight) if self.functional else self.head(z)


class Column(nn.Module):
    """A category of each record is looked up by itself, without an axis of places."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds, self.head = nn.Embedding(20, 4, padding_idx=3), nn.Linear(9, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.cat([self.kinds(x[:, 0]), x[:, 1:6] / 10], 1))


class Block(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.stride, self.more = outside // inside, outside - inside
        self.conv1 = nn.Conv2d(inside, outside, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        short = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more // 2))
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + short)


def resnet20() -> nn.Module:
    wide = [(16, 16)] * 3 + [(16, 32)] + [(32, 32)] * 2 + [(32, 64)] + [(64, 64)] * 2
    first = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    return nn.Sequential(*first, *(Block(*w) for w in wide), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 3))


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=True), nn.Dropout(), nn.Linear(8, 3))


def normalised_mlp() -> nn.Module:
    parts = (nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.GroupNorm(2, 8), nn.Linear(8, 3))
    return nn.Sequential(*parts)


def cnn() -> nn.Module:
    """Strides, groups, dilations and paddings of every kind, and four kinds of normalisation."""
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True)),
        *(nn.Conv2d(8, 8, 3, groups=4, dilation=2, padding="same", padding_mode="reflect", bias=False), nn.ReLU()),
        *(nn.GroupNorm(2, 8), nn.Conv2d(8, 4, (3, 1), (2, 1), (1, 0)), nn.InstanceNorm2d(4, affine=True)),
        *(nn.ConvTranspose2d(4, 6, 2, stride=2, groups=2), nn.LayerNorm([6, 6, 12]), nn.Tanh()),
        *(nn.Conv2d(6, 64, (6, 12), padding="valid"), nn.Flatten(), nn.RMSNorm(64), nn.Linear(64, 3)),
    )


def conv1d() -> nn.Module:
    return nn.Sequential(nn.Conv1d(5, 6, 3, padding=1), nn.LayerNorm(9), nn.Tanh(), nn.Flatten(), nn.Linear(54, 3))


def conv3d() -> nn.Module:
    wide = nn.Conv3d(2, 4, 3, padding=1, stride=2, padding_mode="circular")
    return nn.Sequential(wide, nn.Tanh(), nn.ConvTranspose3d(4, 3, 2), nn.PReLU(), nn.Flatten(), nn.Linear(81, 3))


class Ranks(nn.Module):
    """The weight of a layer is used in another way, too, but hardly so for the first records."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        z = self.first(x)
        if bool((x > 9).any()):
            z = z + x.square() @ self.first.weight
        return self.last(z)


TOKENS = torch.randint(20, (11, 9), generator=torch.Generator().manual_seed(1))


def numbers(*shape: int) -> Tensor:
    return torch.randn(11, *shape, generator=torch.Generator().manual_seed(2))


WORLDS = {
    "mlp": (mlp, numbers(5)),
    "normalised mlp": (normalised_mlp, numbers(5)),
    "cnn": (cnn, numbers(3, 12, 12)),
    "conv1d": (conv1d, numbers(5, 9)),
    "conv3d": (conv3d, numbers(2, 4, 4, 4)),
    "resnet20": (resnet20, numbers(3, 16, 16)),
    "lstm": (Recurrent, TOKENS),
    "gru both ways": (lambda: Recurrent(nn.GRU, bidirectional=True), TOKENS),
    "transformer": (Transformer, TOKENS),
    "transformer, places first": (lambda: Transformer(records_first=False), TOKENS),
    "column": (Column, TOKENS),
    "tied": (Tied, TOKENS),
    "tied by a function": (lambda: Tied(functional=True), TOKENS),
}


def made(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """A model in evaluation mode, its normalisations with statistics of some records, and records with labels."""
    build, x = WORLDS[name]
    torch.manual_seed(0)
    model = build()
    with torch.no_grad():
        model(x)
    y = torch.randint(3, (len(x),), generator=torch.Generator().manual_seed(3))
    return model.eval(), x, y


def single_passes(model: nn.Module, x: Tensor, y: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    """The gradients, one backward pass after the other."""
    rows = []
    for i in range(len(y)):
        value = loss(model, x[i : i + 1], y[i : i + 1]).sum()
        found = torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)
        rows.append(torch.cat([g.flatten() for g in found]))
    return torch.stack(rows).double()
