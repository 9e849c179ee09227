"""Makes packed.json beside this file, as standard.py makes standard.json: casts to and from floats of one byte and
integers of less than one, and graphs that hold, move and quantize them.

Elements smaller than a byte have one of their own in packed.json, as they have in Swerve's memory.
Needs onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6. One thread.
"""
import base64
import ctypes
import json
import os
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h

ort.set_default_logger_severity(4)
FLOAT8 = ["FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "FLOAT8E8M0"]
SMALL = {"INT4": 4, "UINT4": 4, "INT2": 2, "UINT2": 2}
PLAIN = {"FLOAT": np.float32, "DOUBLE": np.float64, "FLOAT16": np.float16, "INT8": np.int8, "INT16": np.int16,
         "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32,
         "UINT64": np.uint64, "BOOL": np.bool_}
R = np.random.RandomState(8)
cases, failures = [], []


def bits(kind):
    return SMALL.get(kind, 8 if kind in FLOAT8 else np.dtype(PLAIN.get(kind, np.uint8)).itemsize * 8)


def unpacked(raw, kind, count):
    """One byte an element, of packed ones."""
    if kind not in SMALL:
        return raw
    width = SMALL[kind]
    values = [raw[k * width // 8] >> (k * width % 8) & ((1 << width) - 1) for k in range(count)]
    if kind.startswith("I"):
        values = [v - (1 << width) if v >> (width - 1) else v for v in values]
    return np.array(values).astype(np.int8 if kind.startswith("I") else np.uint8).tobytes()


def packed(values, kind):
    """Raw data of small integers."""
    width = SMALL[kind]
    data = bytearray((len(values) * width + 7) // 8)
    for k, value in enumerate(values):
        data[k * width // 8] |= (int(value) & ((1 << width) - 1)) << (k * width % 8)
    return bytes(data)


def initializer(name, kind, shape, raw):
    return T(name=name, data_type=getattr(T, kind), dims=shape, raw_data=raw)


def case(label, nodes, inputs, inits, outputs, opset=25, tolerance=0, fails=False):
    """inputs: arrays by name; outputs: (name, kind, shape)."""
    label = f"{len(cases)} {label}"
    graph = h.make_graph(
        nodes, "g", [h.make_tensor_value_info(n, h.np_dtype_to_tensor_dtype(a.dtype), [None] * a.ndim) for n, a in inputs.items()],
        [h.make_tensor_value_info(n, getattr(T, k), [None] * len(s)) for n, k, s in outputs], inits)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=13).SerializeToString()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    packs = []
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        values = {n: ort.OrtValue.ortvalue_from_numpy(a) for n, a in inputs.items()}
        for value, (_, kind, shape) in zip(session.run_with_ort_values(None, values), outputs):
            assert list(value.shape()) == list(shape), (value.shape(), shape)
            count = int(np.prod(shape))
            raw = ctypes.string_at(value.data_ptr(), (count * bits(kind) + 7) // 8)
            packs.append({"type": getattr(T, kind), "shape": list(shape), "data": base64.b64encode(unpacked(raw, kind, count)).decode()})
    except Exception as error:
        if not fails:
            failures.append(f"{label}: {str(error)[:300]}")
            return
        packs = None
    cases.append({"name": label, "model": base64.b64encode(model).decode(), "rows": False, "tolerance": tolerance,
                  "inputs": [{"type": h.np_dtype_to_tensor_dtype(a.dtype), "shape": list(a.shape),
                              "data": base64.b64encode(a.tobytes()).decode()} for a in inputs.values()],
                  "outputs": packs})


def cast(x, kind, label, **more):
    case(f"Cast {label} {kind} {more or ''}", [h.make_node("Cast", ["x"], ["y"], "n", to=getattr(T, kind), **more)], {"x": x}, [],
         [("y", kind, x.shape)])


# To floats of one byte: every sign, exponent and leading bit, with and without something behind.
high = np.arange(0, 65536, 31, dtype=np.uint32) << 16
edges = np.array([0, -0.0, 448, 463.9, 464, 465, 480, 495.9, 496, 240, 248, 57344, 61440, 65535, 65536, 2.0**-9, 2.0**-10, 1.5 * 2.0**-10,
                  2.0**-127, 1.5 * 2.0**-127, 1e-40, 2.0**127, 3e38, np.inf, -np.inf, np.nan, -np.nan], np.float32)
x = np.concatenate([(high | low).view(np.float32) for low in (np.uint32(0), np.uint32(0x7FFF), np.uint32(0x8001))] + [edges, -edges])
for kind in FLOAT8:
    for saturate in (0, 1):
        for mode in ("up", "down", "nearest") if kind == "FLOAT8E8M0" else (None,):
            cast(x, kind, "float", saturate=saturate, **({"round_mode": mode} if mode else {}))

# Whole numbers, halves and doubles; what lies outside the type's reach is left to each machine.
for name in ("DOUBLE", "FLOAT16", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL", "FLOAT"):
    values = np.concatenate([np.arange(-300, 300), R.randint(-30000, 30000, 100)])
    if name in ("FLOAT", "DOUBLE", "FLOAT16"):
        values = np.concatenate([values, R.randn(300) * 20])
    values = values.astype(PLAIN[name])
    for kind in [*FLOAT8, *SMALL]:
        cast(values, kind, name)

# From each of their values to everything.
for kind in [*FLOAT8, *SMALL]:
    if kind in SMALL:
        numbers = np.arange(1 << SMALL[kind]) - (1 << (SMALL[kind] - 1) if kind.startswith("I") else 0)
        raw, count = packed(numbers, kind), len(numbers)
    else:
        raw, count = bytes(range(256)), 256
    # Infinity and NaN have no whole number; those of other machines differ.
    finite = raw
    if kind in FLOAT8:
        ill = {"FLOAT8E4M3FN": {0x7F, 0xFF}, "FLOAT8E4M3FNUZ": {0x80}, "FLOAT8E5M2": {0x7C, 0x7D, 0x7E, 0x7F, 0xFC, 0xFD, 0xFE, 0xFF},
               "FLOAT8E5M2FNUZ": {0x80}, "FLOAT8E8M0": {0xFF} | set(range(127 + 31, 256))}[kind]
        finite = bytes(b for b in raw if b not in ill)
    for to in [*PLAIN, *FLOAT8, *SMALL]:
        if to == kind:
            continue
        whole = to in SMALL or "INT" in to
        data = finite if whole else raw
        size = len(data) if kind in FLOAT8 else count
        case(f"Cast {kind} {to}", [h.make_node("Cast", ["x"], ["y"], "n", to=getattr(T, to))], {}, [initializer("x", kind, [size], data)],
             [("y", to, [size])])

# Held and moved.
for kind, width in SMALL.items():
    numbers = R.randint(-(1 << width - 1), 1 << width - 1, 15)
    init = initializer("w", kind, [3, 5], packed(numbers, kind))
    wide = "INT8" if kind.startswith("I") else "UINT8"
    case(f"Transpose {kind}", [h.make_node("Transpose", ["w"], ["t"]), h.make_node("Cast", ["t"], ["y"], "n", to=getattr(T, wide))], {},
         [init], [("y", wide, [5, 3])])

# Quantized. What has no whole number of 32 bits is left to each machine.
every = np.concatenate([R.randn(3, 8) * 3, [[0, -0.0, np.nan, 1e9, -1e9, 448, 1e-9, 7.5]]]).astype(np.float32)
for kind in [*FLOAT8[:4], *SMALL]:
    x = np.nan_to_num(np.clip(every, -1e6, 1e6)) if kind in SMALL else every
    for axis, scale in ((None, [0.37]), (0, [0.1, 0.25, 1.5, 2.0]), (1, list(0.1 + R.rand(8)))):
        count = len(scale)
        if kind in SMALL:
            zeros = np.array([1, 0, -1 if kind.startswith("I") else 1, 1] * 2)[:count]
            zero = packed(zeros, kind)
        else:
            zero = bytes(count)
        shape = [] if axis is None else [count]
        inits = [initializer("s", "FLOAT", shape, np.array(scale, np.float32).tobytes()), initializer("z", kind, shape, zero)]
        more = {} if axis is None else {"axis": axis}
        for saturate in (0, 1) if kind in FLOAT8 else (None,):
            extra = more if saturate is None else more | {"saturate": saturate}
            case(f"QuantizeLinear {kind} {extra}", [h.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], "n", **extra)], {"x": x}, inits,
                 [("y", kind, [4, 8])])
        raw = packed(R.randint(-8, 8, 32), kind) if kind in SMALL else bytes(R.randint(0, 127, 32).tolist())
        case(f"DequantizeLinear {kind} {more}", [h.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], "n", **more)], {},
             [*inits, initializer("q", kind, [4, 8], raw)], [("y", "FLOAT", [4, 8])])
    if kind in SMALL:
        scales = initializer("s", "FLOAT", [4, 2], (0.1 + R.rand(8)).astype(np.float32).tobytes())
        weights = initializer("q", kind, [4, 8], packed(R.randint(-8, 8, 32), kind))
        case(f"DequantizeLinear {kind} blocks", [h.make_node("DequantizeLinear", ["q", "s"], ["y"], "n", axis=1, block_size=4)], {},
             [scales, weights], [("y", "FLOAT", [4, 8])])
        case(f"QuantizeLinear {kind} blocks", [h.make_node("QuantizeLinear", ["x", "s"], ["y"], "n", axis=1, block_size=4, output_dtype=getattr(T, kind))],
             {"x": x}, [scales], [("y", kind, [4, 8])])

# Half precision: what is infinite or has no 32 bits becomes the smallest integer there is.
PLAIN_ZERO = {"UINT8": np.uint8, "INT8": np.int8, "UINT16": np.uint16, "INT16": np.int16}
half = np.concatenate([np.linspace(-40, 40, 81), [np.inf, -np.inf, 65504, -65504, 0.25, 0.75, -0.25]]).astype(np.float16).reshape(8, 11)
for kind in [*FLOAT8[:4], *list(SMALL)[:2], *PLAIN_ZERO]:
    for axis, scale in ((None, [0.37]), (0, list(0.1 + R.rand(8)))):
        count = len(scale)
        if kind in SMALL:
            zero = packed(np.ones(count, int), kind)
        else:
            zero = bytes(count) if kind in FLOAT8 else np.full(count, 3, PLAIN_ZERO[kind]).tobytes()
        shape = [] if axis is None else [count]
        inits = [initializer("s", "FLOAT16", shape, np.array(scale, np.float16).tobytes()), initializer("z", kind, shape, zero)]
        more = {} if axis is None else {"axis": axis}
        x = np.nan_to_num(half) if kind in FLOAT8 else half
        case(f"QuantizeLinear half {kind} {more}", [h.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], "n", **more)], {"x": x}, inits,
             [("y", kind, [8, 11])], opset=21)
        raw = packed(R.randint(-8, 8, 88), kind) if kind in SMALL else bytes(R.randint(0, 127, 88 * (2 if "16" in kind else 1)).tolist())
        case(f"DequantizeLinear half {kind} {more}", [h.make_node("DequantizeLinear", ["q", "s", "z"], ["y"], "n", **more)], {},
             [*inits, initializer("q", kind, [8, 11], raw)], [("y", "FLOAT16", [8, 11])], opset=21)
