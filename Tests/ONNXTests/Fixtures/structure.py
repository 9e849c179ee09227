"""Makes structure.json beside this file, as standard.py makes standard.json: recurrent layers, transposed
convolutions, resizing, control flow, local functions, and operators that pick and replace elements.

Needs onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6. One thread.
"""
import base64
import itertools
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

ort.set_default_logger_severity(4)
R = np.random.RandomState(5)
F, L, I = np.float32, np.int64, np.int32
cases, failures = [], []


def f(*shape, dtype=F):
    return np.asarray(R.rand(*shape) * 2 - 1, dtype)


def ints(*values):
    return np.array(values, L)


def pack(a):
    a = np.asarray(a)
    return {"type": h.np_dtype_to_tensor_dtype(a.dtype), "shape": list(a.shape),
            "data": base64.b64encode(np.ascontiguousarray(a).tobytes()).decode()}


def free(name, a):
    a = np.asarray(a)
    return h.make_tensor_value_info(name, h.np_dtype_to_tensor_dtype(a.dtype), [None] * a.ndim)


def answer(model, feeds):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def model_case(label, model, feeds, rows=False, tolerance=1e-5, fails=False):
    """feeds: arrays by input name, in the order of the graph's inputs."""
    label = f"{len(cases)} {label}"
    try:
        results = answer(model, feeds)
    except Exception as error:
        results = None
        if not fails:
            failures.append(f"{label}: {str(error)[:200]}")
            return
    if fails and results is not None:
        failures.append(f"{label}: runs")
        return
    cases.append({"name": label, "model": base64.b64encode(model.SerializeToString()).decode(), "rows": rows,
                  "tolerance": tolerance, "inputs": [pack(a) for a in feeds.values()],
                  "outputs": None if results is None else [pack(r) for r in results]})


def case(op, inputs, opset=17, outputs=1, constants=(), kinds=None, ranks=None, **more):
    options = {k: more.pop(k) for k in ("rows", "tolerance", "fails") if k in more}
    names = ["" if a is None else f"i{k}" for k, a in enumerate(inputs)]
    node = h.make_node(op, names, [f"o{k}" for k in range(outputs)], "n", **more)
    fed = {f"i{k}": a for k, a in enumerate(inputs) if a is not None and k not in constants}
    graph = h.make_graph(
        [node], "g", [free(name, a) for name, a in fed.items()],
        [h.make_tensor_value_info(f"o{k}", (kinds or [h.np_dtype_to_tensor_dtype(inputs[0].dtype)] * outputs)[k], None)
         for k in range(outputs)],
        [nh.from_array(inputs[k], f"i{k}") for k in constants])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=10)
    model_case(f"{op} {opset} " + " ".join(f"{k}={v}" for k, v in more.items()), model, fed, **options)


# Recurrent layers: constant weights and given ones, every direction, lengths, states.
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
for op, gates in GATES.items():
    for direction, dirs in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        t, b, i, hidden = 5, 3, 4, 6
        x, w, r = f(t, b, i), f(dirs, gates * hidden, i), f(dirs, gates * hidden, hidden)
        bias, h0, c0 = f(dirs, 2 * gates * hidden), f(dirs, b, hidden), f(dirs, b, hidden)
        lengths = np.array([5, 2, 3], I)
        outs = 3 if op == "LSTM" else 2
        for constants in ((), (1, 2, 3)):
            case(op, [x, w, r, bias], outputs=outs, constants=constants, hidden_size=hidden, direction=direction)
        case(op, [x, w, r, bias, lengths, h0], outputs=outs, constants=(1, 2), hidden_size=hidden, direction=direction)
        case(op, [x, w, r], outputs=outs, hidden_size=hidden, direction=direction, clip=0.3)
        if op == "LSTM":
            case(op, [x, w, r, bias, lengths, h0, c0, f(dirs, 3 * hidden)], outputs=outs, hidden_size=hidden, direction=direction)
            case(op, [x, w, r, bias], outputs=outs, hidden_size=hidden, direction=direction, input_forget=1)
        if op == "GRU":
            case(op, [x, w, r, bias, lengths, h0], outputs=outs, hidden_size=hidden, direction=direction, linear_before_reset=1)
            case(op, [x, w, r, bias], outputs=outs, hidden_size=hidden, direction=direction, linear_before_reset=1)
        for name in ("Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh", "HardSigmoid", "Elu", "Softsign", "Softplus"):
            if direction == "forward" and (op, name) != ("LSTM", "Softplus"):  # grows without bound
                count = {"RNN": 1, "GRU": 2, "LSTM": 3}[op]
                extra = {}
                if name in ("Affine", "ScaledTanh", "HardSigmoid"):
                    extra = {"activation_alpha": [0.3] * count, "activation_beta": [0.4] * count}
                elif name in ("LeakyRelu", "ThresholdedRelu", "Elu"):
                    extra = {"activation_alpha": [0.3] * count}
                case(op, [x, w, r, bias], outputs=outs, hidden_size=hidden, activations=[name] * count, tolerance=1e-4, **extra)

