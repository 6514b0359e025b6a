"""Canaries for language models: made, kept, and put among texts."""

import json
import stat
from collections import Counter
from dataclasses import replace

import pytest

from ml_privacy_meter import InputError
from ml_privacy_meter.canaries import TextCanaries, TextCanary, insert_texts, load_texts, make_texts


@pytest.fixture
def train(tmp_path):
    file = tmp_path / "train.jsonl"
    file.write_text("".join(json.dumps({"text": f"text {row}", "id": row}) + "\n" for row in range(50)))
    return file


def test_canaries_have_names_and_secrets_of_their_own():
    made = make_texts(seed=0)
    assert len(made.canaries) == len({one.name for one in made.canaries}) == 48
    assert Counter(one.repeats for one in made.canaries) == dict.fromkeys((0, 1, 2, 4, 8, 16), 8)
    assert made.space == 10_000
    one = made.canaries[0]
    assert made.text(one) == f"the code of {one.name} is {one.secret}" == made.before(one) + one.secret
    every = list(made.every())
    assert len(set(every)) == 10_000
    assert every[42] == "0042"
    assert len({one.secret for one in make_texts(each=100, seed=0).canaries}) > 500


def test_nobody_draws_the_same_unless_a_seed_says_so():
    assert make_texts(seed=4) == make_texts(seed=4)
    assert make_texts() != make_texts()


def test_what_is_saved_is_read_again_and_is_for_its_owner_alone(tmp_path):
    made = make_texts(seed=0, digits=6)
    file = made.save(tmp_path / "canaries.json")
    assert load_texts(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(InputError, match="new file"):
        made.save(file)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"repeats": (1, 2)}, "controls"),
        ({"template": "the code is {digits}"}, "{name} once"),
        ({"template": "{digits} is of {name}"}, "{name} once"),
        ({"template": "{name} {digits} {digits}"}, "{digits} once"),
        ({"digits": 1}, "64 secrets"),
        ({"alphabet": "aab"}, "each once"),
        ({"each": 0}, "at least 1"),
        ({"repeats": (0, -1)}, "at least 0"),
    ],
)
def test_canaries_that_would_show_nothing_are_refused(given, says):
    with pytest.raises(InputError) as refused:
        make_texts(**given)
    assert says in str(refused.value)


def test_secrets_are_of_the_space_that_is_said():
    with pytest.raises(InputError, match="Every secret"):
        TextCanaries("{name} {digits}", "0123456789", 4, (TextCanary("A", "12a4", 0),))
    with pytest.raises(InputError, match="one name"):
        TextCanaries("{name} {digits}", "0123456789", 4, (TextCanary("A", "1234", 0),) * 2)


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"schema": "ml-privacy-meter/text-canaries", "version": 1}'])
def test_another_file_is_no_file_of_canaries(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(InputError, match="canaries make"):
        load_texts(tmp_path / "other.json")
    with pytest.raises(InputError, match="canaries make"):
        load_texts(tmp_path / "none.json")


def test_each_canary_goes_in_as_often_as_it_says_and_the_texts_stay_as_they_are(train):
    made = make_texts(seed=0)
    out = train.with_name("new.jsonl")
    assert insert_texts(made, train, out, seed=1) == 8 * 31
    lines = out.read_text().splitlines()
    own = [line for line in lines if '"id"' in line]
    assert own == train.read_text().splitlines()
    count = Counter(json.loads(line)["text"] for line in lines if '"id"' not in line)
    assert count == {made.text(one): one.repeats for one in made.canaries if one.repeats}
    added = [number for number, line in enumerate(lines) if '"id"' not in line]
    assert added[: len(added) // 2][-1] < 0.7 * len(lines)  # all over the file
    assert added[-1] > 0.9 * len(lines)


def test_texts_that_hold_a_canary_or_are_none_are_refused(train):
    made, out = make_texts(seed=0), train.with_name("new.jsonl")
    with pytest.raises(InputError, match="Name the column of texts"):
        insert_texts(made, train, out, column="said")
    with train.open("a") as opened:
        opened.write(json.dumps({"text": f"about {made.canaries[0].name}"}) + "\n")
    with pytest.raises(InputError, match="line 51"):
        insert_texts(made, train, out)
    assert not out.exists()
    with pytest.raises(InputError, match="cannot be read"):
        insert_texts(made, train.with_name("none.jsonl"), out)


def test_nothing_is_written_over(train):
    before = train.read_bytes()
    with pytest.raises(InputError, match="Name another"):
        insert_texts(make_texts(seed=0), train, train)
    assert train.read_bytes() == before


def test_the_last_line_may_lack_its_end_and_empty_lines_are_left_out(train):
    made = replace(make_texts(seed=0, each=1, repeats=(0, 3)))
    train.write_text('{"text": "a"}\n\n{"text": "b"}')
    out = train.with_name("new.jsonl")
    insert_texts(made, train, out, seed=0)
    texts = [json.loads(line)["text"] for line in out.read_text().splitlines()]
    assert len(texts) == 5
    assert {"a", "b"} < set(texts)
