import sys
from functools import partial

import pytest
import torch

from ml_privacy_meter import defenses
from ml_privacy_meter.defenses.relaxloss import _ascend, _flatten

RNG = torch.Generator().manual_seed(0)
ANSWER = 2 * torch.randn(2, 9, 4, generator=RNG)
Y = ANSWER.argmax(2)
Y[:, :3] = torch.tensor([0, 1, 2])  # some are told wrong


def of_one(answer, y, alpha: float, upper: float, *, ascends: bool):
    """The loss of one model, record by record."""
    each, flat = [], []
    for row, label in zip(answer, y.tolist(), strict=True):
        logs = row.log_softmax(0)
        known = logs.detach().exp().tolist()
        each.append(-logs[label])
        sure = min(known[label], upper)
        target = [sure if c == label else (1 - sure) / (len(row) - 1) for c in range(len(row))]
        told = -sum(t * logs[c] for c, t in enumerate(target))
        flat.append((told if int(row.argmax()) != label else 0) + logs[label])
    mean = sum(each) / len(each)
    if ascends:
        return abs(mean - alpha)
    return mean if mean > alpha else sum(flat) / len(flat)


@pytest.mark.parametrize("alpha", [0.1, 0.7, 5.0])
@pytest.mark.parametrize("upper", [0.3, 1.0])
@pytest.mark.parametrize("ascends", [True, False])
def test_the_loss_is_that_of_each_record_by_hand(alpha, upper, ascends):
    loss = partial(_ascend, alpha=alpha) if ascends else partial(_flatten, alpha=alpha, upper=upper)
    by_hand = sum(of_one(ANSWER[j], Y[j], alpha, upper, ascends=ascends) for j in range(2))
    torch.testing.assert_close(loss(ANSWER, Y), by_hand)
    torch.testing.assert_close(slope(loss), slope(lambda a, y: sum(of_one(a[j], y[j], alpha, upper, ascends=ascends)
                                                                   for j in range(2))))  # fmt: skip


def slope(loss) -> torch.Tensor:
    answer = ANSWER.clone().requires_grad_()
    loss(answer, Y).backward()
    return answer.grad


def test_both_kinds_of_batches_were_among_these():
    means = torch.nn.functional.cross_entropy(ANSWER.flatten(0, 1), Y.flatten(), reduction="none").view(2, 9).mean(1)
    assert means.min() > 0.1
    assert means.max() < 5.0


def test_in_every_other_epoch_the_loss_only_goes_up(monkeypatch):
    given = {}
    room = sys.modules["ml_privacy_meter.defenses.relaxloss"]
    monkeypatch.setattr(room, "fit_models", lambda *args, **named: [given.update(named)][:0])
    defenses.relaxloss(alpha=0.5, upper=0.9).fit(None, None, None, torch.tensor([0, 1]), None, [0])
    assert [loss.func.__name__ for loss in given["losses"]] == [_ascend.__name__, _flatten.__name__]
    assert [loss.keywords for loss in given["losses"]] == [{"alpha": 0.5}, {"alpha": 0.5, "upper": 0.9}]
