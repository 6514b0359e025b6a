import math
import sys
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from defended import draw, fitted, halves, network, recipe

from ml_privacy_meter import defenses
from ml_privacy_meter.defenses.teaching import soft_loss
from ml_privacy_meter.training.fit import fit_models

PUBLIC = np.random.default_rng(7).normal(size=(60, 6)).astype(np.float32)


@pytest.fixture
def spied(monkeypatch) -> Mock:
    spy = Mock(side_effect=fit_models)
    monkeypatch.setattr(sys.modules["ml_privacy_meter.defenses.distillation"], "fit_models", spy)
    return spy


def test_the_loss_is_that_of_each_record_by_hand():
    rng = torch.Generator().manual_seed(0)
    answer, soft = torch.randn(2, 5, 3, generator=rng), torch.rand(2, 5, 3, generator=rng).softmax(2)
    by_hand = 0.0
    for rows, targets in zip(answer, soft, strict=True):
        for row, target in zip(rows.tolist(), targets.tolist(), strict=True):
            total = sum(math.exp(value / 3) for value in row)
            by_hand -= 9 * sum(t * math.log(math.exp(v / 3) / total) for t, v in zip(target, row, strict=True)) / 5
    torch.testing.assert_close(soft_loss(answer, soft, 3.0), torch.tensor(by_hand))


@pytest.mark.parametrize("public", [None, (PUBLIC, None)], ids=["training records", "public records"])
def test_a_student_is_told_what_its_own_teacher_answers(public, spied):
    x, y = draw()
    fitted(defenses.distillation(temperature=3.0, public=public), [0, 1, 2])
    first, second = spied.call_args_list
    teachers = fit_models(*first.args, **first.kwargs)
    assert torch.equal(first.args[3], y)
    assert set(first.args[5]).isdisjoint(second.args[5])
    told = x if public is None else torch.from_numpy(PUBLIC)
    assert torch.equal(second.args[2], told)
    used = halves(len(x), 3) if public is None else torch.ones(60, 3, dtype=torch.bool)
    assert torch.equal(second.args[4], used)
    for j, state in enumerate(teachers):
        module = network()
        module.load_state_dict(state)
        for i in used[:, j].nonzero()[:, 0].tolist():
            wanted = (module(told[i]) / 3).softmax(0)
            torch.testing.assert_close(second.kwargs["own"][j, i], wanted, rtol=1e-4, atol=1e-5)


def test_progress_goes_from_teachers_to_students():
    x, y = draw()
    seen: list[float] = []
    named = {"feed": lambda batch: batch, "device": "cpu", "progress": seen.append}
    defenses.distillation().fit(recipe(), lambda seed: network(), x, y, halves(100, 2), [1, 2], **named)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5
    assert seen[-1] == 1
