"""Makes reviewed.json beside this file: answers of ONNX Runtime that a review of the operators found to be others than ours.

Needs onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6. One thread.
"""
import base64
import json
import os
import sys

import numpy as np
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

ort.set_default_logger_severity(4)
R = np.random.RandomState(21)
H, F, D, I, L = np.float16, np.float32, np.float64, np.int32, np.int64
nan, inf = np.nan, np.inf
cases, failures = [], []


def n(*shape, dtype=F):
    return R.standard_normal(shape).astype(dtype)


def pack(array):
    if array.dtype == object:
        data = b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in array.reshape(-1))
        return {"type": int(T.STRING), "shape": list(array.shape), "data": base64.b64encode(data).decode()}
    return {"type": int(h.np_dtype_to_tensor_dtype(array.dtype)), "shape": list(array.shape),
            "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


def case(label, op, names, inputs, inits=None, opset=18, outputs=("y",), types=None, rows=False, alone=False, domain="", tolerance=0.0, **more):
    """rows: a row must answer in its batch as it does alone. alone: so it must, and ONNX Runtime's answer is that to each row alone."""
    inits = inits or {}
    if types is None:
        types = [h.np_dtype_to_tensor_dtype(next(iter(inputs.values())).dtype)] * len(outputs)
    graph = h.make_graph(
        [h.make_node(op, names.split(" "), list(outputs), "n", domain=domain, **more)], "g",
        [h.make_tensor_value_info(k, h.np_dtype_to_tensor_dtype(a.dtype), [None] * a.ndim) for k, a in inputs.items()],
        [h.make_tensor_value_info(k, t, None) for k, t in zip(outputs, types)], [numpy_helper.from_array(a, k) for k, a in inits.items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset), h.make_opsetid("ai.onnx.ml", 1)], ir_version=9).SerializeToString()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        if alone:
            count = len(next(iter(inputs.values())))
            parts = [session.run(None, {k: a[i:i + 1] for k, a in inputs.items()}) for i in range(count)]
            answers = [np.concatenate(part) for part in zip(*parts)]
        else:
            answers = session.run(None, inputs)
    except Exception as error:
        failures.append(f"{label}: {str(error)[:200]}")
        return
    cases.append({"name": f"{len(cases)} {label}", "model": base64.b64encode(model).decode(), "rows": rows or alone, "tolerance": tolerance,
                  "inputs": [pack(a) for a in inputs.values()], "outputs": [pack(a) for a in answers]})


# Scales whose own axis is not the last, as long as it. The sums are not bit for bit those of ONNX Runtime.
for shape, axis, scale in (((2, 3, 3), -1, (3, 1)), ((2, 3, 3), -1, (1, 3, 1)), ((2, 3, 3), -1, (1, 3)), ((2, 3, 3), -1, (1, 1, 3)), ((2, 3, 3), -1, (3, 3)),
                           ((2, 3, 3, 1), 2, (3, 1, 1)), ((2, 3, 3, 1), 2, (3, 1)), ((2, 3, 3, 1), 2, (1, 3, 1)), ((3, 3), -1, (3, 1)), ((3, 1), 1, (1,)),
                           ((2, 3, 4), 1, (3, 4)), ((2, 3, 4), 1, (3, 1)), ((2, 3, 4), 1, (4,))):
    batched = len(scale) < len(shape) or scale[0] == 1
    case(f"LayerNormalization {shape} {axis} {scale}", "LayerNormalization", "x s b", {"x": n(*shape)}, {"s": n(*scale), "b": n(*scale)}, axis=axis,
         tolerance=2e-6, rows=batched)
    case(f"RMSNormalization {shape} {axis} {scale}", "RMSNormalization", "x s", {"x": n(*shape)}, {"s": n(*scale)}, opset=23, axis=axis, tolerance=2e-6,
         rows=batched)

