"""Limits, as people write them."""

import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.gate import Limit, limit
from ml_privacy_meter.gate.limits import FIGURES
from ml_privacy_meter.playing import measures_of
from ml_privacy_meter.types import Scores


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AUC<=0.6", Limit("AUC", 0.6)),
        (" auc  <= 60 % ", Limit("AUC", 0.6)),
        ("AUC < .6", Limit("AUC", 0.6, below=True)),
        ("AUC≤1", Limit("AUC", 1.0)),
        ("TPR@0.1%FPR<=0.01", Limit("TPR@0.1%FPR", 0.01)),
        ("TPR@0.001FPR<=1%", Limit("TPR@0.1%FPR", 0.01)),
        ("TPR @ 1e-3 FPR <= 1e-2", Limit("TPR@0.1%FPR", 0.01)),
        ("tpr@0.10%fpr<=0.1%", Limit("TPR@0.1%FPR", 0.001)),
        ("TPR@7%FPR<=7%", Limit("TPR@7%FPR", 0.07)),
        ("balanced_accuracy<=55%", Limit("balanced accuracy", 0.55)),
        ("Balanced accuracy<=0.55", Limit("balanced accuracy", 0.55)),
        ("advantage<0", Limit("advantage", 0.0, below=True)),
    ],
)
def test_a_limit_is_read_however_it_is_written(text, expected):
    assert limit(text) == expected
    assert limit(str(expected)) == expected  # what is printed can be typed


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "FIGURE<=NUMBER"),
        ("AUC", "FIGURE<=NUMBER"),
        ("AUC>=0.6", "FIGURE<=NUMBER"),
        ("AUC=0.6", "FIGURE<=NUMBER"),
        ("AUC<=", "FIGURE<=NUMBER"),
        ("AUC<=-0.1", "FIGURE<=NUMBER"),
        ("AUC<=nan", "FIGURE<=NUMBER"),
        ("AUC<=0.6.1", "FIGURE<=NUMBER"),
        ("AUC<=60", "share from 0 to 1"),
        ("AUC<=101%", "share from 0 to 1"),
        ("AUC<=1e999999999%", "share from 0 to 1"),
        ("AUC<=1e99999999999999999999", "share from 0 to 1"),
        ("TPR@1e999999999%FPR<=0.1", "share from 0 to 1"),
        ("AUCC<=0.6", "Did you mean `AUC`?"),
        ("TPR@1%<=0.6", "Did you mean `TPR@1%FPR`?"),
        ("accuracy<=0.6", "Did you mean `balanced accuracy`?"),
        ("AUC<=0.5<=0.6", "AUC<=0.5"),
        ("error<=0.1", "no figure to limit"),
        ("TPR@0%FPR<=0.1", "lies between 0 and 1"),
        ("TPR@100%FPR<=0.1", "lies between 0 and 1"),
        ("TPR@5FPR<=0.1", "lies between 0 and 1"),
    ],
)
def test_what_is_no_limit_is_refused_with_the_one_thing_to_do(text, says):
    with pytest.raises(InputError) as refused:
        limit(text)
    assert says in str(refused.value)


def test_the_figures_that_can_be_limited_are_those_of_a_report_but_for_the_error():
    generator = torch.Generator().manual_seed(0)
    scores = Scores(torch.rand(4_000, generator=generator), torch.arange(4_000) % 2 == 0)
    rates = (0.1, 0.07, 0.01, 0.003, 0.001)
    names = {measure(scores).name for measure in measures_of(rates, 0.95)}
    typed = {limit(f"TPR@{rate}FPR<=1").figure for rate in rates}
    assert names == {*FIGURES, "error", *typed}


@pytest.mark.parametrize(("below", "exceeded"), [(False, [False, False, True]), (True, [False, True, True])])
def test_a_limit_may_be_reached_unless_it_says_below(below, exceeded):
    assert [Limit("AUC", 0.6, below=below).exceeded(number) for number in (0.599, 0.6, 0.601)] == exceeded
