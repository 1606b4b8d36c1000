"""Edges from plain arrays, for graphs made in memory: checked, sorted, in both directions."""

import numpy as np
import torch
from torch import Tensor

from models.float32 import ADVICE, loss
from models.graph.errors import GraphInputError
from models.graph.tensors import EdgeTensors, pick, without_attributes
from models.graph.timeline import LATEST

Array = np.ndarray | Tensor
_MOST = 2**31
"""Node indices are int32."""


def edges_from_arrays(
    source: Array,
    target: Array,
    time: Array,
    weight: Array | None = None,
    *,
    sources: int,
    targets: int,
    numbers: Array | None = None,
    categories: Array | None = None,
) -> tuple[EdgeTensors, EdgeTensors]:
    """One edge type in both directions: source -> target, and target -> source.

    ``source``, ``target`` (rows,) integers below ``sources`` and ``targets``, the numbers of nodes; ``time`` (rows,)
    integers, microseconds; ``weight`` (rows,), above 0, stored as float32; None = every edge has weight 1. Attributes:
    ``numbers`` (rows, n), NaN = missing, stored as float32 and refused if they do not survive that
    (``models.float32``), and ``categories`` (rows, c) integers, codes from 1, 0 = missing; None = no such attributes.
    NumPy arrays or tensors, in any order. Of rows with equal source, target and time only the first becomes an edge.
    Each node's edges are sorted by time, then by row. Raises GraphInputError.
    """
    for name, nodes in (("sources", sources), ("targets", targets)):
        if isinstance(nodes, bool) or not isinstance(nodes, int | np.integer) or not 0 <= nodes < _MOST:
            raise GraphInputError(f"{name}: expected 0 to 2^31 - 1 nodes; found {nodes}. Split the node type")
    columns = [_integers(name, a) for name, a in (("source", source), ("target", target), ("time", time))]
    if weight is not None:
        columns.append(_weights(weight))
    for name, column in zip(("target", "time", "weight"), columns[1:], strict=False):
        if len(column) != len(columns[0]):
            raise GraphInputError(
                f"{name}: expected one per edge, {len(columns[0])} as in source; found {len(column)}. Pass columns of "
                "one table"
            )
    _check_ids("source", columns[0], sources)
    _check_ids("target", columns[1], targets)
    _check_times(columns[2])
    source, target, time, *weights = columns
    attributes = _attributes(numbers, categories, time)
    if weights and bool((weights[0] == 1).all()):
        weights = []
    order, tied = _order(source, time, sources)
    repeated = _repeated(order, tied, target)
    if len(repeated):
        kept = torch.ones_like(source, dtype=torch.bool).index_fill_(0, repeated, False)
        source, target, time, *weights = (column[kept] for column in (source, target, time, *weights))
        attributes = attributes[0][kept], attributes[1][kept]
        order, _ = _order(source, time, sources)
    back, _ = _order(target, time, targets)
    return (
        _csr(order, source, target, time, weights, attributes, sources),
        _csr(back, target, source, time, weights, attributes, targets),
    )


def _order(owner: Tensor, time: Tensor, owners: int) -> tuple[Tensor, Tensor]:
    """The rows sorted by (owner, time, row), and (rows - 1,) bool: equal in owner and time to the row before."""
    if not len(time):
        return torch.zeros_like(owner), torch.zeros_like(owner, dtype=torch.bool)
    earliest = int(time.min())
    span = int(time.max()) - earliest + 1
    if owners * span < 2**63:  # both fit into one int64: twice as fast
        key, order = (owner * span + (time - earliest)).sort(stable=True)
        return order, key[1:] == key[:-1]
    order = time.sort(stable=True).indices
    owner, again = pick(owner, order).sort(stable=True)
    order = pick(order, again)
    time = pick(time, order)
    return order, (owner[1:] == owner[:-1]) & (time[1:] == time[:-1])


def _repeated(order: Tensor, tied: Tensor, target: Tensor) -> Tensor:
    """Which rows repeat an earlier row's source, time and target; ``order`` and ``tied`` as from ``_order``."""
    if not bool(tied.any()):
        return order[:0]
    nothing = tied.new_zeros(1)
    run = torch.cat([nothing, ~tied]).cumsum(0)
    # Only ties are sorted by target: usually a small part of the rows.
    place = (torch.cat([nothing, tied]) | torch.cat([tied, nothing])).nonzero().flatten()
    place = place[target[order[place]].sort(stable=True).indices]
    place = place[run[place].sort(stable=True).indices]
    run, target = run[place], target[order[place]]
    same = (run[1:] == run[:-1]) & (target[1:] == target[:-1])
    return order[place[1:][same]]


def _csr(
    order: Tensor,
    owner: Tensor,
    other: Tensor,
    time: Tensor,
    weights: list[Tensor],
    attributes: tuple[Tensor, Tensor],
    owners: int,
) -> EdgeTensors:
    count = torch.bincount(owner, minlength=owners)
    return EdgeTensors(
        offsets=torch.nn.functional.pad(count.cumsum(0), (1, 0)),
        target=pick(other.int(), order),
        time=pick(time, order),
        weight=pick(weights[0], order) if weights else torch.zeros(0, device=owner.device),
        numbers=attributes[0][order],
        categories=attributes[1][order],
    )


