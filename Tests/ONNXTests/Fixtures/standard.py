"""Makes standard.json beside this file: small cases of the standard operators with ONNX Runtime's answers.

Needs onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6. One thread. A case whose answer is null must fail when it is run.
"""
import base64
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h

ort.set_default_logger_severity(4)
R = np.random.RandomState(11)
F, D, I, L, B, S = np.float32, np.float64, np.int32, np.int64, np.uint8, np.int8
cases, failures = [], []


def f(*shape, dtype=F):
    return np.asarray(R.rand(*shape) * 4 - 2, dtype)


def n(*shape, low=-5, high=6, dtype=L):
    return R.randint(low, high, shape).astype(dtype)


def ints(*values):
    return np.array(values, L)


def pack(a):
    a = np.asarray(a)
    return {"type": h.np_dtype_to_tensor_dtype(a.dtype), "shape": list(a.shape),
            "data": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


def case(op, inputs, opset=17, outputs=1, constants=(), rows=False, tolerance=1e-5, fails=False, name="", types=None, **attributes):
    """rows: the first axis of every input that is no constant is a batch."""
    names = [None if i is None else f"i{k}" for k, i in enumerate(inputs)]
    node = h.make_node(op, [i or "" for i in names], [f"o{k}" for k in range(outputs)], "n", **attributes)
    fed = [(k, a) for k, a in enumerate(inputs) if a is not None and k not in constants]
    graph_inputs = [h.make_tensor_value_info(f"i{k}", h.np_dtype_to_tensor_dtype(a.dtype), [None] * a.ndim) for k, a in fed]
    init = [onnx.numpy_helper.from_array(inputs[k], f"i{k}") for k in constants]
    graph = h.make_graph([node], "g", graph_inputs, [h.make_empty_tensor_value_info(f"o{k}") for k in range(outputs)], init)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=10)
    label = f"{len(cases)} {op} {opset}" + (f" {name}" if name else "") + "".join(f" {k}={v}" for k, v in attributes.items() if not hasattr(v, "dims"))
    try:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, {f"i{k}": a for k, a in fed})
    except Exception as error:
        results = None
        if not fails:
            failures.append(f"{label}: {str(error)[:200]}")
            return
    if fails and results is not None:
        failures.append(f"{label}: runs")
    kinds = types or ([h.np_dtype_to_tensor_dtype(np.asarray(r).dtype) for r in results] if results else [1] * outputs)
    for k in range(outputs):  # the element type is all a declared output needs
        model.graph.output[k].CopyFrom(h.make_tensor_value_info(f"o{k}", kinds[k], None if results is None else [None] * np.asarray(results[k]).ndim))
    cases.append({"name": label, "model": base64.b64encode(model.SerializeToString()).decode(), "rows": rows, "tolerance": tolerance,
                  "inputs": [pack(a) for _, a in fed], "outputs": None if results is None else [pack(r) for r in results]})


NUMBERS = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64, D, F)
bad = np.array([np.nan, -1, 0, -0., 2, -np.inf, np.inf, 100, -100, 0.5, 1.5, -2.5, 1e-40], F)

# Elementwise: every type, every way to stretch.
for op in ("Add", "Sub", "Mul", "Div"):
    for t in NUMBERS:
        case(op, [n(2, 3, low=1, high=100).astype(t), n(3, low=1, high=9).astype(t)], opset=14)
    for a, b in (((2, 3, 4), (3, 1)), ((4, 1, 1), (1, 5)), ((1,), (2, 2)), ((2, 1, 3), (1, 4, 1)), ((0, 3), (3,)), ((), ())):
        case(op, [f(*a), f(*b)], opset=7)
    case(op, [f(2, 3), f(4)], fails=True)
case("Add", [np.array([2**31 - 1, -2**31], I), np.array([1, -1], I)], opset=13, name="wraps")
case("Div", [ints(1), ints(0)], fails=True)
for op in ("Sum", "Mean", "Max", "Min"):
    case(op, [f(2, 3), f(3), f(2, 1)], opset=8)
    case(op, [f(2, 3)], opset=13)
    case(op, [bad, np.zeros_like(bad), bad[::-1].copy()], opset=13)
