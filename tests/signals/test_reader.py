"""A model is asked once for each record, in batches, and left as it was."""

import copy
import os
import signal as os_signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import worlds

from ml_privacy_meter import signals
from ml_privacy_meter._checks import InputError
from ml_privacy_meter.signals import Reader, Store


class Counting(torch.nn.Module):
    """Counts the records that it was asked about."""

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self.inner, self.key, self.asked = torch.nn.Linear(7, 3), key, 0

    def forward(self, x):
        self.asked += len(x)
        return self.inner(x)


@pytest.fixture
def records():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(1000, 7, generator=rng), torch.randint(3, (1000,), generator=rng)
    return replace(worlds.records(x, y), key="these records")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Counting("this model")


def test_a_signal_is_what_the_model_says_in_one_batch(model, records):
    read = Reader(Store(), batch_size=64).signal(signals.loss, model, records)
    with torch.no_grad():
        torch.testing.assert_close(read, signals.loss(model, records.x, records.labels))
    assert read.dtype == torch.float64


def test_all_signals_of_the_outputs_share_one_pass(model, records):
    reader = Reader(Store())
    for signal in (signals.loss, signals.entropy, signals.margin, signals.other_classes):
        reader.signal(signal, model, records)
    assert model.asked == 1000 + 32  # the first few are asked again, to see that what is kept is not stale


def test_a_part_in_another_order_is_read_from_the_whole(model, records):
    reader = Reader(Store())
    whole = reader.signal(signals.loss, model, records)
    rows = np.random.default_rng(0).permutation(1000)[:300]
    part = records.take(rows).take(np.arange(0, 300, 2))
    assert torch.equal(reader.signal(signals.loss, model, part), whole[rows[::2]])
    assert model.asked == 1032


def test_a_second_reader_finds_what_the_first_kept(model, records, tmp_path):
    first = Reader(Store(tmp_path)).signal(signals.loss, model, records)
    model.asked = 0
    assert torch.equal(Reader(Store(tmp_path)).signal(signals.loss, model, records), first)
    assert model.asked == 32


@pytest.mark.parametrize("change", ["model", "records", "labels"])
def test_other_content_of_the_same_size_is_read_anew(model, records, tmp_path, change):
    Reader(Store(tmp_path)).signal(signals.loss, model, records)
    if change == "model":
        model.key = "another model"
    elif change == "records":
        records = replace(records, x=records.x + 1, key="other records")
    else:
        records = replace(records, y=(records.labels + 1) % 3)
    with torch.no_grad():
        expected = signals.loss(model, records.x, records.labels)
    torch.testing.assert_close(Reader(Store(tmp_path)).signal(signals.loss, model, records), expected)


def test_a_kept_answer_that_the_model_no_longer_gives_is_not_used(model, records, tmp_path):
    """The key says the same model, but its code has changed."""
    Reader(Store(tmp_path)).signal(signals.loss, model, records)
    with torch.no_grad():
        model.inner.weight += 1
        expected = signals.loss(model, records.x, records.labels)
    torch.testing.assert_close(Reader(Store(tmp_path)).signal(signals.loss, model, records), expected)


def test_without_a_key_nothing_is_taken_from_an_earlier_run(records, tmp_path):
    torch.manual_seed(0)
    for model in (Counting(), Counting()):
        Reader(Store(tmp_path)).signal(signals.loss, model, records)
        assert model.asked == 1032
    assert not list(tmp_path.glob("*.rows"))


def shifted(model, x, y, *, by):
    return model(x)[:, 0] + by


def test_a_signal_of_ones_own_with_other_settings_is_another_signal(model, records, tmp_path):
    reader = Reader(Store(tmp_path))
    one, two = (reader.signal(partial(shifted, by=by), model, records) for by in (1.0, 2.0))
    torch.testing.assert_close(two - one, torch.ones(1000, dtype=torch.float64))


