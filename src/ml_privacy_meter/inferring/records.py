"""What did one training record look like? Played against an adversary who knows all the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ml_privacy_meter import reconstruction
from ml_privacy_meter._checks import InputError, in_range, why
from ml_privacy_meter._numbers import whole
from ml_privacy_meter.findings import Check, Risk
from ml_privacy_meter.games import Curve, Game, Line, Tried
from ml_privacy_meter.inferring.informed import Attackable, Games, Sets, Sides, as_it_is, sets, trained_like_it
from ml_privacy_meter.inferring.reconstructed import named
from ml_privacy_meter.membership.describe import told
from ml_privacy_meter.reconstruction import InformedAttack
from ml_privacy_meter.risk.likeness import Origin, median, share_above
from ml_privacy_meter.risk.rates import excess_of_members, success

CLEAR = 30.0  # dB: as of a picture that hardly differs to the eye
EQUAL = 119.9  # dB: as of a guess that equals the record
KNOWN = ("closed_form", "likeliest", "learned", "refitted")


@dataclass(frozen=True)
class _Told:
    """How like guesses were to records that were trained on, and to others.

    Args:
        psnr, right: of each guess; whether its label was right.
        nearest, mean: of guesses without the model.
        member: whether the record was trained on.
    """

    psnr: Tensor
    right: Tensor
    nearest: Tensor
    mean: Tensor
    member: Tensor


def reconstruct_records(
    model: Any,
    members: Any,
    non_members: Any,
    *,
    public: Any = None,
    attacks: Sequence[InformedAttack | str] | None = None,
    secrets: int = 20,
    l2: float | None = None,
    penalised: bool = False,
    train: Mapping[str, str | int | float] | None = None,
    shadows: int = 500,
    known_start: bool = True,
    span: Sequence[float] | None = None,
    noise: Sequence[float] = (1e-4, 1e-3, 1e-2),
    confidence: float = 0.95,
    seed: int = 0,
    device: str = "auto",
) -> Game:
    """How well somebody who knows all training records but one can say what the one looks like, by the weights.

    Args:
        public: records of the same kind that the model was not trained on; None: half of the non-members.
        attacks: functions of a `reconstruction.InformedView`, or their names; None: `closed_form`, and of
            classes `likeliest`, on linear models, `learned` on networks, `refitted` on other estimators.
        secrets: how many members are asked about, by turns, and how many non-members.
        l2: of a linear model: its training made the sum of losses least, plus half of this times the squared weights;
            None: as an estimator's own settings say. A network that was trained on the mean loss with weight decay has
            its weight decay times the number of records, ``penalised``.
        penalised: the intercepts were penalised, too.
        train: how networks like the model are trained: settings of a `Recipe`. Such are attacked then.
        shadows: how many networks the adversary trains on public records, of which it learns.
        known_start: the adversary knows the initial weights of such networks, and the order of their records.
        span: the least and the largest value that a feature can hold; None: as known records have it, tables by column.
        noise: standard deviations of noise on the weights, for the chart.

    Raises:
        InputError: the model gives no hold, or something given cannot be used.
    """
    whole(2, secrets=secrets)
    whole(10, shadows=shadows)
    in_range(0, 1, confidence=confidence)
    if any(not scale > 0 for scale in noise) or [*noise] != sorted({*noise}):
        raise InputError(f"`noise` must be positive numbers that rise, found {[*noise]}.")
    own = sets(model, members, non_members, public, secrets=secrets, span=span, rng=np.random.default_rng(seed))
    if train is None:
        attacked = as_it_is(own, l2=l2, penalised=penalised, seed=seed)
    else:
        attacked = trained_like_it(own, train=train, shadows=shadows, known_start=known_start, seed=seed, device=device)
    played = named(attacks or _fitting(attacked, own), reconstruction, KNOWN)
    sides = attacked.games(0.0)
    tried = tuple(_tried(attack, sides, own, confidence, len(played)) for attack in played)
    shown = [attack for attack, one in zip(played, tried, strict=True) if not one.failed]
    curve = _curve(shown, tried, attacked, own, noise, confidence)
    return _game(own, attacked, sides, tried, curve, {"secrets": len(own.asked), "l2": l2, "seed": seed}, confidence)


def _fitting(attacked: Attackable, own: Sets) -> tuple[str, ...]:
    if attacked.linear:
        return ("closed_form", "likeliest") if own.members.y.dtype == torch.int64 else ("closed_form",)
    return ("learned",) if attacked.shadows else ("refitted",)


def _tried(attack: InformedAttack, sides: Sides, own: Sets, confidence: float, k: int) -> Tried:
    """One attack's figures; where it does not run to its end, why."""
    words = told(attack)
    try:
        found = _played(attack, sides, own)
    except Exception as problem:  # a stranger's attack must not cost the others
        return Tried(*words, failed=why(problem))
    closer, without = found.psnr > found.nearest, found.mean > found.nearest
    settings = {"name": "excess of members closer than any record held"}
    excess = excess_of_members(closer, without, found.member, confidence=confidence, **settings)
    if k > 1:
        wide = excess_of_members(closer, without, found.member, confidence=1 - (1 - confidence) / k, **settings)
        excess = replace(excess, surely=wide.low)
    return Tried(*words, risks=_figures(found, own, confidence), excess=excess)


