"""Training against a network that tells members by what the model says of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.defenses._public import Pair, check_public, public_pair
from ml_privacy_meter.training import Defense, Recipe
from ml_privacy_meter.training.augment import augmented
from ml_privacy_meter.training.fit import State, device_of, identity, ignore, lowered, seeded
from ml_privacy_meter.training.optimizing import optimizer_of, schedule


def adversarial_regularization(
    *, strength: float = 3.0, steps: int = 1, public: Any = None, share: float = 0.2, lr: float = 1e-3
) -> Defense:
    """A defense that trains against an inference network, which learns to tell members from reference records.

    In turn, the network learns, for some steps, from a batch of either kind; then the model takes a step down its loss
    plus ``strength`` times the logarithm of the probability that the network gives its members.

    Source: Nasr, Shokri and Houmansadr, Machine learning with membership privacy using adversarial regularization, CCS
    2018, algorithm 1; the network, its initial weights and Adam as there. The learning rate falls as the recipe has it.

    Args:
        strength: of the regularization; 0 trains as ever. The original has 3 for Purchase100.
        steps: of the inference network for each of the model's.
        public: reference records (x, y) that are not members: x as the model takes records, y the numbers of classes.
        share: without public records, of each model's training records that it is not fitted to, and that are reference
            records in their place. An audit still counts them as members.
        lr: the inference network's learning rate.
    """
    in_range(-1e-300, math.inf, strength=strength)
    in_range(0, 1, share=share)
    in_range(0, math.inf, lr=lr)
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(
            f"`steps` of adversarial_regularization must be a whole number of at least 1, found {steps!r}."
        )
    pair, content = (None, "") if public is None else public_pair(public, "adversarial_regularization")
    settings: dict[str, Any] = {"strength": strength, "steps": steps, "lr": lr}
    settings |= {"share": share} if pair is None else {"public": content}
    against = f"{share:.0%} of the training records, held back" if pair is None else f"{len(pair[1]):,} public records"
    return Defense(
        "adversarial_regularization",
        settings,
        fit=partial(_fit, strength=strength, steps=steps, pair=pair, share=share, lr=lr),
        alone=True,
        says=f"Training plays against a network that tells members from {against}.",
    )


class Inference(nn.Module):
    """(probabilities, label) -> the logit of being a member."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.of_answer = _layers(classes, 1024, 512, 64)
        self.of_label = _layers(classes, 512, 64)
        self.common = _layers(128, 256, 64, 1)[:-1]
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=0.01)
                nn.init.zeros_(part.bias)

    def forward(
        self, probabilities: Float[Tensor, "records classes"], y: Int[Tensor, "records"]
    ) -> Float[Tensor, "records"]:
        label = F.one_hot(y, self.classes).to(probabilities.dtype)
        joined = torch.cat([self.of_answer(probabilities), self.of_label(label)], dim=1)
        told: Tensor = self.common(joined)
        return told.squeeze(1).float()


def _layers(*sizes: int) -> nn.Sequential:
    return nn.Sequential(*[part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), nn.ReLU())])


@dataclass(frozen=True)
class _Game:
    """One model and the network that it trains against."""

    recipe: Recipe
    model: nn.Module
    network: nn.Module
    members: Pair
    others: Pair
    feed: Callable[[Tensor], Tensor]
    generator: Generator
    low: bool

    def answers(self, records: Pair, index: Int[Tensor, "records"]) -> tuple[Tensor, Tensor]:
        """The model's logits of these records, and their labels."""
        rows = index.to(records[1].device)
        x = augmented(records[0][rows].unsqueeze(0), self.recipe.augment, [self.generator]).squeeze(0)
        with torch.autocast(rows.device.type, torch.bfloat16, enabled=self.low):
            return self.model(self.feed(x)).float(), records[1][rows]

    def told(self, answers: Tensor, y: Tensor) -> Float[Tensor, "records"]:
        """The network's logit that these are members."""
        with torch.autocast(y.device.type, torch.bfloat16, enabled=self.low):
            found: Tensor = self.network(answers.softmax(1), y)
        return found

    def learn(self, optimizer: torch.optim.Optimizer, size: int) -> None:
        """A step of the network, on as many members as others, drawn at random."""
        loss = torch.zeros(())
        for records, member in ((self.members, 1.0), (self.others, 0.0)):
            index = torch.randint(len(records[1]), (size,), generator=self.generator)
            with torch.no_grad():
                answers, y = self.answers(records, index)
            told = self.told(answers, y)
            loss = loss + F.binary_cross_entropy_with_logits(told, torch.full_like(told, member)) / 2
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def loss(self, index: Int[Tensor, "records"], strength: float) -> Tensor:
        """The model's: of its labels, and the logarithm of what the network gives its members."""
        answers, y = self.answers(self.members, index)
        plain = F.cross_entropy(answers, y)
        return plain + strength * F.logsigmoid(self.told(answers, y)).mean() if strength else plain


def _fit(
    recipe: Recipe,
    build: Callable[[int], nn.Module],
    x: Tensor,
    y: Tensor,
    inside: Bool[Tensor, "records models"],
    seeds: Sequence[int],
    *,
    strength: float,
    steps: int,
    pair: Pair | None,
    share: float,
    lr: float,
    feed: Callable[[Tensor], Tensor] = identity,
    device: str | torch.device = "auto",
    progress: Callable[[float], None] = ignore,
) -> list[State]:
    on, states = device_of(device), []
    for model, seed in enumerate(seeds):
        generator = Generator().manual_seed(seed)
        rows = inside[:, model].nonzero()[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)]
        held = math.ceil(share * len(rows)) if pair is None else 0
        if len(rows) - held < 1:
            raise InputError(f"adversarial_regularization needs 2 training records or more, found {len(rows)}.")
        others = (x[rows[:held]], y[rows[:held]]) if pair is None else pair
        members = x[rows[held:]].to(on), y[rows[held:]].to(on)
        with seeded(seed, on):
            module = build(seed)
            network = Inference(check_public(others, x, y, module, feed, "adversarial_regularization")).to(on)
            module = module.to(on).train()
            low = lowered(recipe, on)
            game = _Game(recipe, module, network, members, (others[0].to(on), others[1].to(on)), feed, generator, low)
            _play(game, strength, steps, lr, partial(_share, progress, model, len(seeds)))
        states.append({name: value.detach().cpu() for name, value in module.state_dict().items()})
    return states


def _share(progress: Callable[[float], None], model: int, models: int, done: float) -> None:
    progress((model + done) / models)


def _play(game: _Game, strength: float, steps: int, lr: float, report: Callable[[float], None]) -> None:
    recipe, size = game.recipe, len(game.members[1])
    optimizer = optimizer_of(recipe, [weight for weight in game.model.parameters() if weight.requires_grad])
    inference = torch.optim.Adam(game.network.parameters(), lr=lr, fused=True)
    turns = math.ceil(size / recipe.batch_size)
    for step in range(recipe.epochs * turns):
        if step % turns == 0:
            order = torch.randperm(size, generator=game.generator).tensor_split(turns)
        for _ in range(steps if strength else 0):
            game.learn(inference, len(order[0]))
        loss = game.loss(order[step % turns], strength)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        schedule(recipe, optimizer, step / (recipe.epochs * turns))
        optimizer.step()
        report((step + 1) / (recipe.epochs * turns))
    if not all(weight.isfinite().all() for weight in game.model.parameters()):
        raise InputError("Training diverged: weights of a model are not finite. Choose a smaller `lr`.")
