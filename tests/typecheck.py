"""Checks annotations at every call in tests; an int may stand for a float, as in any signature."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