# Transposed convolutions.
for pads in ([0, 0, 0, 0], [1, 0, 2, 1]):
    for strides in ([1, 1], [2, 3]):
        for dilations in ([1, 1], [2, 1]):
            case("ConvTranspose", [f(2, 4, 5, 4), f(4, 3, 3, 2), f(3)], pads=pads, strides=strides, dilations=dilations, rows=False)
case("ConvTranspose", [f(2, 4, 5, 4), f(4, 3, 3, 3)], strides=[3, 2], output_padding=[2, 1], pads=[1, 1, 1, 1])
case("ConvTranspose", [f(2, 4, 5), f(4, 2, 3), f(4)], group=2, strides=[2])
case("ConvTranspose", [f(1, 4, 3, 4, 2), f(4, 1, 2, 3, 2)], group=4, strides=[2, 1, 2])
for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    for kernel, stride in ((2, 3), (3, 2), (4, 2), (5, 2), (3, 1)):
        case("ConvTranspose", [f(1, 2, 4, 5), f(2, 2, kernel, kernel)], auto_pad=auto, strides=[stride, stride])
for shape in ([10, 8], [8, 10], [9, 10]):
    for auto in ("NOTSET", "SAME_UPPER", "SAME_LOWER"):
        case("ConvTranspose", [f(1, 2, 4, 4), f(2, 2, 3, 3)], auto_pad=auto, strides=[2, 2], output_shape=shape)
case("ConvTranspose", [f(3, 4, 6, 6), f(4, 3, 3, 3), f(3)], constants=(1, 2), strides=[2, 2], rows=True)
case("ConvTranspose", [f(3, 4, 6, 6), f(3, 3, 3, 3)], fails=True)

