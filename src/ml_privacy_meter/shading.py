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

    None where the records are no texts, no such model was given, or one with other tokens.
    """
    language = getattr(getattr(case.target, "inner", None), "language", None)
    if not are_texts(case.everyone.labels) or case.base is None or not isinstance(language, LanguageModel):
        return None
    base, two = cache(case.base.load), case.everyone.x[slice(0, 2)]
    other = getattr(base().inner, "language", None)
    if not isinstance(other, LanguageModel) or other.encode(list(two["text"])) != language.encode(list(two["text"])):
        return None

    def tokens(row: int) -> list[tuple[str, float]]:
        batch = case.everyone.x[np.array([row])]
        with torch.no_grad():
            ahead = (case.target(batch)[0] - base()(batch)[0])[:, 0]
        ids = case.everyone.labels[row]
        known = ids[ids >= 0].tolist()[:MOST]
        found, done, most = [], "", 0.0
        for place, more in enumerate(ahead[: len(known)].tolist()):
            said, most = language.tokenizer.decode(known[: place + 1]), max(most, more)
            if said.endswith("\ufffd") and place + 1 < len(known):
                continue  # a letter of several tokens: they are one piece
            found.append((said[len(done) :], most))
            done, most = said, 0.0
        return found

    return tokens
