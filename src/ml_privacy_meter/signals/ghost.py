"""Each record's gradient by a layer's parameters, from what went into the layer and the gradient by what came out.

A gradient is kept in factors for as long as only its norm is asked for.

Source: Goodfellow, Efficient Per-Example Gradient Computations, 2015 (linear layers); Li et al., Large Language Models
Can Be Strong Differentially Private Learners, ICLR 2022 (sequences); Bu et al., Scalable and Efficient Training of
Large Convolutional Neural Networks with Differential Privacy, NeurIPS 2022 (convolutions).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
KINDS = (nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear, nn.Embedding, nn.LayerNorm, nn.GroupNorm)
_BLOCK = 2**19  # numbers that a processor's cache holds; the pages of larger tensors come from the system each time
FACTORED = (*KINDS, nn.RMSNorm, *CONVOLUTIONS, *NORMS)


@dataclass(frozen=True)
class Outer:
    """A gradient that is the sum over places of outer products; the groups lie one after the other."""

    a: Tensor  # records groups places inputs
    b: Tensor  # records groups places outputs


@dataclass(frozen=True)
class Rows:
    """A gradient that is zero but for some rows."""

    at: Tensor  # records places
    b: Tensor  # records places width
    height: int


@dataclass(frozen=True)
class Filters:
    """A gradient of the filters of a convolution."""

    a: Tensor  # records channels *places
    b: Tensor  # records outputs *places
    layer: Any


@dataclass(frozen=True)
class Whole:
    """A gradient as it is."""

    of: Tensor  # records *parameter


Use = Outer | Rows | Filters | Whole


def use_of(layer: nn.Module, parameter: str, a: Tensor, b: Tensor) -> Use:
    """What one call of the layer adds to the gradient of its ``parameter``, for each record.

    Args:
        a: what went in: records first.
        b: the gradient by what came out.
    """
    if a.is_floating_point():
        a = _wide(a)
    b = _wide(b)
    if isinstance(layer, nn.Embedding):
        a = a.reshape(len(a), -1)
        kept = a != (-1 if layer.padding_idx is None else layer.padding_idx)
        return Rows(a, b.reshape(len(b), -1, b.shape[-1]) * kept[..., None], layer.num_embeddings)
    if isinstance(layer, nn.LayerNorm | nn.RMSNorm):
        own = len(layer.normalized_shape)
        of = b * _normal(layer, a) if parameter == "weight" else b
        return Whole(of.reshape(len(b), -1, *of.shape[of.ndim - own :]).sum(1))
    if isinstance(layer, nn.Linear):
        a, b = (part.reshape(len(part), 1, -1, part.shape[-1]) for part in (a, b))
        return Outer(a, b) if parameter == "weight" else Whole(b[:, 0].sum(1) if b.shape[2] > 1 else b[:, 0, 0])
    if parameter == "bias":
        return Whole(_by_channel(b))
    if isinstance(layer, _ConvNd):
        return Filters(a, b, layer)
    return Whole(_by_channel(b * _normal(layer, a)))


def _by_channel(z: Tensor) -> Tensor:
    """The sum over all places of each channel, if there are any."""
    return z.flatten(2).sum(2) if z.ndim > 2 else z


def added(uses: Sequence[Use]) -> Use:
    """The sum of what several calls add to the gradient of one parameter, its shape as that of one of them."""
    if len(uses) == 1:
        return uses[0]
    outers = [use for use in uses if isinstance(use, Outer)]
    if len(outers) == len(uses):
        return Outer(torch.cat([use.a for use in outers], 2), torch.cat([use.b for use in outers], 2))
    rows = [use for use in uses if isinstance(use, Rows)]
    if len(rows) == len(uses):
        return Rows(torch.cat([use.at for use in rows], 1), torch.cat([use.b for use in rows], 1), rows[0].height)
    return Whole(torch.stack([whole(use) for use in uses]).sum(0))


def taken(use: Use, rows: slice) -> Use:
    """The gradients of these records alone."""
    return _each(use, lambda part: part[rows])


def folded(use: Use, records: int) -> Use:
    """The gradient of each record where a layer took each apart into several rows."""
    if len(use.of if isinstance(use, Whole) else use.b) == records:
        return use
    if isinstance(use, Whole):
        return Whole(_apart(use.of, records).sum(1))
    if isinstance(use, Rows):
        return _each(use, lambda part: _apart(part, records).flatten(1, 2))
    if isinstance(use, Filters):
        return Whole(_apart(whole(use), records).sum(1))
    return _each(use, lambda part: _apart(part, records).transpose(1, 2).flatten(2, 3))


def whole(use: Use) -> Tensor:
    """The gradient of each record, flat."""
    if isinstance(use, Outer):
        return (use.b.transpose(2, 3) @ use.a).flatten(1)
    if isinstance(use, Rows):
        of = use.b.new_zeros(len(use.b), use.height, use.b.shape[-1])
        return of.scatter_add_(1, use.at[..., None].expand_as(use.b), use.b).flatten(1)
    if isinstance(use, Filters):
        return _filters(use)
    return use.of.flatten(1)


def square(use: Use) -> Tensor:
    """The sum of the gradient's squares for each record, in float64."""
    if isinstance(use, Outer):
        return _square_of_outer(use.a, use.b)
    if isinstance(use, Rows):
        records = torch.arange(len(use.at), device=use.at.device)[:, None]
        found, where = torch.unique(records * use.height + use.at, return_inverse=True)
        rows = use.b.new_zeros(len(found), use.b.shape[-1]).index_add_(0, where.flatten(), use.b.flatten(0, 1))
        squares = _squares(rows, 1)
        return squares.new_zeros(len(use.at)).index_add_(0, found // use.height, squares)
    if isinstance(use, Filters):
        size = max(1, _BLOCK // max(1, _made(use))) if use.b.device.type == "cpu" else max(1, len(use.b))
        blocks = zip(torch.split(use.a, size), torch.split(use.b, size), strict=True)
        return torch.cat([_square_of_filters(Filters(a, b, use.layer)) for a, b in blocks])
    return _squares(use.of, 1)


def room(use: Use) -> int:
    """How many numbers `square` makes of each record on its way."""
    if isinstance(use, Outer):
        places, inputs, outputs = use.a.shape[2], use.a.shape[3], use.b.shape[3]
        made = 0 if places == 1 else min(inputs * outputs, 2 * places * places)
        return use.a[0].numel() + use.b[0].numel() + use.a.shape[1] * made
    if isinstance(use, Filters):
        return _made(use)
    return use.b[0].numel() if isinstance(use, Rows) else use.of[0].numel()


def _each(use: Use, of: Callable[[Tensor], Tensor]) -> Use:
    if isinstance(use, Outer):
        return Outer(of(use.a), of(use.b))
    if isinstance(use, Filters):
        return Filters(of(use.a), of(use.b), use.layer)
    return Rows(of(use.at), of(use.b), use.height) if isinstance(use, Rows) else Whole(of(use.of))


def _square_of_outer(a: Tensor, b: Tensor) -> Tensor:
    _, _, places, inputs = a.shape
    outputs = b.shape[3]
    if places == 1:
        return (_squares(a, 2) * _squares(b, 2)).sum(1)
    if places * (inputs + outputs) < inputs * outputs:  # then the products of all pairs of places are fewer
        return _square_of_pairs(a.transpose(2, 3), b.transpose(2, 3))
    return _squares(b.transpose(2, 3) @ a, 1)


def _square_of_pairs(a: Tensor, b: Tensor) -> Tensor:
    """The same, of factors that lie with their places last, through the products of all pairs of places."""
    pairs = (a.transpose(2, 3) @ a) * (b.transpose(2, 3) @ b)
    return pairs.double().flatten(1).sum(1).clamp(min=0)


def _square_of_filters(use: Filters) -> Tensor:
    return _square_of_pairs(*_patches(use)) if _by_pairs(use) else _squares(_filters(use), 1)


def _made(use: Filters) -> int:
    places = use.b[0, 0].numel()
    made = use.layer.weight[0, 0].numel() * use.a[0].numel() + 2 * places**2 * use.layer.groups
    return int(made if _by_pairs(use) else use.layer.weight.numel())


def _squares(of: Tensor, start: int) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(of.flatten(start), dim=start)
    return norms.double().square()


def _apart(part: Tensor, records: int) -> Tensor:
    return part.reshape(records, -1, *part.shape[1:])


def _wide(of: Tensor) -> Tensor:
    return of if of.dtype == torch.float64 else of.float()


def _by_pairs(use: Filters) -> bool:
    layer, places = use.layer, use.b[0, 0].numel()
    outputs, inputs = layer.out_channels // layer.groups, layer.weight[0].numel()
    return not layer.transposed and places * (inputs + outputs) < inputs * outputs


def _padded(use: Filters) -> tuple[Tensor, Sequence[int]]:
    """What the convolution runs over, and how much it still pads."""
    layer = use.layer
    if layer.padding_mode == "zeros" and not isinstance(layer.padding, str):
        return use.a, layer.padding
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    return F.pad(use.a, layer._reversed_padding_repeated_twice, mode), [0] * len(layer.kernel_size)


def _filters(use: Filters) -> Tensor:
    """The gradients, from one convolution in which each record is a group."""
    layer, records = use.layer, len(use.b)
    a, padding = _padded(use)
    shape = (records * layer.weight.shape[0], *layer.weight.shape[1:])
    _, found, _ = torch.ops.aten.convolution_backward(
        use.b.flatten(0, 1)[None],
        a.flatten(0, 1)[None],
        a.new_empty(1).expand(shape),  # its numbers do not matter
        None,
        layer.stride,
        padding,
        layer.dilation,
        layer.transposed,
        layer.output_padding,
        records * layer.groups,
        [False, True, False],
    )
    gradients: Tensor = found
    return gradients.reshape(records, -1)


def _patches(use: Filters) -> tuple[Tensor, Tensor]:
    """What each place of the output saw of the input, and its gradient: records groups numbers places."""
    layer, axes = use.layer, len(use.layer.kernel_size)
    a, padding = _padded(use)
    a = F.pad(a, [by for by in reversed(padding) for _ in range(2)])
    for axis, (size, step, spread) in enumerate(zip(layer.kernel_size, layer.stride, layer.dilation, strict=True), 2):
        a = a.unfold(axis, spread * (size - 1) + 1, step)[..., ::spread]
    kernel, places = range(2 + axes, 2 + 2 * axes), range(2, 2 + axes)
    a = a.permute(0, 1, *kernel, *places).reshape(len(a), layer.groups, -1, use.b[0, 0].numel())
    return a, use.b.reshape(len(a), layer.groups, -1, a.shape[3])


def _normal(layer: Any, a: Tensor) -> Tensor:
    """What a layer makes of its input before it scales it."""
    if isinstance(layer, nn.LayerNorm):
        return F.layer_norm(a, layer.normalized_shape, eps=layer.eps)
    if isinstance(layer, nn.RMSNorm):
        return F.rms_norm(a, layer.normalized_shape, eps=layer.eps)
    if isinstance(layer, nn.GroupNorm):
        return F.group_norm(a, layer.num_groups, eps=layer.eps)
    mean, var = (None if s is None else s.to(a.dtype) for s in (layer.running_mean, layer.running_var))
    if isinstance(layer, _InstanceNorm):
        return F.instance_norm(a, mean, var, use_input_stats=mean is None, eps=layer.eps)
    return F.batch_norm(a, mean, var, training=mean is None, eps=layer.eps)
