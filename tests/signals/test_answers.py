"""Answers stay, whoever closes or kills the program."""

import pytest

from ml_privacy_meter.signals.answers import Answers


def test_what_is_set_is_there_for_the_next_run(tmp_path):
    first = Answers(tmp_path / "deep" / "answers.sqlite")
    first["a"], first["b"] = [0.1, 0.9], [1.0]
    first["a"] = [0.25, 0.75]  # not closed: on disk all the same
    second = Answers(tmp_path / "deep" / "answers.sqlite")
    assert dict(second) == {"a": [0.25, 0.75], "b": [1.0]}
    del second["b"]
    assert len(first) == 1
    with pytest.raises(KeyError):
        first["b"]
    first.close()
    second.close()
