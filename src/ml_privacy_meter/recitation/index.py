"""Which spans of a text stand in others, word for word: an index of all runs of so many tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt64

_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, its bits well mixed: products wrap at 2**64
_SOURCES = 64  # places that one run is looked up in, of those where it stands


@dataclass(frozen=True)
class Span:
    """So many tokens that stand in a text as they stand in another.

    Args:
        start: where they begin in the text that was looked at.
        text: the number of the other text.
        source: where they begin in that.
    """

    start: int
    length: int
    text: int
    source: int


@dataclass(frozen=True)
class Index:
    """Runs of ``least`` tokens of texts that lie one after the other, with -1 between them.

    Args:
        hash: of each run, sorted.
        place: where it begins.
        first: where each text begins.
    """

    least: int
    tokens: Int[np.ndarray, " tokens"]
    hash: UInt64[np.ndarray, " runs"]
    place: Int[np.ndarray, " runs"]
    first: Int[np.ndarray, " texts"]

    def spans(self, ids: Sequence[int]) -> list[Span]:
        """The spans of at least ``least`` tokens that stand in a text of the index, as long as can be, from the left.

        No two lie within each other. Of a span that stands in several texts the first with the longest is named.
        """
        own, found, at = np.array(ids, np.int64), [], 0
        for start, places in self._hits(own):
            if start < at:
                continue
            best = max(((self._shared(own, start, int(place)), -int(place)) for place in places), default=(0, 0))
            if best[0] >= self.least:  # and not only the same hash
                place = -best[1]
                text = int(np.searchsorted(self.first, place, side="right")) - 1
                found.append(Span(start, best[0], text, place - int(self.first[text])))
                at = start + best[0] - self.least + 1
        return found

    def holds(self, ids: Sequence[int]) -> bool:
        """Whether a span of at least ``least`` of these tokens stands in a text of the index."""
        return bool(self.spans(ids))

    def _hits(self, own: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        hashes = _hashes(own, self.least)
        low, high = (np.searchsorted(self.hash, hashes, side=side) for side in ("left", "right"))
        for start in np.flatnonzero(low < high):
            yield int(start), self.place[low[start] : min(high[start], low[start] + _SOURCES)]

    def _shared(self, own: np.ndarray, start: int, place: int) -> int:
        size = min(len(own) - start, len(self.tokens) - place)
        apart = own[start : start + size] != self.tokens[place : place + size]
        return int(apart.argmax()) if apart.any() else size


def index_of(texts: Sequence[Sequence[int]], least: int, *, most: int | None = None) -> Index:
    """The index of these texts; of their first ``most`` tokens, one text after the other, if that is given."""
    parts: list[np.ndarray] = []
    left = most
    for ids in texts:
        own = np.array(ids if left is None else ids[: max(0, left)], np.int64)
        left = None if left is None else left - len(own)
        parts += [own, np.array([-1])]
    tokens = np.concatenate([*parts, np.empty(0, np.int64)])
    sizes = [len(part) for part in parts]
    first = np.cumsum([0, *sizes])[:-1][::2]
    hashes = _hashes(tokens, least)
    ended = np.concatenate([[0], np.cumsum(tokens < 0)])
    within = ended[least:] == ended[: len(ended) - least] if len(tokens) >= least else np.zeros(0, bool)
    place = np.flatnonzero(within)
    order = np.argsort(hashes[place], kind="stable")
    return Index(least, tokens, hashes[place][order], place[order], first)


def _hashes(tokens: np.ndarray, least: int) -> np.ndarray:
    """A number for each run of ``least`` tokens; runs that differ seldom have the same."""
    count = max(0, len(tokens) - least + 1)
    found = np.zeros(count, np.uint64)
    shifted = (tokens + 1).astype(np.uint64)
    for offset in range(least if count else 0):
        found = found * _BASE + shifted[offset : offset + count]
    return found
