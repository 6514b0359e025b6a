"""Which client's own model fits the record best?"""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.signals.classifier import loss
from ml_privacy_meter.source.game import View


def smallest_loss(view: View) -> Float[Tensor, "records clients"]:
    """How much smaller the record's loss is under each client's model than on average over clients, in nats.

    Sees: the weights that each client sent back in each round, and the record's true label.

    Source: Hu et al., Source Inference Attacks in Federated Learning, ICDM 2021. There the client with the smallest
    loss is named in each round; here losses are averaged over the rounds of each client first.
    """
    return -view.compared(lambda part: view.reader.signal(loss, part.after, view.records))
