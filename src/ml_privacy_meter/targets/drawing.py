"""Texts that a language model makes up by itself."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.targets.decoder import Decoder
from ml_privacy_meter.targets.language import LanguageModel
from ml_privacy_meter.targets.target import as_it_answers

AT_ONCE = 64


def made_up(model: LanguageModel, count: int, *, length: int, decoder: Decoder, seed: int = 0) -> list[list[int]]:
    """So many texts as tokens, each drawn after the beginning of a text alone, up to its end or ``length``.

    Raises:
        InputError: the model cannot read so many tokens at once.
    """
    whole(1, count=count, length=length)
    if length >= model.context:
        raise InputError(
            f"A text that the model makes up must be shorter than the {model.context} tokens that it reads at once, "
            f"found {length}. Ask for shorter ones."
        )
    ends, draws = _ends(model), torch.Generator().manual_seed(seed)
    found: list[list[int]] = []
    with tqdm(total=count, desc="Drawing texts", unit=" texts", delay=5, leave=False, disable=None) as bar:
        while len(found) < count:
            some = min(AT_ONCE, count - len(found))
            found += [_upto(ids, ends) for ids in _drawn(model, some, length, decoder, draws).tolist()]
            bar.update(some)
    return found


def _drawn(model: LanguageModel, count: int, length: int, decoder: Decoder, draws: torch.Generator) -> Tensor:
    ids = torch.full((count, 1), model.begin)
    with as_it_answers(model.module):
        steps = _steps(model)
        next(steps)
        for _ in range(length):
            share = decoder.log_probabilities(steps.send(ids)).exp()
            ids = torch.cat([ids, torch.multinomial(share, 1, generator=draws)], 1)
    return ids[:, 1:]


def _steps(model: LanguageModel) -> Any:
    """Takes tokens, one more each time; gives the logits of the next. What was read is kept where the module can."""
    keeps, past, logits = getattr(model.module, "config", None) is not None and not model.encoder, None, None
    while True:
        ids = yield logits
        if keeps:
            new = ids if past is None else ids[:, -1:]
            found = model.module(input_ids=new.to(model.device), past_key_values=past, use_cache=True)
            past, every = found.past_key_values, found.logits
        else:
            every = model.logits(ids.tolist(), [[model.begin]] * len(ids))
        logits = every[:, -1].float().cpu()


def _ends(model: LanguageModel) -> frozenset[int]:
    """Tokens after which another text begins."""
    said = getattr(getattr(model.tokenizer, "given", None), "eos_token_id", None)
    return frozenset({model.begin} if said is None else {model.begin, int(said)})


def _upto(ids: list[int], ends: frozenset[int]) -> list[int]:
    def kept() -> Iterator[int]:
        for one in ids:
            if one in ends:
                return
            yield one

    return list(kept())
