import math

import numpy as np
import pytest
from scipy.stats import binom

from ml_privacy_meter import InputError
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.risk.likeness import effective, median, share_above

ALONE = np.arange(40)


def test_the_median_has_the_interval_of_order_statistics():
    values = np.random.default_rng(0).normal(size=40)
    found = median("m", values, values - 1, ALONE)
    ordered = np.sort(values)
    assert (found.value, found.baseline) == pytest.approx((np.median(values), np.median(values) - 1))
    ranks = [k for k in range(1, 20) if 2 * binom.cdf(k - 1, 40, 0.5) <= 0.05]
    assert (found.low, found.high) == (ordered[max(ranks) - 1], ordered[40 - max(ranks)])


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_too_few_records_leave_the_interval_of_the_median_open(count):
    found = median("m", np.arange(count) * 1.0, np.zeros(count), np.arange(count))
    assert math.isinf(found.low) == math.isinf(found.high) == (count < 6)


def test_a_share_has_clopper_and_pearsons_interval():
    values = np.arange(40.0)
    found = share_above("s", values, values - 20, ALONE, least=29.5)
    assert (found.value, found.baseline) == (0.25, 0.0)
    assert (found.low, found.high) == pytest.approx(clopper_pearson(10, 40))
    for every, (low, high) in ((values + 99, clopper_pearson(40, 40)), (values - 99, clopper_pearson(0, 40))):
        found = share_above("s", every, values, ALONE, least=29.5)
        assert (found.low, found.high) == pytest.approx((low, high))


def test_records_of_one_batch_that_fare_alike_count_as_one():
    batch = np.repeat(np.arange(10), 8)
    alike = np.repeat(np.arange(10) < 4, 8)
    assert effective(alike, batch) == pytest.approx(9)  # ten batches, less one for their mean
    assert effective(np.ones(80, bool), batch) == 10
    assert effective(np.arange(80) % 8 < 4, batch) == 80
    assert "80 count as 9.0 independent ones" in share_above("s", alike * 1.0, alike * 1.0, batch, least=0.5).note


def test_one_batch_alone_counts_by_its_records():
    assert effective(np.arange(6) < 3, np.zeros(6, int)) == 6


@pytest.mark.parametrize("figure", ["share", "median"])
def test_intervals_of_records_in_batches_cover(figure):
    """Batches differ as a beta distribution does; of 400 simulated audits at 90% at most 15% miss."""
    rng, missed = np.random.default_rng(1), 0
    for _ in range(400):
        batch, share = np.repeat(np.arange(25), 4), np.repeat(rng.beta(1, 1, 25), 4)
        values = (rng.random(100) < share) + 0.0 if figure == "share" else share + rng.normal(size=100)
        if figure == "share":
            found = share_above("s", values, values, batch, least=0.5, confidence=0.9)
        else:
            found = median("m", values, values, batch, confidence=0.9)
        missed += not found.low <= 0.5 <= found.high
    assert missed <= 60


def test_each_record_has_its_batch():
    with pytest.raises(InputError, match="found 3 and 2"):
        effective(np.ones(3, bool), np.zeros(2, int))
