"""A language model set beside texts: their tokens are the labels, and what it says of each token its outputs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.completions import Completions
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.targets.language import PADDING, LanguageModel
from ml_privacy_meter.targets.reading import Reading
from ml_privacy_meter.targets.target import Feed, Opened, Target
from ml_privacy_meter.types import Records

TEXT, PREFIX = "text", "prefix"
MOST = 8_192  # tokens of a text: all are filled up to the longest
_STEP = 1_024


class Scorer(nn.Module):
    """A batch of texts -> log-probability, mean, deviation and rank of each token: ``Float["texts tokens 4"]``.

    Args:
        width: tokens of the longest text; shorter ones are filled up, and have the deviation -1 there.
    """

    def __init__(self, language: LanguageModel | Completions, width: int) -> None:
        super().__init__()
        self.language, self.width = language, width

    def forward(self, batch: pd.DataFrame) -> Tensor:
        found = self.language.token_logprobs(list(batch[TEXT]), prefixes(batch)).stacked()
        out = torch.zeros(len(batch), max(self.width, found.shape[1]), 4)  # a changed text may have more tokens
        out[..., 2] = PADDING
        out[:, : found.shape[1]] = found
        return out


def fit_texts(opened: Opened, members: Records, non_members: Records) -> tuple[Target, Records, Records]:
    """The language model as a target, and the records with their tokens as labels, -1 where a text has ended.

    Raises:
        InputError: the records are no texts, a text has no tokens or too many, or the model reads ahead.
    """
    language: LanguageModel | Completions = opened.inner  # type: ignore[assignment]
    for setting, given in (("preprocess", opened.before), ("a defense of its answers", opened.after)):
        if given is not None:
            raise InputError(f"A language model is asked about texts as they stand: leave out {setting}.")
    if isinstance(language, LanguageModel) and language.reads_ahead():
        raise InputError(
            "A language model must say of each token how likely it is after those before it, found one that reads the "
            "tokens after it too (a masked language model?)."
        )
    sides = [_tokens(language, side, name) for side, name in ((members, "members"), (non_members, "non-members"))]
    scorer = Scorer(language, max(len(ids) for side in sides for ids in side))
    says = f"{opened.kind}{_size(language)}; outputs read as what it says of each token of a text"
    reading = Reading("what it says of each token", 4, lambda outputs: outputs)
    feed, same = Feed(replace(opened, inner=scorer, tensors=False)), _same_twice(scorer, members)
    says += "; two calls with the same records gave different answers" if same is False else ""
    key = digest(language.key, says) if language.key and same is not False else ""
    target = Target(feed, reading, key=key, says=says, classes=None, deterministic=same)
    done: dict[int, Records] = {}
    fitted = [_with_tokens(side, language, scorer.width, done) for side in (members, non_members)]
    return target, fitted[0], fitted[1]


def _same_twice(scorer: Scorer, records: Records) -> bool | None:
    """Whether some texts are answered twice alike; None where they are asked about only once."""
    if isinstance(scorer.language, Completions):
        return None
    batch = records.x[np.unique(np.linspace(0, len(records) - 1, 8, dtype=int))]
    return torch.allclose(scorer(batch), scorer(batch), rtol=1e-4, atol=1e-4)


def _tokens(language: LanguageModel | Completions, records: Records, name: str) -> list[list[int]]:
    if len(records) == 0:
        raise InputError(f"The set of {name} is empty.")
    found = []
    for start in range(0, len(records), _STEP):
        batch = records.x[slice(start, min(start + _STEP, len(records)))]
        named = isinstance(batch, pd.DataFrame) and TEXT in batch
        if not named or not all(isinstance(text, str) for text in batch[TEXT]):
            raise InputError(
                f"A language model is asked about texts, found {name} without a column `{TEXT}` of words. Give a "
                f".jsonl file or a DataFrame with one (and, if you like, `{PREFIX}`: what stands before each text)."
            )
        for row, ids in enumerate(language.encode(list(batch[TEXT]), prefixes(batch))):
            if not 0 < len(ids) <= MOST:
                raise InputError(
                    f"A text must have 1 to {MOST:,} tokens, found {len(ids):,} in `{records.id[start + row]}`. Leave "
                    "an empty one out; split a long one into passages, each a record."
                )
            found.append(ids)
    return found


def prefixes(batch: pd.DataFrame) -> list[str] | None:
    """What stands before each of these texts; None where the records have no such column."""
    return list(batch[PREFIX]) if PREFIX in batch else None


def _with_tokens(
    records: Records, language: LanguageModel | Completions, width: int, done: dict[int, Records]
) -> Records:
    """Members and non-members may be parts of one whole, and stay so."""
    if id(records) not in done:
        base = None if records.base is None else _with_tokens(records.base, language, width, done)
        tokens = np.full((len(records), width), -1)
        for row, ids in enumerate(_tokens(language, records, "records")):
            tokens[row, : len(ids)] = ids[:width]
        done[id(records)] = replace(records, y=torch.from_numpy(tokens), base=base)
    return done[id(records)]


def _size(language: LanguageModel | Completions) -> str:
    if isinstance(language, Completions):
        return ""
    return f" with {sum(weight.numel() for weight in language.parameters()):,} parameters"
