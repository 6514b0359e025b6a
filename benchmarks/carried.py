"""What false positive rate `stacked` reaches on a target at the threshold of its rehearsals, where 1% is intended.

python benchmarks/carried.py [location] --data ../shared/data --store reproduction/store      # or tafeng, or diabetes

Targets and reference models are those of `power.py`; in brackets, the deviation over targets.
"""

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
from power import SETTINGS, games, with_references

from ml_privacy_meter.membership import stacked
from ml_privacy_meter.rehearsing import rehearse
from ml_privacy_meter.risk.carried import carried


def rates(game, count: int) -> tuple[float, float]:
    """The false and the true positive rate of `stacked` on the target."""
    game = with_references(game, count)
    taken = carried(game.play(stacked), rehearse(game, {"stacked": stacked}).scores["stacked"], fpr=0.01)
    return taken.reached.value, taken.tpr.value


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=SETTINGS, default="location")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--store", type=Path, help="keeps the models and what they say")
    parser.add_argument("--references", type=int, nargs="+", default=[4, 6, 8, 16])
    parser.add_argument("--targets", type=int, default=5)
    given = parser.parse_args()
    pool = games(given.name, given.data, given.store, max(given.references) + 2)
    targets = list(islice(pool, 0, 2 * given.targets, 2))  # one of each pair
    print("| references | FPR reached | TPR |")
    print("|---|---|---|")
    for count in given.references:
        found = np.array([rates(game, count) for game in targets])
        cells = [f"{mean:.2%} ({spread:.2%})" for mean, spread in zip(found.mean(0), found.std(0, ddof=1), strict=True)]
        print(f"| {count} | {' | '.join(cells)} |", flush=True)
