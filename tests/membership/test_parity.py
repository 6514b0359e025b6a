"""The attacks that need reference models, against the slow and obvious way of `oracles`, on arrays with ties."""

from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import oracles
import pytest
import torch
from scipy.special import log_softmax
from torch import Tensor

from ml_privacy_meter.membership.bavaria import bavaria
from ml_privacy_meter.membership.difference import difference
from ml_privacy_meter.membership.game import View
from ml_privacy_meter.membership.lira import lira
from ml_privacy_meter.membership.percentile import percentile
from ml_privacy_meter.membership.rmia import rmia
from ml_privacy_meter.signals.classifier import logit_gap, loss
from ml_privacy_meter.types import Records

RECORDS, MODELS, CLASSES = 37, 11, 5
QUERIES = pytest.mark.parametrize("queries", [1, 3])


@dataclass(frozen=True)
class Numbered:
    """Stands in for a model."""

    index: int

    def __call__(self, x):
        raise AssertionError("nobody asks it")


TARGET, *REFERENCES = (Numbered(j) for j in range(100))


@dataclass(frozen=True)
class Arrays:
    """Stands in for a reader: gives logits that are at hand, by model, or the values themselves."""

    of: dict[int, np.ndarray]
    values: bool = False

    def signal(self, signal, model, records, query: int = 0) -> Tensor:
        found = torch.from_numpy(self.of[len(records)][:, model.index, ..., query])
        return found if self.values else signal.of(found, records.labels)


def numbered(count: int, rng: np.random.Generator) -> Records:
    return Records(
        torch.zeros(count, 1), torch.from_numpy(rng.integers(0, CLASSES, count)), np.arange(count).astype(str)
    )


def drawn(count: int, rng: np.random.Generator) -> np.ndarray:
    """Memberships in unlike numbers of models: from 2 to all but 2."""
    inside = np.zeros((count, MODELS), bool)
    for row in inside:
        row[rng.permutation(MODELS)[: rng.integers(2, MODELS - 1)]] = True
    return inside


def viewed(values: np.ndarray, inside: np.ndarray | None) -> View:
    """Of (records, 1 + models, queries): of the target first."""
    records = numbered(len(values), np.random.default_rng(0))
    models = tuple(REFERENCES[: values.shape[1] - 1])
    inside = None if inside is None else torch.from_numpy(inside)
    return View(TARGET, records, Arrays({len(values): values}, values=True), models, inside)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.fixture
def gaps(rng) -> np.ndarray:
    """Rounded, so that many are equal; records and models differ."""
    values = rng.normal(size=(RECORDS, 1 + MODELS, 3)) + 2 * rng.normal(size=(RECORDS, 1, 1))
    values[5:9] = values[4]
    return values.round(1)


def parts(values: np.ndarray, queries: int) -> tuple[np.ndarray, np.ndarray]:
    return values[:, 0, :queries], values[:, 1:, :queries]


def close(score: Tensor, expected: list[float]) -> None:
    assert score.dtype == torch.float64
    assert score.isfinite().all()
    np.testing.assert_allclose(score.numpy(), expected, rtol=1e-9, atol=1e-9)


@QUERIES
@pytest.mark.parametrize("signal", [logit_gap, loss])
def test_difference(rng, gaps, queries, signal):
    inside = drawn(RECORDS, rng)
    expected = np.array(oracles.difference(*parts(gaps, queries), inside))
    close(difference(viewed(gaps, inside), signal=signal, queries=queries), signal.sign * expected)


def test_percentile(rng, gaps):
    inside = drawn(RECORDS, rng)
    target, reference = parts(gaps, 1)
    assert (target[:, None] == reference).any()
    close(percentile(viewed(gaps, inside)), oracles.percentile(target, reference, inside))
    turned = oracles.percentile(-target, -reference, inside)
    close(percentile(viewed(gaps, inside), signal=logit_gap), turned)


def test_percentile_without_ties_orders_as_the_share_and_then_as_the_difference(gaps):
    inside = np.zeros((RECORDS, MODELS), bool)
    view = viewed(gaps, inside)
    share, whole = percentile(view), percentile(view, break_ties=True)
    lead = difference(view, signal=loss)
    order = np.lexsort((lead, share))
    assert (whole[order].diff() >= 0).all()
    assert len(whole.unique()) == len(set(zip(share.tolist(), lead.tolist(), strict=True)))
    assert len(whole.unique()) > len(share.unique())


@QUERIES
@pytest.mark.parametrize("offline", ["no", "one-sided", "two-sided"])
@pytest.mark.parametrize("variance", ["record", "shared"])
def test_lira(rng, gaps, queries, offline, variance):
    inside = drawn(RECORDS, rng)
    expected = oracles.lira(*parts(gaps, queries), inside, offline, variance)
    close(lira(viewed(gaps, inside), queries=queries, offline=offline, variance=variance), expected)


def test_lira_offline_turns_a_signal_that_is_lower_for_members(rng, gaps):
    inside = drawn(RECORDS, rng)
    target, reference = parts(gaps, 1)
    expected = oracles.lira(-target, -reference, inside, "one-sided", "shared")
    close(lira(viewed(gaps, inside), signal=loss, offline="one-sided"), expected)


