"""Makes the operator fixtures beside this file: NAME.onnx, NAME.in.K.npy, NAME.out.K.npy.

Needs onnx==1.23.2 onnxruntime==1.31.1 numpy==2.4.6. The answers are ONNX Runtime's, one thread.
"""
import os

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h

HERE = os.path.dirname(os.path.abspath(__file__))
R = np.random.RandomState(7)
F, D, I, L, B = np.float32, np.float64, np.int32, np.int64, np.uint8


def f(*shape, dtype=F):
    return np.asarray(R.rand(*shape) * 4 - 2, dtype)


def case(name, op, inputs, opset=17, outputs=1, domain="", constants=(), **attributes):
    ins = [None if i is None else f"i{k}" for k, i in enumerate(inputs)]
    node = h.make_node(op, [i or "" for i in ins], [f"o{k}" for k in range(outputs)], "n", domain=domain, **attributes)
    make = lambda k, a: h.make_tensor_value_info(f"i{k}", h.np_dtype_to_tensor_dtype(a.dtype), [None] * a.ndim)
    graph_inputs = [make(k, a) for k, a in enumerate(inputs) if a is not None and k not in constants]
    init = [onnx.numpy_helper.from_array(inputs[k], f"i{k}") for k in constants]
    graph = h.make_graph([node], "g", graph_inputs, [h.make_empty_tensor_value_info(f"o{k}") for k in range(outputs)], init)
    opsets = [h.make_opsetid("", opset)] + ([h.make_opsetid(domain, 1)] if domain else [])
    model = h.make_model(graph, opset_imports=opsets, ir_version=8)
    if not domain:
        model = onnx.shape_inference.infer_shapes(model)
    path = os.path.join(HERE, name)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    feeds = {f"i{k}": a for k, a in enumerate(inputs) if a is not None and k not in constants}
    results = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]).run(None, feeds)
    for k, r in enumerate(results):  # the element type is all a declared output needs
        kind = h.np_dtype_to_tensor_dtype(np.asarray(r).dtype)
        model.graph.output[k].CopyFrom(h.make_tensor_value_info(f"o{k}", kind, [None] * np.asarray(r).ndim))
    onnx.save(model, path + ".onnx")
    for k, a in enumerate(feeds.values()):
        np.save(f"{path}.in.{k}.npy", a)
    for k, r in enumerate(results):
        np.save(f"{path}.out.{k}.npy", r)


for op in ("Add", "Sub", "Mul", "Div"):
    case(f"{op}_row", op, [f(3, 4), f(4)])
    case(f"{op}_outer", op, [f(2, 1, 3), f(4, 1)])
    case(f"{op}_scalar_left", op, [f(), f(2, 3)])
    case(f"{op}_empty", op, [f(0, 3), f(1, 3)])
    case(f"{op}_int64", op, [np.array([[-7, 7, 9]], L), np.array([[2], [-2]], L)])
    case(f"{op}_double", op, [f(2, 3, dtype=D), f(2, 3, dtype=D)], opset=7)
bad = np.array([np.nan, -1, 0, 2, -np.inf, np.inf, 100, -100], F)
for op in ("Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Neg", "Floor", "Ceil", "Sqrt", "Reciprocal"):
    case(f"{op}_corners", op, [bad])
for op in ("Softmax", "LogSoftmax"):
    for opset in (9, 17):
        for axis in (0, 1, 2):
            case(f"{op}_{opset}_{axis}", op, [f(2, 3, 4)], opset=opset, axis=axis)
        case(f"{op}_{opset}_default", op, [f(2, 3, 4)], opset=opset)
case("MatMul_2d", "MatMul", [f(3, 5), f(5, 7)])
case("MatMul_vector", "MatMul", [f(5), f(5, 7)])
case("MatMul_right_vector", "MatMul", [f(2, 3, 5), f(5)])
case("MatMul_batch", "MatMul", [f(2, 1, 3, 5), f(4, 5, 2)])
case("MatMul_double", "MatMul", [f(3, 400, dtype=D), f(400, 3, dtype=D)])
case("Gemm_plain", "Gemm", [f(3, 5), f(5, 7), f(7)])
case("Gemm_weights", "Gemm", [f(3, 5), f(7, 5), f(7)], constants=(1, 2), transB=1)
case("Gemm_scaled", "Gemm", [f(5, 3), f(7, 5), f(3, 1)], transA=1, transB=1, alpha=.5, beta=2.)
case("Gemm_no_bias", "Gemm", [f(3, 5), f(5, 7)])
case("Gemm_scalar_bias", "Gemm", [f(3, 5), f(5, 7), f(1)])
for name, shape in (("copy", [0, -1]), ("flat", [-1]), ("all", [4, 3, 2])):
    case(f"Reshape_{name}", "Reshape", [f(2, 3, 4), np.array(shape, L)])
case("Reshape_zero", "Reshape", [f(0, 3), np.array([3, 0], L)], allowzero=1)
for axis in (0, 2, -1):
    case(f"Flatten_{axis}", "Flatten", [f(2, 3, 4)], axis=axis)
