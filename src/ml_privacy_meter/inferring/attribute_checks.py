"""What the attribute game's validity hangs on: whether the secret is given away, and whether the records are alike."""

import numpy as np
import pandas as pd
import torch

from ml_privacy_meter.attribute import View
from ml_privacy_meter.findings import Check
from ml_privacy_meter.games import Tried
from ml_privacy_meter.inferring.hidden_columns import FEWEST, LABEL, Asked, codes_of
from ml_privacy_meter.risk.checks import blind, shift
from ml_privacy_meter.risk.intervals import difference, wilson

PROXY = 0.1  # of the errors of the commonest value: an imputation that makes fewer is told the secret
SETTLED, COMMON = 0.25, 0.9  # of the records: settled by one column, where no value is so common that all are
PURE = 0.98  # of the records with one value of a column that share one secret
MOST_EQUAL = 0.5  # of the records asked about; small tables repeat themselves
_SURE = 0.99  # checks that fail by luck would not be believed


def checks(view: View, asked: Asked, baselines: tuple[Tried, Tried]) -> tuple[Check, ...]:
    """Four questions, answered without the model."""
    reached = [{risk.name: risk.value or 0.0 for risk in one.risks} for one in baselines]
    members, others = (reached[1][f"accuracy, {side}"] for side, _ in asked.sides)
    return (
        _given_away(view, asked, 1 - reached[0]["accuracy, non-members"], 1 - others),
        _alike(asked, members, others),
        _apart(asked),
        _one_source(view, asked),
    )


def _given_away(view: View, asked: Asked, by_prior: float, by_imputation: float) -> Check:
    """Whether imputation, or one column by itself, tells the secret of so many that the model need not be asked."""
    name, settled = _teller(view, asked.names)
    alone = settled >= SETTLED and float(view.prior.exp().max()) < COMMON
    says = (
        f"Imputation is right for {1 - by_imputation:.1%} of non-members without the model, and {name} alone settles "
    )
    says += f"the secret of {settled:.1%} of the adversary's records"
    given = alone or by_imputation <= PROXY * by_prior
    says += ": name in `drop` what an adversary would not know." if given else "."
    return Check("Do other columns keep the secret?", not given, says)


def _alike(asked: Asked, members: float, others: float) -> Check:
    differ = _differ(asked, members, others)
    says = f"Imputation is right for {members:.1%} of members and {others:.1%} of non-members without the model: "
    says += (
        "they are not of one kind, and what the model adds may differ for that alone."
        if differ
        else "no more different than luck makes them."
    )
    return Check("Are members and non-members alike without the model?", not differ, says)


def _apart(asked: Asked) -> Check:
    known = pd.util.hash_pandas_object(asked.auxiliary, index=False)
    again = pd.util.hash_pandas_object(asked.table, index=False).isin(known).to_numpy()
    members, others = (float(again[of.numpy()].mean()) for _, of in asked.sides)
    apart = max(members, others) <= MOST_EQUAL and not _differ(asked, members, others)
    says = (
        f"{members:.1%} of the members and {others:.1%} of the non-members equal a record of the adversary's, secret "
    )
    says += (
        "included, as happens where a table repeats itself."
        if apart
        else "included: it knows these. Give it records of nobody who is asked about."
    )
    return Check("Are the adversary's records others than those asked about?", apart, says)


def _one_source(view: View, asked: Asked) -> Check:
    """Whether whole records, the secret and the label among them, tell members from non-members."""
    seen = np.nan_to_num(codes_of(asked.auxiliary, ()).numbers(asked.table), nan=-1.0)
    label = view.records.label.reshape(len(seen), -1).double()
    return shift(blind(torch.cat([torch.from_numpy(seen), label], 1), asked.member, seed=view.seed))


def _differ(asked: Asked, members: float, others: float) -> bool:
    """Whether two shares, of members and of non-members, surely differ."""
    sizes = [int(of.sum()) for _, of in asked.sides]
    one, two = (wilson(share * size, size, _SURE) for share, size in zip((members, others), sizes, strict=True))
    low, high = difference(one, two, (members, others))
    return not low <= 0 <= high


def _teller(view: View, names: tuple[str, ...]) -> tuple[str, float]:
    """The known column that settles the secret of most auxiliary records, and of how many.

    A value of it does where nearly all records that have it share one secret.
    """
    secret, told = view.secret.numpy(), {}
    for name, values in zip(names, view.auxiliary.features.T.numpy(), strict=False):
        cuts = np.unique(np.nanquantile(values, np.arange(1, 20) / 20)) if len(np.unique(values)) > 50 else None
        kind = np.nan_to_num(values, nan=-1.0) if cuts is None else np.searchsorted(cuts, values)
        counts = pd.crosstab(kind, secret).to_numpy()
        pure = (counts.max(1) >= PURE * counts.sum(1)) & (counts.sum(1) >= FEWEST)
        told[f"`{name}`" if name != LABEL else name] = float(counts[pure].sum() / len(secret))
    return max(told.items(), key=lambda one: one[1])