for op in ("Max", "Min"):
    for t in (I, L, np.uint32, np.uint64, D):
        case(op, [n(2, 3, low=0).astype(t), n(3, low=0).astype(t)], opset=12)
for t in NUMBERS[:8]:
    case("Mod", [n(4, low=0 if np.dtype(t).kind == 'u' else -9, high=9).astype(t), np.array([2, 3, 4, 5], t)], opset=13)
    case("Mod", [n(4, low=0, high=9).astype(t), np.array([2, 3, 4, 5], t)], opset=10, fmod=1)
case("Mod", [f(6), f(6)], opset=13, fmod=1)
case("Mod", [np.array([-7, 7, -7, 7], L), np.array([3, 3, -3, -3], L)], opset=13)
for t, e in ((F, F), (F, I), (F, L), (F, D), (D, F), (I, I), (L, F), (I, D), (L, L)):
    case("Pow", [n(2, 3, low=1, high=5).astype(t), n(3, low=0, high=4).astype(e)], opset=15)
case("Pow", [np.array([-2, 0, 2, np.nan, np.inf, 2], F), np.array([2, 0, .5, 0, -1, np.nan], F)], opset=7)
case("Pow", [f(5), np.array(2, F)], opset=13)
case("Pow", [f(5), np.array(3, F)], opset=13)

# Functions of one number.
for op in ("Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Tanh", "Sigmoid", "Abs", "Neg", "Relu"):
    case(op, [bad], opset=13, tolerance=1e-4 if op == "Sigmoid" else 1e-5)
    case(op, [f(3, 2, dtype=D)], opset=6)
for op, v in (("Round", 11), ("Erf", 13), ("Sign", 13), ("Sin", 7), ("Cos", 7), ("Tan", 7), ("Asin", 7), ("Acos", 7), ("Atan", 7), ("Sinh", 9), ("Cosh", 9), ("Asinh", 9), ("Acosh", 9), ("Atanh", 9)):
    case(op, [bad], opset=v)
    case(op, [f(30) / 2], opset=22)
for t in NUMBERS:
    case("Abs", [n(5, low=0 if np.dtype(t).kind == 'u' else -5).astype(t)], opset=13)
    case("Sign", [n(5, low=0 if np.dtype(t).kind == 'u' else -5).astype(t)], opset=13)
for t in (S, I, L):
    case("Neg", [n(5).astype(t)], opset=13)
for t in (S, I):
    case("Relu", [n(5).astype(t)], opset=14)
case("Abs", [np.array([-128, 127], S)], opset=13)
mild = np.array([-100, -3, -1, -.5, -0., .2, .5, 1, 2.5, 6, 7, 100, np.nan], F)
for op, v, options in (
        ("Elu", 6, {"alpha": 1.5}), ("Selu", 6, {}), ("Selu", 22, {"alpha": 2., "gamma": 3.}), ("Celu", 12, {"alpha": .7}), ("HardSigmoid", 6, {}),
        ("HardSigmoid", 22, {"alpha": .6, "beta": .1}), ("HardSwish", 14, {}), ("LeakyRelu", 16, {"alpha": .2}), ("LeakyRelu", 6, {}),
        ("ThresholdedRelu", 10, {"alpha": .7}), ("Softplus", 1, {}), ("Softsign", 1, {}), ("Mish", 18, {}), ("Gelu", 20, {}),
        ("Gelu", 20, {"approximate": "tanh"}), ("Shrink", 9, {"bias": .3, "lambd": .6}), ("Swish", 24, {"alpha": .5})):
    case(op, [mild], opset=max(v, 7), tolerance=1e-4, **options)
case("PRelu", [f(2, 3, 4), f(3, 1)], opset=9)
case("PRelu", [f(2, 3), f(1)], opset=16)
case("PRelu", [n(2, 3), n(3)], opset=16)
for t in NUMBERS[:8]:
    case("Shrink", [n(5, low=0, high=5).astype(t)], opset=9, bias=1.5, lambd=1.2)

