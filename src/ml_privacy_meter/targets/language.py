"""A language model, and what it says of each token of a text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from tqdm.auto import tqdm

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.target import as_it_answers

LOGITS = 2**24  # numbers that a model gives at once: 64 MB
AT_ONCE = 2**22  # and of these, how many are worked on at once
TOKENS = 2**11  # that a CPU reads at once: of more, what a layer gives leaves its cache before the next one asks
PADDING = -1.0  # the deviation of what is no token


@runtime_checkable
class Tokenizer(Protocol):
    """What turns texts into tokens and back, without any special ones."""

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


@dataclass(frozen=True)
class Scored:
    """What a language model says of each token of some texts; rows end in padding where a text is shorter.

    Args:
        log_probability: of the token, given all before it, in nats; 0 at padding.
        mean: of the log-probability over the vocabulary, weighted by the model's own probabilities, in nats.
        deviation: its standard deviation, in nats; -1 at padding.
        rank: how many tokens were likelier.
        tokens: the texts' own, as numbers of the vocabulary; -1 at padding.
    """

    log_probability: Float[Tensor, "texts tokens"]
    mean: Float[Tensor, "texts tokens"]
    deviation: Float[Tensor, "texts tokens"]
    rank: Float[Tensor, "texts tokens"]
    tokens: Int[Tensor, "texts tokens"]

    @property
    def count(self) -> Int[Tensor, " texts"]:
        """How many tokens each text has."""
        return (self.tokens >= 0).sum(1)

    def stacked(self) -> Float[Tensor, "texts tokens 4"]:
        """Log-probability, mean, deviation and rank side by side: what a target answers for texts."""
        return torch.stack([self.log_probability, self.mean, self.deviation, self.rank], -1)


@dataclass(frozen=True)
class _Window:
    """A piece of a text that the model reads at once: ids[begin:end], of which those from ``start`` are scored."""

    text: int
    begin: int
    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.begin


class LanguageModel(nn.Module):
    """A causal language model, or one with an encoder, beside its tokenizer.

    Attributes:
        spread: it says how likely all of its vocabulary is, and not the true token alone.

    Args:
        module: token numbers ``Int["texts tokens"]`` -> logits ``Float["texts tokens vocabulary"]``, or a module of
            `transformers`, which gives them as ``.logits``.
        begin: the token before the first one, so that the first has a probability too.
        context: the most tokens that the module reads at once. A longer text is read in windows that overlap by half.
        encoder: the module reads what comes before the text by an encoder of its own (translation, summaries).
        key: of the content of all of it; empty where that is not known.
        kind: what it is, for the report.
    """

    spread = True

    def __init__(
        self,
        module: nn.Module,
        tokenizer: Tokenizer,
        *,
        begin: int,
        context: int,
        encoder: bool = False,
        key: str = "",
        kind: str = "language model",
    ) -> None:
        super().__init__()
        if context < 2:
            raise InputError(f"`context` must be 2 tokens or more, found {context}.")
        self.module, self.tokenizer = module, tokenizer
        self.begin, self.context, self.encoder, self.key, self.kind = begin, context, encoder, key, kind

    @property
    def device(self) -> torch.device:
        first = next(self.module.parameters(), None)
        return torch.device("cpu") if first is None else first.device

    def encode(self, texts: Sequence[str], prefix: Sequence[str] | None = None) -> list[list[int]]:
        """The tokens of each text, as numbers of the vocabulary, without special ones, whatever stands before it."""
        at_once = getattr(self.tokenizer, "encode_all", None)
        return at_once(list(map(str, texts))) if at_once else [list(self.tokenizer.encode(str(one))) for one in texts]

    def token_logprobs(
        self, texts: Sequence[str], prefix: str | Sequence[str] | None = None, *, most: int | None = None
    ) -> Scored:
        """What the model says of each token of ``texts``, the first one included.

        Args:
            prefix: what the model reads before each text, without being asked about it; for a model with an encoder,
                what that reads. One for all texts, or one for each.
            most: the most tokens of a text that are asked about; None: all.

        Raises:
            InputError: a text has no tokens.
        """
        before = [prefix or ""] * len(texts) if prefix is None or isinstance(prefix, str) else list(prefix)
        if len(before) != len(texts):
            raise InputError(f"There must be one prefix for each text, found {len(before)} for {len(texts)}.")
        own = [ids[:most] for ids in self.encode(texts)]
        for number, ids in enumerate(own):
            if not ids:
                raise InputError(f"A text must have at least one token, found none in text {number} (the first is 0).")
        read = getattr(self.tokenizer, "read", None) if self.encoder else None
        return self.scored(own, [read(text) for text in before] if read else self.encode(before))

    def scored(self, texts: Sequence[Sequence[int]], before: Sequence[Sequence[int]] | None = None) -> Scored:
        """The same of texts that are given as tokens."""
        said = self.read(texts, before, of=_stated, blank=(0.0, 0.0, PADDING, 0.0)).unbind(-1)
        tokens = torch.full(said[0].shape, -1)
        for row, ids in enumerate(texts):
            tokens[row, : len(ids)] = torch.tensor(list(ids))
        return Scored(said[0], said[1], said[2], said[3], tokens)

    def read(
        self,
        texts: Sequence[Sequence[int]],
        before: Sequence[Sequence[int]] | None = None,
        *,
        of: Callable[[Tensor, Tensor], Tensor],
        blank: Sequence[float],
    ) -> Float[Tensor, "texts tokens numbers"]:
        """What ``of`` makes of the logits of each token of texts that are given as tokens.

        Args:
            of: (logits ``Float["tokens vocabulary"]``, the true tokens) -> ``Float["tokens numbers"]``.
            blank: what stands where a text has ended.
        """
        before = [()] * len(texts) if before is None else before
        out = torch.tensor(blank).repeat(len(texts), max(map(len, texts), default=0), 1)
        led = [[] if self.encoder else list(ids) for ids in before]
        whole = [[*first, *ids] for first, ids in zip(led, texts, strict=True)]
        windows = [one for row in range(len(texts)) for one in self._windows(row, len(led[row]), len(whole[row]))]
        shape: dict[str, Any] = {"desc": "Asking the model", "unit": " windows", "delay": 5, "leave": False}
        with as_it_answers(self.module), tqdm(total=len(windows), disable=None, **shape) as bar:
            for some in self._batches(windows, before if self.encoder else None):
                found, places = self._asked(some, whole, before, of), []
                for one in some:
                    first = one.start - len(led[one.text])
                    places.append((one.text, slice(first, first + one.end - one.start)))
                bounds = np.cumsum([0, *(one.end - one.start for one in some)])
                for (row, cells), (low, high) in zip(places, pairwise(bounds), strict=True):
                    out[row, cells] = found[low:high]
                bar.update(len(some))
        return out

    def next_logprobs(
        self, contexts: Sequence[Sequence[int]], before: Sequence[Sequence[int]] | None = None
    ) -> Float[Tensor, "contexts vocabulary"]:
        """Log-probabilities, in nats, of the token that follows each of these, of which the last tokens are read."""
        rows = []
        for start in range(0, len(contexts), 64):
            some = [[self.begin, *list(ids)[-(self.context - 1) :]] for ids in contexts[start : start + 64]]
            led = None if before is None else [list(ids) for ids in before[start : start + 64]]
            with as_it_answers(self.module):
                logits = self.logits(some, led)
            last = torch.tensor([len(ids) - 1 for ids in some], device=logits.device)
            rows.append(logits[torch.arange(len(some), device=logits.device), last].float().log_softmax(-1).cpu())
        return torch.cat(rows)

    def reads_ahead(self) -> bool:
        """Whether what it says of a token hangs on those that follow: then it is no causal model."""
        with as_it_answers(self.module):
            one, other = (self.logits([[self.begin, 0, last]], [[self.begin]])[0, :2] for last in (0, 1))
        return not torch.allclose(one.float(), other.float(), rtol=1e-5, atol=1e-5)

    def _windows(self, text: int, start: int, end: int) -> Iterator[_Window]:
        """Windows that score each token from ``start`` on once, with half a context before it if there is so much."""
        done, half = start, max(1, self.context // 2)
        while done < end:
            upto = min(end, max(done + half, self.context))
            yield _Window(text, max(0, upto - self.context), done, upto)
            done = upto

    def _batches(self, windows: list[_Window], read: Sequence[Sequence[int]] | None) -> Iterator[list[_Window]]:
        """Windows of about one length together, the longest first, so that what does not fit is known at once."""

        def size(one: _Window) -> int:
            return max(one.length, 0 if read is None else len(read[one.text]))

        queue, room = sorted(windows, key=size, reverse=True), self.room()
        while queue:
            at_once = max(1, room // size(queue[0]))
            yield queue[:at_once]
            queue = queue[at_once:]

    def room(self) -> int:
        """How many tokens are read at once: as many as give so many logits, and on a CPU, as suit its cache."""
        most = LOGITS // self.vocabulary()
        return min(most, TOKENS) if self.device.type == "cpu" else most

    def vocabulary(self) -> int:
        """How many different tokens the model answers with."""
        config = getattr(self.module, "config", None)
        known = getattr(config, "vocab_size", None)
        return int(known) if known else int(self.logits([[self.begin]], [[self.begin]]).shape[-1])

    def _asked(
        self,
        some: list[_Window],
        whole: list[list[int]],
        before: Sequence[Sequence[int]],
        of: Callable[[Tensor, Tensor], Tensor],
    ) -> Tensor:
        """Of the tokens that these windows score, one after the other: what ``of`` says."""
        ids = [[self.begin, *whole[one.text][one.begin : one.end - 1]] for one in some]
        logits = self.logits(ids, [list(before[one.text]) for one in some])
        asked = torch.zeros(logits.shape[:2], dtype=torch.bool)
        for row, one in enumerate(some):
            asked[row, one.start - one.begin : one.length] = True
        true = torch.tensor([token for one in some for token in whole[one.text][one.start : one.end]])
        chosen, true = logits[asked.to(logits.device)], true.to(logits.device)
        size = max(1, AT_ONCE // chosen.shape[-1])
        parts = [of(chosen[at : at + size], true[at : at + size]) for at in range(0, len(true), size)]
        return torch.cat(parts).cpu()

    def logits(self, ids: list[list[int]], before: list[list[int]] | None) -> Float[Tensor, "texts tokens vocabulary"]:
        """What the module answers for these inputs, gradients and all; ``before``: what an encoder reads.

        Rows are filled up at their end, where nothing that a causal model says hangs on it.
        """
        numbers, mask = self._padded(ids)
        known = any(kind.__module__.startswith(("transformers.", "peft.")) for kind in type(self.module).__mro__)
        if self.encoder:
            read, shown = self._padded([one[-self.context :] or [self.begin] for one in before or [[]] * len(ids)])
            found = self.module(input_ids=read, attention_mask=shown, decoder_input_ids=numbers, use_cache=False)
        elif known:
            found = self.module(input_ids=numbers, attention_mask=mask, use_cache=False)
        else:
            found = self.module(numbers)
        logits: Tensor = getattr(found, "logits", found)
        return logits

    def _padded(self, ids: list[list[int]]) -> tuple[Tensor, Tensor]:
        width = max(map(len, ids))
        numbers = torch.full((len(ids), width), self.begin)
        mask = torch.zeros_like(numbers)
        for row, one in enumerate(ids):
            numbers[row, : len(one)] = torch.tensor(one)
            mask[row, : len(one)] = 1
        return numbers.to(self.device), mask.to(self.device)


def _stated(logits: Float[Tensor, "tokens vocabulary"], true: Int[Tensor, " tokens"]) -> Float[Tensor, "tokens 4"]:
    """Log-probability, mean, deviation and rank of each true token."""
    every = logits.float().log_softmax(-1)
    of_true = every.gather(1, true[:, None])
    rank = (every > of_true).sum(1)
    share = every.exp()
    every = every.where(share > 0, 0.0)  # a token that is ruled out weighs nothing
    mean = (share * every).sum(1, keepdim=True)
    deviation = (share * (every - mean).square()).sum(1).sqrt()
    return torch.stack([of_true[:, 0], mean[:, 0], deviation, rank.to(every.dtype)], 1)