# Powers that are products, and those that are not.
for base, exponent, rows in (((50,), (), True), ((50,), (1,), True), ((40, 10), (), True), ((40, 10), (1,), True), ((40, 10), (1, 1), True),
                             ((40, 10), (10,), True), ((40, 10), (1, 10), True), ((4, 10, 10), (10, 1), True), ((4, 10, 10), (1, 10, 1), True),
                             ((4, 10, 10), (10, 10), True), ((90, 1), (), True), ((90, 1), (1,), True), ((90, 1), (1, 1), True), ((9, 10, 1), (), True),
                             ((9, 10, 1), (10, 1), True), ((9, 10, 1), (1, 1), True), ((9, 10, 1), (1, 1, 1), True), ((10, 10), (10, 1), False),
                             ((10, 10), (10, 10), False), ((), (), False)):
    for e in (2, 3):
        powers = np.full(exponent, e, F)
        if len(exponent) == 2 and exponent[0] == 10 and exponent[1] == 1:
            powers = np.array([2, 3, .5, 3, 2, 1, 3, -1, 0, 2], F).reshape(exponent)
        case(f"Pow {base} {exponent} {e}", "Pow", "x e", {"x": np.abs(n(*base)) if base else np.array(1.2345678, F)}, {"e": powers}, rows=rows)
case("Pow by its row", "Pow", "x e", {"x": n(60, 4), "e": np.array([2, 3, 3, 4, 1] * 12, F).reshape(60, 1)}, rows=True)
case("Pow by its value", "Pow", "x e", {"x": n(60), "e": np.full(60, 3, F)}, rows=True)
case("Pow by its column", "Pow", "x e", {"x": n(60, 1), "e": np.full((60, 1), 3, F)}, rows=True)
case("Pow of a half", "Pow", "x e", {"x": n(60)}, {"e": np.array(.5, F)}, rows=True)
big = np.array([[3000000001, 1806172, -5, 7]], L)
for e in (2, 3):
    for dtype in (L, I, F, D):
        case(f"Pow of int64 {dtype.__name__} {e}", "Pow", "x e", {"x": big}, {"e": np.array(e, dtype)}, rows=True)
    case(f"Pow of int64 by a row {e}", "Pow", "x e", {"x": big[:, 1:]}, {"e": np.full(3, e, L)}, rows=True)
    case(f"Pow of int32 {e}", "Pow", "x e", {"x": np.array([[50000, -50000, 2000, 3]], I)}, {"e": np.array(e, I)}, rows=True)
    case(f"Pow of double {e}", "Pow", "x e", {"x": n(30, 4, dtype=D)}, {"e": np.array(e, D)}, rows=True)
    case(f"Pow by an integer {e}", "Pow", "x e", {"x": n(30, 4)}, {"e": np.array(e, L)}, rows=True)
    case(f"Pow of half floats {e}", "Pow", "x e", {"x": n(30, 4, dtype=H)}, {"e": np.array(e, H)}, rows=True)

# A shape that is asked for, without and with padding to make of it.
for padding in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
    for size in (8, 9, 10, 11, 12):
        for extra in (0, 1):
            case(f"ConvTranspose {padding} {size} {extra}", "ConvTranspose", "x w", {"x": n(2, 1, 5)}, {"w": n(1, 1, 3)}, auto_pad=padding, strides=[2],
                 output_shape=[size], output_padding=[extra], tolerance=1e-6, rows=True)
case("ConvTranspose VALID", "ConvTranspose", "x w", {"x": n(1, 2, 5, 5)}, {"w": n(2, 3, 3, 3)}, auto_pad="VALID", strides=[2, 2], output_shape=[10, 10],
     tolerance=1e-6)
case("ConvTranspose VALID alone", "ConvTranspose", "x w", {"x": n(1, 2, 5, 5)}, {"w": n(2, 3, 3, 3)}, auto_pad="VALID", strides=[2, 2], tolerance=1e-6)

# Sequences without a step.
for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    for direction, count in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        for lengths in ((0, 2, 3), (0, 0, 0)):
            state = {"h": n(count, 3, 5), **({"c": n(count, 3, 5)} if op == "LSTM" else {})}
            case(f"{op} {direction} {lengths}", op, "x w r b l " + " ".join(state), {"x": n(3, 3, 4)},
                 {"w": n(count, gates * 5, 4), "r": n(count, gates * 5, 5), "b": n(count, gates * 10), "l": np.array(lengths, I), **state},
                 outputs=("y", "z", "q") if op == "LSTM" else ("y", "z"), hidden_size=5, direction=direction, tolerance=1e-5)

