"""A language model behind HTTP that gives the log-probabilities of a prompt's tokens, as OpenAI's completions do."""

import zlib
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.language import PADDING, Scored
from ml_privacy_meter.targets.service import Service, brief
from ml_privacy_meter.targets.url import Endpoint, check

ASKED = {"prompt": "$records", "max_tokens": 0, "echo": True, "logprobs": 1, "temperature": 0}


class Completions:
    """A language model that is asked over HTTP: it says of each token of a text but the first how likely it was.

    It does not say what it thought of the rest of its vocabulary, so that `Scored.mean` and `Scored.deviation` are 0,
    and `Scored.rank` is 0 for the likeliest token and 1 for any other. Tokens are known by a hash of what they say.

    Args:
        service: ``request`` is what else stands in each request, such as ``{"model": "name"}``.
        answers: what was answered so far; filled as answers come.
    """

    spread = False

    def __init__(self, service: Service, *, answers: MutableMapping[str, list[float]] | None = None) -> None:
        if service.response != "@" or not isinstance(service.request or {}, Mapping):
            raise InputError(
                "A language model behind HTTP is asked as the completions API has it: leave `response` out, and give "
                'as a table what `request` holds beside the prompt, such as {"model": "name"}.'
            )
        self.service = replace(service, request=ASKED | dict(service.request or {}))
        check(self.service)
        self.endpoint = Endpoint(self.service, answers=answers, read=self._tokens)
        self.key, self.kind = self.endpoint.key, f"language model at {service.shown}"

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """`Scored.stacked` of the texts."""
        return self.token_logprobs(texts).stacked()

    def encode(self, texts: Sequence[str], prefix: Sequence[str] | None = None) -> list[list[int]]:
        """The tokens of each text that have a probability: all but the first, or all where something stands before."""
        return [[int(token) for token, *_ in one] for one in self._asked(texts, prefix or [""] * len(texts))]

    def token_logprobs(
        self, texts: Sequence[str], prefix: str | Sequence[str] | None = None, *, most: int | None = None
    ) -> Scored:
        """What the model says of each token of ``texts``. Arguments: `LanguageModel.token_logprobs`."""
        before = [prefix or ""] * len(texts) if prefix is None or isinstance(prefix, str) else list(prefix)
        asked = [one[:most] for one in self._asked(texts, before)]
        shape = len(texts), max(map(len, asked), default=0)
        lp, rank, tokens = torch.zeros(shape), torch.zeros(shape), torch.full(shape, -1)
        for row, one in enumerate(asked):
            if not one:
                raise InputError(f"A text must have two tokens or more, found fewer in text {row} (the first is 0).")
            found = torch.tensor(one, dtype=torch.float64)
            tokens[row, : len(one)], lp[row, : len(one)] = found[:, 0].long(), found[:, 1].float()
            rank[row, : len(one)] = (found[:, 2] > found[:, 1]).float()
        none = torch.zeros(shape).masked_fill(tokens < 0, PADDING)
        return Scored(lp, torch.zeros(shape), none, rank, tokens)

    def _asked(self, texts: Sequence[str], before: Sequence[str]) -> list[list[list[float]]]:
        """Of each token after what stands before the text: its hash, its log-probability, and that of the likeliest."""
        prompts = [first + str(text) for first, text in zip(before, texts, strict=True)]
        found = []
        for row, first, prompt in zip(self.endpoint.answered(prompts), before, prompts, strict=True):
            four = [row[at : at + 4] for at in range(0, len(row), 4)]
            if first and any(place < 0 for *_, place in four):
                raise InputError(
                    f"`{self.service.shown}` must give tokens that spell the prompt, or it cannot be told where the "
                    "text begins after its prefix; found others (as where a letter is split). Leave the prefix out."
                )
            found.append([one[:3] for one in four if one[3] < 0 or len(first) <= one[3] < len(prompt)])
        return found

    def _tokens(self, body: Any, count: int) -> list[list[float]]:
        """Hash, log-probability, that of the likeliest token, and place in the prompt: of each token that has one."""
        found = []
        try:
            choices = sorted(body["choices"], key=lambda choice: choice.get("index", 0))
            for choice in choices:
                said = choice["logprobs"]
                top = said.get("top_logprobs") or [None] * len(said["tokens"])
                places = _places(said["tokens"], str(choice.get("text", "")))
                parts = zip(said["tokens"], said["token_logprobs"], top, places, strict=True)
                known = [one for one in parts if one[1] is not None]  # the first token has nothing before it
                row = [(_hash(token), lp, max([lp, *(best or {}).values()]), at) for token, lp, best, at in known]
                found.append([float(number) for one in row for number in one])
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            found, why = [], f" ({problem!r:.80})"
        else:
            why = ""
        if len(found) != count:
            raise InputError(
                f"`{self.service.shown}` must echo each of {count} prompts with the log-probabilities of its tokens "
                f"(`echo` and `logprobs` of the completions API), found {brief(body)}{why}. Not every server does."
            )
        return found


def _hash(token: Any) -> int:
    return zlib.crc32(str(token).encode())


def _places(tokens: Sequence[str], echoed: str) -> list[int]:
    """Where each token begins in the prompt, those before its first letter at 0; -1 where they do not spell it.

    Not the server's own offsets: some count the token that begins a text, and letters of several tokens twice.
    """
    for special in range(min(3, len(tokens))):
        own = list(accumulate((len(token) for token in tokens[special:]), initial=0))[:-1]
        if "".join(tokens[special:]) == echoed:
            return [0] * special + own
    return [-1] * len(tokens)
