"""Whose texts was a model trained on? Shakespeare's characters, and speakers of TED talks, by how many texts are known.

python benchmarks/authors.py shakespeare --data ../shared/data     # some minutes with one thread
python benchmarks/authors.py talks --data ../shared/data

Half of the authors, drawn at random, are trained on; the texts that are asked about are held out, unless --trained is
given. All models are trained here, from weights drawn at random: nothing is downloaded.
"""

import argparse
import copy
import io
import json
import lzma
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

import ml_privacy_meter as pm
from ml_privacy_meter.membership import base_difference, difference, threshold, zlib_ratio
from ml_privacy_meter.signals import loss, min_k_plus_plus
from ml_privacy_meter.targets import LanguageModel

ASKED = {"shakespeare": 20, "talks": 4}  # held-out texts of each author
CONTEXT, BATCH, WIDTH = 96, 16, 64


class Bpe:
    """Byte pairs, learned from texts."""

    def __init__(self, texts: list[str], vocabulary: int) -> None:
        self.of = Tokenizer(models.BPE())
        self.of.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        self.of.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, special_tokens=["<s>", "</s>"])
        self.of.train_from_iterator(texts, trainer)

    def encode(self, text: str) -> list[int]:
        return self.of.encode(text).ids

    def decode(self, ids: list[int]) -> str:
        return self.of.decode(ids)


