"""Writes identity.onnx: a model that gives back what it gets, one tensor of each type.

Made once, without the onnx package: python3 identity.py
"""

import pathlib

# ONNX's numbers for the types, by their names in the Open Inference Protocol.
TYPES = {
    "FP32": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7,
    "BYTES": 8, "BOOL": 9, "FP16": 10, "FP64": 11, "UINT32": 12, "UINT64": 13, "BF16": 16,
}


def varint(number):
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)


def number(field, value):
    return varint(field << 3) + varint(value)


def block(field, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def tensor(name, kind):
    """ValueInfoProto of shape (rows, columns), both free."""
    shape = block(1, block(2, "rows")) + block(1, block(2, "columns"))
    return block(1, name) + block(2, block(1, number(1, kind) + block(2, shape)))


def model():
    graph = b""
    for name in TYPES:
        graph += block(1, block(1, "in_" + name) + block(2, "out_" + name) + block(4, "Identity"))
    graph += block(2, "identity")
    for name, kind in TYPES.items():
        graph += block(11, tensor("in_" + name, kind))
    for name, kind in TYPES.items():
        graph += block(12, tensor("out_" + name, kind))
    return number(1, 8) + block(7, graph) + block(8, block(1, "") + number(2, 16))


if __name__ == "__main__":
    pathlib.Path(__file__).with_name("identity.onnx").write_bytes(model())
