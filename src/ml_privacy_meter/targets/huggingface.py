"""Language models in the folders of Hugging Face: whole models, and adapters beside their base."""

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.targets.key import of_files
from ml_privacy_meter.targets.language import LanguageModel

ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
_HERE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
CONTEXT = 512  # of models that do not say how much they read at once
_PURPOSE = "Auditing a language model"


class Tokens:
    """A tokenizer of `transformers`, asked for the tokens of the text alone."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def encode(self, text: str) -> list[int]:
        found: list[int] = self.given(text, add_special_tokens=False, verbose=False)["input_ids"]
        return found

    def read(self, text: str) -> list[int]:
        """What an encoder reads: the text with the special tokens around it that it was trained with."""
        found: list[int] = self.given(text, add_special_tokens=True, verbose=False)["input_ids"]
        return found

    def encode_all(self, texts: list[str]) -> list[list[int]]:
        found: list[list[int]] = (
            self.given(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []
        )
        return found

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.given.decode(list(ids)))


def is_folder(path: str | Path) -> bool:
    """Whether this is a folder that `open_folder` opens."""
    return any((Path(path) / name).is_file() for name in ("config.json", ADAPTER))


def open_folder(path: str | Path, *, base: str | Path | None = None) -> LanguageModel:
    """The language model in a folder that `save_pretrained` wrote: a model, or an adapter (LoRA) beside its base.

    Weights are read from safetensors alone, nothing is downloaded, and no code that a folder brings is run.

    Args:
        base: the folder of the model that an adapter was trained on, where its own note does not lead there.

    Raises:
        InputError: the folder holds no such model, or one that could only be opened by running what it brings.
    """
    path = Path(path)
    transformers = extra("transformers", "text", _PURPOSE)
    if not is_folder(path):
        raise InputError(f"A language model is a folder with a `config.json` or `{ADAPTER}`, found none in `{path}`.")
    try:
        with quietly(transformers):
            root = _base(path, base) if (path / ADAPTER).is_file() else path
            config, module = _whole(transformers, root)
            module = module if root == path else _adapted(module, path)
            holds = path if (path / "tokenizer_config.json").is_file() else root
            tokenizer = transformers.AutoTokenizer.from_pretrained(holds, **_HERE)
    except InputError:
        raise
    except Exception as problem:  # whatever transformers, peft and safetensors make of a folder that is not whole
        raise InputError(
            f"The language model in `{path}` cannot be opened: {problem!s:.300}. It must hold weights as safetensors, "
            "a configuration that this transformers knows, and its tokenizer. Save it with `save_pretrained`."
        ) from problem
    start = config.decoder_start_token_id if config.is_encoder_decoder else None
    return LanguageModel(
        module.eval(),
        Tokens(tokenizer),
        begin=_begin(tokenizer, start, path),
        context=_context(config, tokenizer),
        encoder=bool(config.is_encoder_decoder),
        key=_key(root, path, holds),
        kind=f"{type(module).__name__} ({'with an adapter' if root != path else 'Hugging Face folder'})",
    )


def _whole(transformers: Any, root: Path) -> tuple[Any, Any]:
    """The configuration and the model of a folder, all of whose weights were there."""
    config = transformers.AutoConfig.from_pretrained(root, **_HERE)
    encodes = config.is_encoder_decoder
    kind = transformers.AutoModelForSeq2SeqLM if encodes else transformers.AutoModelForCausalLM
    settings: dict[str, Any] = {"use_safetensors": True, "dtype": torch.float32, "output_loading_info": True}
    module, found = kind.from_pretrained(root, **settings, **_HERE)
    _refuse_drawn([*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])], root)
    return config, module


def _adapted(module: Any, path: Path) -> Any:
    """The model with the adapter in this folder, all of whose weights were there, merged into its own."""
    peft, file = extra("peft", "text", _PURPOSE), path / ADAPTER_WEIGHTS
    if not file.is_file():
        raise InputError(f"The adapter in `{path}` must hold its weights in `{ADAPTER_WEIGHTS}`, found no such file.")
    found = peft.PeftModel.from_pretrained(module, str(path))
    with safe_open(file, "pt") as held:
        names = set(held.keys())
    wanted = set(peft.get_peft_model_state_dict(found, save_embedding_layers=False))
    _refuse_drawn(sorted(wanted - names) or sorted(names - wanted)[:1] * (not wanted & names), path)
    if not hasattr(found, "merge_and_unload"):
        raise InputError(f"The adapter in `{path}` must be one that can be merged (LoRA and its like), found another.")
    return found.merge_and_unload()


def _refuse_drawn(missing: Sequence[str], path: Path) -> None:
    if missing:
        raise InputError(
            f"All weights of the model must be in `{path}`, or they would be drawn at random; it lacks "
            f"{len(missing)}, such as `{missing[0]}`. Is it a language model, and saved whole?"
        )


@contextmanager
def quietly(transformers: Any) -> Iterator[None]:
    """Within, transformers shows no bars, and what it and peft say of each other's versions is left out."""
    logging = transformers.utils.logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _base(path: Path, given: str | Path | None) -> Path:
    """The folder of an adapter's base: as the user says, as its note says, or beside it."""
    noted = json.loads((path / ADAPTER).read_text()).get("base_model_name_or_path") or ""
    places = [Path(given)] if given is not None else [Path(noted), path / noted, path.parent / noted]
    for place in places:
        if (noted or given is not None) and (place / "config.json").is_file():
            return place
    raise InputError(
        f"The adapter in `{path}` needs the model that it was trained on, which it calls `{noted}`; found no model at "
        f"{' or '.join(f'`{place}`' for place in dict.fromkeys(places))}. Put its folder there, or name it with `base`."
    )


def _begin(tokenizer: Any, start: int | None, path: Path) -> int:
    for found in (start, tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.cls_token_id):
        if found is not None:
            return int(found)
    raise InputError(
        f"The tokenizer in `{path}` must name a token that begins or ends a text (`bos_token`, `eos_token`): without "
        "one the first token of a text has no probability. Set it, and save the tokenizer again."
    )


def _context(config: Any, tokenizer: Any) -> int:
    said = [getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "n_ctx")]
    said.append(getattr(tokenizer, "model_max_length", None))
    known = [int(value) for value in said if value is not None and 2 <= value < 2**20]
    return min(known, default=CONTEXT)


def _key(*folders: Path) -> str:
    kinds = (".safetensors", ".json", ".model", ".txt")
    files = [file for folder in dict.fromkeys(folders) for file in sorted(folder.iterdir()) if file.suffix in kinds]
    return of_files(*files)
