"""The table is whole on a terminal of 80 columns."""

from io import StringIO
from pathlib import Path

from defending.fakes import bare, told, trained, trial
from rich.console import Console

from ml_privacy_meter.defending.terminal import table


def test_names_figures_and_verdicts_fit_80_columns(tmp_path: Path) -> None:
    entry = trained("early_stopping(epochs=15)")
    document = told([*bare(tmp_path), trial(tmp_path, entry, leak=0.0, accuracy=0.8)])
    to = StringIO()
    Console(file=to, width=80).print(table(document))
    lines = to.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    at = next(i for i, line in enumerate(lines) if line.startswith("early_stopping "))
    assert lines[at + 1].startswith("(epochs=15) ")
    assert lines[at + 2].startswith("✓ surely leaks less")
    assert lines[at].split()[-1] == f"{document['rows'][-1]['over_limit']:,}"
    assert len(lines[at].split()) == 2 + 4 + 1
