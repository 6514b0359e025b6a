"""A network on what the target's weights tell of a record: gradients, activations, outputs, loss and label."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.marks import needs_known, sees_parameters, unless_empty
from ml_privacy_meter.membership.networks import judged, parts_of
from ml_privacy_meter.membership.parts import Exploited, Which
from ml_privacy_meter.membership.view import View, learns


@sees_parameters
@unless_empty("layers", "gradients")
@learns
@needs_known
def whitebox(
    view: View,
    *,
    layers: Which = ("last",),
    gradients: Which = ("last",),
    exploit_outputs: bool = True,
    exploit_loss: bool = True,
    exploit_label: bool = True,
    snapshots: int = 0,
    networks: int = 3,
    epochs: int = 50,
    lr: float = 1e-3,
    batch_size: int = 128,
    validation: float = 0.2,
    kernels: int = 8,
    seed: int = 0,
) -> Float[Tensor, " records"]:
    """Log-odds of membership, in nats, of a network that has learned from records whose membership is known.

    Sees: The target model's weights, the record and its true label, and other records with labels, half of those in
    the audit, of which it is known whether the model was trained on them.

    Sees from outside: the target model's output for each record, the record's true label, and other records, with
    labels, half of those in the audit, of which it is known whether the model was trained on them.

    Source: Nasr, Shokri and Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019; layer sizes
    after the authors' tool, ML Privacy Meter 1.0 (2020), `create_fcn.py`, `create_cnn.py`, `meminf.py`. There as here,
    a component for each part of what is read: 128 and 64 units on vectors (there 100 and 64 on activations and loss);
    on a gradient, a convolution whose kernels span a row of the weights of one input (there 100 kernels), then 64
    units (there 2024, 512 and 256); all joined in an encoder of 256, 128, 64 units and 1. A convolution over a whole
    map of activations is a dense layer. Departures: cross entropy in place of the squared error; a gradient is shown as
    its direction and the logarithm of its norm, the loss as the logit gap, outputs as log-probabilities, all
    standardised, as members differ by orders of magnitude; loss and norms also go straight to the answer; the
    gradient of a layer that is not linear is one row, and projected to 2,048 numbers where it has more; where several
    moments of a training are shown, what is read at each has components of its own (there stacked in one); epochs are
    chosen by records held back, and several networks averaged.

    Args:
        layers: whose activations are read, by name or number; "last": what the last layer with parameters is given.
        gradients: layers by whose parameters the gradient of the loss is read; "last": the last that has any.
        snapshots: earlier moments of the model that are shown beside it, at most: the last, others evenly before it.
        networks: that are fitted, each with other records held back.
        epochs: at most: a network that has not become better for 8 is finished.
        validation: share of the known records that is held back from a network, to choose its epoch by.
        kernels: of each convolution.
    """
    exploited = Exploited(layers, gradients, exploit_outputs, exploit_loss, exploit_label)
    if view.known is None or view.known_member is None:
        raise InputError("`whitebox` needs records whose membership is known, found none. See `needs_known`.")
    parts = parts_of(view, exploited, snapshots, view.known)
    fitting = {"networks": networks, "epochs": epochs, "lr": lr, "batch_size": batch_size, "validation": validation}
    return judged(view, exploited, snapshots, parts, view.known_member, **fitting, kernels=kernels, seed=seed)
