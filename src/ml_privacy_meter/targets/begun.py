"""What follows many contexts that begin alike, of which a model reads the beginning once."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter.targets.language import LanguageModel
from ml_privacy_meter.targets.target import as_it_answers

AT_ONCE = 256


def next_after(
    model: LanguageModel, beginning: Sequence[int], tails: Sequence[Sequence[int]]
) -> Float[Tensor, "tails vocabulary"]:
    """Log-probabilities, in nats, of the token that follows the beginning and each tail.

    As of `LanguageModel.next_logprobs`, which answers for modules that keep nothing of what they read.
    """
    longest = max(map(len, tails))
    fits = 1 + len(beginning) + longest <= model.context
    rows = []
    for start in range(0, len(tails), AT_ONCE):
        some = [list(ids) for ids in tails[start : start + AT_ONCE]]
        found = _kept(model, beginning, some) if fits and longest and not model.encoder else None
        rows.append(model.next_logprobs([[*beginning, *ids] for ids in some]) if found is None else found)
    return torch.cat(rows)


def _kept(model: LanguageModel, beginning: Sequence[int], tails: list[list[int]]) -> Tensor | None:
    """The same, where the module is one of `transformers` and keeps keys and values; else None."""
    if getattr(model.module, "config", None) is None:
        return None
    width, size = max(map(len, tails)), torch.tensor([len(ids) for ids in tails])
    head = torch.tensor([[model.begin, *beginning]], device=model.device)
    ids = torch.tensor([[*one, *[model.begin] * (width - len(one))] for one in tails], device=model.device)
    mask = torch.arange(width) < size[:, None]
    mask = torch.cat([torch.ones(len(tails), head.shape[1], dtype=torch.long), mask.long()], 1).to(model.device)
    with as_it_answers(model.module):
        read = model.module(input_ids=head, use_cache=True)
        past: Any = getattr(read, "past_key_values", None)
        if not hasattr(past, "batch_repeat_interleave"):
            return None
        past.batch_repeat_interleave(len(tails))
        after = model.module(input_ids=ids, attention_mask=mask, past_key_values=past, use_cache=True).logits
    every = torch.cat([read.logits[:, -1:].expand(len(tails), -1, -1), after], 1)
    return every[torch.arange(len(tails)), size].float().log_softmax(-1).cpu()
