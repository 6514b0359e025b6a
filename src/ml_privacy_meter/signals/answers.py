"""Answers of a model that charges for each: on disk the moment they come."""

import json
import sqlite3
from collections.abc import Iterator, MutableMapping
from pathlib import Path


class Answers(MutableMapping[str, list[float]]):
    """A mapping in an SQLite file; what is set is kept, also by a run that is killed next."""

    def __init__(self, file: str | Path) -> None:
        Path(file).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._database = sqlite3.connect(file, timeout=60, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL)")

    def __getitem__(self, key: str) -> list[float]:
        row = self._database.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        answer: list[float] = json.loads(row[0])
        return answer

    def __setitem__(self, key: str, answer: list[float]) -> None:
        self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?)", (key, json.dumps(answer)))

    def __delitem__(self, key: str) -> None:
        if not self._database.execute("DELETE FROM answers WHERE key = ?", (key,)).rowcount:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return (key for (key,) in self._database.execute("SELECT key FROM answers ORDER BY rowid"))

    def __len__(self) -> int:
        count: int = self._database.execute("SELECT COUNT(*) FROM answers").fetchone()[0]
        return count

    def close(self) -> None:
        self._database.close()