# Comparing and choosing.
for op in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"):
    for t in (F, D, I, L):
        case(op, [n(2, 4).astype(t), n(4).astype(t)], opset=16 if "Or" in op else 13)
    case(op, [np.array([np.nan, 1, np.inf, -0.], F), np.array([np.nan, np.nan, np.inf, 0], F)], opset=12 if "Or" in op else 11 if op == "Equal" else 9)
case("Equal", [np.array([True, False]), np.array([[True], [False]])], opset=7)
truth = R.rand(2, 3) > .5
for op in ("And", "Or", "Xor"):
    case(op, [truth, truth[:, :1].copy()], opset=7)
case("Not", [truth], opset=7)
for t in (F, D, I, L, B, S):
    case("Where", [truth, n(2, 3).astype(t), n(1).astype(t)], opset=16)
case("Where", [np.array([[[True]], [[False]]]), f(3, 1), f(4)], opset=9)
for t in NUMBERS[:8]:
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        case(op, [n(2, 3, low=0, high=99).astype(t), n(3, low=0, high=99).astype(t)], opset=18)
    case("BitwiseNot", [n(3, low=0, high=99).astype(t)], opset=18)
for t in (B, np.uint32, np.uint64):
    for d in ("LEFT", "RIGHT"):
        case("BitShift", [np.array([1, 255, 16], t), np.array([1, 3, 7], t)], opset=11, direction=d)

# Reducing.
for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"):
    x = np.abs(f(3, 4, 5)) + .1
    for axes in ([0], [1], [-1], [0, 2], [1, 2], [0, 1, 2]):
        for keep in (0, 1):
            case(op, [x], opset=11, axes=axes, keepdims=keep, tolerance=1e-4)
            case(op, [x, ints(*axes)], opset=13 if op == "ReduceSum" else 18, keepdims=keep, tolerance=1e-4)
    case(op, [x], opset=18, tolerance=1e-4)
    case(op, [x], opset=18, noop_with_empty_axes=1)
    case(op, [f(2, 0), ints(1)], opset=18)
    case(op, [f(0, 2), ints(1)], opset=18)
    case(op, [np.array(3, F)], opset=18)
    case(op, [f(3, 100) + 3, ints(1)], opset=18, constants=(1,), rows=True)
    case(op, [f(3, 7, 9) + 3, ints(1)], opset=18, constants=(1,), rows=True)
    case(op, [x.astype(D), ints(1)], opset=18)
    case(op, [x, ints(3)], opset=18, fails=True)
    if op not in ("ReduceLogSum", "ReduceLogSumExp"):
        for t in (I, L):
            case(op, [n(2, 5, low=-3).astype(t), ints(1)], opset=18)
for op in ("ReduceMax", "ReduceMin"):
    for t in (S, B, np.bool_):
        case(op, [n(2, 5, low=0, high=2).astype(t), ints(1)], opset=20)
    case(op, [np.array([[1, np.nan, 2], [np.nan, 1, 2]], F), ints(1)], opset=18)
for op in ("ArgMax", "ArgMin"):
    for t in (F, D, I, L, S, B):
        case(op, [n(2, 5, 3, low=0, high=4).astype(t)], opset=13, axis=1, keepdims=0)

# Products.
for a, b in (((3, 5), (5, 7)), ((5,), (5, 7)), ((2, 3, 5), (5,)), ((2, 1, 3, 5), (4, 5, 2)), ((0, 5), (5, 2)), ((3, 0), (0, 2)), ((2, 2, 330), (330, 3))):
    case("MatMul", [f(*a), f(*b)], opset=13)
for t in (I, L, np.uint32, np.uint64):
    case("MatMul", [n(2, 3, low=0).astype(t), n(3, 4, low=0).astype(t)], opset=13)
