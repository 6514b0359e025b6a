"""The options of the commands. Each is a setting of a run file, but for those that are about the command itself."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from ml_privacy_meter.cli.attacks import attack_names


def _option(
    panel: str, metavar: str, help: str, *names: str, complete: Callable[[], Sequence[str]] | None = None
) -> Any:
    def matching(incomplete: str) -> list[str]:
        return [word for word in complete() if word.startswith(incomplete)] if complete else []

    completed = matching if complete else None
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, autocompletion=completed)


def _devices() -> list[str]:
    cards = torch.cuda.device_count()
    return ["auto", "cpu", *(["cuda"] if cards else []), *(f"cuda:{card}" for card in range(cards) if cards > 1)]


Members = Annotated[
    Path, typer.Option(help="What it was trained on: .npz, .csv, .parquet, .jsonl, image folder.", metavar="PATH")
]
NonMembers = Annotated[Path, typer.Option(help="Records of the same source that it never saw.", metavar="PATH")]
Out = Annotated[Path, typer.Option(help="The folder that the report goes to.", metavar="FOLDER")]
Pdf = Annotated[bool, typer.Option("--pdf", help="Add report.pdf, for filing; needs the extra `pdf`.", metavar="")]
ShowRecords = Annotated[
    int | None,
    typer.Option(
        "--show-records",
        help="How many of the most exposed training records index.html shows: personal data; or none.",
        metavar="NUMBER",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.", metavar="")]
Json = Annotated[bool, typer.Option("--json", help="Print report.json in place of the table.", metavar="")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be trained, and how long it takes.", metavar="")
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.", metavar="")]

_FILES = (
    "A .pt2, TorchScript, .skops, .onnx or .keras file, a language model's folder, an http(s) address, or "
    "package.module:factory. "
    "None where the records hold saved outputs."
)
_SEVERAL = "Of several, the last is audited; the others are the same model earlier in its training, the oldest first."
_KINDS = "What it answers in: logits, probabilities or values; seen from the first answers where not given."
_TASKS = "What labels are: classes, labels (several at once) or regression; seen from them where not given."
_CLASSES = 'The classes in the order of the outputs; "sorted": as the labels are sorted.'
_M = "Model"
Model = Annotated[list[str] | None, _option(_M, "MODEL ...", f"{_FILES} {_SEVERAL}", "--model")]
Weights = Annotated[Path | None, _option(_M, "FILE", "For a factory: .safetensors, or a state dict in .pt.")]
Base = Annotated[
    Path | None, _option(_M, "FOLDER", "Of a language model: what it was tuned from. Its adapter needs it.", "--base")
]
Outputs = Annotated[str | None, _option(_M, "KIND", _KINDS, complete=lambda: ("logits", "probabilities", "values"))]
Task = Annotated[str | None, _option(_M, "TASK", _TASKS, complete=lambda: ("classes", "labels", "regression"))]
Classes = Annotated[list[str] | None, _option(_M, "NAME ...", _CLASSES, "--classes")]
Preprocess = Annotated[str | None, _option(_M, "FUNCTION", "package.module:function, applied to each batch.")]
Trusted = Annotated[list[str] | None, _option(_M, "TYPE ...", "A type that a .skops file may build.", "--trusted")]
OutputName = Annotated[str | None, _option(_M, "NAME", "Which output of an ONNX model to read.")]
Request = Annotated[str | None, _option(_M, "JSON", 'What is posted to an address, with "$records" in it.')]
Response = Annotated[str | None, _option(_M, "JMESPATH", "Where the outputs stand in its answer.")]

_R = "Records (of both sets)"
Label = Annotated[str | None, _option(_R, "NAME", "Column or array of labels.")]
Id = Annotated[str | None, _option(_R, "NAME", "Column or array of your own names of the records.")]
Features = Annotated[list[str] | None, _option(_R, "NAME ...", "Array or columns that the model takes.", "--features")]
Drop = Annotated[list[str] | None, _option(_R, "NAME ...", "Column that the model does not take.", "--drop")]
Groups = Annotated[list[str] | None, _option(_R, "NAME ...", "Column to report on separately.", "--group")]
Probabilities = Annotated[
    list[str] | None,
    _option(_R, "NAME ...", "What the model answered: an array, or one column a class.", "--probabilities"),
]
Logits = Annotated[list[str] | None, _option(_R, "NAME ...", "The same, before the softmax.", "--logits")]
Size = Annotated[tuple[int, int] | None, _option(_R, "HEIGHT WIDTH", "What images are brought to, in pixels.")]

_F = "Federated training that was watched"
TraceFolder = Annotated[Path | None, _option(_F, "FOLDER", "Its trace; the model is the final one.", "--trace")]
Viewer = Annotated[
    str | None,
    _option(
        _F,
        "VIEW",
        "By whom: aggregator (where not given), server-averages, participant:NAME or outsider.",
        "--view",
        complete=lambda: ("aggregator", "server-averages", "participant:", "outsider"),
    ),
]

_A = "Attacks and figures"
Attacks = Annotated[
    list[str] | None,
    _option(
        _A,
        "NAME ...",
        "All that apply, or these; your own: package.module:function.",
        "--attack",
        complete=attack_names,
    ),
]
Fpr = Annotated[
    list[float] | None, _option(_A, "RATE ...", "False positive rate; 0.1, 0.01 and 0.001 where not given.")
]
Confidence = Annotated[float | None, _option(_A, "SHARE", "Of every interval; 0.95 where not given.")]

Users = Annotated[
    str | None, _option(_A, "COLUMN", "Whose a record is (author, customer): adds figures by user.", "--users")
]

_COLUMN = "A column of the records that is guessed from the others, with the model and without: see docs/attributes.md."
SecretColumn = Annotated[list[str] | None, _option(_A, "COLUMN ...", _COLUMN, "--secret-column")]

_B = "Reference models (more settings in a run file)"
ReferenceCount = Annotated[int | None, _option(_B, "NUMBER", "How many are trained; or 16.", "--references")]
ReferenceTrain = Annotated[
    str | None, _option(_B, "FUNCTION", "package.module:function (x, y, seed) -> model, like the target.", "--train")
]

_G = "A guarantee that is claimed of the training (figures then have ceilings)"
Epsilon = Annotated[float | None, _option(_G, "NUMBER", "Of differential privacy, with --delta.")]
Delta = Annotated[float | None, _option(_G, "SHARE", "Of differential privacy; 0 where it is pure.")]
Mu = Annotated[float | None, _option(_G, "NUMBER", "Or of Gaussian differential privacy.")]
NoiseMultiplier = Annotated[float | None, _option(_G, "NUMBER", "Or of DP-SGD, with the two below; extra `dp`.")]
SampleRate = Annotated[float | None, _option(_G, "SHARE", "Batch size over the number of training records.")]
Steps = Annotated[int | None, _option(_G, "NUMBER", "Batches in all.")]

_W = "Run"
Seed = Annotated[int | None, _option(_W, "NUMBER", "Of everything that is drawn at random; or 0.")]
Device = Annotated[
    str | None, _option(_W, "DEVICE", "cpu, cuda, cuda:1 and so on; or a GPU where there is one.", complete=_devices)
]
BatchSize = Annotated[int | None, _option(_W, "NUMBER", "Records a batch; or chosen by their size.")]
Assessment = Annotated[
    Path | None, _option(_W, "FILE", "TOML with the controller's answers for dpia.md, filled in each time.")
]
StoreFolder = Annotated[
    Path | None, _option(_W, "FOLDER", "Keeps what was read off the model; or .privacy-meter.", "--store")
]

_T = "Where else the report goes (without ids and records)"
TensorBoard = Annotated[
    Path | None, _option(_T, "FOLDER", "A run of TensorBoard, perhaps that of the training.", "--tensorboard")
]
MLflow = Annotated[
    str | None, _option(_T, "EXPERIMENT", "An experiment of MLflow, where MLFLOW_TRACKING_URI says.", "--mlflow")
]
Step = Annotated[int | None, _option(_T, "NUMBER", "The epoch, so that audits of several become curves.")]
