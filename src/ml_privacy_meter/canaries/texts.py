"""Canaries for language models: invented sentences with a secret, among the training texts in numbers of repeats."""

import json
import math
import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._numbers import whole

SCHEMA = "ml-privacy-meter/text-canaries"
VERSION = 1
NAME, SECRET = "{name}", "{digits}"
TEMPLATE = "the code of {name} is {digits}"
REPEATS = (0, 1, 2, 4, 8, 16)
_SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


@dataclass(frozen=True)
class TextCanary:
    """One sentence.

    Args:
        name: in the place of ``{name}``; no two are alike.
        secret: in the place of ``{digits}``.
        repeats: how often it goes into the training texts; 0: never, a control.
    """

    name: str
    secret: str
    repeats: int


@dataclass(frozen=True)
class TextCanaries:
    """Sentences of one template, with secrets that were drawn evenly from a space that is known."""

    template: str
    alphabet: str
    length: int
    canaries: tuple[TextCanary, ...]

    def __post_init__(self) -> None:
        _check(self)

    @property
    def space(self) -> int:
        """How many secrets there could have been."""
        return int(len(self.alphabet) ** self.length)

    def text(self, canary: TextCanary) -> str:
        """The whole sentence."""
        return self.template.replace(NAME, canary.name).replace(SECRET, canary.secret)

    def before(self, canary: TextCanary) -> str:
        """What stands before the secret."""
        return self.template.partition(SECRET)[0].replace(NAME, canary.name)

    def every(self) -> Iterator[str]:
        """Every secret that there could have been, in order."""
        return map(self.secret, range(self.space))

    def secret(self, number: int) -> str:
        """The secret of this number, from 0."""
        places = []
        for _ in range(self.length):
            number, place = divmod(number, len(self.alphabet))
            places.append(self.alphabet[place])
        return "".join(reversed(places))

    def save(self, file: str | Path) -> Path:
        """The new file with all of it, for its owner alone: who has it knows the secrets. None is written over."""
        path = Path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"schema": SCHEMA, "version": VERSION, **asdict(self)}
        with _new(path, "Canaries", mode=0o600) as out:
            out.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        return path


def make_texts(
    template: str = TEMPLATE,
    *,
    each: int = 8,
    repeats: Sequence[int] = REPEATS,
    digits: int = 4,
    alphabet: str = "0123456789",
    seed: int | None = None,
) -> TextCanaries:
    """Canaries with invented names and secrets drawn evenly.

    Args:
        template: a sentence with ``{name}``, and after it ``{digits}``.
        each: how many for each number of repeats.
        repeats: how often canaries go into the training; 0 must be among them: controls.
        digits: how long a secret is.
        alphabet: what it is made of.
        seed: None: drawn anew each time, so that nobody else can have the same secrets.

    Raises:
        InputError: there is no control, or something given cannot be used.
    """
    whole(1, each=each, digits=digits)
    rng = np.random.default_rng(secrets.randbits(128) if seed is None else seed)
    names = _names(each * len(repeats), rng)
    counts = [times for times in repeats for _ in range(each)]
    drawn = ["".join(rng.choice(list(alphabet), digits)) for _ in names]
    made = tuple(TextCanary(*one) for one in zip(names, drawn, counts, strict=True))
    return TextCanaries(template, alphabet, digits, made)


def load_texts(file: str | Path) -> TextCanaries:
    """The canaries in a file as `TextCanaries.save` writes it.

    Raises:
        InputError: there is none, or it holds something else.
    """
    try:
        found = json.loads(Path(file).read_text(encoding="utf-8"))
        if not isinstance(found, Mapping) or (found.get("schema"), found.get("version")) != (SCHEMA, VERSION):
            raise ValueError("its schema is another")
        made = tuple(TextCanary(str(c["name"]), str(c["secret"]), c["repeats"]) for c in found["canaries"])
        return TextCanaries(found["template"], found["alphabet"], found["length"], made)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise InputError(
            f"Canaries of texts stand in a file of `privacy-meter canaries make`, `{file}` is none: {problem!s:.200}."
        ) from problem


