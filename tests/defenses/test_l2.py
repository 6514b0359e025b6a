import pytest
from defended import fitted, recipe

from ml_privacy_meter import defenses


@pytest.mark.parametrize(("optimizer", "strength"), [("sgd", 0.1), ("adam", 0.1), ("adamw", 1.0)])
def test_weights_are_smaller(optimizer, strength):
    used = recipe(optimizer=optimizer, epochs=20)
    plain, small = (
        fitted(defense, [0], used=used)[0]["0.weight"] for defense in (None, defenses.l2(strength=strength))
    )
    assert small.norm() < 0.9 * plain.norm()


def test_nothing_else_of_the_recipe_is_changed():
    used = recipe(weight_decay=0.001)
    assert defenses.l2(strength=0.01).recipe(used) == recipe(weight_decay=0.01, architecture=used.architecture)
