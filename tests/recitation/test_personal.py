"""Personal data in texts, by pattern and checksum."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import texts

from ml_privacy_meter import InputError
from ml_privacy_meter.recitation import patterns, presidio
from ml_privacy_meter.recitation.passages import as_texts
from ml_privacy_meter.recitation.personal import pieces, values

TEXT = (
    "Call +49 170 1234567 or 0170-123 45 67 by 2024-05-06, card 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00 "
    "THANKS, Ann.B+c@mail.example.org. Order 1234567890123, 12.05.2024, 3.14159265358, GB82WEST12345698765432"
)


def test_pieces_are_found_where_they_stand():
    found = patterns(TEXT)
    assert [(one.kind, one.value) for one in found] == [
        ("phone", "491701234567"),
        ("phone", "01701234567"),
        ("card", "4111111111111111"),
        ("IBAN", "DE89370400440532013000"),
        ("e-mail", "ann.b+c@mail.example.org"),
        ("IBAN", "GB82WEST12345698765432"),
    ]
    assert TEXT[found[3].start : found[3].end] == "DE89 3704 0044 0532 0130 00"


@pytest.mark.parametrize(
    "said",
    [
        "4111 1111 1111 1112",  # Luhn
        "0000 0000 0000 0000",
        "DE89 3704 0044 0532 0130 01",  # mod 97
        "2024-05-06 2024/12/31",
        "123456789012",
        "7111 1111 1111 1114",  # no card begins so
        "someone@home",
        "1.2.3",
        "3.1415926535 0.271828182",
    ],
)
def test_what_only_looks_like_a_piece_is_none(said):
    assert [one for one in patterns(said) if one.kind != "phone" or said[0] == "2"] == []


def test_a_piece_is_cut_from_what_stands_before_it_and_is_not_asked_for_where_that_holds_it():
    model = texts.language_model()
    own = as_texts(["write to ann@x.org, I say ann@x.org", "bob@y.org", "ann@x.org again"], model, name="texts")
    found = pieces(own, model, patterns, most=9)
    assert [(one.text, bytes(one.prompt), bytes(one.suffix)) for one in found] == [
        (0, b"write to ", b"ann@x.org"),
        (1, b"", b"bob@y.org"),
    ]
    assert pieces(own, model, patterns, most=9, without={("e-mail", "bob@y.org")}) == found[:1]
    assert values(own.text, patterns) == {("e-mail", "ann@x.org"), ("e-mail", "bob@y.org")}


def test_what_the_prompt_holds_already_is_not_asked_for():
    model = texts.language_model()
    frame = texts.frame(["card 4111111111111111"], prefix=["my card is 4111-1111 1111 1111"])
    assert pieces(as_texts(frame, model, name="texts"), model, patterns, most=9) == []


def test_without_the_package_of_checksums_it_is_said_which_extra_brings_it(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(InputError, match=r"ml-privacy-meter\[text\]"):
        patterns("x")


def test_presidio_is_asked_with_a_model_that_is_installed(monkeypatch):
    asked = []

    class Engine:
        def __init__(self, **given):
            asked.append(given)

        def analyze(self, *, text, language, entities):
            asked.append((text, language, entities))
            return [SimpleNamespace(entity_type="PERSON", start=5, end=8)]

    class Provider:
        def __init__(self, *, nlp_configuration):
            asked.append(nlp_configuration["models"])

        def create_engine(self):
            return "engine"

    analyzer, nlp, spacy = ModuleType("presidio_analyzer"), ModuleType("nlp_engine"), ModuleType("spacy")
    analyzer.AnalyzerEngine, nlp.NlpEngineProvider = Engine, Provider
    spacy.util = SimpleNamespace(is_package=lambda name: name == "small")
    for name, module in (("presidio_analyzer", analyzer), ("presidio_analyzer.nlp_engine", nlp), ("spacy", spacy)):
        monkeypatch.setitem(sys.modules, name, module)
    find = presidio(model="small", entities=["PERSON"])
    assert [(one.kind, one.value, one.start, one.end) for one in find("I am Ann")] == [("PERSON", "ann", 5, 8)]
    assert asked[0] == [{"lang_code": "en", "model_name": "small"}]
    assert asked[-1] == ("I am Ann", "en", ["PERSON"])
    with pytest.raises(InputError, match="python -m spacy download large"):
        presidio(model="large")


def test_without_presidio_it_is_said_which_extra_brings_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    with pytest.raises(InputError, match=r"ml-privacy-meter\[presidio\]"):
        presidio()
