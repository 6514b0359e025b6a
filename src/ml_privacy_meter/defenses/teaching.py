"""What defenses that change what a model is told have in common; no defense itself."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.training.fit import State, device_of

_AT_ONCE = 1024


def check_classes(defense: str, y: Tensor) -> None:
    """Raises `InputError` unless each record has one class."""
    if y.ndim > 1 or y.is_floating_point():
        found = "quantities" if y.is_floating_point() else f"{y.shape[1]} labels for each record"
        raise InputError(f"{defense} needs records that have one class each, found {found}. Choose another defense.")


def log_probabilities(answer: Float[Tensor, "*batch outputs"]) -> Float[Tensor, "*batch classes"]:
    """Of all classes; one output is the logit of the second of two."""
    if answer.shape[-1] == 1:
        answer = torch.cat([torch.zeros_like(answer), answer], -1)
    return answer.log_softmax(-1)


def of_label(logs: Float[Tensor, "models batch classes"], y: Tensor) -> Float[Tensor, "models batch"]:
    """The one of each record's own class."""
    found: Tensor = logs.gather(2, y.long().unsqueeze(2)).squeeze(2)
    return found


def soft_loss(
    answer: Float[Tensor, "models batch outputs"], soft: Float[Tensor, "models batch classes"], temperature: float = 1.0
) -> Tensor:
    """The sum over models of the mean cross-entropy with soft labels, times the temperature squared."""
    logs = log_probabilities(answer / temperature)
    return -(soft * logs).sum(2).mean(1).sum() * temperature**2


@torch.no_grad()
def probabilities(
    build: Callable[[int], nn.Module],
    state: State,
    x: Tensor,
    rows: Int[Tensor, "some"],
    *,
    feed: Callable[[Tensor], Tensor],
    device: str | torch.device,
    temperature: float = 1.0,
) -> Float[Tensor, "some classes"]:
    """What a trained model answers to these rows, in evaluation mode; on the CPU."""
    on = device_of(device)
    module = build(0)
    module.load_state_dict(state)
    module.to(on).eval()
    parts = (module(feed(x[some].to(on))) / temperature for some in torch.split(rows, _AT_ONCE))
    return torch.cat([log_probabilities(part.float()).exp().cpu() for part in parts])