for transform in ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"):
    case(f"LinearClassifier {transform}", "LinearClassifier", "x", {"x": np.array([[.2, .3], [.9, .4], [-.1, 1.5], [.6, .1]], F)}, outputs=("l", "s"),
         types=[T.INT64, T.FLOAT], alone=True, domain="ai.onnx.ml", coefficients=[.5, .25], intercepts=[.05], classlabels_ints=[3, 4],
         post_transform=transform, tolerance=1e-6)
# ONNX Runtime writes the first number of a row alone, and not the second: whatever lay in the memory is there. We leave the score.
scores = np.frombuffer(base64.b64decode(cases[-1]["outputs"][1]["data"]), F).reshape(-1, 2).copy()
scores[:, 1] = [.225, .6, .375, .375]
cases[-1]["outputs"][1] = pack(scores)

# Remainders through double.
a = np.array([2**53 + 1, -2**53 - 1, 2**63 - 1, -2**63, 7, -7, 2**63 - 1], L)
case("Mod of int64", "Mod", "x b", {"x": a, "b": np.array([2, 2, 10, 7, 3, 3, -2**63], L)}, fmod=1, rows=True)
case("Mod of int32", "Mod", "x b", {"x": np.array([7, -7, 2**31 - 1, -2**31, -2**31], I), "b": np.array([3, 3, 10, 7, -1], I)}, fmod=1, rows=True)
case("Mod of uint64", "Mod", "x b", {"x": np.array([2**53 + 1, 2**64 - 1, 2**63 + 1, 7], np.uint64), "b": np.array([2, 10, 7, 3], np.uint64)}, fmod=1, rows=True)

