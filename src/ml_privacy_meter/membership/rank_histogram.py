"""Did this author contribute to the training? By how high the model ranks the words that the author chose."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership.users import UserView
from ml_privacy_meter.signals.ranks import rank_counts
from ml_privacy_meter.types import Model, Records

FEWEST = 20  # users of either kind, over all shadow models together


def rank_histogram(view: UserView) -> Float[Tensor, " users"]:
    """Log-odds that the author is inside, by the ranks that the model gives to the tokens of the author's texts.

    The texts of an author become one histogram: shares of tokens by their rank in what the target expected there. A
    logistic regression learns on reference models, whose authors are known, which histograms are those of authors
    inside.

    Sees: the rank of each token of a text in the target model's output, and reference models with the authors that
    each was trained on.

    Source: Song and Shmatikov, Auditing Data Provenance in Text-Generation Models, KDD 2019. The bins are powers of
    two, so that they hold for any vocabulary, and there are no separate histograms for frequent and rare words.

    Raises:
        InputError: there are too few authors of either kind in reference models.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    truth = np.concatenate([shadow.inside.numpy() for shadow in view.shadows] or [np.zeros(0, bool)])
    if min(inside := int(truth.sum()), outside := int((~truth).sum())) < FEWEST:
        raise InputError(
            f"`rank_histogram` needs reference models with {FEWEST} authors inside and {FEWEST} outside over all of "
            f"them, found {inside} and {outside}. Train reference models on all texts of some authors and none of "
            "others, and give them by `own_references`."
        )
    learned = np.concatenate([_histograms(view, shadow.model, shadow.records) for shadow in view.shadows])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(learned, truth)
    asked = _histograms(view, view.view.target, view.view.records)
    return torch.from_numpy(classifier.decision_function(asked))


def _histograms(view: UserView, model: Model, records: Records) -> np.ndarray:
    """Shares of tokens by the bin of their rank, one row an author."""
    counts = view.view.reader.signal(rank_counts, model, records)
    of_user = counts.reshape(-1, view.known, counts.shape[1]).sum(1)
    return (of_user / of_user.sum(1, keepdim=True)).numpy()