def _played(attack: InformedAttack, sides: Sides, own: Sets, *, controls: bool = True) -> _Told:
    games, total = chain(*sides) if controls else iter(sides[0]), len(sides[0]) + len(sides[1]) * controls
    truth = torch.cat([own.members.y[own.asked], own.controls.y])
    bar = tqdm(games, total=total, desc="Reconstructing records", delay=2, leave=False, disable=None)
    found, beside = zip(*((game.play(attack), (game.nearest(), game.mean())) for game in bar), strict=True)
    labels = torch.cat([one.labels for one in found])
    truth = truth[: len(labels)]
    spread = 1e-3 * own.members.y.double().std()
    right = (labels - truth).abs() <= spread if truth.is_floating_point() else labels == truth
    nearest, mean = (torch.cat(part) for part in zip(*beside, strict=True))
    member = torch.arange(len(labels)) < len(own.asked)
    return _Told(torch.cat([one.psnr for one in found]), right, nearest, mean, member)


def _figures(found: _Told, own: Sets, confidence: float) -> tuple[Risk, ...]:
    risks = []
    for side, words in ((found.member, "members"), (~found.member, "non-members")):
        psnr, nearest = found.psnr[side].numpy(), found.nearest[side].numpy()
        origin = Origin(np.arange(len(psnr)), np.arange(len(psnr)))
        risks += [
            median(f"median PSNR, {words} (dB)", psnr, nearest, origin, confidence=confidence),
            share_above(f"above 30 dB, {words}", psnr, nearest, origin, least=CLEAR, confidence=confidence),
        ]
    hits, blind = (found.psnr > found.nearest)[found.member], (found.mean > found.nearest)[found.member]
    y = own.members.y
    common = 0.0 if y.is_floating_point() else float((y[own.asked] == y.mode().values).double().mean())
    settings: Any = {"confidence": confidence}
    risks += [
        success(hits, baseline=float(blind.double().mean()), name="closer than any record held, members", **settings),
        success(found.right[found.member], baseline=common, name="label right, members", **settings),
    ]
    return tuple(risks)


def _baselines(sides: Sides, confidence: float) -> tuple[Tried, ...]:
    """What is reached without the model."""
    made = []
    kinds = (
        ("nearest record held", "The likest of all known and public records, chosen with the secret record at hand."),
        ("mean record", "The mean of the known records."),
    )
    for place, (name, says) in enumerate(kinds):
        risks = []
        for games, words in zip(sides, ("members", "non-members"), strict=True):
            value = torch.cat([(game.nearest, game.mean)[place]() for game in games]).numpy()
            origin = Origin(np.arange(len(value)), np.arange(len(value)))
            risks.append(median(f"median PSNR, {words} (dB)", value, value, origin, confidence=confidence))
        made.append(Tried(name, says, "all training records but one, and public records", tuple(risks)))
    return tuple(made)


