"""Passages of texts: what stands before, and what a model may go on with; how probably it does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.records import as_records
from ml_privacy_meter.targets import Decoder, LanguageModel

TEXT, PREFIX = "text", "prefix"


@dataclass(frozen=True)
class Texts:
    """Texts beside their tokens.

    Args:
        id: the user's own name of each.
        before: tokens of what the model reads before each, where the records have a column `prefix`.
    """

    id: tuple[str, ...]
    text: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    before: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.id)


@dataclass(frozen=True)
class Passage:
    """A piece of a text.

    Args:
        text: the number of the text that it stands in.
        start: the token of the text that it begins with.
        before: tokens that stand before the text.
        prompt: the tokens of the text that the model is given.
        suffix: the tokens that follow: what it may recite.
        name: what it is, where it is more than a piece of text; for duplicates.
    """

    text: int
    start: int
    before: tuple[int, ...]
    prompt: tuple[int, ...]
    suffix: tuple[int, ...]
    name: str = ""


@dataclass(frozen=True)
class Said:
    """What a model does with passages.

    Args:
        greedy: each token of the suffix is the likeliest one; among equals any counts.
        log_p: log-probability that the decoder goes on with the whole suffix, in nats.
    """

    greedy: Bool[np.ndarray, " passages"]
    log_p: Float[np.ndarray, " passages"]


def as_texts(data: object, model: LanguageModel, *, name: str) -> Texts:
    """The texts in a list, a DataFrame or a file, with the model's tokens.

    Raises:
        InputError: there is no column of texts.
    """
    named = not isinstance(data, pd.DataFrame) or TEXT in data
    records = as_records(data, name=name) if named else None
    frame = records.x[slice(0, len(records))] if records is not None and len(records) else None
    if records is None or not isinstance(frame, pd.DataFrame) or TEXT not in frame:
        raise InputError(
            f"A language model is asked about texts, found {name} without a column `{TEXT}`. Give a list of texts, a "
            f"DataFrame or a .jsonl file with one."
        )
    text = tuple(map(str, frame[TEXT]))
    led = tuple(map(str, frame[PREFIX])) if PREFIX in frame else ("",) * len(text)
    both = [tuple(tuple(ids) for ids in model.encode(some)) for some in (text, led)]
    return Texts(tuple(map(str, records.id)), text, both[0], both[1])


def passages(texts: Texts, *, prompt: int, suffix: int) -> list[Passage]:
    """The beginning of each text, cut in two: so many tokens that are given, and so many that follow; once each.

    Texts that are shorter are left out.
    """
    found = [
        Passage(row, prompt, before, ids[:prompt], ids[prompt : prompt + suffix])
        for row, (ids, before) in enumerate(zip(texts.tokens, texts.before, strict=True))
        if len(ids) >= prompt + suffix
    ]
    return list({(one.before, one.prompt, one.suffix): one for one in reversed(found)}.values())[::-1]


def said(model: LanguageModel, asked: Sequence[Passage], decoder: Decoder) -> Said:
    """What the model does with each passage, from one pass over it: nothing is drawn.

    Source: Carlini et al., Quantifying Memorization Across Neural Language Models, ICLR 2023, with greedy decoding;
    Hayes et al., Measuring Memorization in Language Models via Probabilistic Extraction, NAACL 2025.
    """

    def of(logits: Tensor, true: Tensor) -> Tensor:
        logits = logits.float()
        likeliest = logits.gather(1, true[:, None])[:, 0] >= logits.max(1).values
        drawn = decoder.log_probabilities(logits).gather(1, true[:, None])[:, 0]
        return torch.stack([likeliest.to(drawn.dtype), drawn], 1)

    texts = [(*one.prompt, *one.suffix) for one in asked]
    found = model.read(texts, [one.before for one in asked], of=of, blank=(1.0, 0.0)).double().numpy()
    at = np.arange(found.shape[1])
    given = at < np.array([len(one.prompt) for one in asked]).reshape(-1, 1)
    greedy = np.asarray(np.where(given, 1.0, found[..., 0]).all(1))
    return Said(greedy, np.where(given, 0.0, found[..., 1]).sum(1))
