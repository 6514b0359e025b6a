"""The tokens of a text, and how much likelier a model finds each than the model that it was tuned from."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

from ml_privacy_meter.case import Case
from ml_privacy_meter.signals.tokens import are_texts
from ml_privacy_meter.targets import LanguageModel

MOST = 1_000  # tokens of a text


def tokens_of(case: Case) -> Callable[[int], list[tuple[str, float]]] | None:
    """Of the text in a row: its tokens, each with the difference of log-probabilities in nats.

    None where the records are no texts, no such model was given, or the target does not say what its tokens are.
    """
    language = getattr(getattr(case.target, "inner", None), "language", None)
    if not are_texts(case.everyone.labels) or case.base is None or not isinstance(language, LanguageModel):
        return None
    base = cache(case.base.load)

    def tokens(row: int) -> list[tuple[str, float]]:
        batch = case.everyone.x[np.array([row])]
        with torch.no_grad():
            ahead = (case.target(batch)[0] - base()(batch)[0])[:, 0]
        ids = case.everyone.labels[row]
        known = ids[ids >= 0].tolist()[:MOST]
        ends = [language.tokenizer.decode(known[: place + 1]) for place in range(len(known))]
        pieces = [end[len(before) :] for before, end in zip(["", *ends], ends, strict=False)]
        return list(zip(pieces, ahead.tolist(), strict=False))

    return tokens
