"""How high a canary's secret stands among all that it could have been."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import quad
from scipy.stats import skewnorm

from ml_privacy_meter.canaries import TextCanaries, TextCanary
from ml_privacy_meter.targets import LanguageModel
from ml_privacy_meter.targets.begun import next_after

EXACT, RANKED, FITTED = "exact", "rank among a sample", "skew-normal fit"
_CONTEXTS = 256  # asked at once


@dataclass(frozen=True)
class Exposed:
    """One canary's secret under a model.

    Args:
        exposure: log2 of how many secrets there are, less log2 of the secret's rank among them: about 1 for a secret
            that the model never saw, at most log2 of their number. Equals share their rank.
        by: "exact": every secret was scored; "rank among a sample": of as many references, so it is at most log2 of
            their number; "skew-normal fit": to the scores of these references.
        log_probability: of the secret after what stands before it, in nats.
        fitted: the exposure by the other method, where a sample was scored.
    """

    canary: TextCanary
    exposure: float
    by: str
    log_probability: float
    fitted: float | None = None


def exposed(model: LanguageModel, canaries: TextCanaries, canary: TextCanary, *, most: int, sample: int) -> Exposed:
    """The exposure of one secret: exact where there are at most ``most``, else from so many references drawn evenly.

    What stands after the secret plays no part.

    Source: Carlini et al., The Secret Sharer: Evaluating and Testing Unintended Memorization in Neural Networks, USENIX
    Security 2019. Departure: the trie, which asks about each beginning of a secret once.
    """
    before = canaries.before(canary)
    if canaries.space <= most:
        scores = trie_scores(model, before, list(canaries.every()))
        own = _number(canaries, canary.secret)
        return Exposed(canary, _bits(scores, own), EXACT, float(scores[own]))
    references = _references(canaries, canary, sample)
    scores = trie_scores(model, before, [canary.secret, *references])
    top = math.log2(canaries.space)
    fitted = min(top, fitted_exposure(scores[1:], float(scores[0])))
    return Exposed(canary, _bits(scores, 0), RANKED, float(scores[0]), fitted)


def trie_scores(model: LanguageModel, before: str, secrets: Sequence[str]) -> Float[np.ndarray, " secrets"]:
    """The log-probability of each of these continuations of ``before``, in nats.

    Beginnings that they share are asked about once: of all secrets of 4 digits, 1,111 in place of 10,000 texts, where a
    digit is a token.
    """
    whole = model.encode([before + secret for secret in secrets])
    shared = _shared(whole)
    prompt, tails = whole[0][:shared], [tuple(ids[shared:]) for ids in whole]
    scores, at = np.zeros(len(tails)), np.zeros(len(tails), np.int64)
    beginnings: list[tuple[int, ...]] = [()]
    for depth in range(max(map(len, tails))):
        rows = np.array([row for row, tail in enumerate(tails) if len(tail) > depth])
        token = np.array([tails[row][depth] for row in rows])
        asked, place = np.unique(at[rows], return_inverse=True)
        for first in range(0, len(asked), _CONTEXTS):
            here = np.flatnonzero((place >= first) & (place < first + _CONTEXTS))
            contexts = [beginnings[one] for one in asked[first : first + _CONTEXTS]]
            said = next_after(model, prompt, contexts).double().numpy()
            scores[rows[here]] += said[place[here] - first, token[here]]
        steps, at[rows] = np.unique(np.stack([at[rows], token], 1), axis=0, return_inverse=True)
        beginnings = [(*beginnings[one], int(next_one)) for one, next_one in steps]
    return scores


def fitted_exposure(references: Float[np.ndarray, " references"], score: float) -> float:
    """-log2 of the share of secrets that score as high, by a skew-normal distribution fitted to references.

    Source: Carlini et al. 2019, section 4.3.
    """
    shape, place, scale = skewnorm.fit(references)
    high = (score - place) / scale
    top = float(skewnorm.logpdf(high, shape))
    # the tail in units of its edge: so far out that the probability itself would be 0
    tail, _ = quad(lambda step: math.exp(skewnorm.logpdf(high + step, shape) - top), 0, 40, limit=200)
    return max(0.0, -(top + math.log(tail)) / math.log(2))


def _bits(scores: Float[np.ndarray, " secrets"], own: int) -> float:
    above, alike = int((scores > scores[own]).sum()), int((scores == scores[own]).sum())
    return math.log2(len(scores)) - math.log2(above + (alike + 1) / 2)


def _references(canaries: TextCanaries, canary: TextCanary, sample: int) -> list[str]:
    """So many other secrets, drawn evenly; the same for the same canary."""
    own, rng = _number(canaries, canary.secret), np.random.default_rng(list(canary.name.encode()))
    drawn: dict[int, None] = {}
    while len(drawn) < min(sample, canaries.space - 1):
        number = 0
        for place in rng.integers(0, len(canaries.alphabet), canaries.length).tolist():
            number = number * len(canaries.alphabet) + place
        if number != own:
            drawn[number] = None
    return [canaries.secret(number) for number in drawn]


def _number(canaries: TextCanaries, secret: str) -> int:
    number = 0
    for letter in secret:
        number = number * len(canaries.alphabet) + canaries.alphabet.index(letter)
    return number


def _shared(whole: Sequence[Sequence[int]]) -> int:
    """How many tokens all of these begin with."""
    least, most = min(map(list, whole)), max(map(list, whole))  # whatever the two that differ most share, all do
    return next((at for at, (one, other) in enumerate(zip(least, most, strict=False)) if one != other), len(least))
