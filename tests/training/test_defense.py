"""A defense is one hook: it trains or answers for the target and for every reference model alike."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from ml_privacy_meter import Defense, InputError, Recipe, audit, membership, train_model, train_references
from ml_privacy_meter.training import References
from ml_privacy_meter.training.fit import fit_models, mean_loss


def records(seed: int = 0, many: int = 120) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(many, 6)).astype(np.float32)
    return x, (x[:, 0] + rng.normal(size=many) > 0).astype(np.int64) + (x[:, 1] > 1)


def recipe() -> Recipe:
    network = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 3))
    return Recipe(architecture=network, epochs=4, batch_size=40, lr=0.01, precision="fp32")


def _shorter(given: Recipe) -> Recipe:
    return replace(given, epochs=1)


def _wider(module: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*module, nn.Linear(3, 3))


def _doubled(answer: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 2 * mean_loss(answer, y)


def _fit(*args, times: float, **named):
    return fit_models(*args, losses=(lambda answer, y: times * mean_loss(answer, y),), **named)


def _halves(probabilities: torch.Tensor) -> torch.Tensor:
    return torch.full_like(probabilities, 1 / probabilities.shape[1])


def _wrap(opened, x, y, seed):
    return replace(opened, after=_halves, after_key=f"halves {len(x)}", after_says="halves()")


def weights(model) -> torch.Tensor:
    return torch.cat([weight.flatten() for weight in model.inner.state_dict().values()])


def files(references: References) -> set[str]:
    return {reference.file.name for reference in references.models}


def test_losses_take_turns_an_epoch_each():
    x, y = map(torch.from_numpy, records())
    inside = torch.ones(len(y), 1, dtype=torch.bool)

    def network(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Linear(6, 3)

    sgd = replace(recipe(), optimizer="sgd", momentum=0.0, schedule="constant", epochs=2)
    none = lambda answer, y: 0 * mean_loss(answer, y)  # noqa: E731
    first, both, plain, swapped = (
        fit_models(given, network, x, y, inside, [7], losses=losses)[0]["weight"]
        for given, losses in (
            (replace(sgd, epochs=1), (mean_loss,)),
            (sgd, (mean_loss, none)),
            (sgd, (mean_loss,)),
            (sgd, (none, mean_loss)),
        )
    )
    torch.testing.assert_close(first, both)
    assert not torch.allclose(first, plain)
    assert not torch.allclose(first, swapped)


@pytest.mark.parametrize("models", [1, 3])
def test_a_loss_of_ones_own_is_used_however_many_models_train_together(models):
    x, y = map(torch.from_numpy, records())
    inside = torch.ones(len(y), models, dtype=torch.bool)
    sgd = replace(recipe(), optimizer="sgd", epochs=1)

    def network(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return nn.Linear(6, 3)

    doubled = fit_models(sgd, network, x, y, inside, range(models), losses=(_doubled,))
    faster = fit_models(replace(sgd, lr=2 * sgd.lr), network, x, y, inside, range(models))
    for one, other in zip(doubled, faster, strict=True):
        torch.testing.assert_close(one["weight"], other["weight"])


@pytest.mark.parametrize(
    "defense",
    [
        Defense("shorter", recipe=_shorter),
        Defense("wider", prepare=_wider),
        Defense("heavier", {"times": 3.0}, fit=partial(_fit, times=3.0)),
    ],
    ids=str,
)
def test_a_defense_that_trains_gives_models_of_its_own(defense, tmp_path):
    assert defense.trains
    sides = records(1), records(2)
    plain = train_references(recipe(), *sides, count=2, store=tmp_path)
    ours = train_references(recipe(), *sides, count=2, store=tmp_path, defense=defense)
    again = train_references(recipe(), *sides, count=2, store=tmp_path, defense=defense)
    assert files(ours).isdisjoint(files(plain))
    assert files(again) == files(ours)
    assert not torch.equal(weights(plain.models[0].open()), weights(ours.models[0].open()))
    assert str(defense) in ours.says["trained"]
    assert str(defense) not in plain.says["trained"]


def test_other_settings_are_another_defense(tmp_path):
    found = [
        train_references(
            recipe(),
            records(1),
            records(2),
            count=2,
            store=tmp_path,
            defense=Defense("heavier", {"times": times}, fit=partial(_fit, times=times)),
        )
        for times in (2.0, 3.0)
    ]
    assert files(found[0]).isdisjoint(files(found[1]))


def test_a_defense_whose_content_cannot_be_known_is_not_found_again(tmp_path):
    times = 2.0

    def held(*args, **named):
        return fit_models(*args, losses=(lambda answer, y: times * mean_loss(answer, y),), **named)

    defense = Defense("held", fit=held)
    assert defense.key == ""
    train_references(recipe(), records(1), records(2), count=2, store=tmp_path, defense=defense)
    assert not [*tmp_path.rglob("*.safetensors")]


def test_answers_are_wrapped_and_the_trained_models_are_those_of_no_defense(tmp_path):
    defense = Defense("halves", wrap=_wrap)
    assert not defense.trains
    sides = records(1), records(2)
    plain = train_references(recipe(), *sides, count=2, store=tmp_path)
    ours = train_references(recipe(), *sides, count=2, store=tmp_path, defense=defense)
    assert files(ours) == files(plain)
    keys = {reference.key for reference in (*plain.models, *ours.models)}
    assert len(keys) == 4
    assert "halves()" in ours.says["trained"]
    rows = int(ours.members[:, 0].sum() + ours.non_members[:, 0].sum())
    assert ours.models[0].open().after_key == f"halves {rows}"


def test_an_audit_sees_what_is_answered_in_the_models_place(tmp_path):
    defense = Defense("halves", wrap=_wrap)
    sides = records(1), records(2)
    target = train_model(recipe(), sides[0], defense=defense)
    references = train_references(recipe(), *sides, count=4, defense=defense, like=target)
    report = audit(target, *sides, references=references, attacks=[membership.threshold, membership.lira])
    assert report.about["access"] == "outputs"
    assert "answers pass through halves()" in report.about["model"]
    by_loss = next(finding for finding in report.findings if finding.attack == "threshold")
    assert by_loss.risks[0].value == 0.5  # every record is answered alike


def test_a_model_is_trained_on_all_records_and_found_again(tmp_path, monkeypatch):
    one = train_model(recipe(), records(1), seed=3, store=tmp_path)
    monkeypatch.setattr("ml_privacy_meter.training.ways.fit_models", None)  # a second training would fail
    again = train_model(recipe(), records(1), seed=3, store=tmp_path)
    torch.testing.assert_close(weights(one), weights(again))
    with pytest.raises(TypeError):
        train_model(recipe(), records(1), seed=4, store=tmp_path)


def test_a_function_cannot_be_trained_in_another_way():
    with pytest.raises(InputError, match="needs a `Recipe`"):
        train_model(lambda x, y, seed: None, records(1), defense=Defense("shorter", recipe=_shorter))


def test_what_answers_must_be_probabilities():
    wrong = Defense(
        "wrong", wrap=lambda opened, x, y, seed: replace(opened, after=lambda p: p - 1, after_says="wrong()")
    )
    target = train_model(recipe(), records(1), defense=wrong)
    with pytest.raises(InputError, match=r"as many numbers in \[0, 1\].*Mend wrong\(\)"):
        audit(target, records(1), records(2), attacks=[membership.threshold])


def test_answers_of_a_regression_pass_through_nothing():
    x, y = records(1)
    amounts = (y + 0.5).astype(np.float32)
    target = train_model(replace(recipe(), architecture=nn.Linear(6, 1)), (x, amounts))
    wrapped = replace(target, after=_halves, after_says="halves()")
    with pytest.raises(InputError, match="where each record has one class"):
        audit(wrapped, (x, amounts), (x[:50] + 1, amounts[:50]), attacks=[membership.threshold])
