"""PATE: teachers with records of their own, noisy votes, and an epsilon for all that were asked for."""

import sys
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from ml_privacy_meter import InputError, Recipe, audit, membership, train_model, train_references
from ml_privacy_meter.defenses import _accounting, pate
from ml_privacy_meter.defenses.pate import _fit, _guarantee, _shards, votes


def records(seed: int, many: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(many, 6)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64) + (x[:, 1] > 0.5)


def recipe(**named) -> Recipe:
    wide = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
    return Recipe(**({"architecture": wide, "epochs": 30, "batch_size": 20, "lr": 0.01, "precision": "fp32"} | named))


def test_votes_are_counted_as_one_would_by_hand():
    answers = torch.randn(7, 5, 3, generator=torch.Generator().manual_seed(0))
    counted = torch.zeros(5, 3)
    for teacher in answers:
        for record, answer in enumerate(teacher.tolist()):
            counted[record, answer.index(max(answer))] += 1
    assert torch.equal(votes(answers), counted)


def test_each_record_is_with_one_teacher_whatever_other_records_there_are():
    mine = torch.rand(200, generator=torch.Generator().manual_seed(0)) < 0.5
    shards = _shards(mine, 5, torch.Generator().manual_seed(1))
    assert torch.equal(shards.sum(1), mine.long())
    fewer = mine.clone()
    fewer[mine.nonzero()[3]] = False
    moved = (_shards(fewer, 5, torch.Generator().manual_seed(1)) != shards).sum()
    assert moved == 1


def test_labels_of_public_records_change_with_the_noise_alone(monkeypatch):
    """The student sees the public records with the winners of the noisy vote, and nothing else."""
    seen = []

    def fitted(recipe, build, x, y, inside, seeds, **named):
        seen.append((x, y, inside))
        return [{"weight": torch.eye(3), "bias": torch.zeros(3)} for _ in seeds]

    monkeypatch.setattr(sys.modules[_fit.__module__], "fit_models", fitted)
    pair = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(400, dtype=torch.int64)
    x, y, inside = torch.randn(40, 3), torch.zeros(40, dtype=torch.int64), torch.ones(40, 1, dtype=torch.bool)
    given = partial(_fit, Recipe(), lambda seed: nn.Linear(3, 3), x, y, inside, [4], pair=pair, teachers=10)
    given(noise=1e-6)
    (_, _, shards), (public, labels, every) = seen
    assert shards.shape == (40, 10)
    assert torch.equal(public, pair[0])
    assert every.all()
    assert torch.equal(labels, pair[0].argmax(1))
    seen.clear()
    given(noise=10.0)
    # the winner has 10 votes more than two others: P[N(10, 100) > the larger of two N(0, 100)]
    draws = torch.randn(100_000, 3, generator=torch.Generator().manual_seed(0)) * 10 + torch.tensor([10.0, 0, 0])
    share = float((draws.argmax(1) == 0).float().mean())
    assert (seen[1][1] == pair[0].argmax(1)).float().mean() == pytest.approx(share, abs=0.075)


def test_epsilon_is_that_of_gaussian_mechanisms_of_sensitivity_sqrt_2():
    found = _guarantee(Recipe(), 1000, asked=50, noise=20.0, delta=1e-4)
    assert (found.steps, found.sample_rate, found.delta) == (50, 1.0, 1e-4)
    # together they are one Gaussian mechanism, whose delta has a closed form
    mu = torch.tensor(2 * 50, dtype=torch.float64).sqrt() / 20.0
    eps, phi = torch.tensor(found.epsilon, dtype=torch.float64), torch.distributions.Normal(0.0, 1.0).cdf
    assert float(phi(mu / 2 - eps / mu) - eps.exp() * phi(-mu / 2 - eps / mu)) == pytest.approx(1e-4, rel=0.01)
    assert pate(public=(np.zeros((50, 6)), None), noise=20.0).guarantee(Recipe(), 1000) == found


def test_delta_is_below_one_in_all_records():
    found = pate(public=(np.zeros((5, 6)), None)).guarantee(Recipe(), 60)
    assert found.delta == _accounting.default_delta(60) == 0.01


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"public": None}, "must be a pair"),
        ({"public": records(1), "teachers": 0}, "`teachers` must be a whole number"),
        ({"public": records(1), "noise": 0.0}, "`noise` must lie between"),
        ({"public": records(1), "delta": 2.0}, "`delta` must lie between"),
    ],
)
def test_settings_that_mean_nothing_are_refused(named, says):
    with pytest.raises(InputError, match=says):
        pate(**named)


def test_public_records_have_the_form_of_the_others():
    with pytest.raises(InputError, match="must have the form of the records that are trained on"):
        train_model(recipe(), records(1), defense=pate(public=(np.zeros((9, 5), np.float32), None), teachers=2))


def test_too_many_teachers_are_refused():
    with pytest.raises(InputError, match="Use fewer `teachers`"):
        train_model(recipe(), records(1), defense=pate(public=records(3), teachers=60))


def test_quantities_have_no_votes():
    x, y = records(1)
    given = recipe(architecture=nn.Linear(6, 1))
    with pytest.raises(InputError, match="one class each"):
        train_model(given, (x, y.astype(np.float32) + 0.5), defense=pate(public=(x, None), teachers=2))


def noisy(seed: int) -> tuple[np.ndarray, np.ndarray]:
    return records(seed)[0], np.random.default_rng(seed).integers(3, size=60)


def leak(defense) -> float:
    sides = noisy(1), noisy(2)
    target = train_model(recipe(), sides[0], defense=defense)
    references = train_references(recipe(), *sides, count=8, defense=defense, like=target)
    [finding] = audit(target, *sides, references=references, attacks=[membership.lira]).findings
    return next(risk.value for risk in finding.risks if risk.name == "AUC")


def test_less_leaks_to_an_adversary_who_trains_with_the_defense():
    assert leak(None) > 0.7
    assert leak(pate(public=records(3), teachers=5, noise=2.0)) < 0.62


def test_a_student_learns_what_the_teachers_know():
    sides = records(1, 400), records(2)
    defense = pate(public=records(3, 200), teachers=5, noise=1.0)
    target = train_model(recipe(), sides[0], defense=defense)
    with torch.no_grad():
        right = (target.inner(torch.from_numpy(sides[1][0])).argmax(1).numpy() == sides[1][1]).mean()
    assert right > 0.75
    again = train_model(recipe(), sides[0], defense=defense)
    assert all(torch.equal(a, b) for a, b in zip(target.inner.parameters(), again.inner.parameters(), strict=True))


def test_batch_normalisation_has_the_students_own_statistics():
    layers = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    public = records(3, 200)
    target = train_model(recipe(architecture=layers), records(1), defense=pate(public=public, teachers=3, noise=1.0))
    inner = target.inner
    with torch.no_grad():
        seen = inner[0](torch.from_numpy(public[0])).mean(0)
    torch.testing.assert_close(inner[1].running_mean, seen, atol=0.2, rtol=0.2)
