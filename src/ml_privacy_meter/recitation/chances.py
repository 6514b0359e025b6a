"""How probably a decoder gives a passage, in so many draws: in logarithms, as chances may be as small as 1e-300."""

import numpy as np
from jaxtyping import Float

LogP = Float[np.ndarray, " passages"]


def log_once(log_p: LogP, tries: float) -> LogP:
    """Natural logarithm of the probability that so many independent draws give the passage at least once.

    Source: Hayes et al., Measuring Memorization in Language Models via Probabilistic Extraction, NAACL 2025.

    Args:
        log_p: of the probability that one draw gives it; -inf where none ever does.
    """
    with np.errstate(divide="ignore"):
        expected = np.log(tries) + _log_rate(log_p)
    return _log_one_less(-np.exp(expected), expected)


def log_tries(log_p: LogP, probability: float) -> LogP:
    """Natural logarithm of the number of draws after which the passage was given with this probability, at least 0.

    Infinite where it is never given. The number need not be whole: round it up.

    Source: as of `log_once`.
    """
    with np.errstate(divide="ignore"):
        found: LogP = np.maximum(np.log(-np.log1p(-probability)) - _log_rate(log_p), 0.0)
    return found


def _log_rate(log_p: LogP) -> LogP:
    """log(-log(1 - p)): how much a draw adds to the rate at which the passage comes."""
    with np.errstate(divide="ignore"):
        return np.where(log_p < -40, log_p, np.log(-_log_one_less(np.minimum(log_p, 0.0), None)))


def _log_one_less(value: LogP, log_of: LogP | None) -> LogP:
    """log(1 - exp(value)), for values up to 0; ``log_of``: log(-value), where value itself may have come to 0."""
    with np.errstate(divide="ignore"):
        near = np.log(-np.expm1(value)) if log_of is None else np.where(log_of < -40, log_of, np.log(-np.expm1(value)))
        return np.where(value > -np.log(2), near, np.log1p(-np.exp(value)))
