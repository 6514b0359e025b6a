import math

import numpy as np
import pytest
from scipy.stats import binom, t

from ml_privacy_meter import InputError
from ml_privacy_meter.risk.intervals import clopper_pearson
from ml_privacy_meter.risk.likeness import Origin, effective, median, share_above


def _apart(batch):
    """Values of records that come once each."""
    batch = np.asarray(batch)
    return Origin(batch, np.arange(len(batch)))


ALONE = _apart(np.arange(40))


def test_the_median_has_the_interval_of_order_statistics():
    values = np.random.default_rng(0).normal(size=40)
    found = median("m", values, values - 1, ALONE)
    ordered = np.sort(values)
    assert (found.value, found.baseline) == pytest.approx((np.median(values), np.median(values) - 1))
    ranks = [k for k in range(1, 20) if 2 * binom.cdf(k - 1, 40, 0.5) <= 0.05]
    assert (found.low, found.high) == (ordered[max(ranks) - 1], ordered[40 - max(ranks)])


@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_too_few_records_leave_the_interval_of_the_median_open(count):
    found = median("m", np.arange(count) * 1.0, np.zeros(count), _apart(np.arange(count)))
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
    origin = _apart(np.repeat(np.arange(10), 8))
    alike = np.repeat(np.arange(10) < 4, 8)
    assert effective(alike, origin) == 10
    assert effective(np.ones(80, bool), origin) == 10
    assert "80 count as 10.0 independent ones" in share_above("s", alike * 1.0, alike * 1.0, origin, least=0.5).note


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_few_batches_tell_little_of_how_alike_records_fare(confidence):
    tail = (1 + confidence) / 2
    for batches in (2, 3, 10):
        evenly = effective(np.arange(8 * batches) % 8 < 4, _apart(np.repeat(np.arange(batches), 8)), confidence)
        known = (t.ppf(tail, 8 * batches - 1) / t.ppf(tail, batches - 1)) ** 2
        assert evenly == pytest.approx(max(8 * batches * known, batches))


def test_a_batch_that_holds_nearly_all_records_leaves_them_few():
    origin = _apart(np.repeat(np.arange(5), [96, 1, 1, 1, 1]))
    for hits in (np.arange(100) % 2 == 0, np.ones(100, bool)):
        assert effective(hits, origin) == pytest.approx(100**2 / (96**2 + 4))


def test_one_batch_alone_counts_by_its_records_and_says_so():
    origin = _apart(np.zeros(6, int))
    assert effective(np.arange(6) < 3, origin) == 6
    assert share_above("s", np.arange(6.0), np.zeros(6), origin, least=2.5).note.startswith("One batch alone does not")
    assert not share_above("s", np.arange(6.0), np.zeros(6), _apart(np.arange(6)), least=2.5).note


def test_a_record_that_comes_many_times_counts_once_and_the_note_says_so():
    once = Origin(np.zeros(30, int), np.zeros(30, int))
    assert effective(np.arange(30) < 15, once) == 1
    found = share_above("s", np.ones(30), np.zeros(30), once, least=0.5)
    assert found.note == "30 values are of 1 records, played more than once; each counts once."
    assert (found.low, found.high) == pytest.approx(clopper_pearson(1, 1))
    five = Origin(np.tile(np.arange(5), 6), np.tile(np.arange(5), 6))
    for hits in (np.arange(30) % 5 < 2, np.arange(30) < 11, np.ones(30, bool)):
        assert effective(hits, five) == pytest.approx(5)


@pytest.mark.parametrize("figure", ["share", "median"])
@pytest.mark.parametrize(("batches", "each"), [(2, 4), (2, 32), (3, 8), (3, 64), (4, 8), (25, 4)])
@pytest.mark.usefixtures("unchecked")
def test_intervals_of_records_in_batches_cover(figure, batches, each):
    """Batches fare as a uniform distribution has it; of 600 audits at 95% no more miss than chance allows, 46."""
    rng, missed = np.random.default_rng(1), 0
    origin = _apart(np.repeat(np.arange(batches), each))
    for _ in range(600):
        share = np.repeat(rng.beta(1, 1, batches), each)
        if figure == "share":
            values = (rng.random(len(share)) < share) + 0.0
            found = share_above("s", values, values, origin, least=0.5)
        else:
            values = share + 0.3 * rng.normal(size=len(share))
            found = median("m", values, values, origin)
        missed += not found.low <= 0.5 <= found.high
    assert missed <= binom.ppf(0.999, 600, 0.05)


@pytest.mark.usefixtures("unchecked")
def test_each_value_has_its_batch_and_its_record():
    with pytest.raises(InputError, match="found 3 and 2"):
        effective(np.ones(3, bool), _apart(np.zeros(2, int)))
    with pytest.raises(InputError, match="found 2 batches and 3 records"):
        Origin(np.zeros(2, int), np.zeros(3, int))
