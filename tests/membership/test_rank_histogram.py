"""Authors are told by the ranks of their words, as reference models with authors of their own teach."""

import numpy as np
import pytest
import torch

from ml_privacy_meter._checks import InputError
from ml_privacy_meter.membership import Shadow, UserView, View, mean_by_user
from ml_privacy_meter.membership.rank_histogram import rank_histogram
from ml_privacy_meter.signals.ranks import RANK_BINS, rank_counts
from ml_privacy_meter.types import Records

KNOWN, AUTHORS, TOKENS = 3, 60, 40


class Says:
    """Answers for texts: a model that ranks the words of some authors high, and those of others lower."""

    def __init__(self, inside, seed, gain):
        rng = np.random.default_rng(seed)
        mean = np.where(inside.repeat(KNOWN), 20.0 / gain, 20.0)
        self.rank = rng.geometric(1 / mean[:, None], (len(mean), TOKENS)) - 1

    def __call__(self, batch):
        out = torch.zeros(*self.rank.shape, 4)
        out[..., 3] = torch.from_numpy(self.rank)
        return out


class Asks:
    def signal(self, signal, model, records, query=0):
        return signal(model, records.x[:], records.labels)


def records():
    texts = AUTHORS * KNOWN
    return Records(torch.zeros(texts, 1), torch.zeros(texts, TOKENS, dtype=torch.int64), np.arange(texts))


def view(gain, shadows=2, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.permutation(AUTHORS) < AUTHORS // 2
    target = Says(truth, 10 * seed, gain)
    beside = []
    for number in range(shadows):
        inside = rng.permutation(AUTHORS) < AUTHORS // 2
        beside.append(Shadow(Says(inside, 10 * seed + number + 1, gain), records(), torch.from_numpy(inside)))
    return UserView(View(target, records(), Asks()), KNOWN, tuple(beside)), truth


def area(score, truth):
    return float((score[truth][:, None] > score[~truth][None]).double().mean())


def test_authors_whose_words_are_ranked_higher_are_found():
    asked, truth = view(gain=1.5)
    assert area(rank_histogram(asked), truth) > 0.9


def test_a_model_that_ranks_all_authors_alike_tells_nothing():
    found = []
    for seed in range(6):
        asked, truth = view(gain=1.0, seed=seed)
        found.append(area(rank_histogram(asked), truth))
    assert abs(np.mean(found) - 0.5) < 0.1


def test_without_reference_models_of_some_authors_it_says_what_it_needs():
    asked, _ = view(gain=1.5, shadows=0)
    with pytest.raises(InputError, match="20 authors inside and 20 outside"):
        rank_histogram(asked)


def test_ranks_are_counted_in_powers_of_two_and_padding_is_not():
    outputs = torch.zeros(1, 6, 4)
    outputs[0, :, 3] = torch.tensor([0, 1, 2, 3, 6, 0])
    outputs[0, 5, 2] = -1
    found = rank_counts(lambda batch: outputs, None, torch.zeros(1, 6, dtype=torch.int64))
    assert found.shape == (1, RANK_BINS)
    assert found[0, :4].tolist() == [1, 2, 2, 0]
    assert found.sum() == 5


def test_the_score_of_a_user_is_the_mean_of_its_records():
    assert mean_by_user(torch.tensor([1.0, 2.0, 3.0, 5.0]), 2).tolist() == [1.5, 4.0]
