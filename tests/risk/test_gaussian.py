"""Epsilon of Gaussian mechanisms against closed forms and an oracle that integrates."""

import numpy as np
import pytest
from scipy.stats import norm

from ml_privacy_meter.risk.gaussian import gaussian_epsilon, gaussian_one_run_mu


@pytest.mark.parametrize(("mu", "epsilon"), [(0.5, 1.99), (1, 4.38), (2, 10.0), (3, 16.7)])
def test_epsilon_of_mu_equals_known_values(mu, epsilon):
    assert gaussian_epsilon(mu, 1e-5) == pytest.approx(epsilon, abs=0.05)


@pytest.mark.parametrize("delta", [1e-12, 1e-5, 0.1, 0.9])
@pytest.mark.parametrize("mu", [0.01, 0.3, 1.0, 4.0, 20.0])
def test_epsilon_leaves_delta_of_the_mass_beyond_it(mu, delta):
    """Delta is what the first density exceeds exp(epsilon) times the second by, integrated."""
    epsilon = gaussian_epsilon(mu, delta)
    x = np.linspace(-10, mu + 10, 400_001)
    excess = np.maximum(np.exp(norm.logpdf(x, mu)) - np.exp(epsilon + norm.logpdf(x)), 0)
    left = float(np.sum(excess) * (x[1] - x[0]))
    assert left == pytest.approx(delta, rel=1e-3) if epsilon else left <= delta


def test_no_distance_is_no_epsilon():
    assert gaussian_epsilon(0.0, 1e-5) == gaussian_epsilon(-1.0, 1e-5) == gaussian_epsilon(1e-9, 1e-5) == 0


def test_mu_of_one_run_is_the_slow_recursion_of_the_paper():
    def rejected(mu: float, m: int, made: int, right: int) -> bool:
        r, h = 0.05 * right / m, 0.05 * (made - right) / m
        for i in range(right - 1, -1, -1):
            new = max(h, norm.cdf(norm.ppf(r) - mu))
            r, h = min(1, r + i / (made - i) * (new - h)), new
        return r + h > made / m

    for counts in ((200, 40, 40), (200, 200, 150), (100, 50, 45)):
        mu = gaussian_one_run_mu(counts[2], counts[1], counts[0], alpha=0.05)
        assert mu > 0
        assert rejected(mu - 1e-5, *counts)
        assert not rejected(mu + 1e-5, *counts)
