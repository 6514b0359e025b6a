"""What a language model is trained on: texts as tokens, in pieces that it reads at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.language import LanguageModel
from ml_privacy_meter.targets.texts import PREFIX, TEXT

NOTHING = -100  # a label that is not asked about


@dataclass(frozen=True)
class Piece:
    """Tokens of one text, as many as are trained on at once.

    Args:
        text: which of the texts.
        before: tokens that are read first, and not trained on.
        tokens: those that are.
    """

    text: int
    before: tuple[int, ...]
    tokens: tuple[int, ...]


def pieces_of(language: LanguageModel, texts: Any, most: int) -> list[Piece]:
    """The pieces of all texts, one text after the other; a text of more than ``most`` tokens makes several.

    Args:
        texts: a DataFrame with a column `text`, and perhaps `prefix`.

    Raises:
        InputError: these are no texts, or one has no tokens.
    """
    if not isinstance(texts, pd.DataFrame) or TEXT not in texts:
        raise InputError(
            f"A language model is tuned on texts: records must have a column `{TEXT}`, found none. Give a .jsonl file, "
            "a DataFrame or a list of texts."
        )
    most = min(most, language.context)
    before = language.encode(list(texts[PREFIX])) if PREFIX in texts else [[]] * len(texts)
    found = []
    for number, (ids, led) in enumerate(zip(language.encode(list(texts[TEXT])), before, strict=True)):
        if not ids:
            raise InputError(f"A text must have at least one token, found none in text {number} (the first is 0).")
        for start in range(0, len(ids), most):
            tokens = ids[start : start + most]
            room = language.context - (0 if language.encoder else len(tokens))
            found.append(Piece(number, tuple(led[-room:] if room else ()), tuple(tokens)))
    return found


def batches(
    pieces: Sequence[Piece], inside: np.ndarray, *, draw: Generator, epochs: int, size: int
) -> list[list[Piece]]:
    """The pieces of each step of a training on the texts that are ``inside``, in an order drawn for each epoch."""
    own = [piece for piece in pieces if inside[piece.text]]
    found = []
    for _ in range(epochs):
        order = torch.randperm(len(own), generator=draw).tolist()
        found += [[own[at] for at in order[start : start + size]] for start in range(0, len(own), size)]
    return found


@dataclass(frozen=True)
class Batch:
    """Equally many pieces of each model, those of the first one first; None fills up.

    Args:
        weight: of each token's loss in the sum over all: one over the tokens of its model's step.
    """

    pieces: list[Piece | None]
    weight: Float[Tensor, " pieces"]

    def loss(self, language: LanguageModel) -> Float[Tensor, ""]:
        """The sum over models of their mean loss a token, as far as this batch goes, in nats."""
        ids, before, labels = [], [], []
        for piece in self.pieces:
            read, tokens = ((), (language.begin,)) if piece is None else (piece.before, piece.tokens)
            led = () if language.encoder else read
            ids.append([language.begin, *led, *tokens[:-1]])
            before.append(list(read))
            labels.append([NOTHING] * len(led) + ([NOTHING] if piece is None else list(tokens)))
        logits = language.logits(ids, before)
        wanted = _filled(labels, logits.shape[1]).to(logits.device)
        asked = wanted != NOTHING
        each = torch.nn.functional.cross_entropy(logits[asked].float(), wanted[asked], reduction="none")
        return (each * self.weight.to(each)[asked.nonzero()[:, 0]]).sum()


def _filled(labels: list[list[int]], width: int) -> Int[Tensor, "pieces tokens"]:
    found = torch.full((len(labels), width), NOTHING)
    for row, one in enumerate(labels):
        found[row, : len(one)] = torch.tensor(one)
    return found


def batches_of(steps: Sequence[Sequence[Piece]], *, at_once: int) -> list[Batch]:
    """One step of several models, a list of pieces each, in batches of so many tokens, or the shortest there are.

    Args:
        at_once: tokens, those that fill up included.
    """
    longest = max((len(p.before) + len(p.tokens) for own in steps for p in own), default=1)
    rows = max(1, at_once // (longest * len(steps)))
    tokens = [max(1, sum(len(piece.tokens) for piece in own)) for own in steps]
    found = []
    for start in range(0, max(map(len, steps)), rows):
        some = [list(own[start : start + rows]) for own in steps]
        high = max(map(len, some))
        filled = [[*own, *[None] * (high - len(own))] for own in some]
        weight = torch.tensor([1 / count for count in tokens]).repeat_interleave(high)
        found.append(Batch([piece for own in filled for piece in own], weight))
    return found
