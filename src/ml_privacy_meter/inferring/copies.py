"""Can the model itself be copied? The extraction game, played on a model and measured against queries."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter import extraction, targets
from ml_privacy_meter._checks import InputError, in_range, one_of
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.extraction import Answers, Attack, Door, ExtractionGame, Held, Points, Stolen, View
from ml_privacy_meter.games import Game
from ml_privacy_meter.inferring.copied import Learned, Played, told_of
from ml_privacy_meter.inferring.copies_words import NOISE, RECORDS, Terms
from ml_privacy_meter.inferring.served import Ask, Form, asking, form_of, is_tree, weights_of
from ml_privacy_meter.records import as_records
from ml_privacy_meter.targets.completions import Completions
from ml_privacy_meter.types import Records

ATTACKS = ("solve_linear", "trace_tree", "random_records", "margin", "k_center", "uniform")
ANSWERS = ("probabilities", "labels")
LEARNERS = ("network", "linear", "tree")
MOST_HELD, MOST_POOL = 2_000, 10_000
LEAST = 20
FEW = 64  # records that show what the model tells
APART = 2_654_435_769  # from the seed of an attack; torch reads 32 bits of one
CLOSE = 0.1  # standard deviations that quantities may lie apart and count as equal


def extract_model(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    attacks: Sequence[Attack | str] | None = None,
    budgets: Sequence[int] = (50, 100, 200, 700),
    answers: str = "probabilities",
    decimals: int | None = None,
    pool: Any = None,
    learner: str = "network",
    held_out: float = 0.5,
    noise: int = 1_000,
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> Game:
    """How well the model can be copied by whoever may ask it so many times, beside what as many true labels teach.

    A copy is judged by how often it answers as the model does, on non-members that are held out and on points drawn
    evenly between the bounds of the pool's features. What stands for an adversary without the model is the best of
    models trained on as many true labels of non-members, and of one answer for all.

    Args:
        members: only to see, with the non-members, what the model takes and answers.
        attacks: functions of an `extraction.View`, or names of those of that room; None: those that fit the model.
        budgets: how many queries an attack may ask, rising; it is played anew with each.
        answers: "probabilities" (or quantities), or "labels": what the model tells outsiders.
        decimals: after the point, that what it tells is rounded to; None: it is not.
        pool: public records that the adversary has, as `as_records` takes them, of any distribution; their labels are
            not used. None: the non-members that are not held out. Of more than 10,000, so many are drawn.
        learner: what is fitted to answers: "network" (one hidden layer of 64), "linear" or "tree".
        held_out: share of non-members that copies are judged on; at most 2,000 of them.
        noise: how many evenly drawn points they are judged on.

    Raises:
        InputError: a setting cannot be used, or the model does not answer numbers with one class or with quantities.
    """
    _check(budgets, answers, decimals, held_out, noise, confidence, seed)
    one_of(learner, LEARNERS, "learner")
    public = None if pool is None else as_records(pool, name="pool")
    target, raw, form, outside = _opened(model, members, non_members, public)
    terms = Terms(tuple(budgets), answers, decimals, learner, confidence, seed)
    game, labelled = _game(asking(target, form, device), target, form, outside, public, terms, held_out, noise)
    view = game.view
    named = _fitting(game, target) if attacks is None else [_named(attack) for attack in attacks]
    plays = [(attack, most) for attack in named for most in budgets]
    bar = tqdm(plays, desc="Copying the model", unit="copy", delay=2, leave=False, disable=None)
    made = [_play(game, attack, most) for attack, most in bar]
    played = [Played(named[i], tuple(made[i * len(budgets) :][: len(budgets)])) for i in range(len(named))]
    weights = weights_of(raw, asking(raw, form, device), view.pool[:64], classes=bool(view.classes))
    return told_of(game, played, _learned(game, labelled, terms), weights, terms)


def _check(
    budgets: Sequence[int],
    answers: str,
    decimals: int | None,
    held_out: float,
    noise: int,
    confidence: float,
    seed: int,
) -> None:
    whole(0, seed=seed, **({} if decimals is None else {"decimals": decimals}))
    whole(1, noise=noise, **{f"budgets[{place}]": most for place, most in enumerate(budgets)})
    in_range(0, 1, held_out=held_out, confidence=confidence)
    one_of(answers, ANSWERS, "kind of answers")
    if not budgets or sorted(set(budgets)) != [*budgets]:
        raise InputError(f"`budgets` must be one or more numbers of queries, rising, found {[*budgets]}.")


def _opened(
    model: Any, members: Any, non_members: Any, public: Records | None
) -> tuple[targets.Target, targets.Target, Form, Records]:
    """The model as it answers, and as it is before anything changes its answers; the form of records, non-members."""
    given = model if isinstance(model, targets.Opened) else targets.open_model(model)
    if given.inner is targets.as_saved or isinstance(given.inner, targets.LanguageModel | Completions):
        raise InputError(
            "A model is copied by asking it about new points of numbers, found saved outputs or a language model. Give "
            "a model that takes numbers."
        )
    sides = [as_records(side, name=name) for side, name in ((members, "members"), (non_members, "non-members"))]
    target, inside, outside = targets.fit(given, *sides)
    raw = target if given.after is None else targets.fit(replace(given, after=None), *sides)[0]
    if outside.labels.dtype == torch.bool:
        raise InputError(
            "A copy is made of a model that gives one class, or quantities; this one gives several labels."
        )
    if len(outside) < LEAST:
        raise InputError(f"Copies are judged on some non-members: give at least {LEAST}, found {len(outside)}.")
    return target, raw, form_of(inside.x, outside.x, *([] if public is None else [public.x])), outside


def _game(
    ask: Ask,
    target: targets.Target,
    form: Form,
    outside: Records,
    given: Records | None,
    terms: Terms,
    held_out: float,
    noise: int,
) -> tuple[ExtractionGame, tuple[Points, Answers]]:
    """The game, and what an adversary without the model learns from: records with their true labels."""
    order = np.random.default_rng(terms.seed).permutation(len(outside))
    count = min(MOST_HELD, max(1, round(held_out * len(outside))))
    most = max(MOST_POOL, terms.budgets[-1])
    held, rest = (outside.take(rows) for rows in (order[:count], order[count:][:most]))
    classes = target.columns if outside.labels.dtype == torch.int64 else 0
    judged, (points, truth) = _pair(form, held, classes), _pair(form, rest, classes)
    new = _unlike(points, judged[0])
    points, truth = points[new], truth[new]
    public = points
    if given is not None:
        rows = np.random.default_rng(terms.seed).permutation(len(given))[:most]
        public = form.points(given.take(np.sort(rows)).x, "pool")
        public = public[_unlike(public, judged[0])]
    if not len(points) or not len(public):
        raise InputError(
            "The pool, and the non-members that are not held out, must hold records unlike those that are; found none. "
            "Give more, or a smaller `held_out`."
        )

    def said(asked: Points) -> Answers:
        return ask(asked).softmax(1) if classes else ask(asked)

    serve = partial(_served, said, labels=terms.answers == "labels" and classes > 0, decimals=terms.decimals)
    learn = partial(getattr(extraction, terms.learner), classes=classes > 0)
    soft = terms.answers != "labels" or not classes
    low, high = public.amin(0), public.amax(0)
    told = (form.whole, classes, soft, terms.decimals, learn, terms.seed, form.choices)
    view = View(Door(serve, 0), public, low, high, *told)
    drawn = replace(view, seed=(terms.seed + APART) % 2**32).uniform(noise)  # others than an attack draws
    sets = {RECORDS: Held(judged[0], said(judged[0]), judged[1]), NOISE: Held(drawn, said(drawn))}
    close = 0.0 if classes else CLOSE * float(truth.std(0, correction=0).mean())
    return ExtractionGame(serve, view, sets, close), (points, truth)


def _pair(form: Form, records: Records, classes: int) -> tuple[Points, Answers]:
    """Records as rows of numbers, and what is true of them."""
    points, labels = form.points(records.x, "non-members"), records.labels
    truth = F.one_hot(labels, classes) if classes else labels.reshape(len(labels), -1)
    return points, truth.double()


def _served(said: Ask, points: Points, *, labels: bool, decimals: int | None) -> Answers:
    """What outsiders are told."""
    answers = said(points)
    if labels:
        answers = F.one_hot(answers.argmax(1), answers.shape[1]).double()
    return answers if decimals is None else answers.round(decimals=decimals)


def _unlike(points: Points, others: Float[Tensor, "others features"]) -> Bool[Tensor, " points"]:
    """Which points equal none of the others."""
    known = {row.numpy().tobytes() for row in others}
    return torch.tensor([row.numpy().tobytes() not in known for row in points], dtype=torch.bool)


def _named(attack: Attack | str) -> Attack:
    found: Attack = getattr(extraction, one_of(attack, ATTACKS, "attack")) if isinstance(attack, str) else attack
    return found


def _fitting(game: ExtractionGame, target: targets.Target) -> list[Attack]:
    """The attacks that fit what the model is and tells."""
    view = game.view
    unsure = not view.classes or bool((game.serve(view.pool[:FEW]).amax(1) < 1).any())  # else there are no equations
    found: list[Attack] = [extraction.solve_linear] if view.soft and unsure else []
    found += [extraction.trace_tree] if is_tree(target) else []
    found += [extraction.random_records]
    found += [partial(extraction.random_records, soft=False)] if view.soft and view.classes else []
    found += [extraction.margin] if view.classes else []
    return [*found, extraction.k_center, extraction.uniform]


def _play(game: ExtractionGame, attack: Attack, most: int) -> Stolen | str:
    """What came back; or why nothing did."""
    try:
        return game.play(attack, most)
    except InputError as error:
        return str(error)
    except Exception as error:  # a stranger's attack must not cost the others
        return f"{type(error).__name__}: {error}"


def _learned(game: ExtractionGame, labelled: tuple[Points, Answers], terms: Terms) -> list[Learned]:
    """What is reached without the model, from as many true labels as there are queries, and by one answer for all."""
    rng = torch.Generator().manual_seed(terms.seed)
    order = torch.randperm(len(labelled[0]), generator=rng)  # those that an attack without choice asks about, too
    points, truth = (part[order] for part in labelled)
    found = []
    for name in LEARNERS:
        learn = partial(getattr(extraction, name), classes=bool(game.view.classes))
        copies = [learn(points[:most], truth[:most], terms.seed) for most in terms.budgets]
        found.append(Learned(name, tuple(game.judge(copy) for copy in copies), tuple(copies)))
    return found
