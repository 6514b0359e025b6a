from functools import partial

import pytest
import torch
from torch import nn

from ml_privacy_meter.signals import gradient_gap, gradient_norm, has_gradients
from ml_privacy_meter.signals.classifier import logit_gap
from ml_privacy_meter.signals.gradient_gap import cut_off, why_none
from ml_privacy_meter.types import sign_of

X, Y = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3


def model(seed: int = 0, outputs: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, outputs))


@pytest.mark.parametrize("of", ["all", "last"])
def test_it_is_the_log_probability_less_the_logarithm_of_the_norm(of: str) -> None:
    one = model()
    p = one(X).detach().double().softmax(1).gather(1, Y[:, None])[:, 0]
    expected = (p / gradient_norm(one, X, Y, of=of)).log()
    torch.testing.assert_close(gradient_gap(one, X, Y, of=of), expected, rtol=1e-5, atol=1e-6)
    assert sign_of(partial(gradient_gap, of=of)) == 1


def test_of_one_logit_without_a_bias_it_is_the_logit_gap_less_what_enters_the_layer() -> None:
    one = nn.Linear(1, 2, bias=False)
    x, y = torch.rand(30, 1) + 0.5, torch.arange(30) % 2
    apart = logit_gap(one, x, y) - gradient_gap(one, x, y)
    torch.testing.assert_close(
        apart, x[:, 0].double().log() + torch.tensor(2.0).double().log() / 2, rtol=1e-5, atol=1e-5
    )


def test_of_a_quantity_it_is_minus_the_logarithm_of_the_norm() -> None:
    one, y = model(outputs=1), torch.randn(40, 1)
    torch.testing.assert_close(gradient_gap(one, X, y), -gradient_norm(one, X, y).log())


def test_it_goes_on_growing_where_a_model_is_sure_and_wrong() -> None:
    """There the norm has reached its most, and its logarithm says no more."""
    one = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        one.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    x, y = torch.tensor([[10.0], [20.0]]), torch.ones(2, dtype=torch.long)
    norm = gradient_norm(one, x, y) / x[:, 0]
    torch.testing.assert_close(norm[0], norm[1])
    gap = gradient_gap(one, x, y) + x[:, 0].log()
    assert float(gap[0] - gap[1]) == pytest.approx(20.0, abs=1e-3)


def test_gradients_are_known_to_be_at_hand_only_where_they_are() -> None:
    class Waits:
        def __init__(self, of: object) -> None:
            self.load = lambda: of

    class Refuses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3, 3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x @ self.weight).detach()

    assert has_gradients(model(), X[:2], Y[:2])
    assert has_gradients(Waits(model()), X[:2], Y[:2])
    assert not has_gradients(lambda x: x, X[:2], Y[:2])
    assert not has_gradients(Waits(lambda x: x), X[:2], Y[:2])
    assert not has_gradients(nn.Flatten(), X[:2], Y[:2])
    assert not has_gradients(Refuses(), X[:2], Y[:2])
    assert why_none(Refuses(), X[:2], Y[:2]).startswith("The model's answer must follow")
    assert why_none(model(), X[:2], Y[:2]) == ""


class Cut(nn.Module):
    def __init__(self, cut: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cut, self.first, self.head, self.spare = cut, nn.Linear(3, 5), nn.Linear(5, 3), nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inside = self.first(x).relu()
        return self.head(inside.detach() if self.cut else inside)


def test_layers_that_no_gradient_reaches_are_told_from_those_that_it_does() -> None:
    assert cut_off(model(), X) == ([], 2)
    assert cut_off(Cut(False), X) == (["spare"], 3)
    assert cut_off(Cut(True), X) == (["first", "spare"], 3)
    part = Cut(True)
    part.first.requires_grad_(False)  # is not trained: nobody takes it for a part of "all"
    assert cut_off(part, X) == (["spare"], 2)
