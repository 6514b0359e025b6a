"""Seconds and memory of scores that need reference models: 50,000 records, in blocks, beside the straightforward ways.

RMIA under 4 reference models, against 10,000 population records: the bars are .02 s, and 10 MB beyond its input. LiRA
and BaVarIA under 256: .2 s and 32 MB. `stacked` under 16, from logits of 10 classes: 60 s. What is timed of the others
is the scoring of signals that have been read; the other ways of RMIA even start from likelihood ratios. All in one
process on one thread, in turn, in an order that changes; the least of four, for medians one. Memory is the rise of the
peak of the resident set, each in a process of its own.
"""

import ctypes
import math
import multiprocessing
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from scipy.stats import norm

from ml_privacy_meter.membership import View, stacked
from ml_privacy_meter.membership.bavaria import bavaria_scores
from ml_privacy_meter.membership.lira import lira_scores
from ml_privacy_meter.membership.rmia import rmia_scores
from ml_privacy_meter.types import OutputSignal, Records, Signals

RECORDS, POPULATION, FEW, MANY, ROUNDS = 50_000, 10_000, 4, 256, 5


@cache
def signals(records: int, models: int, seed: int) -> Signals:
    """Log-probabilities, which serve as logit gaps too; each record inside half of the models."""
    rng = torch.Generator().manual_seed(seed)
    values = torch.randn(records, 1 + models, 1, generator=rng, dtype=torch.float64).exp_().neg_()
    inside = torch.zeros(records, models, dtype=torch.bool)
    for j in range(0, models, 2):
        inside[:, j] = torch.rand(records, generator=rng) < 0.5
        inside[:, j + 1] = ~inside[:, j]
    return Signals(values[:, 0].clone(), values[:, 1:].clone(), inside)


@cache
def ratios() -> tuple[np.ndarray, np.ndarray]:
    """Offline likelihood ratios of records and population, for those ways of RMIA that start there."""

    def of(seen: Signals) -> np.ndarray:
        out = (seen.reference.exp() * ~seen.inside[:, :, None]).sum(1) / (~seen.inside).sum(1, keepdim=True)
        return (seen.target.exp() / (0.65 * out + 0.35))[:, 0].numpy()

    return of(signals(RECORDS, FEW, 0)), of(signals(POPULATION, FEW, 1))


def rmia_here() -> torch.Tensor:
    return rmia_scores(signals(RECORDS, FEW, 0), signals(POPULATION, FEW, 1), offline=True)


def rmia_in_chunks() -> np.ndarray:
    x, z = ratios()
    return np.concatenate([(part[:, None] / z >= 2).mean(1) for part in np.array_split(x, 50)])


def rmia_by_record() -> np.ndarray:
    x, z = ratios()
    return np.array([np.mean(one / z >= 2) for one in x])


def lira_here() -> torch.Tensor:
    return lira_scores(signals(RECORDS, MANY, 0))


def lira_by_medians() -> np.ndarray:
    """As the paper's script does it, but for all records at once."""
    seen = signals(RECORDS, MANY, 0)
    values, inside = seen.reference[:, :, 0].numpy(), seen.inside.numpy()
    score = 0
    for sign, side in ((1, inside), (-1, ~inside)):
        own = np.where(side, values, np.nan)
        score += sign * norm.logpdf(seen.target[:, 0].numpy(), np.nanmedian(own, 1), np.nanstd(own, 1) + 1e-30)
    return score


def lira_at_once() -> torch.Tensor:
    """Means and variances of whole arrays."""
    seen = signals(RECORDS, MANY, 0)
    score = torch.zeros(())
    for sign, side in ((1, seen.inside), (-1, ~seen.inside)):
        count, own = side.sum(1), torch.where(side, seen.reference[:, :, 0], 0.0)
        mean = own.sum(1) / count
        usual = (torch.where(side, own - mean[:, None], 0.0).square().sum(1) / (count - 1)).sqrt()
        score = score + sign * torch.distributions.Normal(mean, usual).log_prob(seen.target[:, 0])
    return score


def bavaria_here() -> torch.Tensor:
    return bavaria_scores(signals(RECORDS, MANY, 0))


@dataclass(frozen=True)
class Remembered:
    """A model of which the logits are known, and a reader of such models."""

    logits: torch.Tensor

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.logits


class OfLogits:
    def __init__(self) -> None:
        self._of = cache(lambda signal, model, y: signal.of(model.logits, y))

    def signal(self, signal: OutputSignal, model: Remembered, records: Records, query: int = 0) -> torch.Tensor:
        return self._of(signal, model, records.labels)


def seconds_of_stacked(models: int = 16) -> float:
    """Of the whole attack: its rehearsals, what it learns there, and its scores."""
    seen, y = signals(RECORDS, models, 4), torch.randint(10, (RECORDS,))
    at_label = torch.nn.functional.one_hot(y, 10)
    target, *references = (
        Remembered(torch.randn(RECORDS, 10) + at_label * (3 + values + 2 * inside[:, None]))
        for values, inside in zip(
            [seen.target, *seen.reference.unbind(1)], [seen.inside[:, 0], *seen.inside.T], strict=True
        )
    )
    records = Records(torch.zeros(RECORDS, 1), y, np.arange(RECORDS))
    view = View(target, records, OfLogits(), tuple(references), seen.inside)
    start = time.perf_counter()
    stacked(view)
    return time.perf_counter() - start


WAYS = {
    "RMIA": rmia_here,
    "RMIA, n x m in chunks of 1,000": rmia_in_chunks,
    "RMIA, a loop over records": rmia_by_record,
    "LiRA": lira_here,
    "LiRA, whole arrays at once": lira_at_once,
    "LiRA, medians of masked copies": lira_by_medians,
    "BaVarIA": bavaria_here,
}


def status(word: str) -> int:
    """Of this process, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(word))
    return int(line.split()[1]) * 1024


def beyond(name: str) -> float:
    """Rise of the peak of the resident set, in MB, in a process that has its input and has run all this on less."""
    torch.set_num_threads(1)
    for models in (FEW, MANY):
        seen, others = signals(500, models, 2), signals(100, models, 3)
        lira_scores(seen), bavaria_scores(seen), rmia_scores(seen, others, offline=True)
    np.nanmedian(np.ones((9, 9)), 1), norm.logpdf(np.ones(9))
    signals(RECORDS, FEW if name.startswith("RMIA") else MANY, 0)
    if name.startswith("RMIA"):
        ratios()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is from here on
    before = status("VmRSS")
    WAYS[name]()
    return (status("VmHWM") - before) / 1e6


def main() -> None:
    torch.set_num_threads(1)
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        megabytes = dict(zip(WAYS, pool.map(beyond, WAYS, chunksize=1), strict=True))
    times = dict.fromkeys(WAYS, math.inf)
    for round_ in range(ROUNDS):
        for name in np.roll(list(WAYS), round_):
            if round_ and "medians" in name:
                continue
            start = time.perf_counter()
            WAYS[name]()
            if round_ or "medians" in name:  # the first round makes the input
                times[name] = min(times[name], time.perf_counter() - start)
    for name, seconds in times.items():
        print(f"{name:32} {seconds:8.4f} s  {megabytes[name]:8.1f} MB beyond its input")
    print(f"{'stacked, 16 models':34} {seconds_of_stacked():8.1f} s")


if __name__ == "__main__":
    main()
