"""The noise for a risk."""

import pytest

from ml_privacy_meter import InputError, guarantees

PLAN = {"sample_rate": 0.01, "steps": 1000}


def risk_of(noise: float) -> guarantees.Guarantee:
    return guarantees.dp_sgd(noise_multiplier=noise, **PLAN)


def test_the_noise_for_an_advantage_is_that_of_riskcal_on_the_safe_side() -> None:
    noise = guarantees.noise_for(advantage=0.1, **PLAN)
    assert noise == pytest.approx(1.42, abs=0.005)  # what riskcal's own search ends at
    assert risk_of(noise).advantage() <= 0.1 < risk_of(noise - 0.002).advantage()


def test_the_noise_keeps_a_true_positive_rate_down_and_is_no_larger_than_it_must() -> None:
    noise = guarantees.noise_for(tpr=0.02, fpr=0.01, **PLAN)
    assert risk_of(noise).tpr(0.01) <= 0.02 < risk_of(noise - 0.002).tpr(0.01)
    assert noise == round(noise, 3)


def test_little_noise_is_found_for_much_risk_and_much_noise_for_little() -> None:
    assert guarantees.noise_for(advantage=0.9999, **PLAN) == 0.25
    large = guarantees.noise_for(advantage=0.05, sample_rate=1, steps=1)
    assert guarantees.gaussian(mu=1 / large).advantage() == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "Give one of the three"),
        ({"tpr": 0.1}, "Give one of the three"),
        ({"tpr": 0.1, "fpr": 0.01, "advantage": 0.1}, "Give one of the three"),
        ({"tpr": 0.01, "fpr": 0.01}, "`tpr` must lie above `fpr`, found 0.01 and 0.01"),
        ({"advantage": 1.5}, "`advantage` must lie between 0 and 1, found 1.5"),
        ({"tpr": 2, "fpr": 0.01}, "`tpr` must lie between 0 and 1"),
    ],
)
def test_a_risk_that_noise_cannot_answer_is_refused(asked: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        guarantees.noise_for(**asked, **PLAN)


def test_a_risk_that_takes_absurd_noise_is_refused() -> None:
    with pytest.raises(InputError, match="Allow more, or train less"):
        guarantees.noise_for(advantage=1e-5, sample_rate=1, steps=100)