case("MatMul", [f(5, 40), f(40, 30)], constants=(1,), rows=True)
case("MatMul", [f(2, 3), f(2, 3)], fails=True)
for trans in ((0, 0), (0, 1), (1, 0), (1, 1)):
    a, b = f(3, 5), f(5, 4)
    for c in (f(4), f(3, 1), f(3, 4), f(1), f(), None):
        case("Gemm", [a.T.copy() if trans[0] else a, b.T.copy() if trans[1] else b, c], opset=13, transA=trans[0], transB=trans[1], alpha=.5, beta=2.)
case("Gemm", [f(4, 33), f(17, 33), f(17)], constants=(1, 2), rows=True, transB=1, opset=11)
case("Gemm", [f(2, 3, dtype=D), f(3, 2, dtype=D), f(2, dtype=D)], opset=9)

# Shapes and moving.
x = f(2, 3, 4)
for to in ([0, -1], [-1], [4, 3, 2], [1, -1, 2, 1], [24]):
    case("Reshape", [x, ints(*to)], opset=13)
case("Reshape", [x, ints(5, -1)], fails=True)
case("Reshape", [f(0, 3), ints(-1, 4)], opset=13)
case("Reshape", [f(0, 3), ints(5, -1)], opset=14, allowzero=1)
for axis in (0, 1, 3, -1):
    case("Flatten", [x], opset=13, axis=axis)
case("Squeeze", [x, ints(0)], opset=13, fails=True)
case("Unsqueeze", [x, ints(0, 0)], opset=13, fails=True)
for start, end in ((0, 2), (-2, 9), (3, 1), (-9, -1)):
    case("Shape", [x], opset=15, start=start, end=end)
case("Size", [x], opset=13)
for perm in ([0, 2, 1], [2, 0, 1], [1, 0, 2]):
    for t in (F, L, B, np.int16, np.bool_):
        case("Transpose", [(x * 3).astype(t)], opset=13, perm=perm)
case("Transpose", [f(2, 1, 3, 1, 2)], opset=13, perm=[4, 1, 2, 0, 3])
case("Slice", [x, ints(0, 1, -1), ints(2, 3, -9), ints(0, 1, 2), ints(1, 1, -2)], opset=13)
case("Slice", [x, ints(-2**63), ints(2**63 - 1)], opset=10)
case("Slice", [x, ints(2**63 - 1), ints(-2**63), ints(1), ints(-1)], opset=11)
case("Slice", [x, ints(0, 1), ints(2, 3), ints(0, 0)], opset=13, fails=True)
case("Slice", [x, ints(1), ints(2), ints(5)], opset=13, fails=True)
case("Expand", [f(3, 1), ints(2, 1, 4)], opset=8)
case("Expand", [f(3, 4), ints(1)], opset=13)
case("Expand", [f(3, 4), ints(2)], opset=13, fails=True)
case("Tile", [x, ints(2, 1, 3)], opset=13)
case("Tile", [x, ints(0, 1, 1)], opset=6)
case("Tile", [n(2, 1).astype(B), ints(1, 5)], opset=13)
case("Tile", [x, ints(-1, 1, 1)], opset=13, fails=True)
case("Split", [f(2, 6)], opset=7, outputs=3, axis=1)
case("Split", [f(2, 6), ints(1, 5)], opset=13, outputs=2, axis=-1)
case("Split", [f(7)], opset=18, outputs=3, num_outputs=3)
case("Split", [f(4, 2), ints(0, 4)], opset=13, outputs=2)
case("Split", [f(4, 2), ints(1, 4)], opset=13, outputs=2, fails=True)
case("Gather", [x, n(2, 2, low=-4, high=4)], opset=13, axis=2)
case("Gather", [x, np.array(-1, I)], opset=11, axis=1)
case("Gather", [x, ints(4)], opset=11, axis=1, fails=True)
case("Concat", [f(2, 3), f(2, 0), f(2, 2)], opset=13, axis=1)
case("Concat", [n(1, 3).astype(B), n(2, 3).astype(B)], opset=13, axis=0)
for v, t in ((h.make_tensor("v", T.INT64, [1], [7]), L), (h.make_tensor("v", T.BOOL, [1], [1]), bool), (None, F)):
    case("ConstantOfShape", [ints(2, 3)], opset=9, **({"value": v} if v else {}))