def _attributes(numbers: Array | None, categories: Array | None, time: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, n) float32 and (rows, c) int32."""
    found = list(without_attributes(time))
    if numbers is not None:
        columns = _tensor("numbers", numbers, "real numbers", rows=len(time))
        if columns.is_complex() or columns.dtype == torch.bool:
            raise _wrong_type("numbers", "real numbers", columns.dtype)
        for place in range(columns.shape[1]):
            _check_numbers(f"numbers, column {place}", columns[:, place])
        found[0] = columns.float()
    if categories is not None:
        codes = _tensor("categories", categories, "integers", rows=len(time))
        _check_whole("categories", codes)
        if codes.numel() and not (int(codes.min()) >= 0 and int(codes.max()) < _MOST):
            raise GraphInputError(
                f"categories: expected codes from 1, 0 = missing, below 2^31; found {int(codes.min())} to "
                f"{int(codes.max())}. Number the values of each column from 1"
            )
        found[1] = codes.int()
    return found[0], found[1]


def _check_numbers(what: str, values: Tensor) -> None:
    """Refuse infinities and numbers that do not survive as float32."""
    short = values.is_floating_point() and values.itemsize < 4  # NumPy lacks some of these types
    numbers = (values.float() if short else values).cpu().numpy()
    infinite = np.flatnonzero(np.isinf(numbers))
    if infinite.size:
        raise GraphInputError(
            f"{what}: expected finite numbers, NaN where missing; found {numbers[infinite[0]]} in row {infinite[0]}. "
            "Leave the value out"
        )
    lost = loss(numbers)
    if lost is not None:
        raise GraphInputError(f"{what}: expected numbers that survive as float32; found {lost.found}. {ADVICE}")


def _tensor(name: str, array: Array, expected: str, rows: int | None = None) -> Tensor:
    """As a tensor of one dimension, or of two if ``rows`` is given; memory is shared where possible."""
    if isinstance(array, np.ndarray):
        if array.dtype.kind not in "iuf" or array.dtype.itemsize > 8:
            raise _wrong_type(name, expected, array.dtype)
        if isinstance(array, np.ma.MaskedArray):
            raise _wrong_type(name, expected, "a masked array")
        native = array.dtype.newbyteorder("=")
        array = torch.from_numpy(np.require(array, native, ["C_CONTIGUOUS", "WRITEABLE"]))
    if not isinstance(array, Tensor):
        raise _wrong_type(name, expected, type(array).__name__)
    if array.layout != torch.strided:
        raise _wrong_type(name, expected, f"a tensor of layout {array.layout}")
    if rows is None and array.dim() != 1:
        raise GraphInputError(f"{name}: expected one dimension, (rows,); found shape {tuple(array.shape)}. Flatten it")
    if rows is not None and (array.dim() != 2 or len(array) != rows):
        raise GraphInputError(
            f"{name}: expected a row per edge, ({rows}, columns); found shape {tuple(array.shape)}. Put the columns "
            "side by side"
        )
    return array.detach()


def _integers(name: str, array: Array) -> Tensor:
    """(rows,) int64."""
    tensor = _tensor(name, array, "integers")
    _check_whole(name, tensor)
    return tensor.long()


def _check_whole(name: str, tensor: Tensor) -> None:
    if tensor.is_floating_point() or tensor.is_complex() or tensor.dtype in (torch.bool, torch.uint64):
        missing = int(tensor.isnan().sum()) if tensor.is_floating_point() else 0
        raise _wrong_type(name, "integers", f"{tensor.dtype}{f', {missing} of them NaN' if missing else ''}")


def _weights(array: Array) -> Tensor:
    """(rows,) float32, finite and above 0."""
    tensor = _tensor("weight", array, "real numbers")
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise _wrong_type("weight", "real numbers", tensor.dtype)
    weight = tensor.float()
    wrong = (~(weight.isfinite() & (weight > 0))).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        raise GraphInputError(
            f"weight: expected finite numbers above 0 in float32; found {tensor[row].item()} in row {row} and "
            f"{len(wrong) - 1} more. Leave such edges out"
        )
    return weight


def _check_ids(name: str, ids: Tensor, count: int) -> None:
    if len(ids) and not (int(ids.min()) >= 0 and int(ids.max()) < count):
        raise GraphInputError(
            f"{name}: expected 0 to {count - 1}, as {name}s is {count}; found {int(ids.min())} to {int(ids.max())}. "
            "Number the nodes from 0 and leave edges of unknown ones out"
        )


def _check_times(time: Tensor) -> None:
    if len(time) and not (int(time.min()) > -LATEST and int(time.max()) < LATEST):
        raise GraphInputError(
            f"time: expected microseconds between -2^62 and 2^62; found {int(time.min())} to {int(time.max())}. "
            "Leave edges without a time out, and look for another unit"
        )


def _wrong_type(name: str, expected: str, found: object) -> GraphInputError:
    return GraphInputError(
        f"{name}: expected {expected} as a NumPy array or a tensor; found {found}. Convert it first: times to whole "
        "microseconds, ids to int64"
    )
