"""What each attack makes of a small transformer that was trained on Wikipedia, and what it makes of a wrong split.

    python benchmarks/wikipedia.py --wheel gensim-4.4.0-...whl [--epochs 6] [--texts 700]

The articles come with gensim, as a test file (`pip download gensim --no-deps`). Members, non-members and the texts of
the reference model are passages of 30 words of the same articles, drawn at random; then non-members of other articles.
Lists, tables and links stay as they were written: such passages are likely to any model. Bars, for the first:
base_ratio reaches an AUC of .9; zlib_ratio and Min-K%++ more TPR at 1% FPR than the loss; the blind classifier
.5 +- .05. For the second: the report's first check calls its figures void.
"""

import argparse
import bz2
import functools
import re
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM

import ml_privacy_meter as pm
from ml_privacy_meter.targets import LanguageModel

DATA = "gensim/test/test_data/enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"
BEGIN, CONTEXT, WORDS = 0, 128, 30
MARKUP = (  # what goes; lists, tables and links stay as they were written
    (r"<!--.*?-->|<ref[^>]*/>|<ref.*?</ref>|<math.*?</math>|<[^>]+>", ""),
    *[(r"\{\{[^{}]*\}\}", "")] * 4,
    (r"'{2,}|&[a-z]+;", ""),
)
ATTACKS = {
    "loss": pm.membership.threshold,
    "zlib_ratio": pm.membership.zlib_ratio,
    "base_difference": pm.membership.base_difference,
    "base_ratio": pm.membership.base_ratio,
    "Min-K%": functools.partial(pm.membership.threshold, signal=pm.signals.min_k),
    "Min-K%++": functools.partial(pm.membership.threshold, signal=pm.signals.min_k_plus_plus),
}


@dataclass(frozen=True)
class Pieces:
    """Byte pairs."""

    inner: Tokenizer

    def encode(self, text: str) -> list[int]:
        return self.inner.encode(text).ids

    def decode(self, ids: list[int]) -> str:
        return self.inner.decode(list(ids))


def articles(wheel: Path) -> list[list[str]]:
    """The passages of each article: of so many words, one after the other, each only once."""
    with zipfile.ZipFile(wheel) as file:
        pages = re.findall(r"<text[^>]*>(.*?)</text>", bz2.decompress(file.read(DATA)).decode(), re.DOTALL)
    seen: set[str] = set()
    found = []
    for page in pages:
        text = page.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
        for pattern, stays in MARKUP:
            text = re.sub(pattern, stays, text, flags=re.DOTALL)
        words = text.split()
        own = [" ".join(words[at : at + WORDS]) for at in range(0, len(words) - WORDS + 1, WORDS)]
        own = [one for one in dict.fromkeys(own) if one not in seen]
        seen.update(own)
        found.append(own)
    return [own for own in found if len(own) >= 20]


def splits(own: list[list[str]], each: int, seed: int) -> dict[str, tuple[list[str], list[str], list[str]]]:
    """Members, non-members and texts of the reference model: of the same articles, or non-members of others."""
    rng = np.random.default_rng(seed)
    every = rng.permutation([text for one in own for text in one]).tolist()
    if len(every) < 3 * each:
        raise SystemExit(f"There are {len(every)} passages: choose --texts of at most {len(every) // 3}.")
    order = rng.permutation(len(own))
    here, there = (
        rng.permutation([text for at in half for text in own[at]]).tolist() for half in np.array_split(order, 2)
    )
    each_there = min(each, len(there), len(here) // 2)
    return {
        "same articles": (every[:each], every[each : 2 * each], every[2 * each : 3 * each]),
        "other articles": (here[:each_there], there[:each_there], here[each_there : 2 * each_there]),
    }


def learned(texts: list[str], pieces: Pieces, epochs: int, seed: int) -> LanguageModel:
    """A transformer of width 64 that was trained on these texts from nothing."""
    sizes = {"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=pieces.inner.get_vocab_size(), max_position_embeddings=CONTEXT, **sizes)
    start = LanguageModel(LlamaForCausalLM(config).eval(), pieces, begin=BEGIN, context=CONTEXT)
    recipe = pm.FineTuning(start, rank=0, epochs=epochs, lr=3e-3, batch_size=16, schedule="constant")
    model: LanguageModel = pm.train_model(recipe, texts, seed=seed).inner
    return model


def pieces_of(texts: list[str], vocabulary: int) -> Pieces:
    """Byte pairs that are frequent in these texts."""
    found = Tokenizer(models.BPE())
    found.pre_tokenizer, found.decoder = pre_tokenizers.ByteLevel(), decoders.ByteLevel()
    letters = pre_tokenizers.ByteLevel.alphabet()
    found.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=vocabulary, special_tokens=["<s>"], initial_alphabet=letters, show_progress=False
        ),
    )
    return Pieces(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=700, help="in each of the three sets")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--vocabulary", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name, (members, non_members, others) in splits(articles(given.wheel), given.texts, given.seed).items():
        started = time.process_time()
        pieces = pieces_of(others, given.vocabulary)
        target, base = (
            learned(texts, pieces, given.epochs, given.seed + n) for n, texts in enumerate((members, others))
        )
        report = pm.audit(target, members, non_members, base=base, attacks=list(ATTACKS.values()), seed=given.seed)
        took = time.process_time() - started
        print(f"{name}: {len(members):,} members and as many non-members, {took:.0f} s of one core\n")
        print("| attack | AUC | TPR at 1% FPR |\n|---|---|---|")
        for called, finding in zip(ATTACKS, report.findings, strict=True):
            risks = {risk.name: risk for risk in finding.risks}
            print(f"| {called} | {risks['AUC'].value:.3f} | {risks['TPR@1%FPR'].value:.1%} |")
        for check in report.checks[:3]:
            print(f"\n{check.name} {'yes' if check.passed else 'no'}{' (voids)' if check.voids else ''}: {check.says}")
        print()


if __name__ == "__main__":
    main()
