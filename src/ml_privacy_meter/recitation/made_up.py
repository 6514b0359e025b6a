"""What a model makes up without a prompt, the most suspicious first."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ml_privacy_meter.targets import Decoder, LanguageModel
from ml_privacy_meter.targets.drawing import made_up


@dataclass(frozen=True)
class Drawn:
    """Texts that a model made up, each once, the most suspicious first.

    Args:
        tokens: of each.
        text: the same in letters.
        score: by which they are ordered; see `drawn`.
        asked: how many were drawn.
    """

    tokens: tuple[tuple[int, ...], ...]
    text: tuple[str, ...]
    score: Float[np.ndarray, " texts"]
    asked: int


def drawn(
    model: LanguageModel, count: int, *, length: int, decoder: Decoder, base: LanguageModel | None, seed: int
) -> Drawn:
    """So many texts, drawn from their beginning on.

    Their score is the log-probability of a token, in nats, less what the base says of it; without a base, that of the
    whole text over the bytes that zlib packs it into. Texts that the model knows, and that are not merely easy, stand
    first.

    Source: Carlini et al., Extracting Training Data from Large Language Models, USENIX Security 2021.
    """
    found = made_up(model, count, length=length, decoder=decoder, seed=seed)
    once = list(dict.fromkeys(tuple(ids) for ids in found if ids))
    if not once:
        return Drawn((), (), np.empty(0), count)
    text = [model.tokenizer.decode(ids) for ids in once]
    sums, means = _known(model, once)
    if base is None:
        score = sums / np.array([len(zlib.compress(one.encode())) for one in text])
    else:
        score = means - _known(base, once)[1]
    order = np.argsort(-score, kind="stable")
    return Drawn(tuple(once[row] for row in order), tuple(text[row] for row in order), score[order], count)


def _known(model: LanguageModel, texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """The log-probability of each text and that of a token of it."""
    scored = model.scored(texts)
    sums = scored.log_probability.double().sum(1).numpy()
    return sums, sums / scored.count.numpy()
