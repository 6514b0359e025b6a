"""What the nearest synthetic record gives away of a record of which a part is known."""

import numpy as np
from jaxtyping import Float, Int

from ml_privacy_meter._numbers import whole
from ml_privacy_meter.synthetic.table import embedding, nearest
from ml_privacy_meter.synthetic.view import GuessView, LinkView


def nearest_value(view: GuessView) -> Float[np.ndarray, " records"]:
    """What the synthetic record that is nearest in the known columns holds in the secret one.

    Sees: the known columns of the records, and the synthetic records.

    Source: Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PETS 2023.
    Departure: distances are Euclidean, between standardised numbers.
    """
    known = view.synthetic.only(view.known.columns)
    embed = embedding(known)
    _, rows = nearest(embed(known), embed(view.known))
    return np.asarray(view.synthetic.only([view.secret]).values[rows[:, 0], 0])


def link_by_nearest(
    view: LinkView, *, neighbours: int = 1
) -> tuple[Int[np.ndarray, "left neighbours"], Int[np.ndarray, "right neighbours"]]:
    """The synthetic records that are nearest to each row of the left table and to each of the right one.

    Two rows are held for one person's where they have a synthetic record in common. Of copies, the first is named.

    Sees: two tables of different columns of the same people, and the synthetic records.

    Source: Giomi et al., A Unified Framework for Quantifying Privacy Risk in Synthetic Data, PETS 2023.
    Departure: distances are Euclidean, between standardised numbers.

    Args:
        neighbours: how many of the nearest are looked at.
    """
    whole(1, neighbours=neighbours)
    found, distinct = [], view.synthetic.first
    for table in (view.left, view.right):
        same = view.synthetic.take(distinct).only(table.columns)
        embed = embedding(same)
        found.append(distinct[nearest(embed(same), embed(table), count=neighbours)[1]])
    return found[0], found[1]