scales = initializer("s", "FLOAT16", [8, 3], (0.1 + R.rand(24)).astype(np.float16).tobytes())
case("QuantizeLinear half blocks", [h.make_node("QuantizeLinear", ["x", "s"], ["y"], "n", axis=1, block_size=4)], {"x": half}, [scales],
     [("y", "UINT8", [8, 11])], opset=21)
case("DequantizeLinear half blocks", [h.make_node("DequantizeLinear", ["q", "s"], ["y"], "n", axis=1, block_size=4)], {},
     [scales, initializer("q", "INT8", [8, 11], bytes(range(88)))], [("y", "FLOAT16", [8, 11])], opset=21)
case("DequantizeLinear half INT32", [h.make_node("DequantizeLinear", ["q", "s"], ["y"], "n")], {},
     [initializer("s", "FLOAT16", [], np.float16(0.013).tobytes()), initializer("q", "INT32", [88], R.randint(-1 << 20, 1 << 20, 88).astype(np.int32).tobytes())],
     [("y", "FLOAT16", [88])], opset=21)

# Infinities and NaN are the smallest int32, and a negative zero point wraps below it.
edges = np.array([-np.inf, np.inf, np.nan, -65504, 65504, -3.6, 0.5], np.float16)
for kind, zero in (("INT8", -5), ("INT8", -128), ("INT8", 5), ("INT16", -5), ("UINT8", 5), ("UINT16", 5)):
    case(f"QuantizeLinear half {kind} edges, zero point {zero}", [h.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], "n")], {"x": edges},
         [initializer("s", "FLOAT16", [], np.float16(0.5).tobytes()), initializer("z", kind, [], np.array(zero, PLAIN[kind]).tobytes())],
         [("y", kind, [7])], opset=21)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "packed.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print(len(cases), "cases", file=sys.stderr)
for failure in failures:
    print(failure, file=sys.stderr)
