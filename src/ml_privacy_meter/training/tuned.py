"""A fine-tuned language model as a folder that `peft` and `transformers` read."""

from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.targets.huggingface import ADAPTER, Tokens, is_folder, quietly
from ml_privacy_meter.training.adapters import is_turned, linear_layers, names_of
from ml_privacy_meter.training.references import trained
from ml_privacy_meter.training.tuning import ByTuning, FineTuning

WEIGHTS = "adapter_model.safetensors"


def fine_tune(
    tuning: FineTuning,
    texts: Any,
    *,
    to: str | Path,
    seed: int = 0,
    store: str | Path | None = None,
    device: str = "auto",
) -> Path:
    """The folder of a language model that was tuned on these texts: an adapter, or with ``rank=0`` a whole model.

    Args:
        tuning: its base is a folder, and that of a whole model.
        texts: what `audit` takes for members.
        to: a folder that is not there yet, or is empty.
        store, device: as for `train_model`.

    Raises:
        InputError: the folder holds something, or the base is another.
    """
    to, base = Path(to), tuning.base
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"A tuned model goes to a new folder, and `{to}` is there already. Name another.")
    if not isinstance(base, str | Path) or not is_folder(base) or (Path(base) / ADAPTER).is_file():
        raise InputError(
            "What a tuned model is saved beside must be the folder of a whole language model, found "
            f"{base!r:.80}. Name it as `base`."
        )
    found = trained(tuning, texts, seed=seed, store=store, device=device)
    assert isinstance(found.way, ByTuning)
    to.mkdir(parents=True, exist_ok=True)
    if not tuning.rank:
        _whole(found.open().inner, to)
    else:
        _adapter(found.way, Path(base).resolve(), found.file, to)
    return to


def _whole(language: Any, to: Path) -> None:
    with quietly(extra("transformers", "text", "Writing a language model")):
        language.module.save_pretrained(to)
    if isinstance(language.tokenizer, Tokens):
        language.tokenizer.given.save_pretrained(to)


def _adapter(way: ByTuning, base: Path, file: Path, to: Path) -> None:
    language, tuning = way.language, way.tuning
    layers = linear_layers(language.module, tuning.targets, language.vocabulary())
    config = extra("peft", "text", "Writing an adapter").LoraConfig(
        r=tuning.rank,
        lora_alpha=tuning.alpha,
        target_modules=sorted(names_of(load_file(file))),
        fan_in_fan_out=is_turned(layers),
        lora_dropout=0.0,
        task_type="SEQ_2_SEQ_LM" if language.encoder else "CAUSAL_LM",
        base_model_name_or_path=str(base),
        inference_mode=True,
    )
    config.save_pretrained(to)
    (to / WEIGHTS).write_bytes(file.read_bytes())
