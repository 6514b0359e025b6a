"""How much longer reading a signal takes than a bare loop over ``model(x)``: 50,000 x 600 records through an MLP.

Both in this process, in turn, in the order that changes; the least of ten. The bar is 1.3.
"""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from ml_privacy_meter.signals import Reader, Store, loss
from ml_privacy_meter.signals.reader import _outputs
from ml_privacy_meter.types import Records

RECORDS, FEATURES, CLASSES, ROUNDS = 50_000, 600, 100, 10


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(RECORDS, FEATURES), torch.randint(CLASSES, (RECORDS,))
    widths = (FEATURES, 512, 256, CLASSES)
    layers = [part for a, b in pairwise(widths) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    model = torch.nn.Sequential(*layers[:-1]).eval()
    records = replace(Records(x, y, np.arange(RECORDS).astype(str)), key="benchmark")

    def bare() -> None:
        with torch.no_grad():
            torch.cat([model(batch) for batch in x.split(1024)])

    def outputs() -> None:
        Reader(Store())._on_disk(_outputs, model, records)

    def signal() -> None:
        Reader(Store()).signal(loss, model, records)

    contestants = {"bare loop": bare, "outputs, kept on disk": outputs, "loss, outputs kept on disk": signal}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for round_ in range(ROUNDS):
        for name in np.roll(list(contestants), round_):
            times[name].append(seconds(contestants[name]))
    for name, taken in times.items():
        print(f"{name:28} {min(taken):6.3f} s   {min(taken) / min(times['bare loop']):5.2f} of the bare loop")


if __name__ == "__main__":
    main()
