"""An exported program as the modules that it was traced from, by their names: so its layers can be looked into."""

import re
import warnings

import torch
from torch import Tensor, fx, nn


def layered(program: torch.export.ExportedProgram) -> nn.Module:
    """The program as modules, linear layers as `nn.Linear`; as one module where torch finds none that answer alike."""
    whole = program.module()
    declared = [
        node.meta.get("val") for node in program.graph.nodes if node.name in program.graph_signature.user_inputs
    ]
    if len(declared) != 1 or not isinstance(declared[0], Tensor) or not _plainly_named(program):
        return whole
    try:
        with warnings.catch_warnings():
            # torch copies a structure of its own that it has deprecated
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            module = torch.export.unflatten(program)
        for part in list(module.modules()):
            _strip(part)
            for name, child in list(part.named_children()):
                if (linear := _linear(child)) is not None:
                    part.add_module(name, linear)
        asked = torch.zeros([_size(n) for n in declared[0].shape], dtype=declared[0].dtype)
        if torch.allclose(_answer(module, asked), _answer(whole, asked), equal_nan=True):
            return module
    except Exception:  # what torch cannot take apart, it refuses in many ways
        return whole
    return whole


def _plainly_named(program: torch.export.ExportedProgram) -> bool:
    """Whether all modules have names that stand for nothing else where torch writes them into code."""
    names = [entry.fqn for entry in program.module_call_graph]
    for node in program.graph.nodes:
        names += [path for path, _ in node.meta.get("nn_module_stack", {}).values()]
    return all(re.fullmatch(r"[\w.@]*", name) for name in names)


def _strip(part: nn.Module) -> None:
    """Takes from the steps what torch noted while it traced them: tensors without numbers, which cannot be copied."""
    graph = getattr(part, "graph", None)
    for node in graph.nodes if isinstance(graph, fx.Graph) else ():
        node.meta.clear()
    if isinstance(meta := vars(part).get("meta"), dict):
        meta.clear()


def _linear(part: nn.Module) -> nn.Linear | None:
    """The layer that a part is if its one step is that of a linear one, of its own weight, on what it is given."""
    graph, own = getattr(part, "graph", None), dict(part.named_parameters())
    if not isinstance(graph, fx.Graph) or "weight" not in own or own.keys() - {"weight", "bias"}:
        return None
    steps = [node for node in graph.nodes if node.op == "call_function"]
    if [node.target for node in steps] != [torch.ops.aten.linear.default]:
        return None
    kinds = [(node.op, node.target) for node in steps[0].args]
    if kinds[0][0] != "placeholder" or kinds[1:] != [("get_attr", name) for name in own]:
        return None
    outputs, inputs = own["weight"].shape
    layer = nn.Linear(inputs, outputs, bias="bias" in own, device="meta")
    for name, parameter in own.items():
        setattr(layer, name, parameter)
    return layer


def _size(n: int | torch.SymInt) -> int:
    return n if isinstance(n, int) else int(n.node.hint or 2)


def _answer(module: nn.Module, asked: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)  # for what was exported with its dropout
        answer: Tensor = module(asked)
        return answer
