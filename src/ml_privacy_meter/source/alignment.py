"""Which client's update went where the record's own loss falls?"""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.signals.update import update_alignment
from ml_privacy_meter.source.game import View


def alignment(view: View) -> Float[Tensor, "records clients"]:
    """How much further each client's updates lowered the record's loss than those of others, in nats, to first order.

    Sees: the weights that each client was sent in each round, what it changed in them, and the record's true label.

    Source: the question of Hu et al., Source Inference Attacks in Federated Learning, ICDM 2021, answered by the
    product of update and gradient of Li, Rezaei and Liu, Effective Passive Membership Inference Attacks in Federated
    Learning against Overparameterized Models, ICLR 2023.
    """
    return view.compared(lambda part: view.reader.signal(update_alignment, part.moved, view.records))
