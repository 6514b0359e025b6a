"""Which passages can be had from a model that is given what stands before them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ml_privacy_meter.recitation.chances import log_tries
from ml_privacy_meter.recitation.compared import Hits, Side, Trials
from ml_privacy_meter.recitation.passages import Passage, Said, Texts, said
from ml_privacy_meter.recitation.result import Curve, Recited
from ml_privacy_meter.targets import Decoder, LanguageModel

HELD_OUT, BASE = "held-out texts", "the base model"
TRIES = tuple(int(n) for n in np.unique(np.round(np.logspace(0, 6, 25))))


@dataclass(frozen=True)
class Asked:
    """Passages of one kind, and what was said of them; ``base`` is of the trained ones."""

    trained: list[Passage]
    held_out: list[Passage]
    model: Said
    held: Said | None
    base: Said | None


def ask(
    trained: list[Passage], held: list[Passage], model: LanguageModel, base: LanguageModel | None, decoder: Decoder
) -> Asked:
    """The answers of the model, and of its base on the trained passages."""
    of_held = said(model, held, decoder) if held else None
    of_base = said(base, trained, decoder) if base is not None else None
    return Asked(trained, held, said(model, trained, decoder), of_held, of_base)


def trials_of(
    asked: Asked, tries: Sequence[int], probability: float, *, what: str = "", given: str, then: str
) -> list[Trials]:
    """Greedy decoding, and so many draws.

    Args:
        what, given, then: words: whose figures, what the model is given, and what it goes on with.
    """
    greedy = Trials(f"{what}greedy", f"given {given}, greedy decoding {then}", *_sides(asked, lambda one: one.greedy))
    return [greedy, *(_in_draws(asked, count, probability, what, given, then) for count in tries)]


def _in_draws(asked: Asked, count: int, probability: float, what: str, given: str, then: str) -> Trials:
    drawn = "1 draw" if count == 1 else f"{count:,} draws"
    says = f"given {given}, one of {drawn} {then}, with a probability of {probability:g} or more"
    return Trials(f"{what}in {drawn}", says, *_sides(asked, lambda one: within(one, count, probability)))


def _sides(asked: Asked, hits: Callable[[Said], Hits]) -> tuple[Hits, list[Side]]:
    found = [] if asked.held is None else [Side(HELD_OUT, hits(asked.held), paired=False)]
    if asked.base is not None:
        found.append(Side(BASE, hits(asked.base), paired=True))
    return hits(asked.model), found


def within(one: Said, tries: int, probability: float) -> Hits:
    """Which passages so many draws give with this probability."""
    return log_tries(one.log_p, probability) <= math.log(tries) + 1e-12


def curve_of(asked: Asked, probability: float) -> Curve:
    """The share of passages that so many draws give, and the same beside it."""

    def shares(one: Said | None) -> tuple[float, ...] | None:
        return None if one is None else tuple(float(within(one, count, probability).mean()) for count in TRIES)

    return Curve(TRIES, shares(asked.model) or (), shares(asked.held), shares(asked.base))


def recited_of(asked: Asked, texts: Texts, model: LanguageModel, tries: int, probability: float) -> list[Recited]:
    """Passages that the model gives, greedily or in so many draws, and the base does in neither way."""
    if not asked.trained:
        return []
    given = asked.model.greedy | within(asked.model, tries, probability)
    if asked.base is not None:
        given &= ~(asked.base.greedy | within(asked.base, tries, probability))
    own = log_tries(asked.model.log_p, probability) / math.log(10)
    without = None if asked.base is None else log_tries(asked.base.log_p, probability) / math.log(10)
    return [
        Recited(
            one.name.partition(":")[0] or "beginning",
            texts.id[one.text],
            one.start,
            len(one.suffix),
            bool(asked.model.greedy[row]),
            float(own[row]),
            None if without is None else float(without[row]),
            model.tokenizer.decode(one.prompt),
            model.tokenizer.decode(one.suffix),
        )
        for row, one in enumerate(asked.trained)
        if given[row]
    ]
