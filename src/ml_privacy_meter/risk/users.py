"""What can be told of users without the model: by classifiers that learn from other users than they judge."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from threadpoolctl import threadpool_limits
from torch import Tensor

from ml_privacy_meter.findings import Check, Risk
from ml_privacy_meter.risk.roc import FEWEST
from ml_privacy_meter.risk.texts import MOST_BLIND
from ml_privacy_meter.types import fold_of

BLIND = "Do users inside and outside differ without the model?"
COLUMNS = 128  # of a table, those that differ most
WORDS = 20_000


def without_model(
    records: list[str] | np.ndarray, of: np.ndarray, inside: Bool[Tensor, " users"], *, seed: int = 0
) -> tuple[Float[Tensor, " records"], Bool[Tensor, " users"]]:
    """How much each record looks like one of a user inside, by its words or numbers, and which users are judged.

    A logistic regression on how often which word occurs in a text, gradient boosting on the numbers of a table. It
    learns from one half of the users and judges the other: no user is in both. Scores of the first half are 0.

    Args:
        records: texts, or rows of numbers.
        of: the number of each record's user.
    """
    judged = torch.from_numpy(fold_of(inside, 2) == 1)
    learn, judge = (np.flatnonzero(side[of]) for side in (~judged.numpy(), judged.numpy()))
    truth = inside.numpy()[of]
    score = np.zeros(len(of))
    with np.errstate(divide="ignore", invalid="ignore"), threadpool_limits(limits=1, user_api="openmp"):
        if isinstance(records, np.ndarray):
            learned = _of_numbers(records.shape[1], seed).fit(records[learn], truth[learn])
            score[judge] = learned.predict_proba(records[judge])[:, 1]
        else:
            learned = _of_words().fit([records[row] for row in learn], truth[learn])
            score[judge] = learned.decision_function([records[row] for row in judge])
    return torch.from_numpy(score), judged


def _of_words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(max_features=WORDS, sublinear_tf=True, token_pattern=r"(?u)\S+")
    return make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000, class_weight="balanced"))


def _of_numbers(width: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.feature_selection import SelectKBest
    from sklearn.pipeline import make_pipeline

    trees = HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, early_stopping=False, class_weight="balanced", random_state=seed
    )
    return make_pipeline(SelectKBest(k=COLUMNS), trees) if width > COLUMNS else trees


def users_alike(risk: Risk | None, sure: Risk | None, known: int) -> Check:
    """Fails where the records alone tell the users inside from the others: then every figure by user measures that.

    Args:
        risk: AUC of a classifier that never asks the model, with ``known`` records of each user.
        sure: the same at 99% confidence: what it says voids the whole audit.
    """
    if risk is None or risk.value is None or sure is None:
        return Check(BLIND, False, f"Not checked: that takes {2 * FEWEST} users of either kind.")
    said = (
        f"A classifier on the records alone, which never asks the model and never saw the users that it judges, reaches"
        f" an AUC of {risk.value:.3f} [{risk.low:.3f}, {risk.high:.3f}] with {known} records of each; chance is 0.5."
    )
    if sure.low <= 0.5:
        alike = risk.value <= MOST_BLIND
        luck = "The two kinds of users look alike." if alike else "That may be luck: more users would tell."
        return Check(BLIND, alike, f"{said} {luck}", risk=risk)
    said += (
        " Users inside and outside come from different sources: an attack may tell them apart by that and not by the"
        " model, or miss what the model does reveal. Decide nothing by these figures, in either direction. Draw at"
        " random which users are trained on, and audit again."
    )
    return Check(BLIND, False, said, voids=True, risk=risk)
