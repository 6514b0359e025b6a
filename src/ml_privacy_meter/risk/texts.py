"""Is an audit of texts valid? What tells members from non-members without the model."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool
from threadpoolctl import threadpool_limits
from torch import Tensor

from ml_privacy_meter.findings import Check
from ml_privacy_meter.risk.roc import FEWEST, auc
from ml_privacy_meter.types import Scores

MOST_BLIND = 0.55  # AUC of a blind classifier beyond which figures measure it, and not the model
WORDS = 7  # of a passage that two texts share
MOST_SHARED = 0.2  # of the non-members' passages that members hold
MOST_ASKED = 5_000  # non-members whose passages are looked for
MOST_WORDS = 1_000  # of each
_STEP = 1_024


def blind(texts: pd.DataFrame, member: Bool[Tensor, " texts"], *, seed: int = 0) -> Scores:
    """What a classifier on words, numbers and lengths makes of one half of the texts, having learned from the other.

    Logistic regression on counts of words and pairs of words, of digits (dates), and on each text's length.

    Source: Das et al., Blind Baselines Beat Membership Inference Attacks for Foundation Models, 2024; Meeus et al.,
    SoK: Membership Inference Attacks on LLMs are Rushing Nowhere, SaTML 2025.
    """
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import StandardScaler

    said = (texts.get("prefix", "") + "\n" + texts["text"]).to_numpy(dtype=object)
    y = member.numpy()
    learn, judge = train_test_split(np.arange(len(y)), test_size=0.5, stratify=y, random_state=seed)
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True, max_features=2**16)
    lengths = StandardScaler().fit_transform([[np.log1p(len(text)), _digits(text), len(text.split())] for text in said])
    words.fit(said[learn])
    with threadpool_limits(limits=1):
        features = hstack([words.transform(said), lengths]).tocsr()
        learned = LogisticRegression(C=1.0, max_iter=1_000, class_weight="balanced").fit(features[learn], y[learn])
        score = learned.decision_function(features[judge])
    return Scores(torch.from_numpy(score.astype(np.float64)), member[judge])


def _digits(text: str) -> float:
    return sum(letter.isdigit() for letter in text) / max(1, len(text))


def repeated(texts: Any, member: Bool[Tensor, " texts"]) -> Check:
    """Fails where non-members repeat passages of members: the model was trained on these, and a leak looks smaller.

    Source: Duan et al., Do Membership Inference Attacks Work on Large Language Models?, COLM 2024 (n-gram overlap).

    Args:
        texts: rows with a column `text`, read a few at a time.
    """
    name = f"Do non-members repeat passages of {WORDS} words of members?"
    asked: list[set[int]] = []
    for rows, batch in _batches(texts, member):
        few = batch[~rows.numpy()]["text"]
        asked += [passages for text in few[: MOST_ASKED - len(asked)] if (passages := _passages(text))]
    wanted, found = set().union(*asked), set()  # of the non-members asked about: members may be many more
    for rows, batch in _batches(texts, member):
        for text in batch[rows.numpy()]["text"]:
            found |= _passages(text) & wanted
    shares = [len(passages & found) / len(passages) for passages in asked]
    if not shares:
        return Check(name, False, f"Not checked: no non-member has {WORDS} words.")
    mean, most = float(np.mean(shares)), sum(share > 0.5 for share in shares)
    said = f"{100 * mean:.1f}% of the passages of {WORDS} words of a non-member, on average, stand in some member."
    if mean <= MOST_SHARED:
        return Check(name, True, said)
    said += (
        f" {most} of {len(shares)} non-members share more than half. The model was trained on what they repeat, so"
        " that they hide a leak. Leave near copies out of one set."
    )
    return Check(name, False, said)


def base_alone(scores: Scores, *, confidence: float = 0.95) -> Check:
    """Fails where the model that the target was tuned from, which never saw its training texts, tells members."""
    name = "Does the model that it was tuned from tell members from non-members?"
    risk = auc(scores, confidence=confidence)
    if risk.value is None:
        return Check(name, False, f"Not checked: that takes {FEWEST} members and {FEWEST} non-members.")
    said = f"Its loss alone reaches an AUC of {risk.value:.3f} [{risk.low:.3f}, {risk.high:.3f}]; chance is 0.5."
    sure = auc(scores, confidence=max(confidence, 0.99))
    if sure.low <= 0.5 <= sure.high:
        return Check(name, True, said)
    said += (
        " It was not trained on either set, so that they differ by themselves, or it was trained on one of them. Decide"
        " nothing by figures that this can explain. Draw both sets at random from one source."
    )
    return Check(name, False, said, voids=True, risk=risk)


def _batches(texts: Any, member: Tensor) -> Any:
    for start in range(0, len(member), _STEP):
        part = slice(start, min(start + _STEP, len(member)))
        yield member[part], texts[part]


def _passages(text: str) -> set[int]:
    words = text.lower().split()[:MOST_WORDS]
    return {hash(tuple(words[at : at + WORDS])) for at in range(len(words) - WORDS + 1)}