case("ConstantOfShape", [np.zeros(0, L)], opset=9)
case("ConstantOfShape", [ints(2, -1)], opset=9, fails=True)
for t in (F, D, I, L, np.int16):
    case("Range", [np.array(1, t), np.array(9, t), np.array(2, t)], opset=11)
case("Range", [np.array(1, F), np.array(2, F), np.array(.3, F)], opset=11)
case("Range", [np.array(5), np.array(2), np.array(-1)], opset=11)
case("Range", [np.array(5), np.array(2), np.array(0)], opset=11, fails=True)
for t in (F, D, I, L):
    for largest in (0, 1):
        case("TopK", [n(3, 9, low=0, high=5).astype(t), ints(4)], opset=11, outputs=2, largest=largest)
case("TopK", [f(2, 300, 2), ints(150)], opset=11, outputs=2, axis=1)
case("TopK", [f(3, 5)], opset=9, outputs=2, k=2)
case("TopK", [f(3, 5), ints(6)], opset=10, outputs=2, fails=True)
for v in (11, 13):
    for axis in (0, 1, -1):
        case("Hardmax", [n(2, 3, 4, low=0, high=3).astype(F)], opset=v, axis=axis)
for mode in ("constant", "reflect", "edge", "wrap"):
    v = 19 if mode == "wrap" else 13
    case("Pad", [x, ints(0, 1, 2, 1, 0, 3)], opset=v, mode=mode)
    case("Pad", [f(5), ints(-1, 2)], opset=v, mode=mode)
    case("Pad", [f(4, 5), ints(0, -2, -1, 0)], opset=v, mode=mode)
    case("Pad", [n(3, 4), ints(2, 1)], opset=v if mode == "wrap" else 11, mode=mode, fails=True)
case("Pad", [x, ints(1, 2), np.array(7, F), ints(-1)], opset=18)
case("Pad", [f(2, 3)], opset=7, pads=[0, 1, 2, 0], value=1.5)
case("Pad", [f(2, 3), ints(-3, 0, 0, 0)], opset=13, fails=True)

# Casts.
odd = np.array([0, 1.0, -1.9, 1.9, 100.5, 3e9, -3e9, 1e20, -1e20, np.nan, np.inf, -np.inf, 300, -300, 70000, -70000], F)
for to in (T.INT32, T.INT64, T.BOOL, T.DOUBLE, T.FLOAT16):
    case("Cast", [odd], opset=13, to=to)
    case("Cast", [odd.astype(D)], opset=13, to=to)
for to in (T.INT8, T.UINT8, T.INT16, T.UINT16, T.UINT32, T.UINT64, T.FLOAT, T.DOUBLE, T.FLOAT16, T.BOOL, T.INT64, T.INT32):
    case("Cast", [odd[[0, 1, 2, 3, 4, 12, 13]]], opset=9, to=to)
    for t in NUMBERS[:8] + (bool, np.float16):
        case("Cast", [n(6, low=0, high=120).astype(t)], opset=13, to=to)
case("CastLike", [odd[:4], ints(1)], opset=15)

# Normalizing.
for op in ("Softmax", "LogSoftmax"):
    for v in (7, 11, 13):
        for axis in (0, 1, 2, -1):
            if v > 7 or axis >= 0:
                case(op, [f(2, 3, 4)], opset=v, axis=axis)
    case(op, [f(3, 50)], opset=13, rows=True)
    case(op, [f(2, 3, dtype=D) * 100], opset=13)
    case(op, [np.array([[1, np.nan], [np.inf, 1], [-np.inf, -np.inf]], F)], opset=13)
for p in (1, 2):
    case("LpNormalization", [np.array([[0, 0, 0], [3, -4, 1]], F)], opset=7, p=p)
    case("LpNormalization", [f(2, 3, 4)], opset=22, p=p, axis=1)