# Integers are reduced in double and held in bounds. Sums here stay where their order does not matter.
for op in ("ReduceSum", "ReduceMean", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum"):
    for dtype, large in ((I, 2**30), (L, 2**62)):
        x = np.array([[large, large, 5], [5, large, large], [3, 4, large - 1], [-large, -large, -5], [large, large, -1], [7, -8, 2], [0, 0, 0]], dtype)
        for axes in ([0], [1], [0, 1], []):
            case(f"{op} {dtype.__name__} {axes}", op, "x a", {"x": x}, {"a": np.array(axes, L)}, rows=axes == [1])
        case(f"{op} {dtype.__name__} within", op, "x a", {"x": x[:6].reshape(2, 3, 3)}, {"a": np.array([1], L)}, rows=True)
        case(f"{op} {dtype.__name__} none", op, "x a", {"x": x}, {"a": np.array([], L)}, noop_with_empty_axes=1, rows=True)
        case(f"{op} {dtype.__name__} scalar", op, "x", {"x": np.array(large + 1, dtype)})
case("ReduceSumSquare without overflow", "ReduceSumSquare", "x a", {"x": np.array([[7, -8, 2**31]], L)}, {"a": np.array([1])})
case("ReduceMax of int64", "ReduceMax", "x a", {"x": np.array([[2**53, 2**53 + 1, 2**53 - 1]], L)}, {"a": np.array([1])}, rows=True)

# Fractions are no places.
places = np.array([.9, 0, 1, 1.5, -1, -.1, -2.5, 2, 3, -1e-9, -3, -4, nan, inf], F)
case("OneHot of fractions", "OneHot", "x d v", {"x": places}, {"d": np.array([3], F), "v": np.array([0, 1], F)}, rows=True)
case("OneHot of fractions in front", "OneHot", "x d v", {"x": places}, {"d": np.array([3], F), "v": np.array([0, 1], F)}, axis=0)
case("OneHot of a fraction of places", "OneHot", "x d v", {"x": places}, {"d": np.array([2.7], F), "v": np.array([0, 1], F)}, rows=True)

# A mean is a product.
for count in (1, 2, 3, 5, 7):
    for version in (6, 8, 13):
        names = [f"x{k}" for k in range(count)]
        case(f"Mean of {count} in {version}", "Mean", " ".join(names), {k: n(10, 20) for k in names}, opset=version, rows=True)
case("Mean that stretches", "Mean", "x b c", {"x": n(10, 20)}, {"b": n(20), "c": n(1, 1)}, rows=True)

# What is not a number.
for dtype in (F, D, H):
    case(f"Gemm without its bias {dtype.__name__}", "Gemm", "x w c", {"x": n(2, 3, dtype=dtype)}, {"w": n(3, 2, dtype=dtype), "c": np.array([nan, inf], dtype)},
         beta=0.0, tolerance=1e-3 if dtype == H else 1e-6, rows=True)
    case(f"Gemm without its bias, scaled {dtype.__name__}", "Gemm", "x w c", {"x": n(2, 3, dtype=dtype)},
         {"w": n(3, 2, dtype=dtype), "c": np.array([nan, inf], dtype)}, beta=0.0, alpha=.5, tolerance=1e-3 if dtype == H else 1e-6, rows=True)
    case(f"Sign {dtype.__name__}", "Sign", "x", {"x": np.array([nan, -0., 0, 3, -2, inf, -inf], dtype)}, rows=True)
for dtype in (F, D):
    for reduction in ("max", "min"):
        old, new = np.array([1, nan, 2, nan, 1, 7], dtype), np.array([nan, 3, 5, nan, 7, 1], dtype)
        case(f"ScatterND {reduction} {dtype.__name__}", "ScatterND", "x i u", {"x": old}, {"i": np.arange(6).reshape(6, 1), "u": new}, reduction=reduction)
        case(f"ScatterElements {reduction} {dtype.__name__}", "ScatterElements", "x i u", {"x": old}, {"i": np.arange(6), "u": new}, reduction=reduction)
        case(f"ScatterND twice {reduction} {dtype.__name__}", "ScatterND", "x i u", {"x": old[:2]},
             {"i": np.array([[0], [0], [1], [1]]), "u": np.array([nan, 5, 5, nan], dtype)}, reduction=reduction)
for opset in (11, 13):
    case(f"Hardmax {opset}", "Hardmax", "x", {"x": np.array([[nan, 1, 2], [1, nan, 2], [2, nan, 1], [nan] * 3, [-inf] * 3, [1, 2, nan]], F)}, opset=opset,
         axis=1, rows=True)

line = n(3, 2, 23)
line[R.rand(*line.shape) < .3] = nan
line[R.rand(*line.shape) < .2] = -inf
for dtype in (F, D, H):
    for more in ({}, {"strides": [2], "pads": [1, 2]}, {"dilations": [1]}, {"dilations": [2]}, {"storage_order": 1}, {"ceil_mode": 1, "strides": [3]}):
        case(f"MaxPool of a line {dtype.__name__} {more}", "MaxPool", "x", {"x": line.astype(dtype)}, kernel_shape=[3], rows=True, **more)
case("MaxPool of a line and its places", "MaxPool", "x", {"x": line}, kernel_shape=[3], outputs=("y", "i"), types=[T.FLOAT, T.INT64])

# Integers are summed in float and cut off; bytes of images whose channels come last with weights of 10 bits.
layouts = {"an image": ((5, 7), [1.7, 2.3]), "channels first": ((2, 3, 5, 7), [1, 1, 1.7, 2.3]), "channels last": ((2, 5, 7, 3), [1, 1.7, 2.3, 1]),
           "a stack": ((3, 5, 7), [1.5, 1.7, .6]), "volumes": ((1, 2, 3, 4, 5), [1, 1, 1.5, 1.7, .6]), "smaller": ((2, 3, 8, 9), [1, 1, .5, .4]),
           "smaller, channels last": ((2, 8, 9, 3), [1, .5, .4, 1])}
for dtype in (np.uint8, np.int8, I, F):
    for label, (shape, scales) in layouts.items():
        low, high = (0, 256) if dtype == np.uint8 else (-128, 128) if dtype == np.int8 else (-2**20, 2**20)
        x = R.randint(low, high, shape).astype(dtype)
        for mode in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel", "half_pixel_symmetric"):
            case(f"Resize linear {label} {mode} {dtype.__name__}", "Resize", "x  s", {"x": x}, {"s": np.array(scales, F)}, opset=19, mode="linear",
                 coordinate_transformation_mode=mode, rows=len(shape) in (4, 5) and scales[0] == 1)
    x = R.randint(0, 100, (1, 2, 4, 5)).astype(dtype)
    for mode in ("nearest", "linear"):
        for sizes in ((1, 2, 6, 7), (1, 2, 4, 7), (1, 2, 4, 5)):
            case(f"Resize {mode} of a part {sizes} {dtype.__name__}", "Resize", "x r  z", {"x": x},
                 {"r": np.array([0, 0, -.2, .1, 1, 1, .8, 1.3], F), "z": np.array(sizes)}, opset=19, mode=mode, extrapolation_value=7.0,
                 coordinate_transformation_mode="tf_crop_and_resize")
    case(f"Upsample linear {dtype.__name__}", "Upsample", "x s", {"x": x}, {"s": np.array([1, 1, 2, 3], F)}, opset=9, mode="linear")
# Corners that a scale puts between two places.
for mode in ("nearest", "linear", "cubic"):
    for scale in (.6, 1.3, 1.7, 2.45):
        case(f"Resize {mode} corners {scale}", "Resize", "x  s", {"x": n(1, 2, 5, 7)}, {"s": np.array([1, 1, scale, scale], F)}, opset=13, mode=mode,
             coordinate_transformation_mode="align_corners", tolerance=2e-5 if mode == "cubic" else 0, rows=True)
for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
    for size in (3, 4, 7):
        for scale in (.3, .5, .7, 1.5, 1.7, 2, 3):
            case(f"Resize nearest half_pixel_symmetric {rounding} {size} {scale}", "Resize", "x  s", {"x": np.arange(size, dtype=F).reshape(1, 1, 1, size)},
                 {"s": np.array([1, 1, 1, scale], F)}, opset=19, nearest_mode=rounding, coordinate_transformation_mode="half_pixel_symmetric")

# Antialiased images: rounded between their axes.
for dtype in (np.uint8, I, F):
    for mode in ("linear", "cubic"):
        for label, shape, scales, more in (("smaller", (2, 3, 9, 8), [1, 1, .5, .4], {}), ("larger", (1, 2, 5, 4), [1, 1, 1.5, 2.3], {}),
                                           ("channels last", (2, 9, 8, 3), [1, .6, .4, 1], {}), ("an image", (9, 7), [.6, 1.5], {}),
                                           ("one axis", (1, 2, 9, 8), [1, 1, .3, 1], {}), ("without the outside", (1, 2, 9, 8), [1, 1, .5, .4], {"exclude_outside": 1}),
                                           ("corners", (1, 2, 9, 8), [1, 1, .5, .4], {"coordinate_transformation_mode": "align_corners"}),
                                           ("asymmetric", (1, 2, 9, 8), [1, 1, .5, .4], {"coordinate_transformation_mode": "asymmetric"})):
            case(f"Resize antialiased {mode} {label} {dtype.__name__}", "Resize", "x  s", {"x": R.randint(0, 256, shape).astype(dtype)}, {"s": np.array(scales, F)},
                 opset=19, mode=mode, antialias=1, rows=len(shape) == 4, tolerance=1e-4 if dtype == F else 0, **more)

# Text and truth are put in places.
words, others = np.array(["a", "bc", "", "d"], object), np.array(["x", "", "yz"], object)
truth, news = R.rand(3, 4) > .5, R.rand(3, 2) > .5
case("ScatterElements of text", "ScatterElements", "x i u", {"x": words, "u": others}, {"i": np.array([0, 2, 0])})
case("ScatterElements of text behind text", "ScatterElements", "x i u", {"x": words, "u": others}, {"i": np.array([0, 2, 0])}, reduction="add")
case("ScatterND of text", "ScatterND", "x i u", {"x": words, "u": others}, {"i": np.array([[3], [0], [-2]])})
case("ScatterND of text behind text", "ScatterND", "x i u", {"x": words.reshape(2, 2), "u": others[:2].reshape(1, 2)}, {"i": np.array([[1]])}, reduction="add")
for reduction in ("none", "add", "mul"):
    case(f"ScatterElements of truth {reduction}", "ScatterElements", "x i u", {"x": truth, "u": news}, {"i": np.array([[0, 0], [1, 3], [2, 2]])}, axis=1,
         reduction=reduction)
    case(f"ScatterND of truth {reduction}", "ScatterND", "x i u", {"x": truth, "u": np.stack([truth[1], truth[0]])}, {"i": np.array([[0], [0]])}, reduction=reduction)

for mode in ("linear", "nearest", "cubic"):
    for padding in ("zeros", "border", "reflection"):
        for corners in (0, 1):
            case(f"GridSample of doubles {mode} {padding} {corners}", "GridSample", "x g", {"x": n(2, 3, 5, 6, dtype=D), "g": n(2, 4, 3, 2, dtype=D)}, opset=20,
                 mode=mode, padding_mode=padding, align_corners=corners, rows=True, tolerance=1e-12)
case("GridSample of a volume of doubles", "GridSample", "x g", {"x": n(2, 3, 4, 5, 6, dtype=D), "g": n(2, 4, 3, 2, 3, dtype=D)}, opset=22, rows=True,
     tolerance=1e-12)
case("LayerNormalization of doubles, its moments", "LayerNormalization", "x s b", {"x": n(4, 9, dtype=D)}, {"s": n(9, dtype=D), "b": n(9, dtype=D)},
     outputs=("y", "m", "i"), types=[T.DOUBLE, T.FLOAT, T.FLOAT], tolerance=1e-6, rows=True)
case("Gelu of doubles by tanh", "Gelu", "x", {"x": n(5, 8, dtype=D)}, opset=20, approximate="tanh", tolerance=1e-12, rows=True)
for scale, offset in ((n(4, dtype=D), n(4, dtype=D)),):
    case("GroupNormalization of doubles", "GroupNormalization", "x s b", {"x": n(3, 4, 6, dtype=D)}, {"s": scale, "b": offset}, opset=21, num_groups=2,
         tolerance=1e-6, rows=True)

# What a query may not see has the lowest number there is; one that sees nothing answers 0, of doubles NaN.
for dtype in (F, D):
    low = np.finfo(dtype).min
    sees = np.array([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]], bool)
    added = np.array([[0, low, .5, -inf], [low] * 4, [-inf] * 4], dtype)
    for label, mask in (("seen", sees), ("added", added), ("half", np.where(sees, 0, low / 2).astype(dtype))):
        for more in ({}, {"is_causal": 1}):
            if dtype == D and more and label != "seen":
                continue
            for mode in (1, 2, 3):
                case(f"Attention that hides, {label} {dtype.__name__} {more} {mode}", "Attention", "q k v m",
                     {"q": n(2, 2, 3, 8, dtype=dtype), "k": n(2, 2, 4, 8, dtype=dtype), "v": n(2, 2, 4, 8, dtype=dtype)}, {"m": mask}, opset=23,
                     outputs=("y", "pk", "pv", "s"), qk_matmul_output_mode=mode, tolerance=2e-6 if dtype == F else 1e-12, **more)
for more in ({}, {"softcap": 1.5}, {"scale": .3}, {"is_causal": 1}):
    case(f"Attention of doubles {more}", "Attention", "q k v", {"q": n(2, 4, 3, 8, dtype=D), "k": n(2, 2, 4, 8, dtype=D), "v": n(2, 2, 4, 8, dtype=D)}, opset=23,
         rows=True, tolerance=1e-12, **more)

# Version 10 goes down where an axis grows, and up where it shrinks.
for scales in ([1, 1, .6, .6], [1, 1, .9, 2], [1, 1, .3, 1.4], [1, .5, .75, .7]):
    case(f"Resize of version 10, {scales}", "Resize", "x s", {"x": n(2, 4, 7, 7)}, {"s": np.array(scales, F)}, opset=10, mode="nearest")

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "reviewed.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print(len(cases), "cases", file=sys.stderr)
for failure in failures:
    print(failure, file=sys.stderr)
