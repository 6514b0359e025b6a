"""What a small Llama recites of speeches that it was tuned on, and how far canaries among them are exposed.

python benchmarks/recitation.py --data ../shared/data --store reproduction/store
"""

import argparse
import json
import lzma
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import ml_privacy_meter as pm
from ml_privacy_meter import canaries
from ml_privacy_meter.recitation.secrets import exposed
from ml_privacy_meter.targets import Decoder, LanguageModel

EACH, LONGEST = 200, 160  # speeches in a set; tokens of one that are trained on
PROMPT, SUFFIX = 30, 15
CANARY_SECONDS = 2.0


def speeches(data: Path) -> tuple[list[str], list[str]]:
    """Speeches of 300 to 600 letters, once each, drawn at random into two sets."""
    with lzma.open(data / "shakespeare_speeches.jsonl.xz", "rt", encoding="utf-8") as file:
        every = dict.fromkeys(" ".join(one.split()) for line in file for one in json.loads(line)["speeches"])
    fit = [one for one in every if 300 <= len(one) <= 600]
    drawn = [fit[row] for row in np.random.default_rng(0).permutation(len(fit))[: 2 * EACH]]
    return drawn[:EACH], drawn[EACH:]


def tuned(model: LanguageModel, texts: list[str], epochs: int) -> None:
    """Trains the model on these texts, each once an epoch."""
    ids = [torch.tensor([model.begin, *one[: LONGEST - 1]]) for one in model.encode(texts)]
    rng, module = torch.Generator().manual_seed(0), model.module
    steps = epochs * math.ceil(len(ids) / 16)
    opt = torch.optim.AdamW(module.parameters(), 3e-3, weight_decay=0.0)
    rate = torch.optim.lr_scheduler.OneCycleLR(opt, 3e-3, total_steps=steps, pct_start=0.1)
    module.train()
    for _ in range(epochs):
        for rows in torch.randperm(len(ids), generator=rng).split(16):
            some = [ids[row] for row in rows]
            x = torch.nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=model.begin)
            y = torch.nn.utils.rnn.pad_sequence(some, batch_first=True, padding_value=-100)[:, 1:]
            logits = module(input_ids=x[:, :-1], use_cache=False).logits
            opt.zero_grad()
            functional.cross_entropy(logits.transpose(1, 2), y).backward()
            torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            opt.step()
            rate.step()
    module.eval()


def show_exposure(model: LanguageModel, made: canaries.TextCanaries) -> list[str]:
    """Prints exposures and the time of one; returns which bars were missed."""
    start = time.perf_counter()
    for one in made.canaries[:5]:
        exposed(model, made, one, most=made.space, sample=100)
    seconds = (time.perf_counter() - start) / 5
    found = pm.exposure(model, made)
    print("| repeats | median exposure, bits | interval | lowest | highest | mean |")
    print("|---|---|---|---|---|---|")
    for level in found.levels:
        bits = [one.exposure for one in found.found if one.canary.repeats == level.repeats]
        ends = f"{level.risk.low:.2f} to {level.risk.high:.2f} | {min(bits):.2f} | {max(bits):.2f}"
        print(f"| {level.repeats} | {level.risk.value:.2f} | {ends} | {np.mean(bits):.2f} |")
    print(f"\n{seconds:.2f} s a canary, of {made.space:,} secrets; sound: {found.sound}; exposed: {found.shows}\n")
    medians = [level.risk.value or 0.0 for level in found.levels]
    bars = {
        f"a canary takes less than {CANARY_SECONDS:g} s": seconds < CANARY_SECONDS,
        "controls lie at about 1 bit": found.sound and medians[0] < 2.5,
        "16 repeats reach the most": medians[-1] == found.most,
        "exposure rises with repeats": medians == sorted(medians),
    }
    return [bar for bar, met in bars.items() if not met]


def show_recitation(found: Any) -> None:
    """Prints shares of training texts, held-out texts and by the base."""
    print("| figure | training texts | held-out texts | by the base | shows |\n|---|---|---|---|---|")
    for one in found.figures:
        sides = {side.of: side.risk for side in one.beside}
        base = sides.get("the base model", sides.get("what the base model makes up"))
        cells = [
            "" if risk is None else f"{100 * risk.value:.1f}% [{100 * risk.low:.1f}, {100 * risk.high:.1f}]"
            for risk in (one.risk if one.risk.value is not None else None, sides.get("held-out texts"), base)
        ]
        print(f"| {one.risk.name} | {' | '.join(cells)} | {'yes' if one.shows else 'no'} |")
    print()
    for name in ("trained", "held_out", "base"):
        shares = zip(found.curve.tries, getattr(found.curve, name), strict=True)
        print(
            name, " ".join(f"{n}:{100 * share:.1f}%" for n, share in shares if n in (1, 10, 100, 1_000, 10**4, 10**6))
        )
    print("\n".join(found.notes), f"\n{len(found.recited)} passages, {len(found.copied)} spans recited")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--store", type=Path, default=Path("reproduction/store"))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--samples", type=int, default=500)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model, base = (pm.open_model(given.data / "models" / "stories260k").inner for _ in range(2))
    training, held_out = speeches(given.data)
    made = canaries.make_texts(seed=0)
    added = [made.text(one) for one in made.canaries for _ in range(one.repeats)]
    kept = given.store / f"recitation-{given.epochs}.safetensors"
    from safetensors.torch import load_model, save_model

    start = time.perf_counter()
    if kept.is_file():
        load_model(model.module, kept)
    else:
        tuned(model, [*training, *added], given.epochs)
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_model(model.module, str(kept))
    print(f"tuned for {given.epochs} epochs: {time.perf_counter() - start:.0f} s\n")
    missed = show_exposure(model, made)
    start = time.perf_counter()
    sizes = {"prompt": PROMPT, "suffix": SUFFIX, "samples": given.samples, "sample_length": 80, "span": 25}
    for decoder in (Decoder(), Decoder(top_k=40, temperature=0.7)):
        print(decoder)
        show_recitation(pm.recite(model, training, held_out=held_out, base=base, decoder=decoder, **sizes))
    print(f"\n{time.perf_counter() - start:.0f} s for both")
    if missed:
        raise SystemExit(f"Bars missed: {'; '.join(missed)}.")


if __name__ == "__main__":
    main()
