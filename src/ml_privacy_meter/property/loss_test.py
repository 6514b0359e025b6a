"""Is the model better on records of one world than on records of another?"""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.property.worlds import Models, WorldsView, nearest


def loss_test(view: WorldsView) -> Float[Tensor, "victims worlds"]:
    """How near the model's accuracy in the world of the smallest share, less that of the largest, lies to shadows'.

    Sees: the class that the model names for records of the adversary's own, models that it trained itself, and which
    world each of them is of.

    Source: Suri and Evans, Formalizing and Estimating Distribution Inference Risks, PoPETs 2022, section 4.1. There
    the accuracies are compared, or a threshold on one of them is learned; here one on their difference is.
    """
    return nearest(_difference(view.victims, view), _difference(view.shadows, view), view)


def _difference(models: Models, view: WorldsView) -> Float[Tensor, " models"]:
    right = (models.logits.argmax(2) == view.labels).double()
    return right @ (view.weight[0] - view.weight[-1])
