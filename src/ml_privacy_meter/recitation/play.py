"""Asks a language model to recite what it was trained on, and what it was not."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from ml_privacy_meter._checks import InputError, in_range
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.recitation import personal
from ml_privacy_meter.recitation.compared import compared
from ml_privacy_meter.recitation.copies import copies
from ml_privacy_meter.recitation.discoverable import ask, curve_of, recited_of, trials_of
from ml_privacy_meter.recitation.index import index_of
from ml_privacy_meter.recitation.passages import Passage, Texts, as_texts, passages
from ml_privacy_meter.recitation.result import Recitation
from ml_privacy_meter.targets import Decoder, LanguageModel, open_model


def recite(
    model: Any,
    texts: Any,
    *,
    held_out: Any = None,
    base: Any = None,
    prompt: int = 50,
    suffix: int = 50,
    decoder: Decoder | None = None,
    tries: Sequence[int] = (1, 100, 10_000),
    probability: float = 0.5,
    samples: int = 0,
    sample_length: int = 64,
    span: int = 20,
    find: personal.Finder | None = personal.patterns,
    confidence: float = 0.95,
    seed: int = 0,
) -> Recitation:
    """What a language model recites of its training texts, beside texts and a model of which it needs no memory.

    Greedy and (n, p)-discoverable extraction of each text's beginning and of the personal data in it, from one pass
    over the texts; and, where ``samples`` asks for them, spans of texts that the model makes up without a prompt.

    Source: Carlini et al., Quantifying Memorization Across Neural Language Models, ICLR 2023; Hayes et al., Measuring
    Memorization in Language Models via Probabilistic Extraction, NAACL 2025; Carlini et al., Extracting Training Data
    from Large Language Models, USENIX Security 2021; Lukas et al., Analyzing Leakage of Personally Identifiable
    Information in Language Models, IEEE S&P 2023.

    Args:
        model: a `LanguageModel`, or the folder of one.
        texts: that it was trained on: a list, a DataFrame with a column `text`, or a file of such.
        held_out: texts of the same kind that it was not trained on.
        base: a model with the same tokens that was not trained on ``texts``, as the one that was tuned.
        prompt, suffix: how many tokens of each text are given, and how many are to follow. Of personal data: at most so
            many before it.
        decoder: how tokens are drawn where the model is used; None: with its probabilities as they are.
        tries, probability: a passage counts where so many draws give it with this probability.
        samples, sample_length: how many texts the model makes up, and of how many tokens.
        span: how many tokens must stand word for word in a training text.
        find: text -> personal data: `recitation.patterns`, what `recitation.presidio` gives, or None.

    Raises:
        InputError: there is neither ``held_out`` nor ``base``, or texts are too short.
    """
    _check(prompt, suffix, tries, probability, confidence, samples, span)
    if held_out is None and base is None:
        raise InputError(
            "What a model recites is held against texts that it was not trained on (`held_out`), or a model that was "
            "not trained on these (`base`); found neither. Give one, or better both."
        )
    decoder = decoder or Decoder()
    opened, other = as_language(model, "model"), None if base is None else as_language(base, "base")
    trained = as_texts(texts, opened, name="texts")
    held = None if held_out is None else as_texts(held_out, opened, name="held_out")
    _same_tokens(opened, other, trained)
    cut = _beginnings(trained, held, prompt, suffix)
    found = [ask(*cut, opened, other, decoder)]
    begun = {"given": "the beginning", "then": "goes on with the text word for word"}
    trials = trials_of(found[0], tries, probability, **begun)
    if find is not None:
        found.append(ask(*_personal(trained, held, opened, find, prompt), opened, other, decoder))
        held_back = {"given": "what stands before a piece of personal data", "then": "gives it"}
        trials += trials_of(found[1], [max(tries)], probability, what="personal data, ", **held_back)
    copied = copies(opened, other, trained, held, samples, sample_length, span, decoder, find, seed)
    figures = compared([*trials, *copied.trials], confidence=confidence)
    lines = [one for asked in found for one in recited_of(asked, trained, opened, max(tries), probability)]
    how = _how(opened, other, decoder, trained, held, cut) | {
        "prompt": prompt,
        "suffix": suffix,
        "probability": probability,
        "samples": samples,
        "sample_length": sample_length,
        "span": span,
        "confidence": confidence,
        "seed": seed,
    }
    recited = tuple(sorted(lines, key=lambda one: one.log10_tries))
    return Recitation(figures, curve_of(found[0], probability), recited, copied.spans, _notes(how), how)


def as_language(model: Any, name: str) -> LanguageModel:
    """The language model that somebody gave, or that lies in a folder.

    Raises:
        InputError: it is another kind of model.
    """
    if isinstance(model, LanguageModel):
        return model
    opened = open_model(Path(model) if isinstance(model, str) and Path(model).exists() else model).inner
    if not isinstance(opened, LanguageModel):
        raise InputError(
            f"`{name}` must be a language model: a folder that `save_pretrained` wrote, or a `LanguageModel`, found "
            f"{type(opened).__name__}."
        )
    return opened


def _check(
    prompt: int, suffix: int, tries: Sequence[int], probability: float, confidence: float, samples: int, span: int
) -> None:
    whole(0, prompt=prompt, samples=samples)
    whole(1, suffix=suffix, span=span)
    for count in tries:
        whole(1, tries=count)
    in_range(0, 1, probability=probability, confidence=confidence)
    if not tries:
        raise InputError("`tries` must name one number of draws or more, found none.")


def _same_tokens(model: LanguageModel, base: LanguageModel | None, texts: Texts) -> None:
    some = texts.text[:20]
    if base is not None and [list(ids) for ids in texts.tokens[:20]] != base.encode(some):
        raise InputError("`base` must cut texts into the same tokens as the model, and it does not. Give another.")


def _beginnings(trained: Texts, held: Texts | None, prompt: int, suffix: int) -> tuple[list[Passage], list[Passage]]:
    """Passages of the training texts; and of the others, those that stand in no training text."""
    own = passages(trained, prompt=prompt, suffix=suffix)
    if not own:
        middle = int(np.median([len(ids) for ids in trained.tokens]))
        raise InputError(
            f"A text must have {prompt} + {suffix} tokens to be recited, and none has; half have {middle} or less. Ask "
            "for a smaller `prompt` and `suffix`."
        )
    if held is None:
        return own, []
    index = index_of(trained.tokens, prompt + suffix)
    others = [
        one
        for one in passages(held, prompt=prompt, suffix=suffix)
        if not index.holds((*one.prompt, *one.suffix))  # a suffix alone may be what anybody would say
    ]
    if not others:
        raise InputError(
            f"A held-out text must have {prompt} + {suffix} tokens that stand in no training text, found none that "
            "has. Give texts of the same kind and length that the model was not trained on."
        )
    return own, others


def _personal(
    trained: Texts, held: Texts | None, model: LanguageModel, find: personal.Finder, most: int
) -> tuple[list[Passage], list[Passage]]:
    """Personal data in the training texts, and in the others; none that stand in both."""
    if held is None:
        return personal.pieces(trained, model, find, most=most), []
    both = personal.values(trained.text, find) & personal.values(held.text, find)
    one, other = (personal.pieces(side, model, find, most=most, without=both) for side in (trained, held))
    return one, other


def _how(
    model: LanguageModel,
    base: LanguageModel | None,
    decoder: Decoder,
    trained: Texts,
    held: Texts | None,
    cut: tuple[list[Passage], list[Passage]],
) -> dict[str, Any]:
    return {
        "model": model.kind,
        "base": None if base is None else base.kind,
        "texts": {"training": len(trained), "held_out": 0 if held is None else len(held)},
        "passages": {"training": len(cut[0]), "held_out": len(cut[1])},
        "decoder": asdict(decoder),
    }


def _notes(how: dict[str, Any]) -> tuple[str, ...]:
    counts, texts = how["passages"], how["texts"]
    notes = [
        f"{counts['training']:,} beginnings of {texts['training']:,} training texts: each once, of texts that have "
        f"{how['prompt']} + {how['suffix']} tokens."
    ]
    if texts["held_out"]:
        notes.append(
            f"{counts['held_out']:,} of {texts['held_out']:,} held-out texts: none whose beginning stands in a "
            "training text."
        )
    if how["base"] is None:
        notes.append("No base model was given: what everybody can know by heart counts as recited, too.")
    return tuple(notes)
