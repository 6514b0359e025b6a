"""Personal data in texts: e-mail addresses, telephone numbers, payment cards and IBANs; and what Presidio finds."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ml_privacy_meter._checks import InputError
from ml_privacy_meter._extras import extra
from ml_privacy_meter.recitation.passages import Passage, Texts
from ml_privacy_meter.targets import LanguageModel

_PURPOSE = "Finding personal data in texts"
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)")
_CARD = re.compile(r"(?<![\w+])\d(?:[ -]?\d){12,18}(?!\w)")
_ISSUED = re.compile(r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|3[0689]\d{12}|6\d{15,18}")
_PHONE = re.compile(r"(?<![\w+])(?:(?:\+|00)\d[\d ()./-]{6,20}\d|\(?\d{1,5}\)?(?:[ ./-]\d{2,8}){1,5})(?!\w)")
_DATE = re.compile(r"\d{4}([./-])\d{1,2}\1\d{1,2}|\d{1,2}([./-])\d{1,2}\2\d{4}")


@dataclass(frozen=True)
class Piece:
    """A piece of personal data in a text.

    Args:
        kind: "e-mail", "phone", "card" or "IBAN"; of Presidio, its own word.
        value: the piece without spaces and signs that may be set in one way or another.
        start, end: where it stands in the text, in characters.
    """

    kind: str
    value: str
    start: int
    end: int


Finder = Callable[[str], Iterable[Piece]]


def patterns(text: str) -> list[Piece]:
    """E-mail addresses, IBANs and payment cards with a right checksum, and telephone numbers, from left to right.

    What looks like a telephone number may be another number: of 9 to 15 digits, in groups or after a plus.
    """
    iban, luhn = (extra(f"stdnum.{name}", "text", _PURPOSE) for name in ("iban", "luhn"))
    found: list[Piece] = []
    kinds: tuple[tuple[str, Iterable[re.Match[str]], Callable[[str], str], Callable[[str], Any]], ...] = (
        ("e-mail", _EMAIL.finditer(text), str.lower, lambda _: True),
        ("IBAN", _ibans(text, iban), _packed, iban.is_valid),
        (
            "card",
            _CARD.finditer(text),
            _digits,
            lambda said: _ISSUED.fullmatch(_digits(said)) and luhn.is_valid(_digits(said)),
        ),
        ("phone", _PHONE.finditer(text), _digits, _is_phone),
    )
    for kind, matches, value, right in kinds:
        for match in matches:
            clear = all(match.end() <= one.start or one.end <= match.start() for one in found)
            if clear and right(match[0]):
                found.append(Piece(kind, value(match[0]), *match.span()))
    return sorted(found, key=lambda one: one.start)


def presidio(*, language: str = "en", model: str = "en_core_web_sm", entities: Sequence[str] | None = None) -> Finder:
    """A finder of what Presidio takes for personal data: names, places, numbers of many countries.

    Args:
        model: of spaCy, which must be installed: none is downloaded.
        entities: Presidio's words for what to look for; None: all.

    Raises:
        InputError: Presidio or the model is not installed.
    """
    analyzer, nlp = (extra(f"presidio_analyzer{part}", "presidio", _PURPOSE) for part in ("", ".nlp_engine"))
    if not extra("spacy", "presidio", _PURPOSE).util.is_package(model):
        raise InputError(
            f"Presidio reads texts with a model of spaCy, and `{model}` is not installed. Install it with: "
            f"python -m spacy download {model}"
        )
    config = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    engine: Any = nlp.NlpEngineProvider(nlp_configuration=config).create_engine()
    look: Any = analyzer.AnalyzerEngine(nlp_engine=engine, supported_languages=[language])

    def found(text: str) -> list[Piece]:
        said = look.analyze(text=text, language=language, entities=None if entities is None else list(entities))
        return [
            Piece(one.entity_type, " ".join(text[one.start : one.end].lower().split()), one.start, one.end)
            for one in sorted(said, key=lambda one: (one.start, one.end))
        ]

    return found


def values(texts: Iterable[str], find: Finder) -> set[tuple[str, str]]:
    """The kind and value of each piece in these texts."""
    return {(one.kind, one.value) for text in texts for one in find(text)}


def pieces(
    texts: Texts, model: LanguageModel, find: Finder, *, most: int, without: set[tuple[str, str]] | None = None
) -> list[Passage]:
    """Each piece of personal data where it first stands, after the ``most`` tokens before it; none that these hold.

    Args:
        without: kinds and values that are left out: they stand elsewhere, too.
    """
    seen, found = set(without or ()), []
    for row, text in enumerate(texts.text):
        for one in find(text):
            key = (one.kind, one.value)
            if key in seen:
                continue
            seen.add(key)
            passage = _passage(texts, row, one, model, most)
            if passage is not None:
                found.append(passage)
    return found


def _passage(texts: Texts, row: int, one: Piece, model: LanguageModel, most: int) -> Passage | None:
    """Cut where the tokens of the text up to the piece and of the text with it part; None where there are none."""
    upto, through = model.encode([texts.text[row][: one.start], texts.text[row][: one.end]])
    apart = (at for at, (own, other) in enumerate(zip(upto, through, strict=False)) if own != other)
    same = next(apart, min(len(upto), len(through)))
    prompt, suffix = tuple(through[max(0, same - most) : same]), tuple(through[same:])
    if not suffix or _packed(one.value) in _packed(model.tokenizer.decode([*texts.before[row], *prompt])):
        return None
    return Passage(row, same, texts.before[row], prompt, suffix, f"{one.kind}: {one.value}")


def _ibans(text: str, iban: Any) -> Iterator[re.Match[str]]:
    """Of what begins like an IBAN, as much as is one: what follows may be in capitals, too."""
    for match in _IBAN.finditer(text):
        for end in range(match.end(), match.start() + 14, -1):
            part = re.compile(r".*").fullmatch(text, match.start(), end)
            if part is not None and not part[0].endswith(" ") and iban.is_valid(part[0]):
                yield part
                break


def _is_phone(said: str) -> bool:
    decimal = re.fullmatch(r"\d+\.\d+", said)
    return 9 <= len(_digits(said)) <= 15 and not decimal and not _DATE.search(said)


def _digits(said: str) -> str:
    return re.sub(r"\D", "", said)


def _packed(said: str) -> str:
    return re.sub(r"[\s()./+-]", "", said).upper()