def test_signals_that_are_written_alike_are_told_apart(model, records, tmp_path):
    """By what a closure, a large setting, or an object holds."""

    class Column:
        def __init__(self, k):
            self.k = k

        def __call__(self, model, x, y):
            return model(x)[:, self.k]

    def weighted(model, x, y, *, w):
        return model(x)[:, 0] * w[-2]

    reader = Reader(Store(tmp_path))
    with torch.no_grad():
        expected = model.inner(records.x).double()
    for k in range(3):
        w = np.zeros(5000)
        w[-2] = k
        for signal in (
            lambda model, x, y, k=k: model(x)[:, k],
            signals.OutputSignal(lambda outputs, y, k=k: outputs[:, k]),
            Column(k),
        ):
            torch.testing.assert_close(reader.signal(signal, model, records), expected[:, k])
        torch.testing.assert_close(reader.signal(partial(weighted, w=w), model, records), expected[:, 0] * k)


def test_small_quantities_are_not_taken_for_the_same(records, tmp_path):
    class Scaled(Counting):
        def forward(self, x):
            return super().forward(x) * self.scale

    one, two = Scaled("same key"), Scaled("same key")
    two.load_state_dict(one.state_dict())
    one.scale, two.scale = 1e-8, 5e-8
    raw = [Reader(Store(tmp_path)).signal(signals.OutputSignal(lambda z, y: z[:, 0]), m, records) for m in (one, two)]
    torch.testing.assert_close(raw[1], 5 * raw[0])


def test_the_model_is_left_as_it_was(records):
    model = torch.nn.Sequential(torch.nn.Linear(7, 3), torch.nn.BatchNorm1d(3), torch.nn.Dropout())
    model[2].eval()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(3)
    state = torch.get_rng_state()
    Reader(Store()).signal(signals.loss, model, records)
    assert [part.training for part in model.modules()] == [True, True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_an_answer_that_is_not_finite_names_the_record(model, records):
    records.x[700, 3] = float("inf")
    with pytest.raises(InputError, match=r"finite numbers, found .* for record `700`"):
        Reader(Store()).signal(signals.loss, model, records)


def test_an_audit_that_was_killed_goes_on_where_it_was(tmp_path):
    """kill -9 on the way: the next run asks only for what is missing."""
    script = textwrap.dedent(f"""
        import sys, time, numpy as np, torch
        from ml_privacy_meter import signals
        from ml_privacy_meter.signals import Reader, Store
        from ml_privacy_meter.types import Records

        class Slow(torch.nn.Module):
            key, asked, slow = "slow", 0, float(sys.argv[1])
            def forward(self, x):
                self.asked += len(x)
                time.sleep(self.slow)
                return x[:, :3]

        x = torch.arange(7000.0).reshape(1000, 7) % 13
        records = Records(x, torch.arange(1000) % 3, np.arange(1000).astype(str), key="r")
        model = Slow()
        print("ready", flush=True)
        values = Reader(Store({str(tmp_path)!r}), batch_size=32).signal(signals.loss, model, records)
        print(model.asked, float(values.sum()))
    """)
    start = partial(subprocess.Popen, stdout=subprocess.PIPE, text=True)
    with start([sys.executable, "-c", script, "0.1"]) as first:
        kept: list = []
        while not kept or kept[0].stat().st_size < 5 * 32 * 12:
            time.sleep(0.02)
            kept = list(tmp_path.glob("*.rows"))
        os.kill(first.pid, os_signal.SIGKILL)
    with start([sys.executable, "-c", script, "0"]) as second:
        asked, total = second.communicate()[0].split("\n")[1].split()
    assert int(asked) <= 32 + 1000 - 5 * 32
    x = torch.arange(7000.0).reshape(1000, 7) % 13
    expected = signals.loss(lambda x: x[:, :3], x, torch.arange(1000) % 3).sum()
    assert float(total) == pytest.approx(float(expected))


def test_a_torn_row_at_the_end_is_read_again(model, records, tmp_path):
    whole = Reader(Store(tmp_path)).signal(signals.loss, model, records)
    (file,) = tmp_path.glob("*.rows")
    file.write_bytes(file.read_bytes()[: 500 * 12 + 5])
    assert torch.equal(Reader(Store(tmp_path)).signal(signals.loss, model, records), whole)


def test_a_model_that_is_loaded_when_asked_is_not_moved_where_it_is_held():
    class Loaded:
        model = torch.nn.Linear(2, 2)

        def load(self):
            return self.model

        def __call__(self, x):
            return self.model(x)

    reader = Reader(Store(), device="meta")
    assert reader._here(Loaded()).weight.device.type == "meta"
    assert Loaded.model.weight.device.type == "cpu"
