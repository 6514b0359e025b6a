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
MOST = 4_096  # tokens of a text that are asked about
_STEP = 1_024


class Scorer(nn.Module):
    """A batch of texts -> log-probability, mean, deviation and rank of each token: ``Float["texts tokens 4"]``.

    Args:
        width: tokens of the longest text; shorter ones are filled up, and have the deviation -1 there.
        most: tokens of a text that are asked about.
    """

    def __init__(self, language: LanguageModel | Completions, width: int, most: int) -> None:
        super().__init__()
        self.language, self.width, self.most = language, width, most

    def forward(self, batch: pd.DataFrame) -> Tensor:
        before = list(batch[PREFIX]) if PREFIX in batch else None
        found = self.language.token_logprobs(list(batch[TEXT]), before, most=self.most).stacked()
        out = torch.zeros(len(batch), max(self.width, found.shape[1]), 4)  # a changed text may have more tokens
        out[..., 2] = PADDING
        out[:, : found.shape[1]] = found
        return out


def fit_texts(opened: Opened, members: Records, non_members: Records) -> tuple[Target, Records, Records]:
    """The language model as a target, and the records with their tokens as labels, -1 where a text has ended.

    Raises:
        InputError: the records are no texts, or a text has no tokens.
    """
    language: LanguageModel | Completions = opened.inner  # type: ignore[assignment]
    sides = [_tokens(language, side, name) for side, name in ((members, "members"), (non_members, "non-members"))]
    width = max(len(ids) for side in sides for ids in side)
    cut = sum(len(ids) == MOST for side in sides for ids in side)
    scorer = Scorer(language, width, MOST)
    says = f"{opened.kind}{_size(language)}; outputs read as what it says of each token of a text"
    says += f"; {cut} texts are cut after {MOST:,} tokens" if cut else ""
    known = language.key and digest(language.key, str(MOST))
    reading = Reading("what it says of each token", 4, lambda outputs: outputs)
    feed = Feed(replace(opened, inner=scorer, tensors=False))
    target = Target(feed, reading, key=known, says=says, classes=None, deterministic=True)
    done: dict[int, Records] = {}
    fitted = [_with_tokens(side, language, width, done) for side in (members, non_members)]
    return target, fitted[0], fitted[1]


def _tokens(language: LanguageModel | Completions, records: Records, name: str) -> list[list[int]]:
    if len(records) == 0:
        raise InputError(f"The set of {name} is empty.")
    found = []
    for start in range(0, len(records), _STEP):
        batch = records.x[slice(start, start + _STEP)]
        if not isinstance(batch, pd.DataFrame) or TEXT not in batch:
            raise InputError(
                f"A language model is asked about texts, found {name} without a column `{TEXT}`. Give a .jsonl file or "
                f"a DataFrame with one (and, if you like, `{PREFIX}`: what stands before each text)."
            )
        for row, ids in enumerate(language.encode(list(batch[TEXT]))):
            if not ids:
                raise InputError(f"A text must have at least one token, found none in `{records.id[start + row]}`.")
            found.append(ids[:MOST])
    return found


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