def causal(tokens: Bpe, seed: int) -> LanguageModel:
    torch.manual_seed(seed)
    shape = {"hidden_size": WIDTH, "intermediate_size": 4 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
    size = tokens.of.get_vocab_size()
    config = LlamaConfig(vocab_size=size, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=1, **shape)
    return LanguageModel(LlamaForCausalLM(config).eval(), tokens, begin=0, context=CONTEXT)


def translating(tokens: Bpe, seed: int) -> LanguageModel:
    torch.manual_seed(seed)
    shape = {"d_model": WIDTH, "d_kv": 16, "d_ff": 4 * WIDTH, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
    size = tokens.of.get_vocab_size()
    config = T5Config(vocab_size=size, decoder_start_token_id=0, pad_token_id=0, eos_token_id=1, **shape)
    return LanguageModel(T5ForConditionalGeneration(config).eval(), tokens, begin=0, context=CONTEXT, encoder=True)


def trained(model: LanguageModel, texts: pd.DataFrame, *, epochs: int, lr: float, seed: int) -> LanguageModel:
    """The model, trained on so many passes over the texts; those read before a text are not learned."""
    ids = [one[: CONTEXT - 1] for one in model.encode(list(texts.text))]
    before = [one[:CONTEXT] for one in model.encode(list(texts.get("prefix", texts.text)))]
    rng, module = np.random.default_rng(seed), model.module.train()
    opt = torch.optim.AdamW(module.parameters(), lr)
    steps = epochs * (len(ids) // BATCH + -(-len(ids) // 2048) + 1)  # the last batch of a block may be short
    plan = torch.optim.lr_scheduler.OneCycleLR(opt, lr, total_steps=steps)
    for _ in range(epochs):
        order = rng.permutation(len(ids))
        blocks = [sorted(block, key=lambda i: len(ids[i])) for block in np.array_split(order, -(-len(ids) // 2048))]
        batches = [block[at : at + BATCH] for block in blocks for at in range(0, len(block), BATCH)]
        for batch in rng.permutation(len(batches)):
            some = batches[batch]
            width = max(len(ids[i]) for i in some)
            y = torch.tensor([ids[i] + [-100] * (width - len(ids[i])) for i in some])
            x = torch.cat([torch.full((len(some), 1), model.begin), y[:, :-1].clamp(min=0)], 1)
            if model.encoder:
                wide = max(len(before[i]) for i in some)
                read = torch.tensor([before[i] + [-1] * (wide - len(before[i])) for i in some])
                said = module(input_ids=read.clamp(min=0), attention_mask=read >= 0, decoder_input_ids=x).logits
            else:
                said = module(input_ids=x).logits
            value = torch.nn.functional.cross_entropy(said.transpose(1, 2), y, ignore_index=-100)
            opt.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            opt.step()
            plan.step()
    module.eval()
    return model


def shakespeare(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Speeches of characters with 40 or more, and those of all others."""
    rows = []
    with lzma.open(data / "shakespeare_speeches.jsonl.xz", "rt", encoding="utf-8") as file:
        for line in file:
            one = json.loads(line)
            name = f"{one['character']} ({one['play']})"
            rows += [(name, text) for text in dict.fromkeys(one["speeches"]) if len(text.split()) >= 5]
    texts = pd.DataFrame(rows, columns=["author", "text"]).drop_duplicates("text")
    many = texts.groupby("author").text.transform("size") >= 40
    return texts[many], texts[~many]


def talks(data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sentences of talks with at least 8, to be translated to French, German or Spanish, as the first word says."""
    rows = []
    with tarfile.open(data / "sated_dev_test.tar.xz") as archive:
        for language in ("fr", "de", "es"):
            for part in ("dev", "test"):
                sides = []
                for side in ("usr", "en", language):
                    member = archive.extractfile(f"sated-release-0.9.0/en-{language}/{part}.{side}")
                    assert member is not None
                    sides.append(io.TextIOWrapper(member, encoding="utf-8").read().split("\n")[:-1])
                rows += [(who, f"{language} {en}", said) for who, en, said in zip(*sides, strict=True)]
    texts = pd.DataFrame(rows, columns=["author", "prefix", "text"])
    texts = texts[~pd.concat([texts.author, texts.prefix.str[3:]], axis=1).duplicated()]  # one language a sentence
    texts = texts[texts.text.str.split().str.len() >= 4]
    many = texts.groupby("author").text.transform("size") >= 8
    return texts[many], texts[~many]


def world(
    name: str, data: Path, *, most: int, authors: int, trained_on: bool, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Texts of the authors asked about, with ``inside`` and ``held``, and texts of others."""
    texts, others = {"shakespeare": shakespeare, "talks": talks}[name](data)
    rng = np.random.default_rng(seed)
    texts = texts.iloc[rng.permutation(len(texts))].reset_index(drop=True)
    place = texts.groupby("author").cumcount()
    asked = 0 if trained_on else ASKED[name]
    texts = texts.assign(held=place < asked)[place < asked + most].reset_index(drop=True)
    names = texts.author.unique()[:authors]
    chosen = texts.author.isin(names)
    texts, others = texts[chosen].reset_index(drop=True), pd.concat([others, texts[~chosen]])
    inside = dict(zip(names, rng.permutation(len(names)) < len(names) // 2, strict=True))
    return texts.assign(inside=texts.author.map(inside)), others.reset_index(drop=True)


def beside(base: LanguageModel, texts: pd.DataFrame, fit: Any, *, count: int, left_out: int, seed: int) -> Any:
    """Reference models of complementary halves of the authors, with other texts of them held out; None: of none."""
    rng, names, found, sides = np.random.default_rng(seed + 1), texts.author.unique(), [], []
    for number in range(count):
        half = set(rng.permutation(names)[: len(names) // 2]) if number % 2 == 0 else set(names) - half
        order = pd.Series(rng.permutation(len(texts)))
        there = texts.author.isin(half) & ~(order.groupby(texts.author).rank() <= left_out)
        found.append(fit(copy.deepcopy(base), texts[there], seed=seed + number + 1))
        sides.append([there[texts.member], there[~texts.member]])
    return pm.own_references(found, *(np.stack(side, 1) for side in zip(*sides, strict=True))) if found else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(ASKED))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--most", type=int, default=100, help="training texts of an author")
    parser.add_argument("--authors", type=int, default=600, help="at most; others train the base model")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--before", type=int, default=2, help="epochs of the base model, on texts of other authors")
    parser.add_argument("--references", type=int, default=2)
    parser.add_argument("--trained", action="store_true", help="ask about texts that were trained on")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    drawn = {"most": given.most, "authors": given.authors, "trained_on": given.trained, "seed": given.seed}
    texts, others = world(given.name, given.data, **drawn)
    tokens = Bpe([*others.text, *others.get("prefix", [])], 1_000 if given.name == "shakespeare" else 2_000)
    fit = partial(trained, lr=3e-3, seed=given.seed)
    new = causal if given.name == "shakespeare" else translating
    base = fit(new(tokens, given.seed), others, epochs=given.before)
    texts["member"] = texts.inside & ~texts.held
    members, rest = (texts[side].reset_index(drop=True) for side in (texts.member, ~texts.member))
    target = fit(copy.deepcopy(base), members, epochs=given.epochs)
    left_out = 0 if given.trained else ASKED[given.name]
    tuned = partial(fit, epochs=given.epochs)
    references = beside(base, texts, tuned, count=given.references, left_out=left_out, seed=given.seed)
    attacks = [threshold, partial(threshold, signal=min_k_plus_plus), zlib_ratio, base_difference]
    attacks += [partial(difference, signal=loss)] if references else []
    keep = [name for name in ("author", "prefix", "text") if name in texts]
    report = pm.audit(
        target,
        members[keep],
        rest[keep],
        references=references,
        base=base,
        users="author",
        attacks=attacks,
        fpr=[0.1],
        seed=given.seed,
    )
    show(report, len(members))


def show(report: pm.Report, count: int) -> None:
    found = report.by_user
    assert found is not None
    kind = "held out" if found.held_out else "trained on"
    print(f"{found.inside} authors inside, {found.outside} outside; {count} training texts; asked about: {kind}")
    print("the record attacks on texts:", {name: round(r["AUC"].value, 3) for name, r in report.risks.items() if r})
    print(*(f"{check.name} {check.says}" for check in report.checks if not check.passed), sep="\n")
    for one in found.findings:
        print(one.attack, one.failed)
        for row in one.rows:
            print(f"  {row.known:3d} texts, {row.inside}+{row.outside} authors:", *map(str, row.risks))
        for part in one.shares:
            print(f"  share {part.lowest:.3%} to {part.highest:.3%} ({part.users}): {part.auc}")
    for known, risk in found.blind:
        print(f"without the model, {known} texts: {risk}")
    print("most exposed:", [one.user for one in found.exposed[:5]], found.exposed_by)


if __name__ == "__main__":
    main()