# Resizing: every mode and way to count places.
NONE = np.zeros(0, F)
for mode, way in itertools.product(("nearest", "linear", "cubic"), ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")):
    for sizes in ([1, 2, 7, 9], [1, 2, 3, 2], [1, 2, 1, 5], [1, 2, 5, 4], [1, 2, 19, 13]):
        roundings = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil") if mode == "nearest" else ("round_prefer_floor",)
        for rounding in roundings:
            if mode == "nearest" and way == "half_pixel_symmetric":
                continue  # refused
            case("Resize", [f(1, 2, 5, 4), NONE, NONE, ints(*sizes)], opset=19, constants=(1, 2, 3), mode=mode,
                 coordinate_transformation_mode=way, nearest_mode=rounding, tolerance=1e-4)
    if way != "align_corners":
        for scales in [] if mode == "nearest" and way == "half_pixel_symmetric" else ([1, 1, 2, 2], [1, 1, 1.1, 1.1], [1, 1, 0.6, 1.7], [1, 1, 1.3, 0.45]):
            case("Resize", [f(1, 2, 5, 4), NONE, np.array(scales, F)], opset=13, constants=(1, 2), mode=mode,
                 coordinate_transformation_mode=way, tolerance=1e-4)
for sizes in ([1, 1, 3, 3], [1, 1, 7, 5]):
    case("Resize", [f(1, 1, 5, 4), np.array([0, 0, 0.2, 0.1, 1, 1, 0.8, 1.2], F), NONE, ints(*sizes)], opset=13, constants=(1, 2, 3),
         mode="linear", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=3.0, tolerance=1e-4)
for exclude in (0, 1):
    case("Resize", [f(1, 1, 5, 4), NONE, np.array([1, 1, 0.8, 1.6], F)], opset=13, constants=(1, 2), mode="cubic", exclude_outside=exclude,
         cubic_coeff_a=-0.5, tolerance=1e-4)
for mode in ("linear", "cubic"):
    for scales in ([1, 1, 0.6, 0.4], [1, 1, 0.3, 2.0]):
        case("Resize", [f(1, 1, 9, 8), NONE, np.array(scales, F)], opset=19, constants=(1, 2), mode=mode, antialias=1, tolerance=1e-4)
for policy in ("stretch", "not_larger", "not_smaller"):
    case("Resize", [f(1, 1, 5, 4), NONE, NONE, ints(7, 8)], opset=19, constants=(1, 2, 3), mode="nearest", axes=[2, 3], keep_aspect_ratio_policy=policy)
case("Resize", [f(1, 1, 3, 4), np.array([1, 1, 2, 3], F)], opset=10, mode="nearest")
case("Resize", [f(1, 1, 3, 4), np.array([1, 1, 2, 3], F)], opset=10, mode="linear")
case("Upsample", [f(1, 1, 3, 4), np.array([1, 1, 2, 3], F)], opset=9, mode="nearest")
case("Upsample", [f(1, 1, 3, 4)], opset=7, mode="linear", scales=[1.0, 1.0, 2.0, 2.0])
case("Resize", [R.randint(0, 9, (1, 1, 3, 4)).astype(np.uint8), NONE, np.array([1, 1, 2, 2], F)], opset=13, constants=(1, 2), mode="nearest")

# Elements by index.
data, idx = f(3, 4, 5), R.randint(-3, 3, (2, 4, 5))
case("GatherElements", [data, idx.astype(L)], axis=0)
case("GatherElements", [data, R.randint(-5, 5, (3, 4, 2)).astype(I)], axis=-1)
case("GatherElements", [data, np.full((3, 4, 2), 5, L)], axis=2, fails=True)
for t in (np.float64, I, L, np.uint8, bool):
    case("GatherElements", [(data * 9).astype(t), idx.astype(L)], axis=0)
case("GatherND", [data, ints(0, 1, -1, -1).reshape(2, 2)])
case("GatherND", [data, ints(0, -2, 1).reshape(3, 1)], batch_dims=1)
case("GatherND", [data, ints(3, 0).reshape(1, 2)], fails=True)
for reduction in ("none", "add", "mul", "max", "min"):
    for t in (F, L):
        case("ScatterElements", [(data * 5).astype(t), idx.astype(L), (f(2, 4, 5) * 5).astype(t)], opset=18, reduction=reduction, constants=(1,))
        case("ScatterND", [(data * 5).astype(t), ints(0, 1, -1, -1, 0, 1).reshape(3, 2), (f(3, 5) * 5).astype(t)], opset=18, reduction=reduction)
case("Scatter", [data, idx.astype(L), f(2, 4, 5)], opset=9, axis=0)
case("Compress", [data, np.array([True, False, True])], axis=1)
case("Compress", [data, np.array([True, False, True, True])])
case("NonZero", [(data * 2).astype(L)], kinds=[T.INT64])
case("NonZero", [data > 0], kinds=[T.INT64])
for axis in (-1, 0, 1):
    case("OneHot", [ints(0, 3, -1, 9).reshape(2, 2), ints(4), f(2)], axis=axis, kinds=[T.FLOAT], constants=(1,))
case("ReverseSequence", [data, ints(3, 1, 2, 0)])
case("ReverseSequence", [data, ints(4, 1, 2)], time_axis=1, batch_axis=0)
for mode in ("DCR", "CRD"):
    case("DepthToSpace", [f(2, 8, 2, 3)], blocksize=2, mode=mode)
case("SpaceToDepth", [f(2, 3, 4, 6)], blocksize=2)
for k in (-3, -1, 0, 2, 9):
    for upper in (0, 1):
        case("Trilu", [f(2, 3, 4), np.array(k, L)], upper=upper)
    case("EyeLike", [f(3, 4)], k=k)
case("EyeLike", [f(3, 4)], dtype=T.INT64, kinds=[T.INT64])
for exclusive, reverse in itertools.product((0, 1), (0, 1)):
    for t in (F, np.float64, I, L):
        case("CumSum", [(data * 9).astype(t), np.array(1, L)], exclusive=exclusive, reverse=reverse)
bad = np.array([np.nan, np.inf, -np.inf, 0, 1], F)
case("IsNaN", [bad], kinds=[T.BOOL])
for down, up in itertools.product((0, 1), (0, 1)):
    case("IsInf", [bad], detect_negative=down, detect_positive=up, kinds=[T.BOOL])
case("Det", [f(2, 4, 4)])
for equation, shapes in (("ij,jk->ik", [(3, 4), (4, 5)]), ("bij,bjk", [(2, 3, 4), (2, 4, 5)]), ("...ij,...jk->...ik", [(3, 3, 4), (3, 4, 2)]),
                         ("ii->i", [(3, 3)]), ("ij->", [(3, 4)]), ("i,j,k->ijk", [(2,), (3,), (4,)]), ("bhwc,hkc->bhwk", [(2, 3, 4, 5), (3, 4, 5)])):
    case("Einsum", [f(*s) for s in shapes], equation=equation)
boxes = np.sort(R.rand(2, 30, 2, 2), axis=2).reshape(2, 30, 4).astype(F)
for form in (0, 1):
    case("NonMaxSuppression", [boxes, f(2, 3, 30), ints(5), np.array([0.3], F), np.array([0.1], F)], center_point_box=form, kinds=[T.INT64])
case("NonMaxSuppression", [boxes, f(2, 3, 30)], kinds=[T.INT64])

# Control flow.
def body(name, nodes, ins, outs, inits=()):
    return h.make_graph(nodes, name, ins, outs, list(inits))


def value(name, kind=T.FLOAT, shape=None):
    return h.make_tensor_value_info(name, kind, shape)


def network(nodes, ins, outs, opset=17, functions=(), domains=(), inits=()):
    graph = h.make_graph(nodes, "g", ins, outs, list(inits))
    return h.make_model(graph, opset_imports=[h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in domains], ir_version=10, functions=list(functions))


yes = body("yes", [h.make_node("Mul", ["x", "two"], ["t"]), h.make_node("Add", ["t", "x"], ["y1"])], [], [value("y1")])
no = body("no", [h.make_node("If", ["c2"], ["y2"], then_branch=body("a", [h.make_node("Neg", ["x"], ["n"])], [], [value("n")]),
                             else_branch=body("b", [], [], [value("half")], [nh.from_array(np.array([0.5], F), "half")]))], [], [value("y2")])
model = network([h.make_node("If", ["c1"], ["y"], then_branch=yes, else_branch=no), h.make_node("Relu", ["y"], ["z"])],
                [value("x", shape=[None]), value("c1", T.BOOL, []), value("c2", T.BOOL, [])], [value("y", shape=[None]), value("z", shape=[None])],
                inits=[nh.from_array(np.array([2], F), "two")])
for one, other in itertools.product((True, False), (True, False)):
    model_case(f"If {one} {other}", model, {"x": f(4), "c1": np.array(one), "c2": np.array(other)})

loop = body("loop", [h.make_node("Add", ["s", "step"], ["s2"]), h.make_node("Mul", ["s2", "s2"], ["q"]), h.make_node("ReduceSum", ["s2"], ["sum"], keepdims=0),
                     h.make_node("Less", ["sum", "limit"], ["go"])],
            [value("i", T.INT64, []), value("c", T.BOOL, []), value("s", shape=[None])], [value("go", T.BOOL), value("s2", shape=[None]), value("q", shape=[None])])
model = network([h.make_node("Loop", ["m", "start", "x"], ["last", "all"], body=loop)],
                [value("m", T.INT64, []), value("start", T.BOOL, []), value("x", shape=[None]), value("step", shape=[None]), value("limit", shape=[])],
                [value("last", shape=[None]), value("all", shape=[None, None])])
for turns, start, limit in ((5, True, 1e9), (100, True, 10.0), (0, True, 1.0), (3, False, 1.0)):
    model_case(f"Loop {turns} {start} {limit}", model,
               {"m": np.array(turns, L), "start": np.array(start), "x": np.abs(f(3)), "step": np.abs(f(3)), "limit": np.array(limit, F)})

scan = body("scan", [h.make_node("Add", ["s", "e"], ["s2"]), h.make_node("Mul", ["s2", "k"], ["o"])], [value("s", shape=[2]), value("e", shape=[2])],
            [value("s2", shape=[2]), value("o", shape=[2])])
for direction, axis in itertools.product((0, 1), (0, 1)):
    model = network([h.make_node("Scan", ["s0", "xs"], ["last", "ys"], body=scan, num_scan_inputs=1, scan_input_directions=[direction], scan_input_axes=[axis],
                                 scan_output_axes=[1 - axis], scan_output_directions=[direction])],
                    [value("s0", shape=[2]), value("xs", shape=[None, None]), value("k", shape=[1])], [value("last", shape=[2]), value("ys", shape=[None, None])])
    model_case(f"Scan {direction} {axis}", model, {"s0": f(2), "xs": f(4, 2) if axis == 0 else f(2, 4), "k": f(1)})

# Local functions: nested, with attributes, a default, an input left out, and an output passed through.
inner = h.make_function("own", "Scaled", ["x"], ["y"],
                        [h.make_node("Constant", [], ["k"]), h.make_node("Mul", ["x", "k"], ["y"])], [h.make_opsetid("", 17)], ["by"])
inner.node[0].attribute.add(name="value_float", ref_attr_name="by", type=onnx.AttributeProto.FLOAT)
outer = h.make_function("own", "Twice", ["a", "b"], ["out", "same"],
                        [h.make_node("Scaled", ["a"], ["t"], domain="own", by=3.0), h.make_node("Clip", ["t", "", "b"], ["out"]), h.make_node("Identity", ["a"], ["same"])],
                        [h.make_opsetid("", 17), h.make_opsetid("own", 1)])
model = network([h.make_node("Twice", ["x", "top"], ["y", "w"], domain="own"), h.make_node("Twice", ["y"], ["z", "unused"], domain="own"),
                 h.make_node("Scaled", ["z"], ["v"], domain="own", by=0.5)],
                [value("x", shape=[None, 3]), value("top", shape=[])], [value("v", shape=[None, 3]), value("w", shape=[None, 3])],
                functions=[inner, outer], domains=["own"])
model_case("functions", model, {"x": f(4, 3), "top": np.array(0.5, F)})

# A sparse initializer.
sparse = h.make_sparse_tensor(h.make_tensor("w", T.FLOAT, [2], [3.0, -1.0]), h.make_tensor("i", T.INT64, [2], [1, 5]), [2, 3])
graph = h.make_graph([h.make_node("MatMul", ["x", "w"], ["y"])], "g", [value("x", shape=[None, 2])], [value("y", shape=[None, 3])])
graph.sparse_initializer.append(sparse)
model_case("sparse", h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=10), {"x": f(4, 2)}, rows=True)

