"""Splits deal out every record once, alike from the same seed, and are as uneven as they were asked to be."""

import numpy as np
import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.federated import dirichlet, iid

LABELS = np.arange(1000) % 10


@pytest.mark.parametrize("split", [iid(LABELS, 7, 3), dirichlet(LABELS, 7, 0.5, 3)])
def test_each_record_has_one_client(split):
    assert len(split) == 7
    assert sorted(np.concatenate(split).tolist()) == list(range(1000))


def test_iid_parts_are_of_one_size():
    assert {len(rows) for rows in iid(LABELS, 7)} == {142, 143}


def test_the_split_follows_from_the_seed():
    for make in (lambda seed: iid(LABELS, 4, seed), lambda seed: dirichlet(LABELS, 4, 1.0, seed)):
        assert all(np.array_equal(a, b) for a, b in zip(make(1), make(1), strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(make(1), make(2), strict=True))


def _largest_class(split: list[np.ndarray]) -> float:
    return float(np.mean([np.bincount(LABELS[rows]).max() / len(rows) for rows in split]))


def test_the_smaller_alpha_the_more_clients_differ():
    few, some, many = (np.mean([_largest_class(dirichlet(LABELS, 4, a, s)) for s in range(5)]) for a in (0.1, 1.0, 100))
    assert few > some + 0.1 > many + 0.2
    assert many < 0.14  # one class in ten, nearly


def test_a_share_of_a_class_has_the_deviation_of_dirichlet():
    shares = np.array([(LABELS[dirichlet(LABELS, 4, 2.0, seed)[0]] == 0).sum() / 100 for seed in range(200)])
    assert shares.mean() == pytest.approx(0.25, abs=0.03)
    assert shares.std() == pytest.approx(np.sqrt(0.25 * 0.75 / 9), abs=0.03)


def test_each_client_gets_as_many_as_it_must():
    for seed in range(20):
        assert min(map(len, dirichlet(LABELS[:100], 5, 0.3, seed, least=4))) >= 4


def test_labels_may_be_a_tensor():
    assert np.array_equal(iid(torch.from_numpy(LABELS), 3)[0], iid(LABELS, 3)[0])
    assert np.array_equal(dirichlet(torch.from_numpy(LABELS), 3, 1.0)[0], dirichlet(LABELS, 3, 1.0)[0])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: iid(LABELS[:3], 4), "needs a record"),
        (lambda: iid(LABELS, 0), "`clients`"),
        (lambda: dirichlet(LABELS, 4, 0.0), "`alpha`"),
        (lambda: dirichlet(LABELS, 4, 1.0, least=0), "`least`"),
        (lambda: dirichlet(LABELS[:40], 4, 0.01, least=10), "larger `alpha`"),
    ],
)
def test_what_cannot_be_is_refused(make, match):
    with pytest.raises(InputError, match=match):
        make()
