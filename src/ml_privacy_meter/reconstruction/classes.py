"""What do the training records of a class look like? The view of a finished model, and the challenger."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.reconstruction.informed import Range
from ml_privacy_meter.reconstruction.likeness import all_psnr, psnr


@dataclass(frozen=True)
class ClassView:
    """All that the adversary sees who asks what a class looks like. **No training record is in it.**

    Args:
        model: records -> logits; gradients by the records can be taken.
        classes: the numbers of the classes that are asked about.
        public: records of the same kind that the model was not trained on.
        public_y: their classes.
        range: of the features.
        seed: of what attacks draw at random.
    """

    model: Callable[[Tensor], Tensor]
    classes: Int[Tensor, " classes"]
    public: Float[Tensor, "public ..."]
    public_y: Int[Tensor, " public"]
    range: Range
    seed: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one record."""
        return tuple(self.public.shape[1:])


ClassAttack = Callable[[ClassView], Float[Tensor, "classes ..."]]


@dataclass(frozen=True)
class Seen:
    """How like a record for each class is to the mean of the class's members, and of its non-members.

    Args:
        members, non_members: correlations over features, in [-1, 1].
        psnr: to the mean of the members, in dB.
        sure: the probability that the model itself gives to the class.
        agreed: whether an independent model takes it for the class.
    """

    members: Float[Tensor, " classes"]
    non_members: Float[Tensor, " classes"]
    psnr: Float[Tensor, " classes"]
    sure: Float[Tensor, " classes"]
    agreed: Bool[Tensor, " classes"]


@dataclass(frozen=True)
class ClassGame:
    """The challenger.

    Args:
        members, non_members: the mean of the members of each class, and of its non-members.
        judge: records -> classes: a model that is not the target, and was not trained on its records.
    """

    view: ClassView
    members: Float[Tensor, "classes ..."]
    non_members: Float[Tensor, "classes ..."]
    judge: Callable[[Tensor], Int[Tensor, " records"]]

    def play(self, attack: ClassAttack) -> Seen:
        """Hands the view, and only the view, to the attack; looks how like its records are."""
        found: Any = attack(self.view)
        if not isinstance(found, Tensor) or found.shape != self.members.shape:
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise InputError(
                f"An attack must give a record for each class, {tuple(self.members.shape)}, found {shape}."
            )
        return self.seen(self.view.range.cut(found.detach().double().cpu()))

    def mean(self) -> Seen:
        """The baseline of who looks at nothing: the mean of the public records for each class."""
        return self.seen(self.view.public.double().mean(0).expand(self.members.shape))

    def class_means(self) -> Seen | None:
        """The baseline of who holds public records of the same classes; None where a class has none."""
        own = [self.view.public[self.view.public_y == label] for label in self.view.classes]
        return self.seen(torch.stack([x.double().mean(0) for x in own])) if all(map(len, own)) else None

    def nearest(self) -> Seen:
        """The baseline of the likest public record for each class, chosen with the members' mean at hand, by PSNR."""
        width = self.view.range.width
        places = all_psnr(self.view.public.double() / width, self.members / width, (0.0, 1.0)).argmax(0)
        return self.seen(self.view.public.double()[places])

    def seen(self, found: Float[Tensor, "classes ..."]) -> Seen:
        """How like these records are, one for each class."""
        width = self.view.range.width
        with torch.no_grad():
            answers = self.view.model(found).double().cpu().softmax(1)
        inside, outside = (correlation(found / width, side / width) for side in (self.members, self.non_members))
        like = psnr(found / width, self.members / width, (0.0, 1.0))
        sure = answers.gather(1, self.view.classes[:, None])[:, 0]
        return Seen(inside, outside, like, sure, self.judge(found) == self.view.classes)


def correlation(one: Float[Tensor, "records ..."], other: Float[Tensor, "records ..."]) -> Float[Tensor, " records"]:
    """The correlation over features of each pair, in [-1, 1]; 0 where one of the two does not vary."""
    a, b = (x.double().flatten(1) - x.double().flatten(1).mean(1, keepdim=True) for x in (one, other))
    alike: Tensor = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp(min=1e-12)
    return alike