def _curve(
    attacks: list[InformedAttack],
    tried: tuple[Tried, ...],
    attacked: Attackable,
    own: Sets,
    noise: Sequence[float],
    confidence: float,
) -> tuple[Curve, ...]:
    """How the likeness falls with noise on the weights."""
    if not attacks or not noise:
        return ()
    points: dict[str, list[tuple[float, Risk]]] = {told(attack)[0]: [] for attack in attacks}
    origin = Origin(np.arange(len(own.asked)), np.arange(len(own.asked)))
    for scale in noise:
        sides = attacked.games(scale)
        for attack in attacks:
            found = _played(attack, sides, own, controls=False)
            pair = (found.psnr.numpy(), found.nearest.numpy(), origin)
            points[told(attack)[0]].append((scale, median("median PSNR (dB)", *pair, confidence=confidence)))
    lines = tuple(Line(name, tuple(held)) for name, held in points.items())
    title = "How like reconstructed members are, by noise added to the weights"
    return (Curve(title, "standard deviation of the noise on each weight", "median PSNR, dB", lines, log=True),)


def _game(
    own: Sets,
    attacked: Attackable,
    sides: Sides,
    tried: tuple[Tried, ...],
    curves: tuple[Curve, ...],
    how: Mapping[str, Any],
    confidence: float,
) -> Game:
    baselines = _baselines(sides, confidence)
    nearest, mean = (one.risks[0].value or 0.0 for one in baselines)
    return Game(
        "reconstruction",
        "What did one training record look like, to somebody who knows all the others?",
        "The weights of the model, every training record but one, how the model was trained and regularised, and other "
        "records of the same kind. Hardly anybody knows so much; what this adversary cannot read, weaker ones cannot.",
        "The likest record that the adversary holds, chosen with the secret one at hand, has a "
        f"median PSNR of {nearest:.1f} dB; the mean of the known records has {mean:.1f} dB.",
        baselines,
        tried,
        _verdict(tried, own_weights=not attacked.shadows),
        secret="a training record",
        curves=curves,
        checks=(*attacked.checks, _unlike(sides[0])),
        notes=(
            attacked.says,
            f"{len(own.asked)} members were asked about by turns, and {len(own.controls)} records that the model was "
            "not trained on: of each of these the adversary is told that it was, beside all members that it knows.",
            "PSNR is in dB, at most 120, where a guess equals the record in float32; the peak is the width of each "
            "feature's range"
            + (", as given." if own.range.exact else ", as known and public records have it.")
            + " From 30 dB on a guess hardly differs to the eye.",
        ),
        how={**how, "members": len(own.members), "public": len(own.public), "shadows": attacked.shadows},
    )


def _unlike(members: Games) -> Check:
    """Whether the adversary holds no record that equals one that it is asked about."""
    near = torch.cat([game.nearest() for game in members])
    held, asked = int((near >= EQUAL).sum()), len(near)
    says = f"Of {asked} members that are asked about, {held} equal a record that the adversary knows or holds."
    if held:
        says += " No attack comes closer to these, which hides leaks. Leave out twins, and public members."
    return Check("Are the records that are asked about unlike those held?", not held, says)


def _verdict(tried: tuple[Tried, ...], *, own_weights: bool) -> str:
    judged = [one for one in tried if one.excess is not None]
    if not judged:
        return "No attack ran to its end: nothing can be said."
    leaks = [one for one in judged if one.shows]
    best = max(leaks or judged, key=lambda one: one.risks[0].value or 0.0)
    psnr, control = (best.risks[place].value for place in (0, 2))
    says = (
        f"`{best.attack}` reconstructs members with a median PSNR of {psnr:.1f} dB, and records that were not trained "
        f"on with {control:.1f} dB."
    )
    if leaks:
        whose = "The weights give" if own_weights else "The weights of networks that were trained like the model give"
        return (
            f"{whose} away training records to somebody who knows the others. {says} Noise on the weights, or training "
            "with differential privacy, is what helps."
        )
    if (psnr or 0.0) > max(CLEAR, best.risks[0].baseline + 10, (control or 0.0) + 10):
        return (
            f"{says} So few records leave room for luck in the interval, yet nobody comes so near by luck: take it for "
            "a leak, and ask about more."
        )
    return (
        f"No leak was shown. {says} That is not surely closer than what is held without the model, for more members "
        "than non-members; another attack, or more knowledge of how the model was trained, may reach more."
    )
