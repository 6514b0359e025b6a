import numpy as np
import pytest
import torch

from ml_privacy_meter.risk.norms import BINS, gradient_norms


def test_every_record_lies_in_a_bin_and_quantiles_are_those_of_its_class() -> None:
    rng = np.random.default_rng(0)
    norm, member = torch.from_numpy(rng.lognormal(size=1000)), torch.arange(1000) % 2 == 0
    norm[:3] = torch.tensor([0.0, 1e-200, 1e9]).double()
    kinds = np.repeat(["a", "b"], 500)
    found = gradient_norms(norm, member, kinds)
    assert len(found.edges) == BINS + 1
    assert (sum(found.members), sum(found.non_members)) == (500, 500)
    steps = np.diff(np.log(found.edges))
    assert steps == pytest.approx(np.full(BINS, steps.mean()))
    one = next(one for one in found.classes if one.value == "b")
    here = (kinds == "b") & member.numpy()
    assert one.members.quantiles == pytest.approx(np.quantile(norm.numpy()[here], [0.1, 0.25, 0.5, 0.75, 0.9]))
    assert one.members.count == 250


def test_classes_come_with_those_first_whose_medians_lie_farthest_apart() -> None:
    member = torch.arange(400) % 2 == 0
    kinds = np.arange(400) // 2 % 4
    norm = torch.ones(400).double()
    for kind, factor in enumerate((1.0, 8.0, 2.0, 0.25)):
        norm[torch.from_numpy(kinds == kind) & ~member] = factor
    assert [one.value for one in gradient_norms(norm, member, kinds).classes] == ["1", "3", "2", "0"]


def test_a_class_with_too_few_of_either_kind_and_records_without_classes_are_left_out() -> None:
    norm, member = torch.rand(100).double(), torch.arange(100) < 50
    assert gradient_norms(norm, member, np.where(np.arange(100) < 46, "few", "many")).classes == ()
    assert gradient_norms(norm, member).classes == ()
    assert sum(gradient_norms(torch.zeros(100).double(), member).members) == 50
