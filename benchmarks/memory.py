"""Peak memory of an audit of 1,000,000 records x 600 features from disk, through the command line; the bar is 1.5 GB.

python benchmarks/memory.py [records]      # needs 2.4 GB of disk for a million
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

FEATURES, CLASSES = 600, 100


def write(file: Path, rows: int, seed: int) -> None:
    """An uncompressed archive, written block by block."""
    import zipfile

    rng = np.random.default_rng(seed)
    with zipfile.ZipFile(file, "w") as archive:
        with archive.open("x.npy", "w", force_zip64=True) as x:
            header = {"descr": "<f4", "fortran_order": False, "shape": (rows, FEATURES)}
            np.lib.format.write_array_header_1_0(x, header)
            for start in range(0, rows, 10_000):
                block = rng.standard_normal((min(10_000, rows - start), FEATURES), dtype=np.float32)
                x.write(block.tobytes())
        with archive.open("y.npy", "w") as y:
            np.lib.format.write_array(y, rng.integers(CLASSES, size=rows))


def main(records: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        write(here / "train.npz", records // 2, 0)
        write(here / "test.npz", records // 2, 1)
        torch.manual_seed(0)
        layers = (torch.nn.Linear(FEATURES, 256), torch.nn.ReLU(), torch.nn.Linear(256, CLASSES))
        rows = ({0: torch.export.Dim("records", min=1)},)
        exported = torch.export.export(torch.nn.Sequential(*layers), (torch.zeros(2, FEATURES),), dynamic_shapes=rows)
        torch.export.save(exported, here / "model.pt2")
        meter = Path(sys.executable).with_name("privacy-meter")
        sets = ("--members", here / "train.npz", "--non-members", here / "test.npz")
        places = ("--out", here / "report", "--store", here / "store")
        start = time.perf_counter()
        status, peak = run([meter, "audit", "--quiet", "--model", here / "model.pt2", *sets, *places])
        seconds = time.perf_counter() - start
        print(f"{records:,} x {FEATURES}: exit {status}, peak {peak:.2f} GiB, {seconds:.0f} s")
        print(f"importing the libraries alone: {run([meter, 'audit', '--help'])[1]:.2f} GiB")


def run(command: list) -> tuple[int, float]:
    """Exit status, and the peak of the resident set in GiB."""
    _, status, usage = os.wait4(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, 0)
    return status, usage.ru_maxrss / 2**20


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
