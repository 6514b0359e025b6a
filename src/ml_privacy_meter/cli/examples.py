"""Commands to learn from, as they stand at the end of each command's help; the tests run every one."""

START = """\
privacy-meter audit --model model.pt2 --members train.npz \\
    --non-members test.npz --out report
"""

AUDIT = {
    "A model, what it was trained on, and records that it never saw": START,
    "Saved predictions in place of a model": """\
privacy-meter audit --members train.csv --non-members test.csv \\
    --probabilities p_cat --probabilities p_dog --out report
""",
    "Some attacks only, at an error of 5%, and risk by site": """\
privacy-meter audit --model model.pt2 --members train.npz \\
    --non-members test.npz --attack threshold --attack gap \\
    --fpr 0.05 --group site --out report
""",
    "The strongest attacks: models trained like this one beside it": """\
privacy-meter audit --model model.pt2 --members train.npz \\
    --non-members test.npz --train my_training:train --references 16 \\
    --out report
""",
    "Beside a claim of differential privacy: does any figure refute it?": """\
privacy-meter audit --model model.pt2 --members train.npz \\
    --non-members test.npz --epsilon 3 --delta 1e-5 --out report
""",
    "Nothing but JSON, for a program": """\
privacy-meter audit --model model.pt2 --members train.npz \\
    --non-members test.npz --out report --json > audit.json
""",
    "With the 20 most exposed training records on its page: personal data": """\
privacy-meter audit --model model.pt2 --members train.npz \\
    --non-members test.npz --out report --show-records 20
""",
    "A model over epochs: the last is audited, the others are earlier ones": """\
privacy-meter audit --model epoch5.pt2 --model model.pt2 \\
    --members train.npz --non-members test.npz --out report
""",
    "An adapter of a language model, the model that it was tuned from, and references": """\
privacy-meter audit --model adapter --base base --members train.jsonl \\
    --non-members test.jsonl --references 16 --out report
""",
    "Into TensorBoard, as epoch 10": """\
privacy-meter audit --model model.pt2 --members train.npz \\
    --non-members test.npz --out report --tensorboard runs/model --step 10
""",
}
RUN = {
    "What a run file says": "privacy-meter run audit.toml\n",
    "First how long reference models would take to train": "privacy-meter run audit.toml --dry-run\n",
    "Into another folder, without a word": "privacy-meter run audit.toml --out elsewhere --quiet\n",
}
INIT = {
    "A run file to edit": "privacy-meter init model.pt2 train.npz test.npz > audit.toml\n",
    "Of saved predictions": """\
privacy-meter init train.csv test.csv --probabilities p_cat \\
    --probabilities p_dog > audit.toml
""",
}
AUDIT_DP = {
    "A training function that claims epsilon 1 at delta 1e-5": """\
privacy-meter audit-dp --data train.npz --train my_training:train \\
    --epsilon 1 --delta 1e-5 --out claim
""",
    "Canaries in gradient space, from a training of your own": """\
privacy-meter audit-dp --scores canaries.npz --epsilon 2 --delta 1e-5 \\
    --out claim
""",
}
DEFEND = {
    "The defenses that its section [defenses] names, or a few usual ones": "privacy-meter defend audit.toml\n",
    "First how long that would take": "privacy-meter defend audit.toml --dry-run\n",
}
STATUSES = """\
Exit status of audit and run: 0, the report was written (a leak is no error);
1, it was, but an attack failed; 2, something given cannot be used; 70, a
fault of this program; 130, interrupted: the same command goes on where it was."""


def shown(examples: dict[str, str], *, statuses: str = "") -> str:
    """The end of a command's help."""
    parts = [f"{what}:\n{_indented(command)}" for what, command in examples.items()]
    return _plain("\n\n".join([*parts, *([statuses] if statuses else [])]))


def begin() -> str:
    """The end of the help of all commands: where to start."""
    return _plain(
        f"Start here:\n{_indented(START)}\n\n"
        "Then open report/index.html. For more than a few settings, write a run file\n"
        f"and run it:\n{_indented(INIT['A run file to edit'] + RUN['What a run file says'])}\n\n"
        f"Each command has a help of its own, with examples: privacy-meter audit --help\n\n{STATUSES}"
    )


def _indented(command: str) -> str:
    return "\n".join(f"  {line}" for line in command.splitlines())


def _plain(text: str) -> str:
    return text.replace("[", r"\[")  # the help is read as markup