# Layers of a batch: the batch axis comes first.
w, r, bias = f(1, 24, 4), f(1, 24, 6), f(1, 48)
nodes = [h.make_node("Transpose", ["x"], ["t"], perm=[1, 0, 2]), h.make_node("LSTM", ["t", "w", "r", "b"], ["", "last"], hidden_size=6),
         h.make_node("Squeeze", ["last", "zero"], ["y"])]
model = network(nodes, [value("x", shape=[None, None, 4])], [value("y", shape=[None, 6])],
                inits=[nh.from_array(w, "w"), nh.from_array(r, "r"), nh.from_array(bias, "b"), nh.from_array(ints(0), "zero")])
model_case("LSTM of a batch", model, {"x": f(5, 7, 4)}, rows=True)

# Training mode, where it is no chance.
for shape in ((4, 3), (5, 3, 2, 2)):
    for more in ({}, {"epsilon": 0.01, "momentum": 0.7}):
        case("BatchNormalization", [f(*shape), f(3), f(3), f(3), np.abs(f(3))], opset=15, outputs=3, training_mode=1, **more)
for constants in ((), (1, 2)):
    case("Dropout", [f(2, 3), np.array(0, F), np.array(True)], opset=13, outputs=2, constants=constants, kinds=[T.FLOAT, T.BOOL])