case("LayerNormalization", [f(3, 4, 5), f(5), f(5)], constants=(1, 2), rows=True)
case("LayerNormalization", [f(3, 4, 5), f(4, 5)], axis=1, epsilon=.1, outputs=3)
case("LayerNormalization", [f(3, 4, 5, dtype=D), f(5, dtype=D), f(5, dtype=D)])
case("RMSNormalization", [f(3, 4, 5), f(5)], opset=23, constants=(1,), rows=True)
case("InstanceNormalization", [f(3, 4, 5, 2), f(4), f(4)], constants=(1, 2), rows=True)
case("GroupNormalization", [f(3, 4, 5), f(4), f(4)], opset=21, constants=(1, 2), num_groups=2, rows=True)
case("MeanVarianceNormalization", [f(3, 4, 5, 2)], opset=13)
case("MeanVarianceNormalization", [f(3, 4, 5)], opset=9, axes=[1, 2], rows=True)
for v in (7, 9, 14, 15):
    case("BatchNormalization", [f(3, 4, 5), f(4), f(4), f(4), np.abs(f(4))], opset=v, constants=(1, 2, 3, 4), rows=True, epsilon=.01)
case("BatchNormalization", [f(3, 4), f(4), f(4), f(4), np.abs(f(4))], opset=9)
case("BatchNormalization", [f(3, 2, 2), f(2, 2), f(2, 2), f(2, 2), np.abs(f(2, 2))], opset=7, spatial=0)
for size in (1, 3, 5):
    case("LRN", [f(2, 5, 3, 2)], opset=13, size=size, alpha=.5, beta=.6, bias=1.5, rows=True)
case("Clip", [bad, np.array(-1, F), np.array(2, F)], opset=11)
case("Clip", [bad, None, np.array(2, F)], opset=12)
case("Clip", [bad, np.array(4, F), np.array(2, F)], opset=13)
case("Clip", [bad], opset=7, min=-.5, max=1.)
for t in (S, B, I, L, np.uint32, np.uint64, D):
    case("Clip", [n(6, low=0, high=9).astype(t), np.array(2, t), np.array(6, t)], opset=12)
for v in (7, 10):
    case("Dropout", [f(2, 3)], opset=v, outputs=2, ratio=.3)
case("Dropout", [f(2, 3), np.array(.5, F), np.array(False)], opset=13, outputs=2, constants=(1, 2))

# Windows.
for v in (7, 11, 22):
    case("Conv", [f(3, 4, 9), f(6, 4, 3), f(6)], opset=v, constants=(1, 2), rows=True, pads=[1, 2], strides=[2], dilations=[2])
    case("Conv", [f(3, 4, 7, 8), f(6, 2, 3, 2)], opset=v, constants=(1,), rows=True, group=2, pads=[1, 0, 2, 1])
case("Conv", [f(2, 2, 4, 5, 6), f(3, 2, 2, 3, 2), f(3)], opset=11, constants=(1, 2), rows=True, strides=[1, 2, 1], pads=[1, 0, 1, 0, 1, 0])
case("Conv", [f(3, 4, 7, 8), f(8, 1, 3, 3), f(8)], opset=11, constants=(1, 2), rows=True, group=4, strides=[2, 1], pads=[1, 1, 1, 1], dilations=[1, 2])
case("Conv", [f(3, 5, 6, 6), f(7, 5, 1, 1), f(7)], opset=11, constants=(1, 2), rows=True)
case("Conv", [f(2, 12, 24, 24), f(5, 12, 5, 5)], opset=11, constants=(1,), rows=True, tolerance=1e-4, name="tiles")
for pad in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    for stride in (1, 2, 3):
        case("Conv", [f(1, 2, 7, 6), f(3, 2, 4, 3)], opset=11, auto_pad=pad, strides=[stride, stride])
        for op in ("MaxPool", "AveragePool", "LpPool"):
            case(op, [f(1, 2, 7, 6)], opset=11, auto_pad=pad, kernel_shape=[4, 3], strides=[stride, stride])
