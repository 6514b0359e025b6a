"""What of the texts that a model makes up stands in its training texts, less what would stand there anyway."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ml_privacy_meter.recitation import personal
from ml_privacy_meter.recitation.compared import Hits, Side, Trials
from ml_privacy_meter.recitation.index import Index, index_of
from ml_privacy_meter.recitation.made_up import Drawn, drawn
from ml_privacy_meter.recitation.passages import Texts
from ml_privacy_meter.recitation.result import Copied
from ml_privacy_meter.targets import Decoder, LanguageModel

BASE = "what the base model makes up"


@dataclass(frozen=True)
class Copies:
    """Figures to be taken, and the spans behind them."""

    trials: list[Trials]
    spans: tuple[Copied, ...]
    asked: int


def copies(
    model: LanguageModel,
    base: LanguageModel | None,
    trained: Texts,
    held: Texts | None,
    samples: int,
    length: int,
    least: int,
    decoder: Decoder,
    find: personal.Finder | None,
    seed: int,
) -> Copies:
    """Of so many texts that the model makes up: which stand in part in training texts, or hold personal data of them.

    Held against as many tokens of held-out texts, and as many texts that the base makes up.
    """
    if not samples:
        return Copies([], (), 0)
    own = drawn(model, samples, length=length, decoder=decoder, base=base, seed=seed)
    other = None if base is None else drawn(base, samples, length=length, decoder=decoder, base=None, seed=seed)
    index = index_of(trained.tokens, least)
    says = f"of the texts that the model makes up, each once, a span of {least} tokens stands in a training text"
    trials = []
    if held is not None:
        trials.append(_beside_held(own, trained, held, least, says))
    if other is not None:
        sides = [Side(BASE, _holding(other, index), paired=False)]
        trials.append(Trials("made up, word for word", says, _holding(own, index), sides))
    if find is not None:
        trials += _of_personal(own, other, trained, held, find)
    return Copies(trials, _spans(own, other, trained, held, index, model), samples)


def _beside_held(own: Drawn, trained: Texts, held: Texts, least: int, says: str) -> Trials:
    """Spans in as many tokens of training texts as there are of held-out texts: of more, more would be found."""
    most = min(sum(map(len, trained.tokens)), sum(map(len, held.tokens)))
    one, other = (_holding(own, index_of(side.tokens, least, most=most)) for side in (trained, held))
    both = one & other
    says = f"{says}, of {most:,} tokens, and in no other text of as many"
    return Trials("made up, not held out", says, one & ~both, [Side("held-out texts", other & ~both, paired=True)])


def _of_personal(
    own: Drawn, other: Drawn | None, trained: Texts, held: Texts | None, find: personal.Finder
) -> list[Trials]:
    known = personal.values(trained.text, find)
    strange = set() if held is None else personal.values(held.text, find)
    asked, unasked = sorted(known - strange), sorted(strange - known)
    given = personal.values(own.text, find)

    def among(some: Sequence[tuple[str, str]], said: set[tuple[str, str]]) -> Hits:
        return np.array([one in said for one in some], bool)

    sides = [] if held is None else [Side("held-out texts", among(unasked, given), paired=False)]
    if other is not None:
        sides.append(Side(BASE, among(asked, personal.values(other.text, find)), paired=True))
    says = "of the pieces of personal data in the training texts, one stands in a text that the model makes up"
    return [Trials("personal data, made up", says, among(asked, given), sides)]


def _holding(own: Drawn, index: Index) -> Hits:
    return np.array([index.holds(ids) for ids in own.tokens], bool)


def _spans(
    own: Drawn, other: Drawn | None, trained: Texts, held: Texts | None, index: Index, model: LanguageModel
) -> tuple[Copied, ...]:
    """Spans that stand in training texts, and in part in no held-out text and in nothing that the base makes up."""
    elsewhere = [*(() if held is None else held.tokens), *(() if other is None else other.tokens)]
    away = index_of(elsewhere, index.least)
    return tuple(
        Copied(
            rank,
            span.start,
            span.length,
            trained.id[span.text],
            span.source,
            model.tokenizer.decode(ids[span.start : span.start + span.length]),
        )
        for rank, ids in enumerate(own.tokens, 1)
        for span in index.spans(ids)
        if not away.holds(ids[span.start : span.start + span.length])
    )
