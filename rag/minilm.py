"""Owns the graph that the built-in weights run in: MiniLM in those operators that onnxruntime is fastest at.

The file of the weights holds them as 8-bit integers, yet its own graph computes with floats, and spends a
quarter of its time on masks that one text a pass does not need. This graph gives the same vectors.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADS = 12
_EPSILON = 1e-12
_CONTRIB = "com.microsoft"
_CONTRIB_OPERATORS = ("MatMulIntegerToFloat", "MultiHeadAttention", "Gelu")
# An ONNX file is a protocol buffer. The numbers that onnx.proto gives to its fields and types:
_IR_VERSION, _GRAPH, _OPSET = 1, 7, 8
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_FLOAT_ATTRIBUTE, _INT_ATTRIBUTE = 1, 2
_DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype(np.float32),
    2: np.dtype(np.uint8),
    3: np.dtype(np.int8),
    7: np.dtype(np.int64),
}
_TYPES = {dtype: number for number, dtype in _DTYPES.items()}


def fast_graph(model: bytes, *, integers: bool) -> bytes:
    """Return an ONNX model with the weights of `model`, its inputs and its output, for one text a pass.

    Inputs are input_ids, attention_mask and token_type_ids, shape (1, tokens); only the first is looked at.
    With `integers` products are sums of 8-bit integers; `integer_product` tells where that is exact.
    """
    weights = _tensors(model)
    graph = _Graph(weights, integers=integers)
    names = sorted((name for name in weights if re.fullmatch(r"val_\d+_q", name)), key=lambda name: int(name[4:-2]))
    matrices = iter(name.removesuffix("_q") for name in names)
    hidden = graph.embeddings("input_ids")
    for layer in range(len(names) // 6):
        prefix = f"inner.encoder.layer.{layer}."
        projections = [
            graph.linear(hidden, next(matrices), f"{prefix}attention.self.{name}") for name in ("query", "key", "value")
        ]
        attended = graph.node("MultiHeadAttention", *projections, num_heads=_HEADS)
        attended = graph.linear(attended, next(matrices), f"{prefix}attention.output.dense")
        hidden = graph.norm(graph.node("Add", attended, hidden), f"{prefix}attention.output.LayerNorm")
        inner = graph.node("Gelu", graph.linear(hidden, next(matrices), f"{prefix}intermediate.dense"))
        inner = graph.linear(inner, next(matrices), f"{prefix}output.dense")
        hidden = graph.norm(graph.node("Add", inner, hidden), f"{prefix}output.LayerNorm")
    graph.node("Identity", hidden, outputs=["last_hidden_state"])
    return graph.model(["input_ids", "attention_mask", "token_type_ids"], "last_hidden_state")


def integer_product() -> tuple[bytes, dict[str, NDArray[Any]], int]:
    """Return a small model, its input, and the number that all of its output is where integers are exact.

    Processors without an instruction for sums of four products (x86 before VNNI) cut the sum of two at 16 bits.
    """
    graph = _Graph({}, integers=True)
    left, right = np.full((8, 64), 255, np.uint8), np.full((64, 16), 127, np.int8)
    graph.node("MatMulInteger", "left", graph.constant(right), outputs=["product"])
    return graph.model(["left"], "product", np.uint8), {"left": left}, 64 * 255 * 127


class _Graph:
    """An ONNX graph in the making. Its methods add nodes and return the names of their outputs."""

    def __init__(self, weights: dict[str, NDArray[Any]], *, integers: bool) -> None:
        self._weights = weights
        self._integers = integers
        self._parts: list[bytes] = []
        self._quantized: dict[str, list[list[str]]] = {}

    def model(self, inputs: list[str], output: str, dtype: Any = np.int64) -> bytes:
        """Return the whole as an ONNX file."""
        tensor = _field(2, _field(1, _field(1, _TYPES[np.dtype(dtype)])))
        ends = [_field(_INPUT, _field(1, name) + tensor) for name in inputs] + [_field(_OUTPUT, _field(1, output))]
        opsets = [_field(_OPSET, _field(2, 17)), _field(_OPSET, _field(1, _CONTRIB) + _field(2, 1))]
        graph = b"".join([_field(2, "minilm"), *self._parts, *ends])
        return b"".join([_field(_IR_VERSION, 8), *opsets, _field(_GRAPH, graph)])

    def constant(self, value: Any, dtype: Any = None) -> str:
        array = np.asarray(value, dtype)
        name = f"c{len(self._parts)}"
        dims = b"".join(_field(1, size) for size in array.shape)
        tensor = dims + _field(2, _TYPES[array.dtype]) + _field(8, name) + _field(9, array.tobytes())
        self._parts.append(_field(_INITIALIZER, tensor))
        return name

    def node(self, operator: str, *inputs: str, outputs: list[str] | None = None, **attributes: float) -> str:
        outputs = outputs or [f"n{len(self._parts)}"]
        node = b"".join([_field(1, name) for name in inputs] + [_field(2, name) for name in outputs])
        node += _field(4, operator) + _field(7, _CONTRIB if operator in _CONTRIB_OPERATORS else "")
        self._parts.append(_field(_NODE, node + b"".join(_attribute(*pair) for pair in attributes.items())))
        return outputs[0]

    def embeddings(self, ids: str) -> str:
        """Add the vectors of tokens and positions, shape (1, tokens, 384), and normalise them."""
        table = "inner.embeddings.word_embeddings.weight"
        words = self.node("Gather", self.constant(self._weights[f"{table}_q"]), ids)
        scales = self.node("Gather", self.constant(self._weights[f"{table}_scale"]), ids)
        hidden = self.node("Mul", self.node("Cast", words, to=_TYPES[np.dtype(np.float32)]), scales)
        table = "inner.embeddings.position_embeddings.weight"
        positions = self._dequantized(table) + self._weights["inner.embeddings.token_type_embeddings.weight"][0]
        ends = self.constant([0]), self.node("Shape", ids, start=1)
        hidden = self.node("Add", hidden, self.node("Slice", self.constant(positions), *ends))
        return self.norm(hidden, "inner.embeddings.LayerNorm")

    def norm(self, hidden: str, name: str) -> str:
        """Add the layer norm: as instances of one channel, since onnxruntime's own works number by number."""
        flat = self.node("Reshape", hidden, self.constant([-1, 1, 384]))
        one, zero = self.constant([1], np.float32), self.constant([0], np.float32)
        flat = self.node("InstanceNormalization", flat, one, zero, epsilon=_EPSILON)
        hidden = self.node("Reshape", flat, self.constant([1, -1, 384]))
        scaled = self.node("Mul", hidden, self.constant(self._weights[f"{name}.weight"]))
        return self.node("Add", scaled, self.constant(self._weights[f"{name}.bias"]))

    def linear(self, hidden: str, matrix: str, name: str) -> str:
        bias = self.constant(self._weights[f"{name}.bias"])
        if not self._integers:
            return self.node("Add", self.node("MatMul", hidden, self.constant(self._dequantized(matrix))), bias)
        weight = self.constant(self._weights[f"{matrix}_q"])
        scale = self.constant(self._weights[f"{matrix}_scale"][0])
        (a, a_scale, a_zero), (b, b_scale, b_zero) = self._quantize(hidden)
        coarse = self.node("MatMulIntegerToFloat", a, weight, a_scale, scale, a_zero, "", bias)
        return self.node("Add", coarse, self.node("MatMulIntegerToFloat", b, weight, b_scale, scale, b_zero))

    def _quantize(self, hidden: str) -> list[list[str]]:
        """Return values, scale and zero of `hidden` in 8 bits, and of what 8 bits leave over in 8 more.

        A single step of 8 bits would turn the vectors by up to 14 degrees; two leave them as they are.
        """
        if hidden not in self._quantized:
            coarse = [f"{hidden}_{part}" for part in ("values", "scale", "zero")]
            self.node("DynamicQuantizeLinear", hidden, outputs=coarse)
            rest = self.node("Sub", hidden, self.node("DequantizeLinear", *coarse))
            # The rest is at most half a step of the first scale, to either side.
            scale, zero = self.node("Mul", coarse[1], self.constant(1 / 254, np.float32)), self.constant(128, np.uint8)
            self._quantized[hidden] = [coarse, [self.node("QuantizeLinear", rest, scale, zero), scale, zero]]
        return self._quantized[hidden]

    def _dequantized(self, name: str) -> NDArray[Any]:
        product: NDArray[Any] = self._weights[f"{name}_q"] * self._weights[f"{name}_scale"]
        return product


def _tensors(model: bytes) -> dict[str, NDArray[Any]]:
    """Return the constants of an ONNX file by name."""
    (graph,) = (value for number, value in _fields(memoryview(model)) if number == _GRAPH)
    tensors = {}
    for number, tensor in _fields(graph):
        if number == _INITIALIZER:
            shape = [value for number, value in _fields(tensor) if number == 1]
            content = dict(_fields(tensor))
            if dtype := _DTYPES.get(content[2]):
                tensors[str(content[8], "utf-8")] = np.frombuffer(content[9], dtype).reshape(shape)
    return tensors


def _fields(message: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield number and value of the fields of a protocol buffer that holds integers and byte strings only."""
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        value, at = _read_varint(message, at)
        if key & 7 == 0:
            yield key >> 3, value
        else:
            yield key >> 3, message[at : at + value]
            at += value


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _attribute(name: str, value: float) -> bytes:
    if isinstance(value, int):
        return _field(5, _field(1, name) + _field(3, value) + _field(20, _INT_ATTRIBUTE))
    number = _varint(2 << 3 | 5) + struct.pack("<f", value)
    return _field(5, _field(1, name) + number + _field(20, _FLOAT_ATTRIBUTE))


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