case("Conv", [f(1, 2, 2, 2), f(3, 2, 3, 3)], opset=11, fails=True)
case("Conv", [f(1, 3, 4, 4), f(3, 2, 3, 3)], opset=11, fails=True)
for op in ("MaxPool", "AveragePool", "LpPool"):
    new = {"MaxPool": 12, "AveragePool": 19, "LpPool": 18}[op]
    for ceil in (0, 1):
        for size, kernel, pads, stride in ((9, 3, 1, 2), (8, 3, 0, 2), (7, 4, 2, 3), (10, 2, 1, 3), (5, 2, 0, 2), (6, 5, 2, 4)):
            case(op, [f(3, 2, size)], opset=new, rows=True, kernel_shape=[kernel], pads=[pads, pads], strides=[stride], ceil_mode=ceil)
            case(op, [f(1, 2, size, size)], opset=new, kernel_shape=[kernel, 2], pads=[pads, 0, pads, 1], strides=[stride, 1], ceil_mode=ceil, dilations=[1, 2])
    case(op, [f(1, 2, 4, 5, 6)], opset=new, kernel_shape=[2, 3, 2], strides=[1, 2, 2], pads=[1, 0, 1, 0, 1, 0])
for counts in (0, 1):
    for ceil in (0, 1):
        for size, kernel, pads, stride in ((9, 3, 1, 2), (7, 4, 2, 3), (6, 5, 2, 4)):
            case("AveragePool", [f(2, 2, size)], opset=19, kernel_shape=[kernel], pads=[pads, pads], strides=[stride], ceil_mode=ceil, count_include_pad=counts)
            case("AveragePool", [f(1, 2, size, size)], opset=11, kernel_shape=[kernel, kernel], pads=[pads, 1, 0, pads], strides=[stride, stride], ceil_mode=ceil, count_include_pad=counts)
for order in (0, 1):
    case("MaxPool", [f(2, 3, 6, 5)], opset=12, outputs=2, kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 1], storage_order=order)
    case("MaxPool", [f(1, 2, 4, 3, 5)], opset=12, outputs=2, kernel_shape=[2, 2, 2], storage_order=order)
for t in (S, B, D):
    case("MaxPool", [n(1, 2, 5, 5, low=0, high=99).astype(t)], opset=12, kernel_shape=[3, 3])
for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
    case(op, [f(3, 4, 5, 6)], opset=11, rows=True)
    case(op, [f(2, 3, 7)], opset=11)

# Quantised.
qx = np.array([0.5, 1.5, 2.5, -0.5, 300, -300, np.nan, np.inf, 7.3], F)
for t in (B, S, np.uint16, np.int16):
    case("QuantizeLinear", [qx, np.array(.7, F), np.array(3, t)], opset=21)
    case("DequantizeLinear", [n(9, low=0, high=100).astype(t), np.array(.7, F), np.array(3, t)], opset=21)
    case("QuantizeLinear", [f(2, 3, 4) * 50, np.array([.1, .5, 2], F), np.array([1, 2, 3], t)], opset=21, axis=1)
    case("DequantizeLinear", [n(2, 3, 4, low=0, high=100).astype(t), np.array([.1, .5, 2], F), np.array([1, 2, 3], t)], opset=21, axis=1)
    case("QuantizeLinear", [f(2, 6) * 50, np.abs(f(2, 3)) + .1, n(2, 3, low=0).astype(t)], opset=21, axis=1, block_size=2)
    case("DequantizeLinear", [n(6, 2, low=0, high=100).astype(t), f(2, 2), n(2, 2, low=0).astype(t)], opset=21, axis=0, block_size=3)
case("QuantizeLinear", [qx, np.array(.7, F)], opset=10)
case("DequantizeLinear", [n(4).astype(I), np.array(.7, F)], opset=10)
for x in (f(3, 4) * 9, np.zeros((2,), F), np.abs(f(5)), -np.abs(f(5)), f(0)):
    case("DynamicQuantizeLinear", [x], opset=11, outputs=3)