case("Dropout", [f(2, 3), np.array(0.5, F), np.array(False)], opset=13, outputs=2, kinds=[T.FLOAT, T.BOOL])

# Half floats that ONNX Runtime compares and scales by.
H = np.float16
halves = np.array([[1, -2, np.nan, 3.5, np.inf], [0.1, -0.0, 1, np.nan, -np.inf]], H)
for op in ("Max", "Min"):
    case(op, [halves, halves[::-1].copy()], opset=13)
    case(op, [halves, f(1, 5, dtype=H), f(2, 1, dtype=H)], opset=13)
for B in (np.uint8, np.int8):
    q = lambda *shape: np.asarray(R.randint(0, 100, shape), B)
    case("QLinearMatMul", [q(3, 4), np.array(0.02, H), np.array(3, B), q(4, 2), np.array(0.013, H), np.array(5, B), np.array(0.07, H), np.array(2, B)],
         opset=21, kinds=[h.np_dtype_to_tensor_dtype(np.dtype(B))])

# What is there once.
for values in (np.asarray(R.randint(-3, 3, (4, 5, 2)), L), np.asarray(R.randint(-2, 2, (3, 6)), F), np.asarray(R.randint(0, 2, (6, 2, 2)), np.int8)):
    for axis in (None, 0, 1, -1):
        for order in (0, 1):
            more = {"sorted": order} | ({} if axis is None else {"axis": axis})
            case("Unique", [values], opset=11, outputs=4, kinds=[h.np_dtype_to_tensor_dtype(values.dtype)] + [T.INT64] * 3, **more)
