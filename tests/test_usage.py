"""The share of a data set that a model was trained on, from the user's own model and records."""

import pytest
import torch
import worlds

import ml_privacy_meter as pm


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_share_that_was_used_lies_in_the_interval(share):
    """The target is trained on as many records in any case: the rest of them come from elsewhere."""
    x, y, _ = worlds.draw(1)
    elsewhere, labels, _ = worlds.draw(2)
    suspected, others = (x[:300], y[:300]), (x[300:], y[300:])
    inside = worlds.halves(600, 8, seed=3)
    references = pm.own_references([worlds.overfitted(x[i], y[i]) for i in inside.T], inside[:300], inside[300:])
    used = round(300 * share)
    target = worlds.overfitted(torch.cat([x[:used], elsewhere[used:300]]), torch.cat([y[:used], labels[used:300]]))
    found = pm.dataset_usage(target, suspected, others, references=references)
    assert found.low <= share <= found.high
    assert found.high - found.low < 0.4
    assert found.records == 300
