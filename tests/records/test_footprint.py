import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

# VmHWM, not getrusage: on Linux the latter begins with the peak of the process that started this one.
READ = """
import re, sys
import numpy as np, torch
from pathlib import Path
from ml_privacy_meter.records import duplicates, join, load, scan

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

torch.zeros(9).double().sum()
before = peak()
records = scan(load(sys.argv[1]), name="members")
duplicates(records, records)
both = join(records.records, records.records)
for start in range(0, len(both), 4096):
    both.x[start : start + 4096]
order = np.random.default_rng(0).permutation(len(both))
for start in range(0, 10 * 4096, 4096):
    both.x[order[start : start + 4096]]
print(peak() - before)
held = both.x[: len(records.records)]
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process' peak this way")
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_file_of_200_megabytes_is_read_in_less_than_100(tmp_path, order):
    x = np.ones((84_000, 600), np.float32, order=order)
    x[:, 0] = np.arange(len(x))
    np.savez(tmp_path / "a.npz", x=x, y=np.zeros(len(x), np.int8))
    command = [sys.executable, "-c", READ, str(tmp_path / "a.npz")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    in_batches, whole = map(float, told)
    assert in_batches < 100
    assert whole > 190  # the measure sees what is held
