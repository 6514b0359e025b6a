"""Adversarial regularization: an inference network learns to tell members, and the model trains against it."""

from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Generator, nn

from ml_privacy_meter import InputError, Recipe, audit, membership, train_model, train_references
from ml_privacy_meter.defenses import adversarial_regularization as regularization
from ml_privacy_meter.defenses.adversarial_regularization import Inference, _fit, _Game
from ml_privacy_meter.training.fit import identity
from ml_privacy_meter.training.recipe import from_factory


def records(seed: int, many: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(many, 6)).astype(np.float32), rng.integers(3, size=many)


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))


def recipe(**named) -> Recipe:
    return Recipe(
        **({"architecture": network(), "epochs": 30, "batch_size": 20, "lr": 0.01, "precision": "fp32"} | named)
    )


def game(seed: int = 0) -> _Game:
    torch.manual_seed(seed)
    members, others = (tuple(map(torch.from_numpy, records(at))) for at in (1, 2))
    return _Game(recipe(), network(), Inference(3), members, others, identity, Generator().manual_seed(0), False)


def test_the_inference_network_has_the_layers_of_the_original():
    sizes = [tuple(part.weight.shape[::-1]) for part in Inference(100).modules() if isinstance(part, nn.Linear)]
    answer, label, common = sizes[:3], sizes[3:5], sizes[5:]
    assert answer == [(100, 1024), (1024, 512), (512, 64)]
    assert label == [(100, 512), (512, 64)]
    assert common == [(128, 256), (256, 64), (64, 1)]


def test_the_models_loss_is_that_of_the_paper():
    played = game()
    index = torch.tensor([3, 5, 8])
    x, y = played.members[0][index], played.members[1][index]
    wanted = 0.0
    for one, label in zip(x, y, strict=True):
        p = played.model(one[None]).softmax(1)
        told = played.network(p, label[None]).sigmoid()
        wanted += (-p[0, label].log() + 2.5 * told.log()).item() / 3
    assert played.loss(index, 2.5).item() == pytest.approx(wanted, rel=1e-5)
    assert played.loss(index, 0.0).item() == pytest.approx(F.cross_entropy(played.model(x), y).item())


def test_the_inference_network_learns_who_is_a_member_and_the_model_stands_still():
    played = game()
    plain = torch.optim.Adam(played.model.parameters(), lr=0.01)
    for _ in range(200):  # learns its members by heart
        plain.zero_grad()
        F.cross_entropy(played.model(played.members[0]), played.members[1]).backward()
        plain.step()
    before = [weight.detach().clone() for weight in played.model.parameters()]
    optimizer = torch.optim.Adam(played.network.parameters(), lr=1e-3)
    for _ in range(150):
        played.learn(optimizer, 30)
    with torch.no_grad():
        sides = (played.members, played.others)
        told = [played.told(played.model(x), y).sigmoid().mean() for x, y in sides]
    assert told[0] > told[1] + 0.3
    assert all(torch.equal(a, b) for a, b in zip(before, played.model.parameters(), strict=True))


def fitted(pair, share: float = 0.25, epochs: int = 2, **named) -> dict[str, torch.Tensor]:
    x, y = map(torch.from_numpy, records(1))
    inside = torch.ones(60, 1, dtype=torch.bool)
    build = partial(from_factory, network)
    given = {"strength": 1.0, "steps": 1, "pair": pair, "share": share, "lr": 1e-3} | named
    return _fit(recipe(epochs=epochs), build, x, y, inside, [7], **given)[0]


def test_reference_records_are_those_that_are_held_back(monkeypatch):
    seen = []
    learn = _Game.learn
    monkeypatch.setattr(_Game, "learn", lambda self, *given: seen.append(self) or learn(self, *given))
    fitted(None)
    rows = [set(map(tuple, pair[0].tolist())) for pair in (seen[0].members, seen[0].others)]
    assert list(map(len, rows)) == [45, 15]
    assert not rows[0] & rows[1]
    seen.clear()
    public = tuple(map(torch.from_numpy, records(5, 30)))
    fitted(public, steps=3)
    assert len(seen[0].members[1]) == 60
    assert torch.equal(seen[0].others[0], public[0])
    assert len(seen) == 2 * 3 * 3  # epochs, batches, steps of the network for each of the model's


def test_the_same_seed_gives_the_same_model_and_another_strength_another():
    public = tuple(map(torch.from_numpy, records(5, 30)))
    assert torch.equal(fitted(public)["0.weight"], fitted(public)["0.weight"])
    weak, strong = (fitted(public, strength=strength, epochs=40)["0.weight"] for strength in (1.0, 30.0))
    assert not torch.allclose(weak, strong, rtol=0.01, atol=0.01)


def test_the_content_of_public_records_is_a_setting():
    one, same, other = (regularization(public=records(seed)) for seed in (5, 5, 6))
    assert str(one) == str(same) != str(other)
    assert "share" not in one.settings


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ({"strength": -1.0}, "`strength` must lie between"),
        ({"steps": 0}, "`steps` of adversarial_regularization must be a whole number"),
        ({"share": 1.0}, "`share` must lie between"),
        ({"lr": 0.0}, "`lr` must lie between"),
        ({"public": 3}, "must be a pair"),
        ({"public": (np.zeros((3, 6)), np.zeros(3))}, "the number of its class"),
        ({"public": (np.zeros((3, 6)), np.zeros(4, int))}, "the number of its class"),
    ],
)
def test_settings_that_mean_nothing_are_refused(named, says):
    with pytest.raises(InputError, match=says):
        regularization(**named)


@pytest.mark.parametrize(
    ("public", "says"),
    [
        ((np.zeros((3, 5), np.float32), np.zeros(3, int)), "must have the form"),
        ((np.zeros((3, 6), np.float32), np.full(3, 3)), "must lie between 0 and 2"),
    ],
)
def test_public_records_are_like_the_others(public, says):
    with pytest.raises(InputError, match=says):
        train_model(recipe(epochs=1), records(1), defense=regularization(public=public))


def test_quantities_are_refused():
    x, y = records(1)
    with pytest.raises(InputError, match="one class each"):
        train_model(recipe(architecture=nn.Linear(6, 1)), (x, y + 0.5), defense=regularization())


def leak(defense) -> float:
    sides = records(1), records(2)
    target = train_model(recipe(), sides[0], defense=defense)
    references = train_references(recipe(), *sides, count=4, defense=defense, like=target)
    [finding] = audit(target, *sides, references=references, attacks=[membership.lira]).findings
    return next(risk.value for risk in finding.risks if risk.name == "AUC")


def test_less_leaks_to_an_adversary_who_trains_with_the_defense():
    assert leak(regularization(strength=10.0, steps=3, public=records(3))) < leak(None) - 0.05


def test_batch_normalisation_is_kept_and_opened_again(tmp_path):
    layers = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))
    given = {"store": tmp_path, "defense": regularization(public=records(3))}
    target = train_model(recipe(architecture=layers, epochs=2), records(1), **given)
    assert target.inner[1].running_mean.abs().sum() > 0
    assert target.inner[1].num_batches_tracked == 18  # 6 steps of the model, and 6 of the network on either kind
