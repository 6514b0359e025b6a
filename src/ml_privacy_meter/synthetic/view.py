"""What an adversary sees who has synthetic records, and asks of the real ones behind them."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ml_privacy_meter.synthetic.table import Table


@dataclass(frozen=True)
class View:
    """All that an adversary may see who asks whether records trained the generator.

    Args:
        asked: the records, in an order that says nothing.
        synthetic: what the generator gave.
        reference: real records of the same source that did not train it.
    """

    asked: Table
    synthetic: Table
    reference: Table


Attack = Callable[[View], Tensor]


@dataclass(frozen=True)
class SinglingView:
    """All that an adversary may see who describes one person of the training set, and nobody else there.

    Args:
        synthetic: what the generator gave.
        count: how many descriptions are asked for, at most.
        seed: of whatever an attack draws.
    """

    synthetic: Table
    count: int
    seed: int = 0


@dataclass(frozen=True)
class LinkView:
    """All that an adversary may see who joins two tables of the same people.

    Args:
        left: some columns of records.
        right: other columns of the same records, in another order.
        synthetic: what the generator gave, all columns.
    """

    left: Table
    right: Table
    synthetic: Table


@dataclass(frozen=True)
class GuessView:
    """All that an adversary may see who guesses a column of records.

    Args:
        known: of the records, what is known.
        synthetic: what the generator gave: the columns that are known, and the secret.
        secret: the name of the column that is guessed.
    """

    known: Table
    synthetic: Table
    secret: str
