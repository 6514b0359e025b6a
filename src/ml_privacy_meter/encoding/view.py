"""What is seen of a model that may hide data, beside clean ones: no truth."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.encoding.floats import floats

NOISE = ("uniform", "shuffled", "sparse")


@dataclass(frozen=True)
class Seen:
    """One model, as a detector sees it.

    Args:
        weights: reads its weights and buffers by their names, anew at every call; None: they are not known.
        answers: its logits for inputs of noise, by the kind of noise; the same inputs for every model.
    """

    weights: Callable[[], Mapping[str, Tensor]] | None = None
    answers: Mapping[str, Float[Tensor, "inputs classes"]] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """All that a detector sees.

    Args:
        model: the one in question.
        clean: others that were trained in the same way, and surely hide nothing.
    """

    model: Seen
    clean: tuple[Seen, ...]

    def weights(self) -> Iterator[list[Tensor]]:
        """The floating weights of the model in question, then of each clean one.

        Raises:
            InputError: they are not known.
        """
        for one in (self.model, *self.clean):
            if one.weights is None:
                raise InputError("This detector reads weights, and they are not known. Give the model as a module.")
            yield list(floats(one.weights()).values())

    def answers(self, kind: str) -> Iterator[Float[Tensor, "inputs classes"]]:
        """The same of the answers to noise.

        Raises:
            InputError: none could be asked for.
        """
        for one in (self.model, *self.clean):
            if kind not in one.answers:
                raise InputError("Noise can be asked about where records are tensors of numbers; these are not.")
            yield one.answers[kind]


Detector = Callable[[View], Float[Tensor, " models"]]  # a number for each model, that in question first


def each_beside_the_others(features: Float[Tensor, "models features"]) -> Float[Tensor, "models features"]:
    """How far each model's features lie from the mean of all others'."""
    total = features.sum(0)
    found: Tensor = features - (total - features) / (len(features) - 1)
    return found
