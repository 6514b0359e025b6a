"""Labels alone say how far a record lies from the border of its class."""

import numpy as np
import pandas as pd
import pytest
import torch

from ml_privacy_meter import InputError
from ml_privacy_meter.signals import label_robustness


class Border(torch.nn.Module):
    """Class 1 where the first value is above 0; sure of itself everywhere, so that its outputs say no more."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([-torch.sign(x.flatten(1)[:, 0].float()), torch.sign(x.flatten(1)[:, 0].float())], 1)


def test_a_record_far_from_the_border_is_higher_than_one_near_it():
    x = torch.tensor([[0.1, 1.0, -1.0], [3.0, 1.0, -1.0], [-3.0, 1.0, -1.0]], dtype=torch.float64)
    near, far, wrong = label_robustness(Border(), x, torch.tensor([1, 1, 1])).tolist()
    assert wrong < near < far
    assert far == pytest.approx(np.log(24.5 / 0.5))  # 24 of 24, and half a copy on each side
    assert wrong == pytest.approx(-far)


def test_it_is_what_a_loop_over_records_and_copies_counts():
    rng = np.random.default_rng(0)
    x, y = torch.from_numpy(rng.normal(size=(20, 4))), torch.from_numpy(rng.integers(0, 2, 20))
    found = label_robustness(Border(), x, y, copies=6, scales=(0.5, 2.0), seed=3)
    noise = torch.Generator().manual_seed(3)
    copies = [torch.special.ndtri(torch.rand(4, generator=noise, dtype=torch.float64)) for _ in range(6)]
    for record, label, value in zip(x, y, found, strict=True):
        near = [record + (0.5, 2.0)[k % 2] * record.std() * copy for k, copy in enumerate(copies)]
        right = sum(int(one[0] > 0) == int(label) for one in near)
        assert value == pytest.approx(np.log((right + 0.5) / (6 - right + 0.5)))


def test_no_record_hangs_on_which_others_are_asked():
    x, y = torch.randn(9, 5, generator=torch.Generator().manual_seed(1)), torch.ones(9, dtype=torch.int64)
    whole = label_robustness(Border(), x, y)
    torch.testing.assert_close(
        torch.cat([label_robustness(Border(), x[k : k + 2], y[k : k + 2]) for k in (0, 2, 4, 6, 8)]), whole
    )


def test_zeros_and_ones_are_flipped_and_stay_zeros_and_ones():
    asked = []

    def model(x: torch.Tensor) -> torch.Tensor:
        asked.append(x)
        return torch.zeros(len(x), 2)

    x = torch.randint(0, 2, (6, 400), generator=torch.Generator().manual_seed(0)).float()
    label_robustness(model, x, torch.zeros(6, dtype=torch.int64), copies=2, scales=(0.1, 0.3))
    for near, share in zip(asked, (0.1, 0.3), strict=True):
        assert set(near.unique().tolist()) == {0.0, 1.0}
        assert ((near != x).float().mean(1) - share).abs().max() < 0.08


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bool])
def test_copies_are_of_the_records_own_kind(dtype):
    x = (torch.rand(5, 3, 4, generator=torch.Generator().manual_seed(0)) * 255).to(dtype)

    def model(near: torch.Tensor) -> torch.Tensor:
        assert near.dtype == dtype
        assert near.shape == x.shape
        return torch.zeros(len(near), 2)

    assert label_robustness(model, x, torch.zeros(5, dtype=torch.int64)).isfinite().all()


def test_tables_with_words_are_refused():
    with pytest.raises(InputError, match="found a DataFrame"):
        label_robustness(Border(), pd.DataFrame({"a": ["b"]}), torch.tensor([0]))