case("Unique", [f(0)], opset=11, outputs=4, kinds=[T.FLOAT] + [T.INT64] * 3)

# Files that are refused, and external data, are files.
HERE = os.path.dirname(os.path.abspath(__file__))


def broken(name, model):
    with open(f"{HERE}/broken/{name}.onnx", "wb") as file:
        file.write(model.SerializeToString())


def own(name, nodes):
    return h.make_function("own", name, ["x"], ["y"], nodes, [h.make_opsetid("", 17), h.make_opsetid("own", 1)])


def calls(*functions):
    return network([h.make_node(functions[0].name, ["x"], ["y"], domain="own")], [value("x", shape=[None])], [value("y", shape=[None])],
                   functions=functions, domains=["own"])


broken("recursive-function", calls(own("A", [h.make_node("B", ["x"], ["y"], domain="own")]), own("B", [h.make_node("A", ["x"], ["y"], domain="own")])))
# 2^40 nodes, if each call were believed.
broken("exploding-functions", calls(*[
    own(f"F{k}", [h.make_node(f"F{k + 1}", ["x"], ["t"], domain="own"), h.make_node(f"F{k + 1}", ["t"], ["y"], domain="own")]) for k in range(40)],
    own("F40", [h.make_node("Neg", ["x"], ["y"])])))
broken("branch-types", network(
    [h.make_node("If", ["c"], ["y"], then_branch=body("a", [], [], [value("o", T.INT64)], [nh.from_array(ints(1), "o")]),
                 else_branch=body("b", [], [], [value("o")], [nh.from_array(np.zeros(1, F), "o")]))],
    [value("c", T.BOOL, [])], [value("y", shape=[None])]))
broken("dropout-training", network(
    [h.make_node("Dropout", ["x", "ratio", "training"], ["y"], "drop")], [value("x", shape=[None])], [value("y", shape=[None])],
    inits=[nh.from_array(np.array(0.5, F), "ratio"), nh.from_array(np.array(True), "training")]))
os.makedirs(f"{HERE}/external", exist_ok=True)
weights = nh.from_array(np.arange(12, dtype=F).reshape(4, 3), "w")
model = network([h.make_node("MatMul", ["x", "w"], ["y"])], [value("x", shape=[None, 4])], [value("y", shape=[None, 3])], inits=[weights])
for name, length in (("model", 48), ("too-long", 4096)):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensor = copy.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = T.EXTERNAL
    for key, text in (("location", "weights.bin"), ("offset", "64"), ("length", str(length))):
        tensor.external_data.add(key=key, value=text)
    with open(f"{HERE}/external/{name}.onnx", "wb") as file:
        file.write(copy.SerializeToString())
with open(f"{HERE}/external/weights.bin", "wb") as file:
    file.write(bytes(64) + weights.raw_data)

# Scan of version 8: a batch of sequences, one of them backwards, which later versions know no more.
eight = body("eight", [h.make_node("Add", ["s", "a"], ["s2"]), h.make_node("Mul", ["s2", "b"], ["y"])],
             [value("s"), value("a"), value("b")], [value("s2", shape=[2]), value("y", shape=[2])])
nodes = [h.make_node("Scan", ["", "s0", "xs", "zs"], ["last", "ys"], body=eight, num_scan_inputs=2, directions=[0, 1])]
model = network(nodes, [value("s0", shape=[None, 2]), value("xs", shape=[None, 4, 2]), value("zs", shape=[None, 4, 2])],
                [value("last", shape=[None, 2]), value("ys", shape=[None, 4, 2])], opset=8)
model_case("Scan 8 of a batch", model, {"s0": f(3, 2), "xs": f(3, 4, 2), "zs": f(3, 4, 2)}, rows=True)

with open(f"{HERE}/structure.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print(len(cases), "cases", file=sys.stderr)
for failure in failures:
    print(failure, file=sys.stderr)