case("Squeeze_11", "Squeeze", [f(1, 3, 1)], opset=11, axes=[0])
case("Squeeze_13", "Squeeze", [f(1, 3, 1), np.array([-1], L)], opset=13)
case("Squeeze_all", "Squeeze", [f(1, 3, 1)])
case("Unsqueeze_11", "Unsqueeze", [f(3, 2)], opset=11, axes=[0, 3])
case("Unsqueeze_13", "Unsqueeze", [f(3, 2), np.array([1, -1], L)])
case("Shape_part", "Shape", [f(2, 3, 4)], start=-2, end=3)
case("Transpose_default", "Transpose", [f(2, 3, 4)])
case("Transpose_perm", "Transpose", [f(2, 3, 4).astype(L)], perm=[1, 2, 0])
case("Concat_1", "Concat", [f(2, 1), f(2, 3), f(2, 0)], axis=1)
case("Concat_last", "Concat", [f(2, 2, 1), f(2, 2, 3)], axis=-1)
case("Gather_1", "Gather", [f(3, 4, 2), np.array([[0, -1], [2, 2]], L)], axis=1)
case("Gather_scalar", "Gather", [f(3, 4), np.array(1, I)])
case("Slice_9", "Slice", [f(4, 5)], opset=9, starts=[1, -3], ends=[100, -1], axes=[0, 1])
case("Slice_step", "Slice", [f(4, 5)] + [np.array(a, L) for a in ([3, -1], [-100, -100], [0, 1], [-2, -1])])
case("Slice_empty", "Slice", [f(4, 5)] + [np.array(a, L) for a in ([3], [1], [0])])
case("Slice_huge", "Slice", [f(4, 5)] + [np.array(a, L) for a in ([0], [2**63 - 1], [1], [3])])
ties = np.array([[1, 1, np.nan], [np.nan, 1, 2], [0, 3, 3]], F)
for op in ("ArgMax", "ArgMin"):
    case(f"{op}_ties", op, [ties], axis=1)
    case(f"{op}_flat", op, [f(3, 2, 4)], axis=-2, keepdims=0)
    case(f"{op}_last", op, [np.array([[2, 2, 1, 1]], I)], axis=1, select_last_index=1)
numbers = np.array([0, -1.9, 1.9, 100.5, 3e9], F)
for name, to in (("int64", 7), ("bool", 9), ("double", 11), ("half", 10)):
    case(f"Cast_{name}", "Cast", [numbers], to=to)
case("Cast_int_uint8", "Cast", [np.array([-1, 256, 5], L)], to=2)
ML = dict(domain="ai.onnx.ml")
X = f(6, 3)
case("Scaler", "Scaler", [X], offset=[.5], scale=[2.], **ML)
case("Scaler_int", "Scaler", [np.array([[1, 2]], L)], offset=[.5, 1.], scale=[2., 3.], **ML)
for norm in ("MAX", "L1", "L2"):
    case(f"Normalizer_{norm}", "Normalizer", [np.concatenate([X, np.zeros((1, 3), F)])], norm=norm, **ML)
W = [float(w) for w in f(9)]
for transform in ("NONE", "LOGISTIC", "SOFTMAX"):
    case(f"LinearClassifier_3_{transform}", "LinearClassifier", [X], outputs=2, coefficients=W, intercepts=[.1, .2, .3],
         classlabels_ints=[4, 7, 9], post_transform=transform, **ML)
    case(f"LinearClassifier_1_{transform}", "LinearClassifier", [X], outputs=2, coefficients=W[:3], intercepts=[.1],
         classlabels_ints=[4, 7], post_transform=transform, **ML)
    case(f"LinearRegressor_1_{transform}", "LinearRegressor", [X], coefficients=W[:3], intercepts=[.1], post_transform=transform, **ML)
    case(f"LinearRegressor_3_{transform}", "LinearRegressor", [X], coefficients=W, targets=3, post_transform=transform, **ML)
case("ArrayFeatureExtractor", "ArrayFeatureExtractor", [X, np.array([2, 0], L)], **ML)
case("ArrayFeatureExtractor_1d", "ArrayFeatureExtractor", [f(4), np.array([2, 0, 3], L)], **ML)
case("Imputer_nan", "Imputer", [np.array([[1, np.nan], [np.nan, 2]], F)], imputed_value_floats=[7., 8.], replaced_value_float=float("nan"), **ML)
case("Imputer_int", "Imputer", [np.array([[1, 9], [9, 2]], L)], imputed_value_int64s=[7], replaced_value_int64=9, **ML)
case("OneHotEncoder", "OneHotEncoder", [np.array([[1], [5], [3]], L)], cats_int64s=[1, 3], **ML)
case("OneHotEncoder_float", "OneHotEncoder", [np.array([1.9, 3, 7], F)], cats_int64s=[1, 3], **ML)


def broken(name, nodes, opset=17, initializers=()):
    value = lambda n: h.make_tensor_value_info(n, onnx.TensorProto.FLOAT, [None])
    graph = h.make_graph(nodes, "g", [value("x")], [value("y")], list(initializers))
    os.makedirs(os.path.join(HERE, "broken"), exist_ok=True)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8), os.path.join(HERE, "broken", name + ".onnx"))


def external(location):
    t = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    t.external_data.add(key="location", value=location)
    return t


broken("cycle", [h.make_node("Add", ["x", "y"], ["z"], "n1"), h.make_node("Relu", ["z"], ["y"], "n2")])
broken("missing-input", [h.make_node("Add", ["x", "nowhere"], ["y"], "n1")])
broken("unknown-operator", [h.make_node("FooBar", ["x"], ["y"], "n3")])
broken("unknown-attribute", [h.make_node("Relu", ["x"], ["y"], "n1", slope=2.)])
broken("two-producers", [h.make_node("Relu", ["x"], ["y"], "n1"), h.make_node("Abs", ["x"], ["y"], "n2")])
broken("newer-opset", [h.make_node("Relu", ["x"], ["y"], "n1")], opset=99)
broken("outside", [h.make_node("Add", ["x", "w"], ["y"], "n1")], initializers=[external("../../../../etc/passwd")])
broken("overflow", [h.make_node("Add", ["x", "w"], ["y"], "n1")], initializers=[onnx.TensorProto(name="w", data_type=1, dims=[2**40, 2**40], raw_data=b"1234")])
