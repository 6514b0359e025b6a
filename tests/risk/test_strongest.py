"""The attack to believe is chosen on reference models."""

from functools import partial

import numpy as np
import torch

from ml_privacy_meter.risk import auc, balanced_accuracy, error, strongest, tpr_at_fpr
from ml_privacy_meter.types import Scores

MEASURES = [auc, partial(tpr_at_fpr, fpr=0.01), balanced_accuracy, error]


def drawn(seed: int, shift: float, *, far: float = 0.0, n: int = 300) -> Scores:
    """Normal scores: all members shifted, and a tenth of them far out."""
    rng = np.random.default_rng(seed)
    truth = np.arange(2 * n) < n
    moved = shift * truth + far * (np.arange(2 * n) < n // 10)
    return Scores(torch.from_numpy(rng.normal(size=2 * n) + moved), torch.from_numpy(truth))


def test_each_figure_has_the_attack_with_its_highest_mean():
    rehearsed = {
        "nothing": [drawn(k, 0.0) for k in range(3)],
        "ranks": [drawn(k, 1.0) for k in range(3)],
        "few": [drawn(k, 0.0, far=9.0) for k in range(3)],
    }
    assert strongest(rehearsed, MEASURES) == {"AUC": "ranks", "TPR@1%FPR": "few", "balanced accuracy": "ranks"}


def test_attacks_are_compared_on_the_rehearsals_that_all_played():
    """The long player did better in the first two, and badly later, where the other did not play."""
    rehearsed = {"long": [drawn(k, 1.0) for k in range(2)] + [drawn(9, 0.0)] * 6, "short": [drawn(5, 0.5)] * 2}
    assert strongest(rehearsed, [auc]) == {"AUC": "long"}


def test_the_mean_counts_and_not_the_best_rehearsal():
    rehearsed = {"lucky": [drawn(0, 3.0), drawn(1, 0.0)], "steady": [drawn(2, 1.8), drawn(3, 1.8)]}
    assert strongest(rehearsed, [auc]) == {"AUC": "steady"}


def test_what_cannot_be_resolved_is_not_chosen_for():
    few = {"a": [drawn(0, 1.0, n=25)], "b": [drawn(0, 0.0, n=25)]}
    assert strongest(few, MEASURES) == {"AUC": "a", "balanced accuracy": "a"}


def test_an_attack_without_rehearsals_is_no_candidate():
    assert strongest({"a": [], "b": [drawn(0, 0.0)]}, [auc]) == {"AUC": "b"}
    assert strongest({"a": []}, [auc]) == {}
    assert strongest({}, [auc]) == {}


def test_of_equals_the_first_is_chosen():
    assert strongest({"a": [drawn(0, 1.0)], "b": [drawn(0, 1.0)]}, [auc]) == {"AUC": "a"}


def test_the_figure_of_the_chosen_attack_is_not_too_high():
    """Twelve attacks without power: the highest AUC on the target lies above 0.5, that of the chosen one does not."""
    rng, truth = np.random.default_rng(0), torch.arange(200) < 100
    chosen, highest = [], []
    for _ in range(60):
        games = {str(k): [Scores(torch.from_numpy(rng.normal(size=200)), truth) for _ in range(3)] for k in range(12)}
        target = {name: float(auc(game[0]).value or 0) for name, game in games.items()}
        chosen.append(target[strongest({name: game[1:] for name, game in games.items()}, [auc])["AUC"]])
        highest.append(max(target.values()))
    assert np.mean(highest) > 0.55
    assert abs(np.mean(chosen) - 0.5) < 0.02
