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
from safetensors.torch import load_model, save_model
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
    start = time.process_time()  # of one thread: as on a machine that does nothing else
    for one in made.canaries[:5]:
        exposed(model, made, one, most=made.space, sample=100)
    seconds = (time.process_time() - start) / 5
    found = pm.exposure(model, made)
    print("| repeats | median exposure, bits | interval | lowest | highest | mean |")
    print("|---|---|---|---|---|---|")
    for level in found.levels:
        bits = [one.exposure for one in found.found if one.canary.repeats == level.repeats]
        ends = f"{level.risk.low:.2f} to {level.risk.high:.2f} | {min(bits):.2f} | {max(bits):.2f}"
        print(f"| {level.repeats} | {level.risk.value:.2f} | {ends} | {np.mean(bits):.2f} |")
    print(f"\n{seconds:.2f} s of one processor a canary, of {made.space:,} secrets")
    print(f"sound: {found.sound}; exposed: {found.shows}\n")
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


def model_of(given: argparse.Namespace, epochs: int, texts: list[str]) -> LanguageModel:
    """The Llama, tuned for so many epochs, or as it was kept then."""
    model: LanguageModel = pm.open_model(given.data / "models" / "stories260k").inner
    kept = given.store / f"recitation-{EACH}-{epochs}.safetensors"
    start = time.perf_counter()
    if kept.is_file():
        load_model(model.module, kept)
    else:
        tuned(model, texts, epochs)
        kept.parent.mkdir(parents=True, exist_ok=True)
        save_model(model.module, str(kept))
    print(f"tuned for {epochs} epochs: {time.perf_counter() - start:.0f} s\n")
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--store", type=Path, default=Path("reproduction/store"))
    parser.add_argument("--few", type=int, default=4, help="epochs, for canaries")
    parser.add_argument("--many", type=int, default=20, help="epochs, for canaries and passages")
    parser.add_argument("--samples", type=int, default=300)
    given = parser.parse_args()
    torch.set_num_threads(1)
    training, held_out = speeches(given.data)
    made = canaries.make_texts(seed=0)
    texts = [*training, *(made.text(one) for one in made.canaries for _ in range(one.repeats))]
    missed = show_exposure(model_of(given, given.few, texts), made)
    model, base = model_of(given, given.many, texts), pm.open_model(given.data / "models" / "stories260k").inner
    missed += show_exposure(model, made)
    sizes = {"prompt": PROMPT, "suffix": SUFFIX, "samples": given.samples, "sample_length": 80, "span": 25}
    for decoder in (Decoder(), Decoder(top_k=40, temperature=0.7)):
        print(decoder)
        start = time.perf_counter()
        found = pm.recite(model, training, held_out=held_out, base=base, decoder=decoder, find=None, **sizes)
        show_recitation(found)
        print(f"{time.perf_counter() - start:.0f} s\n")
    if missed:
        raise SystemExit(f"Bars missed: {'; '.join(missed)}.")


if __name__ == "__main__":
    main()
