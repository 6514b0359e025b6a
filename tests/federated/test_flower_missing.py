"""Where Flower is not installed, that is said."""

from importlib.util import find_spec

import pytest

from ml_privacy_meter import InputError
from ml_privacy_meter.federated.flower import simulate


@pytest.mark.skipif(find_spec("flwr") is not None, reason="Flower is installed")
def test_without_flower_the_extra_is_named():
    with pytest.raises(InputError, match=r"needs the package `flwr`.*pip install 'ml-privacy-meter\[flower\]'"):
        simulate(None, None, clients=1)
