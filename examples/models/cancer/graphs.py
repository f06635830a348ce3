"""Ways to go wrong inside an ONNX graph, decided by the row alone.

Each takes a good model and adds nodes that compute a 0 per row, or fail to; the 0 is added to the label, so that no
optimiser can leave them out. Nothing sleeps: onnxruntime really fails, works, or asks for memory.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from cancer.onnx_files import INPUT, LABEL, PROBABILITIES

SLOW_ROUNDS = 120_000
SLOW_SIZE = 8
"""Small, so that a round is mostly the interpreter's own time: a large product's depends on the processor."""
ENDLESS = 2**62
GREEDY = 2**30
"""float32 values, so 4 GiB, each written."""
OUT_OF_RANGE = 7


def failing(model: onnx.ModelProto, column: int, bound: float) -> onnx.ModelProto:
    """Rows whose column lies above the bound look up an index that is not there."""
    nodes = [
        *_above(column, bound),
        _constant("there", np.array(0, np.int64)),
        _constant("not_there", np.array(OUT_OF_RANGE, np.int64)),
        _constant("one_zero", np.array([0], np.int64)),
        helper.make_node("Where", ["above", "not_there", "there"], ["index"]),
        helper.make_node("Gather", ["one_zero", "index"], ["nothing"]),
    ]
    return _added(model, nodes)


def slow(model: onnx.ModelProto) -> onnx.ModelProto:
    """Every request multiplies matrices SLOW_ROUNDS times and throws the result away."""
    nodes = [
        _constant("rounds", np.array(SLOW_ROUNDS, np.int64)),
        *_loop(SLOW_SIZE),
    ]
    return _added(model, nodes)


def hanging(model: onnx.ModelProto, column: int, bound: float) -> onnx.ModelProto:
    """A row whose column lies above the bound starts a loop that ends in some thousand years."""
    nodes = [
        *_any_above(column, bound),
        _constant("once", np.array(1, np.int64)),
        _constant("endless", np.array(ENDLESS, np.int64)),
        helper.make_node("Where", ["any_above", "endless", "once"], ["rounds"]),
        *_loop(SLOW_SIZE),
    ]
    return _added(model, nodes)


def greedy(model: onnx.ModelProto, column: int, bound: float) -> onnx.ModelProto:
    """A row whose column lies above the bound asks for 4 GiB and fills them."""
    nodes = [
        *_any_above(column, bound),
        _constant("little", np.array([1], np.int64)),
        _constant("much", np.array([GREEDY], np.int64)),
        helper.make_node("Where", ["any_above", "much", "little"], ["size"]),
        helper.make_node(
            "ConstantOfShape", ["size"], ["filled"], value=helper.make_tensor("fill", TensorProto.FLOAT, [1], [1.0])
        ),
        helper.make_node("ReduceMin", ["filled"], ["least"], keepdims=0),
        _constant("unit", np.array(1, np.float32)),
        helper.make_node("Sub", ["least", "unit"], ["difference"]),
        helper.make_node("Cast", ["difference"], ["nothing"], to=TensorProto.INT64),
    ]
    return _added(model, nodes)


def rescored(model: onnx.ModelProto, factor: float, offset: float) -> onnx.ModelProto:
    """The probability p of the second of two classes becomes factor * p + offset; the labels stay."""
    changed = _with_renamed_output(model, PROBABILITIES, "good_probabilities")
    nodes = [
        _constant("factor", np.array(factor, np.float32)),
        _constant("offsets", np.array([1 - factor - offset, offset], np.float32)),
        helper.make_node("Mul", ["good_probabilities", "factor"], ["scaled"]),
        helper.make_node("Add", ["scaled", "offsets"], [PROBABILITIES]),
    ]
    changed.graph.node.extend(nodes)
    return changed


def _above(column: int, bound: float) -> list[onnx.NodeProto]:
    """`above`: one truth per row."""
    return [
        _constant("watched", np.array(column, np.int64)),
        _constant("bound", np.array(bound, np.float32)),
        helper.make_node("Gather", [INPUT, "watched"], ["values"], axis=1),
        helper.make_node("Greater", ["values", "bound"], ["above"]),
    ]


def _any_above(column: int, bound: float) -> list[onnx.NodeProto]:
    """`any_above`: one truth for the whole request."""
    return [
        *_above(column, bound),
        helper.make_node("Cast", ["above"], ["above_as_number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["above_as_number"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["any_above"], to=TensorProto.BOOL),
    ]


def _loop(size: int) -> list[onnx.NodeProto]:
    """`nothing`: 0, after `rounds` rounds of work that begin with what the request holds."""
    weights = np.random.default_rng(0).normal(scale=size**-0.5, size=(size, size)).astype(np.float32)
    body = helper.make_graph(
        [
            _constant("weights", weights),
            helper.make_node("MatMul", ["carried", "weights"], ["turned"]),
            helper.make_node("Tanh", ["turned"], ["carried_on"]),
            helper.make_node("Identity", ["go_on"], ["goes_on"]),
        ],
        "round",
        [_value("round_number", TensorProto.INT64, []), _value("go_on", TensorProto.BOOL, []),
         _value("carried", TensorProto.FLOAT, [size, size])],
        [_value("goes_on", TensorProto.BOOL, []), _value("carried_on", TensorProto.FLOAT, [size, size])],
    )  # fmt: skip
    return [
        helper.make_node("ReduceMean", [INPUT], ["mean"], keepdims=0),
        _constant("start", np.ones((size, size), np.float32)),
        helper.make_node("Mul", ["start", "mean"], ["begun"]),
        _constant("yes", np.array(True)),
        helper.make_node("Loop", ["rounds", "yes", "begun"], ["worked"], body=body),
        helper.make_node("ReduceMean", ["worked"], ["result"], keepdims=0),
        _constant("none_of_it", np.array(0, np.float32)),
        helper.make_node("Mul", ["result", "none_of_it"], ["zero"]),
        helper.make_node("Cast", ["zero"], ["nothing"], to=TensorProto.INT64),
    ]


def _added(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> onnx.ModelProto:
    """The model with the nodes' `nothing` added to its label."""
    changed = _with_renamed_output(model, LABEL, "good_label")
    changed.graph.node.extend([*nodes, helper.make_node("Add", ["good_label", "nothing"], [LABEL])])
    return changed


def _with_renamed_output(model: onnx.ModelProto, output: str, renamed: str) -> onnx.ModelProto:
    """A copy in which an output has another name inside the graph, so that nodes can be put behind it."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for node in changed.graph.node:
        for i, name in enumerate(node.output):
            if name == output:
                node.output[i] = renamed
    return changed


def _constant(name: str, value: np.ndarray) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))


def _value(name: str, kind: int, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)
