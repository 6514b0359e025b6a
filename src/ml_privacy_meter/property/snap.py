"""Poison, by which the share of a property is read off a model's confidence."""

from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.property.worlds import Models, WorldsView, nearest


def snap(view: WorldsView) -> Float[Tensor, "victims worlds"]:
    """How near the mean log-odds of the poison's label, over records with the property, lie to those of shadows.

    The rarer the property, the more a few wrong labels weigh among the records that have it.

    Sees: the probabilities that the model gives for records of the adversary's own; and it added records with the
    property and a wrong label to the training set.

    Source: Chaudhari et al., SNAP: Efficient Extraction of Private Properties with Poisoning, IEEE S&P 2023, section
    IV. There the threshold follows from the means and widths of both worlds; here it lies midway between the means.
    """
    poisoned = view.poisoned
    if poisoned is None:
        raise InputError("`snap` is for models that the adversary poisoned, found none. Set `poison` = 0.01.")
    asked = view.has & (view.labels != poisoned.label)
    if not asked.any():
        raise InputError("`snap` asks about records with the property and another label, found none. Ask more.")

    def mean(models: Models) -> Tensor:
        odds = models.odds[:, asked]
        if odds.shape[2] == 1:
            return odds[:, :, 0].mean(1) * (1 if poisoned.label == 1 else -1)
        return odds[:, :, poisoned.label].mean(1)

    return nearest(mean(poisoned.victims), mean(poisoned.shadows), view)


snap.needs_poison = True  # type: ignore[attr-defined]
