"""How fast and in how much memory texts are scored, and how much faster many adapters are tuned at once.

    python benchmarks/text.py [--data ../shared/data] [--rounds 3]

On one core, in seconds of it, the least of some rounds. Bars: 512 short texts are scored in batches 5 times faster than
one after the other, and alike to 1e-5 of their size; with a vocabulary of 32,000, memory grows by less than 500 MB,
whatever the count of texts; 8 adapters of small steps are tuned together faster than one by one, and alike.
"""

import argparse
import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from ml_privacy_meter.targets import LanguageModel
from ml_privacy_meter.targets.huggingface import open_folder
from ml_privacy_meter.training import FineTuning
from ml_privacy_meter.training.tuning import way_of_tuning


class Numbers:
    """A text is its tokens, as numbers with spaces between them."""

    def encode(self, text: str) -> list[int]:
        return [int(word) for word in text.split()]

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))


def model_of(vocabulary: int, data: Path | None = None) -> LanguageModel:
    """stories260k where it is there, else a model of its sizes with random weights."""
    if data is not None and (data / "models" / "stories260k").is_dir():
        module = open_folder(data / "models" / "stories260k").module
    else:
        sizes = {"hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 5, "num_attention_heads": 8}
        torch.manual_seed(0)
        module = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, max_position_embeddings=512, **sizes)).eval()
    return LanguageModel(module, Numbers(), begin=1, context=512)


def texts(count: int, low: int, high: int, vocabulary: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    return [rng.integers(3, vocabulary, rng.integers(low, high + 1)).tolist() for _ in range(count)]


def one_by_one(model: LanguageModel, ids: list[list[int]]) -> Tensor:
    """What a plain loop finds: log-probability, mean and deviation of each token, all texts one after the other."""
    found = []
    for own in ids:
        with torch.no_grad():
            every = model.module(torch.tensor([[model.begin, *own[:-1]]])).logits[0].log_softmax(-1)
        true, share = every.gather(1, torch.tensor(own)[:, None])[:, 0], every.exp()
        mean = (share * every).sum(1)
        deviation = (share * (every - mean[:, None]).square()).sum(1).sqrt()
        found.append(torch.stack([true, mean, deviation], 1))
    return torch.cat(found)


def in_batches(model: LanguageModel, ids: list[list[int]]) -> Tensor:
    scored = model.scored(ids)
    return scored.stacked()[scored.tokens >= 0][:, :3]


def seconds(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """The least that it took of one core, and what it gave."""
    took = []
    for _ in range(rounds):
        started = time.process_time()
        found = work()
        took.append(time.process_time() - started)
    return min(took), found


def scoring(data: Path, rounds: int) -> None:
    model = model_of(512, data)
    print("| tokens a text | one by one | in batches | times | largest difference |\n|---|---|---|---|---|")
    for count, low, high in ((512, 5, 15), (512, 10, 30), (256, 30, 60), (128, 100, 200)):
        ids = texts(count, low, high, 512)
        loop, wanted = seconds(lambda ids=ids: one_by_one(model, ids), rounds)
        ours, found = seconds(lambda ids=ids: in_batches(model, ids), rounds)
        off = float(((found - wanted).abs() / wanted.abs().clamp(min=1)).max())
        print(f"| {low} to {high} | {loop:.2f} s | {ours:.2f} s | {loop / ours:.1f} | {off:.0e} |")


def memory() -> None:
    model = model_of(32_000)
    print("\n| texts of 256 tokens | all logits would take | memory grew by |\n|---|---|---|")
    model.scored(texts(1, 256, 256, 32_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for count in (8, 64):
        model.scored(texts(count, 256, 256, 32_000))
        grew = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"| {count} | {count * 256 * 32_000 * 4 / 2**20:,.0f} MB | {grew:,.0f} MB |")


def tuning(data: Path, rounds: int) -> None:
    model = model_of(512, data)
    inside = np.random.default_rng(0).random((64, 8)) < 0.5
    labels = np.zeros(64, int)
    print("\n| texts a step | tokens a text | one by one | together | times | largest difference |")
    print("|---|---|---|---|---|---|")
    for batch, low, high in ((2, 10, 30), (8, 10, 30), (8, 60, 120)):
        frame = pd.DataFrame({"text": [" ".join(map(str, ids)) for ids in texts(64, low, high, 512)]})
        way = way_of_tuning(FineTuning(model, epochs=1, lr=1e-3, batch_size=batch))

        def train(columns: Sequence[int], way: Any = way, frame: Any = frame) -> list[dict[str, Tensor]]:
            seeds = [100 + column for column in columns]
            made = way.train(frame, labels, inside[:, columns], seeds, device="cpu", progress=lambda _: None)
            return [load(one.content) for one in made]

        loop, alone = seconds(lambda train=train: [train([one])[0] for one in range(8)], rounds)
        ours, found = seconds(lambda train=train: train(list(range(8))), rounds)
        off = max(
            float((one[name] - other[name]).abs().max())
            for one, other in zip(found, alone, strict=True)
            for name in one
        )
        print(f"| {batch} | {low} to {high} | {loop:.2f} s | {ours:.2f} s | {loop / ours:.1f} | {off:.0e} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    memory()
    scoring(given.data, given.rounds)
    tuning(given.data, given.rounds)


if __name__ == "__main__":
    main()