def test_lira_takes_each_records_own_variance_from_64_models_on(rng):
    values = rng.normal(size=(9, 65, 1)) * rng.uniform(1, 3, size=(9, 1, 1))
    inside = rng.permuted(np.arange(64) % 2 == 0, axis=0)[None].repeat(9, 0)
    close(lira(viewed(values, inside)), oracles.lira(*parts(values, 1), inside, "no", "record"))
    fewer = values[:, :64], inside[:, :63]
    close(lira(viewed(*fewer)), oracles.lira(*parts(fewer[0], 1), fewer[1], "no", "shared"))


@QUERIES
def test_bavaria(rng, gaps, queries):
    inside = drawn(RECORDS, rng)
    inside[3], inside[4] = True, False  # these keep the prior on one side
    close(bavaria(viewed(gaps, inside), queries=queries), oracles.bavaria(*parts(gaps, queries), inside))


@QUERIES
def test_bavaria_offline(gaps, queries):
    inside = np.zeros((RECORDS, MODELS), bool)
    close(bavaria(viewed(gaps, None), queries=queries), oracles.bavaria(*parts(gaps, queries), inside))


def test_bavaria_where_records_differ_by_chance_alone(rng):
    values = rng.normal(size=(RECORDS, 1 + MODELS, 1))
    values[:, 1:] -= values[:, 1:].mean(1, keepdims=True)  # no spread is left between records
    inside = np.zeros((RECORDS, MODELS), bool)
    close(bavaria(viewed(values, inside)), oracles.bavaria(*parts(values, 1), inside))


@pytest.fixture
def asked(rng) -> SimpleNamespace:
    """Logits of records and of a population, with duplicates in each and between them."""
    x, z = numbered(RECORDS, rng), numbered(53, rng)
    logits = rng.normal(size=(RECORDS, 1 + MODELS, CLASSES, 3)) * 3
    others = rng.normal(size=(53, 1 + MODELS, CLASSES, 3)) * 3
    logits[5:9], x.y[5:9] = logits[4], x.y[4]
    others[:4], z.y[:4] = logits[4], x.y[4]
    inside, known = drawn(RECORDS, rng), drawn(53, rng)
    inside[5:9], known[:4] = inside[4], inside[4]
    return SimpleNamespace(x=x, z=z, logits=logits, others=others, inside=inside, known=known)


def probabilities(logits: np.ndarray, y: Tensor, queries: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    p = np.exp(log_softmax(logits / temperature, axis=2))
    return parts(np.stack([p[i, :, label] for i, label in enumerate(y.tolist())]), queries)


@QUERIES
@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("break_ties", [False, True])
@pytest.mark.parametrize(("gamma", "a", "temperature"), [(2.0, 0.3, 2.0), (1.0, 0.9, 1.0)])
@pytest.mark.parametrize("population", ["inside some models", "inside none", "not given"])
def test_rmia(asked, queries, offline, break_ties, gamma, a, temperature, population):
    reader = Arrays({RECORDS: asked.logits, 53: asked.others})
    view = View(TARGET, asked.x, reader, tuple(REFERENCES[:MODELS]), torch.from_numpy(asked.inside))
    known = asked.known if population == "inside some models" else np.zeros_like(asked.known)
    if population != "not given":
        view = replace(view, population=asked.z, population_inside=torch.from_numpy(known))
    x = (*probabilities(asked.logits, asked.x.y, queries, temperature), asked.inside)
    z = (*probabilities(asked.others, asked.z.y, queries, temperature), known)
    expected = oracles.rmia(x, x if population == "not given" else z, gamma, a, offline, break_ties)
    settings = {"gamma": gamma, "a": a, "offline": offline, "temperature": temperature, "queries": queries}
    close(rmia(view, **settings, break_ties=break_ties), expected)


@pytest.mark.parametrize("a", [0.3, 1.0])
def test_rmia_with_one_reference_model(asked, a):
    """Every record lacks a side."""
    inside = asked.inside[:, :1]
    view = View(TARGET, asked.x, Arrays({RECORDS: asked.logits}), (REFERENCES[0],), torch.from_numpy(inside))
    target, reference = probabilities(asked.logits, asked.x.y, 1, 2.0)
    x = (target, reference[:, :1], inside)
    close(rmia(view, a=a), oracles.rmia(x, x, 2.0, a, False, True))


def test_records_in_many_blocks_score_as_in_one(monkeypatch, rng, gaps, asked):
    from ml_privacy_meter.membership import moments

    inside = drawn(RECORDS, rng)
    view = View(TARGET, asked.x, Arrays({RECORDS: asked.logits}), tuple(REFERENCES[:MODELS]), torch.from_numpy(inside))
    plays = [lambda: lira(viewed(gaps, inside)), lambda: bavaria(viewed(gaps, inside)), lambda: rmia(view)]
    whole = [play() for play in plays]
    monkeypatch.setattr(moments, "BLOCK", 5 * MODELS)
    for score, play in zip(whole, plays, strict=True):
        close(play(), score.tolist())
