import copy
from functools import partial
from typing import Any

import pytest
import worlds
from attacks import ATTACKS
from report.fakes import BLANK, LEAKY, failed, fake

from ml_privacy_meter.membership import describe, snapshots, update_dot, whitebox, whitebox_by_references
from ml_privacy_meter.playing import _docstring, play
from ml_privacy_meter.report import threats
from ml_privacy_meter.types import marked

OUTPUTS = "the target model's output for each record, and the record's true label."
REFERENCES = (
    "the target model's output for each record, the record's true label, and reference models with the records that "
    "each was trained on."
)


def document(*seen: str) -> dict[str, Any]:
    """A report of one attack for each, the first of which leaks."""
    found = copy.deepcopy(fake(400, attacks=[f"attack-{n}" for n in range(len(seen))], also=())._document)
    for finding, said in zip(found["findings"], seen, strict=True):
        finding["sees"] = said
    return found


@pytest.mark.parametrize("attack", [row[0] for row in ATTACKS], ids=describe)
def test_every_attack_of_this_program_has_a_level(attack: Any) -> None:
    _, sees = _docstring(getattr(attack, "func", attack).__doc__)
    assert threats.level(sees) in threats.LEVELS
    assert (threats.level(sees) == threats.WHOLE_KNOWN) == marked(attack, "needs_known")


@pytest.mark.parametrize(
    ("attack", "level"), [(whitebox, threats.KNOWN), (whitebox_by_references, threats.REFERENCES)], ids=describe
)
def test_a_network_that_is_shown_nothing_of_the_inside_stands_among_those_on_outputs(attack: Any, level: str) -> None:
    outside = partial(attack, layers=[], gradients=())
    assert threats.level(_docstring(attack.__doc__)[1]) in threats.WHITE
    assert threats.level(play(worlds.leaky(), outside, []).sees) == level


@pytest.mark.parametrize(
    "said",
    ["", "everything", "the target model's output for each record, and its gradients.", "reference models alone"],
)
def test_what_a_stranger_says_is_never_taken_for_more_or_less(said: str) -> None:
    assert threats.level(said) is None
    (entry,) = threats.played(document(said))
    assert entry["level"] is None
    assert entry["sees"].lower() == (said or "not said by the attack").lower()


def test_levels_are_told_from_the_least_to_the_most_with_their_best_figures() -> None:
    found = document(REFERENCES, OUTPUTS, OUTPUTS, "whether the target model's predicted label is the true one.")
    entries = threats.played(found)
    assert [one["level"] for one in entries] == [threats.LABELS, threats.OUTPUTS, threats.REFERENCES]
    assert entries[1]["attacks"] == ["attack-1", "attack-2"]
    aucs = {one["attack"]: one["risks"][0]["value"] for one in found["findings"]}
    best = entries[1]["best"]["AUC"]
    assert best["risk"]["value"] == max(aucs["attack-1"], aucs["attack-2"]) == aucs[best["attack"]]


def test_what_was_not_played_is_named_also_where_its_attacks_failed() -> None:
    found = fake(400, attacks=(LEAKY, BLANK), also=(failed(),))._document
    found["findings"][-1]["sees"] = REFERENCES
    missing = dict(threats.not_played(found))
    assert missing[threats.LEVELS[threats.REFERENCES]] == "the attacks that see this failed"
    assert missing[threats.LEVELS[threats.LABELS]] == "no attack was run"
    assert threats.LEVELS[threats.OUTPUTS] not in missing
    assert set(threats.BEYOND) < set(missing)


def test_nothing_is_played_where_all_failed() -> None:
    found = fake(100, attacks=(), also=(failed(),))._document
    assert threats.played(found) == []
    asked = {*threats.LEVELS} - {*threats.WHITE, threats.KNOWN, threats.MOMENTS, threats.UPDATES}
    assert len(threats.not_played(found)) == len(asked) + len(threats.BEYOND)


WEIGHTS = "The target model's weights, of which the gradients of all layers are read, and the record's true label."
LAST = WEIGHTS.replace("all layers", "the last layer")
MORE = "The target model's weights, of which the gradients of all layers are read, the record's true label, and "


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ("The target model's weights.", threats.WHOLE),
        (WEIGHTS, threats.WHOLE),
        (LAST, threats.WHOLE),
        (f"{MORE}reference models with the records that each was trained on.", threats.WHOLE_REFERENCES),
        (f"{MORE}other records that the model was not trained on.", threats.WHOLE_POPULATION),
        (f"{MORE}other records of which it is known whether they are members.", threats.WHOLE_KNOWN),
        (f"{MORE}other records of which it knows whether the model was trained on them.", threats.WHOLE_KNOWN),
        ("The target model's weights are not seen.", None),
    ],
)
def test_what_sees_the_weights_has_a_level_of_its_own(said: str, level: str | None) -> None:
    assert threats.level(said) == level


def test_whoever_watched_the_training_has_a_level_and_what_nobody_watched_is_named() -> None:
    moments, updates = (_docstring(attack.__doc__)[1] for attack in (snapshots, update_dot))
    trained, updated = "The model while it is trained", threats.LEVELS[threats.UPDATES]
    changed = f"{trained}, and changes it"
    assert {trained} == {says for says, _ in threats.not_played(document(OUTPUTS)) if says.startswith(trained)}
    seen = {says for says, _ in threats.not_played(document(OUTPUTS, moments)) if says.startswith(trained)}
    assert seen == {updated, changed}
    for what, left in (("clients", {changed}), ("average", {updated, changed}), ("differences", {updated, changed})):
        watched = document(OUTPUTS, updates) | {"by_round": {"updates": what}}
        missing = {says: why for says, why in threats.not_played(watched) if says.startswith(trained)}
        assert {*missing} == left
        assert updated not in left or missing[updated].startswith("updates of federated training, of each client: ")
    found = threats.played(document(OUTPUTS, moments + " Here that is somebody.", updates))
    assert [one["level"] for one in found] == [threats.OUTPUTS, threats.MOMENTS, threats.UPDATES]


def test_the_whole_model_is_called_untested_only_where_it_was_not_tested() -> None:
    whole = "The whole model"
    assert whole in dict(threats.not_played(document(OUTPUTS)))
    missing = dict(threats.not_played(document(OUTPUTS, WEIGHTS)))
    assert whole not in missing
    assert missing[threats.LEVELS[threats.WHOLE_REFERENCES]] == "no attack was run"
    assert not any("last layer" in one for one in missing)
    assert {*missing} >= {*threats.BEYOND} - {whole}


def test_it_is_said_where_no_more_than_the_last_layer_was_read() -> None:
    last = "The whole model beyond its last layer"
    assert last in dict(threats.not_played(document(OUTPUTS, LAST)))
    assert last not in dict(threats.not_played(document(OUTPUTS, LAST, WEIGHTS)))
    references = LAST[:-1] + ", and reference models with the records that each was trained on."
    missing = dict(threats.not_played(document(OUTPUTS, WEIGHTS, references)))
    assert f"{last}, and reference models trained like the audited one" in missing
    assert last not in missing


def test_attacks_on_weights_that_failed_are_named_as_failed() -> None:
    found = fake(400, attacks=(LEAKY,), also=(failed(),))._document
    found["findings"][-1]["sees"] = WEIGHTS
    missing = dict(threats.not_played(found))
    assert missing[threats.LEVELS[threats.WHOLE]] == "the attacks that see this failed"
