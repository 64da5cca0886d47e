# SPDX-License-Identifier: MIT
"""Writes ONNX files byte by byte, so that it needs no package of ONNX.

A message is a row of fields, each a tag (number << 3 | wire type) and a varint
(type 0), four bytes (type 5), or a length and bytes (type 2). Field numbers are
those of onnx.proto.
"""
import struct

import numpy as np

FLOAT_ATTR, INT_ATTR, INTS_ATTR = 1, 2, 7
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7}


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while True:
        out.append(n & 127 | (128 if n > 127 else 0))
        n >>= 7
        if not n:
            return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def attribute(name, value):
    if isinstance(value, int):
        return field(1, name) + field(3, value) + field(20, INT_ATTR)
    if isinstance(value, float):
        return field(1, name) + field(2, value) + field(20, FLOAT_ATTR)
    return (field(1, name) + b"".join(field(8, v) for v in value)
            + field(20, INTS_ATTR))


def node(op, inputs, outputs, name=None, domain="", **attributes):
    """outputs: one name, or several."""
    outputs = [outputs] if isinstance(outputs, str) else outputs
    return (b"".join(field(1, i) for i in inputs)
            + b"".join(field(2, o) for o in outputs)
            + field(3, name or outputs[0]) + field(4, op)
            + b"".join(field(5, attribute(k, v)) for k, v in attributes.items())
            + (field(7, domain) if domain else b""))


def tensor(name, array):
    array = np.asarray(array)
    return (b"".join(field(1, d) for d in array.shape)
            + field(2, TYPES[array.dtype.name]) + field(8, name)
            + field(9, array.tobytes()))


def value_info(name, shape, dtype="float32"):
    dims = b"".join(field(1, field(1, d)) for d in shape)
    return (field(1, name)
            + field(2, field(1, field(1, TYPES[dtype]) + field(2, dims))))


def write(path, graph_name, nodes, tensors, inputs, output, opset=13, ir=8,
          domains=()):
    """inputs, output: of value_info(); the others: lists of node(), tensor()."""
    graph = (b"".join(field(1, n) for n in nodes) + field(2, graph_name)
             + b"".join(field(5, t) for t in tensors)
             + b"".join(field(11, i) for i in inputs) + field(12, output))
    opsets = [("", opset), *((d, 1) for d in domains)]
    with open(path, "wb") as f:
        f.write(field(1, ir) + field(2, "vggaccel") + field(7, graph)
                + b"".join(field(8, field(1, d) + field(2, v)) for d, v in opsets))
