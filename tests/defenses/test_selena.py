import sys
from unittest.mock import Mock

import pytest
import torch
from defended import draw, fitted, halves, network

from ml_privacy_meter import defenses
from ml_privacy_meter.defenses.selena import _left_out
from ml_privacy_meter.training.fit import fit_models


@pytest.mark.parametrize(("models", "without", "many"), [(25, 10, 200), (4, 1, 103), (5, 4, 33)])
def test_each_record_is_left_out_by_as_many_and_all_sub_models_see_as_much(models, without, many):
    inside = halves(2 * many, 1)[:, 0]
    found = _left_out(inside, models, without, 3)
    assert not found[~inside].any()
    assert (found[inside].sum(1) == without).all()
    sizes = (inside[:, None] & ~found).sum(0)
    assert sizes.max() - sizes.min() <= (without if many % models else 0)
    assert torch.equal(found, _left_out(inside, models, without, 3))
    assert not torch.equal(found, _left_out(inside, models, without, 4))


def test_pairs_of_records_are_not_always_left_out_together():
    found = _left_out(torch.ones(400, dtype=torch.bool), 10, 4, 0).float()
    together = (found @ found.T)[0, 1:]
    assert 1.2 < together.mean() < 2.0  # 1.6 where chance alone decides
    assert (together < 4).float().mean() > 0.9


def test_a_student_is_told_the_mean_answer_of_sub_models_that_did_not_see_the_record(monkeypatch):
    spy = Mock(side_effect=fit_models)
    monkeypatch.setattr(sys.modules["ml_privacy_meter.defenses.selena"], "fit_models", spy)
    fitted(defenses.selena(models=5, without=2), [0, 1])
    first, second = spy.call_args_list
    x, inside, subs = draw()[0], halves(100, 3)[:, :2], fit_models(*first.args, **first.kwargs)
    assert len(subs) == 10
    assert len(set(first.args[5])) == 10
    assert torch.equal(second.args[4], inside)
    for j in range(2):
        for i in inside[:, j].nonzero()[::7, 0].tolist():
            unseen = [state for k, state in enumerate(subs) if k // 5 == j and not first.args[4][i, k]]
            assert len(unseen) == 2
            answers = []
            for state in unseen:
                module = network()
                module.load_state_dict(state)
                answers.append(module(x[i]).softmax(0))
            torch.testing.assert_close(second.kwargs["own"][j, i], sum(answers) / 2, rtol=1e-4, atol=1e-5)
    assert not (first.args[4] & ~inside.repeat_interleave(5, 1)).any()