bytes_ = lambda t, *s: n(*s, low=0 if t is B else -128, high=256 if t is B else 128).astype(t)
for a in (B, S):
    for b in (B, S):
        case("MatMulInteger", [bytes_(a, 3, 40), bytes_(b, 40, 5)], opset=10, rows=False)
        case("MatMulInteger", [bytes_(a, 2, 3, 4), bytes_(b, 4, 5), np.array(7, a), np.array(9, b)], opset=10)
        case("MatMulInteger", [bytes_(a, 3, 4), bytes_(b, 4, 2), np.array(7, a), np.array([9, 3], b)], opset=10)
        case("ConvInteger", [bytes_(a, 1, 2, 5, 5), bytes_(b, 3, 2, 3, 3), np.array(7, a)], opset=10, strides=[2, 1])
        if a is S and b is B:
            continue  # not run by ONNX Runtime
        q = [bytes_(a, 3, 4), np.array(.1, F), np.array(7, a), bytes_(b, 4, 2), np.array(.2, F), np.array(9, b), np.array(3., F), np.array(5, a)]
        case("QLinearMatMul", q, opset=10)
        q = [bytes_(a, 2, 4, 5, 5), np.array(.1, F), np.array(7, a), bytes_(b, 6, 2, 3, 3), np.array(.2, F), np.array(0, b), np.array(3., F), np.array(5, a), n(6, low=-99, high=99).astype(I)]
        case("QLinearConv", q, opset=10, group=2, pads=[1, 0, 1, 1])
q = [bytes_(B, 2, 4, 5, 5), np.array(.1, F), np.array(7, B), bytes_(S, 6, 4, 3, 3), np.abs(f(6)) + .01, np.zeros(6, S), np.array(30., F), np.array(128, B)]
case("QLinearConv", q, opset=10)

# Attention, positions and grids.
for causal in (0, 1):
    for heads in (1, 2):
        case("Attention", [f(2, 2, 3, 4), f(2, heads, 5, 4), f(2, heads, 5, 6)], opset=23, is_causal=causal)
        case("Attention", [f(2, 3, 8), f(2, 5, heads * 4), f(2, 5, heads * 4)], opset=23, is_causal=causal, q_num_heads=2, kv_num_heads=heads, rows=True)
    case("Attention", [f(2, 2, 3, 4), f(2, 2, 2, 4), f(2, 2, 2, 4), f(3, 5), f(2, 2, 3, 4), f(2, 2, 3, 4)], opset=23, outputs=3, is_causal=causal, softcap=2., scale=.7)
    case("Attention", [f(2, 2, 3, 4), f(2, 2, 5, 4), f(2, 2, 5, 4), R.rand(2, 1, 3, 5) > .3], opset=24, is_causal=causal)
for inter in (0, 1):
    case("RotaryEmbedding", [f(2, 3, 4, 8), f(9, 4), f(9, 4), n(2, 4, low=0, high=9)], opset=23, interleaved=inter)
    case("RotaryEmbedding", [f(2, 4, 24), f(2, 4, 2), f(2, 4, 2)], opset=23, interleaved=inter, num_heads=3, rotary_embedding_dim=4, rows=True)
case("RotaryEmbedding", [f(2, 3, 4, 8), f(3, 4), f(3, 4), n(2, 4, low=3, high=9)], opset=23, fails=True)
for v, modes in ((16, ("nearest", "bilinear", "bicubic")), (22, ("nearest", "linear", "cubic"))):
    for mode in modes:
        for padding in ("zeros", "border", "reflection"):
            for align in (0, 1):
                case("GridSample", [f(2, 2, 4, 5), f(2, 3, 3, 2)], opset=v, mode=mode, padding_mode=padding, align_corners=align, rows=True, tolerance=1e-4)
for mode in ("nearest", "linear"):
    case("GridSample", [f(1, 2, 3, 4, 5), f(1, 2, 3, 3, 3)], opset=20, mode=mode, padding_mode="border")

target = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "standard.json")
with open(target, "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print(len(cases), "cases")
for failure in failures:
    print("not made:", failure)
