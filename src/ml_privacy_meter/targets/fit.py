"""Sets an opened model beside the records: how it is fed, how its outputs are read, what its labels mean."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.targets.completions import Completions
from ml_privacy_meter.targets.key import digest
from ml_privacy_meter.targets.labels import fit_labels
from ml_privacy_meter.targets.language import LanguageModel
from ml_privacy_meter.targets.onnx import Onnx
from ml_privacy_meter.targets.reading import passed_through, reading_of, tensor_of
from ml_privacy_meter.targets.target import Feed, Opened, Target, as_it_answers
from ml_privacy_meter.targets.texts import fit_texts
from ml_privacy_meter.targets.url import Endpoint
from ml_privacy_meter.types import Batch, Records

_PROBED = 32
_READ = 1024


@dataclass(frozen=True)
class _Probe:
    """What the model gave for some records of both sets."""

    feed: Feed
    outputs: Tensor
    deterministic: bool | None


def fit(opened: Opened, members: Records, non_members: Records) -> tuple[Target, Records, Records]:
    """The target model, and the records with labels whose kind says the task.

    The model answers 32 records of each set, spread over it, in evaluation mode, without gradients; nothing of it
    changes.

    Raises:
        InputError: the model refuses the records, its outputs cannot be read, or a label fits none of them.
    """
    if isinstance(opened.inner, LanguageModel | Completions):
        return fit_texts(opened, members, non_members)
    for records, name in ((members, "members"), (non_members, "non-members")):
        if len(records) == 0:
            raise InputError(f"The set of {name} is empty.")
    if not (members.labelled and non_members.labelled):
        raise InputError(
            "Records must have labels for this model: no column of theirs is called y, label or target. Name it with "
            "`label`. (Texts alone are for language models.)"
        )
    if isinstance(opened.inner, Endpoint):  # better now than when the budget is spent
        opened.inner.check_budget(map(Feed(opened), _batches(members, non_members)))
    probe = _probe(opened, members, non_members)
    task = "regression" if opened.gives == "values" else opened.task
    classes = opened.classes or (opened.inner.classes if isinstance(opened.inner, Onnx) else None)
    columns = int(probe.outputs[0].numel())
    members, non_members, task, names = fit_labels(members, non_members, columns=columns, task=task, classes=classes)
    if task == "regression" and opened.task == "auto" and opened.gives in ("logits", "probabilities"):
        raise InputError(
            f"A model that gives {opened.gives} needs labels that are classes, found quantities such as "
            f"{members.labels[0].tolist()}. Give the class of each record."
        )
    shape = tuple(members.labels.shape[1:])
    reading = reading_of(probe.outputs, task=task, gives=opened.gives, shape=shape)
    if opened.after is not None:
        if members.labels.dtype != torch.int64:
            raise InputError(
                f"Answers can pass through {opened.after_says} where each record has one class, found {task}. "
                "Leave it out."
            )
        reading = passed_through(reading, opened.after, opened.after_says)
    says = f"{_what(opened)}; outputs read as {reading.says}{_casts(probe.feed, members.x[0:1])}"
    if probe.deterministic is False:
        says += "; two calls with the same records gave different answers"
    parts = ((opened.before, opened.before_key), (opened.after, opened.after_key))
    known = opened.key and probe.deterministic is not False and all(part is None or has for part, has in parts)
    own = (opened.key, opened.before_key, opened.after_key, str(probe.feed.integers), reading.says, str(shape))
    key = digest(*own) if known else ""
    target = Target(probe.feed, reading, key=key, says=says, classes=names, deterministic=probe.deterministic)
    return target, members, non_members


def _batches(*sets: Records) -> Iterator[Batch]:
    for records in sets:
        for start in range(0, len(records), _READ):
            yield records.x[start : start + _READ]


def _probe(opened: Opened, members: Records, non_members: Records) -> _Probe:
    places = [np.unique(np.linspace(0, len(side) - 1, _PROBED, dtype=int)) for side in (members, non_members)]
    batches = [side.x[rows] for side, rows in zip((members, non_members), places, strict=True)]
    with as_it_answers(opened.inner):
        feed = _accepted(opened, batches[0])
        try:
            outputs = [_ask(feed, batch) for batch in batches]
            again = None if opened.cached else _ask(feed, batches[0])
        except InputError:
            raise
        except Exception as error:
            raise _refusal(opened, batches[1], [error]) from error
    for records, rows, found in zip((members, non_members), places, outputs, strict=True):
        wrong = (~found.isfinite()).reshape(len(found), -1).any(dim=1).nonzero()
        if len(wrong):
            row = int(wrong[0])
            raise InputError(
                f"The model's outputs must be finite, found {found[row].tolist()} for the record "
                f"{records.id[rows[row]]!s}. Look at this record, and at the preprocessing that the model "
                "expects."
            )
    if outputs[0].shape[1:] != outputs[1].shape[1:]:
        raise InputError(
            "The model must give every record as many numbers, found outputs of the shapes "
            f"{tuple(outputs[0].shape[1:])} for members and {tuple(outputs[1].shape[1:])} for non-members."
        )
    same = None if again is None else torch.allclose(outputs[0].double(), again.double(), rtol=1e-5, atol=1e-6)
    return _Probe(feed, torch.cat(outputs), same)


def _accepted(opened: Opened, batch: Batch) -> Feed:
    """The first way of feeding that the model takes: as the records come; integers as int64, or as floats."""
    feeds = [Feed(opened)]
    handed = feeds[0](batch)
    if opened.tensors and isinstance(handed, Tensor) and not handed.is_floating_point():
        floats = opened.dtype or torch.float32
        feeds += [Feed(opened, integers=dtype) for dtype in (torch.int64, floats) if dtype != handed.dtype]
    errors = []
    for feed in feeds:
        try:
            _ask(feed, batch)
        except InputError:
            raise
        except Exception as error:
            errors.append(error)
        else:
            return feed
    raise _refusal(opened, handed, errors) from errors[-1]


def _ask(feed: Feed, batch: Batch) -> Tensor:
    return tensor_of(feed.opened.inner(feed(batch)), len(batch))


def _refusal(opened: Opened, batch: Batch, errors: list[Exception]) -> InputError:
    takes = f"It takes {opened.takes}. " if opened.takes else ""
    kind = f" of {str(batch.dtype).removeprefix('torch.')}" if isinstance(batch, Tensor) else ""
    # the first error is about the records as they came, the last about what they were cast to
    words = dict.fromkeys(_line(error) for error in (errors[0], errors[-1]))
    return InputError(
        f"The model refuses the records. A batch{kind} had the shape {tuple(batch.shape)}. {takes}Its own "
        f"words: {' / '.join(words)}. Reshape the records, or name a function that does as `preprocess`."
    )


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # TorchScript says last what went wrong, and first where
    line = next((line for line in reversed(lines) if line.startswith("RuntimeError:")), lines[0] if lines else "")
    return f"{type(error).__name__}: {line}"[:300].rstrip(".")


def _what(opened: Opened) -> str:
    if not isinstance(opened.inner, nn.Module):
        return opened.kind
    weights = sum(weight.numel() for weight in opened.inner.parameters() if weight.is_floating_point())
    return f"{opened.kind} with {weights:,} parameters"


def _casts(feed: Feed, batch: Batch) -> str:
    if not feed.opened.tensors:
        return ""
    before = Feed(Opened(feed.opened.inner, "", before=feed.opened.before))(batch)
    after = feed(batch)
    if not isinstance(before, Tensor) or not isinstance(after, Tensor) or before.dtype == after.dtype:
        return ""
    return f"; records cast from {before.dtype} to {after.dtype}".replace("torch.", "")