def insert_texts(
    canaries: TextCanaries, texts: str | Path, to: str | Path, *, column: str = "text", seed: int | None = None
) -> int:
    """How many rows were added: the new .jsonl file holds the texts, and canaries among them at places drawn at random.

    Raises:
        InputError: a line is no text, a canary's name stands in one already, or the new file is there.
    """
    source, target = Path(texts), Path(to)
    count, names = 0, re.compile("|".join(re.escape(one.name) for one in canaries.canaries))
    for number, line in _lines(source):
        if names.search(_text(line, column, source, number)):
            raise InputError(
                f"The name of a canary must stand in no text, and one does in line {number} of `{source}`: the texts "
                "may hold canaries already. Insert into the texts without them, or make other ones."
            )
        count += 1
    rng = np.random.default_rng(secrets.randbits(128) if seed is None else seed)
    added = [canaries.text(one) for one in canaries.canaries for _ in range(one.repeats)]
    places: dict[int, list[str]] = {}
    for text, place in zip(added, rng.integers(0, count + 1, len(added)).tolist(), strict=True):
        places.setdefault(place, []).append(json.dumps({column: text}, ensure_ascii=False) + "\n")
    with _new(target, "Texts with canaries") as out:
        for place, (_, line) in enumerate(_lines(source)):
            out.writelines([*places.get(place, ()), line.rstrip("\r\n") + "\n"])
        out.writelines(places.get(count, ()))
    return len(added)


def _names(count: int, rng: np.random.Generator) -> list[str]:
    """Invented names, of two words."""
    found: dict[str, None] = {}
    while len(found) < count:
        words = ["".join(rng.choice(_SYLLABLES, size)).capitalize() for size in (3, 3)]
        found[" ".join(words)] = None
    return list(found)


def _check(made: TextCanaries) -> None:
    template, names = made.template, [one.name for one in made.canaries]
    if template.count(NAME) != 1 or template.count(SECRET) != 1 or template.index(NAME) > template.index(SECRET):
        raise InputError(
            f"A template must hold {NAME} once, and after it {SECRET} once, found {template!r:.120}. For example: "
            f"{TEMPLATE}"
        )
    whole(1, digits=made.length)
    if len(set(made.alphabet)) != len(made.alphabet) or len(made.alphabet) < 2:
        raise InputError(f"`alphabet` must hold two or more letters, each once, found {made.alphabet!r:.80}.")
    for one in made.canaries:
        whole(0, repeats=one.repeats)
        if len(one.secret) != made.length or not set(one.secret) <= set(made.alphabet):
            raise InputError(f"Every secret must be {made.length} of {made.alphabet}, found another for {one.name}.")
    if len(set(names)) < len(names):
        raise InputError("No two canaries may have one name, and some do. Make them anew.")
    if not any(one.repeats == 0 for one in made.canaries):
        raise InputError(
            "Some canaries must stay outside the training as controls, with 0 repeats, found none: without them nobody "
            "knows what a model says of a secret that it never saw. Put 0 among the numbers of repeats."
        )
    if math.log2(made.space) < 6:
        raise InputError(f"There must be 64 secrets or more to choose from, found {made.space}. Take more digits.")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not empty, numbered from 1."""
    try:
        with path.open(encoding="utf-8") as opened:
            for number, line in enumerate(opened, 1):
                if line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(
            f"Canaries go among the texts of a .jsonl file, `{path}` cannot be read: {problem}."
        ) from problem


def _text(line: str, column: str, source: Path, number: int) -> str:
    try:
        found: Any = json.loads(line)
        text = found[column]
    except (ValueError, KeyError, TypeError):
        text = None
    if not isinstance(text, str):
        raise InputError(
            f'Each line of `{source}` must be an object of JSON with a text: {{"{column}": "..."}}; line {number} is '
            "none. Name the column of texts, or mend the line."
        )
    return text


def _new(path: Path, what: str, mode: int = 0o666) -> Any:
    try:
        return open(path, "x", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, mode))
    except OSError as problem:
        raise InputError(
            f"{what} go to a new file, and {path} cannot be made: {problem.strerror}. Name another."
        ) from problem
