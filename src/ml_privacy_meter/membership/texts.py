"""Was a text in the training set? What a language model says of it, set beside what it says of something else."""

import math
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter.membership.marks import in_folds, needs_population
from ml_privacy_meter.membership.view import View
from ml_privacy_meter.signals.altered import after, compressed, lowercased, neighbour
from ml_privacy_meter.signals.texts import mean_log_probability, text_log_probability

PerText = Float[Tensor, " texts"]
_STEP = 4_096
SMALLEST = 1e-9  # nats: what a loss is divided by at least


def zlib_ratio(view: View) -> PerText:
    """Log-probability of the whole text over its length after zlib, in nats a byte.

    Sees: the target model's log-probability of each token of a text, and the text.

    Source: Carlini et al., Extracting Training Data from Large Language Models, USENIX Security 2021, section 6.
    Departure: they divide the mean over tokens, which makes a longer text look like a member.
    """
    texts, size = view.records.x, len(view.records)
    bytes_ = torch.cat([compressed(texts[slice(at, min(at + _STEP, size))]) for at in range(0, size, _STEP)])
    return view.of_target(text_log_probability) / bytes_


def lowercase(view: View) -> PerText:
    """Loss of the text in lower case over its loss as it stands.

    Sees: the target model's log-probability of each token of a text, and of the text in lower case.

    Source: Carlini et al., Extracting Training Data from Large Language Models, USENIX Security 2021, section 6.
    """
    return -view.of_target(lowercased) / _loss(view)


def base_difference(view: View) -> PerText:
    """Loss under the model that the target was tuned from, less the loss under the target, in nats a token.

    Sees: the target model's log-probability of each token of a text, and those of the model that it was tuned from.

    Source: Carlini et al., Extracting Training Data from Large Language Models, USENIX Security 2021, section 6;
    Mireshghallah et al., Quantifying Privacy Risks of Masked Language Models Using Membership Inference Attacks, EMNLP
    2022.
    """
    return of_base(view) - _loss(view)


def base_ratio(view: View) -> PerText:
    """Loss under the model that the target was tuned from, over the loss under the target.

    Sees: the target model's log-probability of each token of a text, and those of the model that it was tuned from.

    Source: Carlini et al., Extracting Training Data from Large Language Models, USENIX Security 2021, section 6.
    """
    return of_base(view) / _loss(view)


def neighbourhood(view: View, *, neighbours: int = 5, share: float = 0.15) -> PerText:
    """Log-probability of the text less its mean over near copies of it, in nats a token.

    Sees: the target model's log-probability of each token of a text, and of texts that differ from it in some words.

    Source: Mattern et al., Membership Inference Attacks against Language Models via Neighbourhood Comparison, ACL
    Findings 2023. Departure: words are left out or swapped, where the paper has a masked language model replace them.

    Args:
        neighbours: how many near copies.
        share: of words that differ.
    """
    in_range(0, math.inf, neighbours=neighbours)
    in_range(0, 1, share=share)
    beside = [view.of_target(partial(neighbour, number=number, share=share)) for number in range(neighbours)]
    return -_loss(view) - torch.stack(beside).mean(0)


@needs_population
@in_folds(2)
def recall(view: View, *, shots: int = 5) -> PerText:
    """Log-probability of the text after texts that the target was not trained on, over its log-probability alone.

    Sees: the target model's log-probability of each token of a text, and records of the same source that it was not
    trained on, which it reads before the text.

    Source: Xie et al., ReCaLL: Membership Inference via Relative Conditional Log-Likelihoods, EMNLP 2024.

    Args:
        shots: how many such texts are read before it.
    """
    in_range(0, math.inf, shots=shots)
    if view.population is None:
        raise InputError("`recall` needs texts that the target was not trained on, found none. Give a population.")
    prefix = "\n\n".join(view.population.x[slice(0, shots)]["text"]) + "\n\n"
    return -view.of_target(partial(after, prefix=prefix)) / _loss(view)


def of_base(view: View) -> PerText:
    """Loss under the model that the target was tuned from, in nats a token of the target's, whatever its own are."""
    if view.base is None:
        raise InputError("This attack needs the model that the target was tuned from. Name it as `base`.")
    tokens = (view.records.labels >= 0).sum(1)
    return -view.reader.signal(text_log_probability, view.base, view.records) / tokens


def _loss(view: View) -> PerText:
    """Under the target, in nats a token; never quite 0."""
    return -view.of_target(mean_log_probability).clamp(max=-SMALLEST)
