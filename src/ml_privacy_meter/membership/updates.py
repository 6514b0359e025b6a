"""Did the updates of the weights go where the record's own loss falls?"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.marks import sees_parameters
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.membership.watching import Update, watches
from ml_privacy_meter.signals.gradient import gradient_norm
from ml_privacy_meter.signals.update import update_alignment


@sees_parameters
@watches("updates")
def update_dot(view: View) -> Float[Tensor, " records"]:
    """How far the updates lowered the record's loss, in nats, to first order: summed over rounds.

    Sees: the weights that were sent out in each round of the target's training, what was changed in them (updates), the
    record's true label, and, where clients are told apart, whose training set is asked about.

    Source: Li, Rezaei and Liu, Effective Passive Membership Inference Attacks in Federated Learning against
    Overparameterized Models, ICLR 2023: gradients of records against the updates of the client that is asked about.
    Where no client is asked about, or clients are not seen apart, all updates are summed: to take the client that
    lowered the loss most finds hard records rather than members, as every client moves their loss far.

    Raises:
        InputError: there are no updates.
    """
    return _of_clients(view, lambda update: view.reader.signal(update_alignment, update.model, view.records))


@sees_parameters
@watches("updates")
def update_cosine(view: View) -> Float[Tensor, " records"]:
    """Cosine of the update and minus the gradient of the record's loss: summed over rounds.

    Sees: the weights that were sent out in each round of the target's training, what was changed in them (updates), the
    record's true label, and, where clients are told apart, whose training set is asked about.

    Source: Li, Rezaei and Liu, Effective Passive Membership Inference Attacks in Federated Learning against
    Overparameterized Models, ICLR 2023; Andrew et al., One-shot Empirical Privacy Estimation for Federated Learning,
    ICLR 2024, where the cosine finds canaries. Several clients as in `update_dot`.

    Raises:
        InputError: there are no updates.
    """

    def cosine(update: Update) -> Float[Tensor, " records"]:
        along = view.reader.signal(update_alignment, update.model, view.records)
        length = sum(float(part.double().square().sum()) for part in update.change().values()) ** 0.5
        norm = view.reader.signal(gradient_norm, update.sent, view.records)
        found: Tensor = along / (norm * length).clamp(min=1e-150)
        return found

    return _of_clients(view, cosine)


def _of_clients(view: View, of: Callable[[Update], Tensor]) -> Float[Tensor, " records"]:
    """Summed over rounds: of the client that is asked about, or of all."""
    if not view.updates:
        raise InputError(
            "An attack on updates needs what was changed in the target's weights while it was trained, found nothing "
            "of it. Give a `trace`, or snapshots whose weights are known."
        )
    apart = view.client is not None and bool({update.client for update in view.updates} & {*view.client})
    score = torch.zeros(len(view.records), dtype=torch.float64)  # stays, of a client that sent nothing
    for update in view.updates:
        found = of(update)
        score += torch.where(torch.from_numpy(view.client == update.client), found, 0) if apart else found
    return score
