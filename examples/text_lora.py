"""An adapter (LoRA) of a small language model on speeches of Shakespeare, then an audit of it through a run file.

python examples/text_lora.py shakespeare --data ../shared/data
"""

import argparse
import json
import lzma
import subprocess
import sys
from pathlib import Path

import numpy as np

import ml_privacy_meter as pm

RUN_FILE = """
out = "report"
[model]
path = "adapter"
base = '{base}'
[members]
path = "members.jsonl"
[non_members]
path = "non_members.jsonl"
[references]
count = {references}
fine_tuning = {{ {tuning} }}
"""


def speeches(file: Path, seed: int = 0) -> list[str]:
    """Speeches of 80 to 300 letters, in an order drawn at random; each only once."""
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        every = [text for line in lines for text in json.loads(line)["speeches"]]
    some = sorted({text for text in every if 80 <= len(text) <= 300})
    return [some[at] for at in np.random.default_rng(seed).permutation(len(some))]


def prepare(texts: list[str], base: Path, folder: Path, references: int, **settings: float) -> Path:
    """The run file of an audit of an adapter that is tuned on the first half of these texts."""
    half = len(texts) // 2
    for name, side in (("members", texts[:half]), ("non_members", texts[half:])):
        lines = (json.dumps({"text": text}) + "\n" for text in side)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    pm.fine_tune(pm.FineTuning(base, **settings), texts[:half], to=folder / "adapter")
    tuning = ", ".join(f"{name} = {value}" for name, value in settings.items())
    file = folder / "audit.toml"
    file.write_text(RUN_FILE.format(base=base.resolve(), references=references, tuning=tuning), encoding="utf-8")
    return file


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the adapter, the texts and the report go")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--texts", type=int, default=60, help="in each of both sets")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--references", type=int, default=4)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    texts = speeches(given.data / "shakespeare_speeches.jsonl.xz")[: 2 * given.texts]
    how = {"rank": 16, "epochs": given.epochs, "lr": 3e-3}
    file = prepare(texts, given.data / "models" / "stories260k", given.folder, given.references, **how)
    sys.exit(subprocess.call([Path(sys.executable).with_name("privacy-meter"), "run", file]))
