"""Makes half.json beside this file: networks of half floats as ONNX Runtime answers them with its default options. It
computes most of them in float32 and rounds only what is moved or given.

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
R = np.random.RandomState(12)
H, F = np.float16, np.float32
cases, failures = [], []


def n(*shape, scale=1.0, dtype=H):
    return (R.standard_normal(shape) * scale).astype(dtype)


def pack(array):
    return {"type": int(h.np_dtype_to_tensor_dtype(array.dtype)), "shape": list(array.shape),
            "data": base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()}


def case(label, nodes, inputs, inits=None, outputs=("y",), opset=17, tolerance=0.0, rows=False, types=None):
    """nodes: (operator, inputs, outputs, attributes); the input _ is left out."""
    graph = h.make_graph(
        [h.make_node(op, ["" if name == "_" else name for name in i.split()], o.split(), f"n{k}", **more) for k, (op, i, o, more) in enumerate(nodes)], "g",
        [h.make_tensor_value_info(k, h.np_dtype_to_tensor_dtype(a.dtype), [None] * a.ndim) for k, a in inputs.items()],
        [h.make_tensor_value_info(k, (types or {}).get(k, T.FLOAT16), None) for k in outputs],
        [numpy_helper.from_array(a, k) for k, a in (inits or {}).items()])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=9).SerializeToString()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        answers = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, inputs)
    except Exception as error:
        failures.append(f"{label}: {str(error)[:200]}")
        return
    cases.append({"name": f"{len(cases)} {label}", "model": base64.b64encode(model).decode(), "rows": rows, "tolerance": tolerance,
                  "inputs": [pack(a) for a in inputs.values()], "outputs": [pack(a) for a in answers]})


# One operator alone.
for op in ("Add", "Sub", "Mul", "Div", "Pow"):
    case(op, [(op, "x b", "y", {})], {"x": np.abs(n(5, 8)) if op == "Pow" else n(5, 8)}, {"b": n(8)}, rows=True)
for op in ("Abs", "Neg", "Exp", "Sqrt", "Reciprocal", "Floor", "Ceil", "Sigmoid", "Tanh", "Relu", "Erf", "Softplus", "Softsign", "Elu",
           "LeakyRelu", "Selu", "HardSigmoid", "HardSwish", "Sin", "Cos", "Round", "Sign", "Log"):
    x = n(5, 8, scale=3)
    x = np.abs(x) + H(.1) if op in ("Sqrt", "Log") else x
    # ONNX Runtime's sigmoid is an approximation.
    case(op, [(op, "x", "y", {})], {"x": x}, rows=True, tolerance=1e-3 if op == "Sigmoid" else 0)
special = np.array([[np.nan, np.inf, -np.inf, 0, -0.0, 65504, -65504, 6e-8]], H)
for op in ("Abs", "Neg", "Relu", "Tanh", "Exp", "Sqrt"):
    case(f"{op} corners", [(op, "x", "y", {})], {"x": special})
case("Add that overflows", [("Add", "x x", "y", {})], {"x": special})
for version in (11, 13, 17):
    case(f"Softmax {version}", [("Softmax", "x", "y", {"axis": 1})], {"x": n(5, 8)}, opset=version, rows=True)
case("LogSoftmax", [("LogSoftmax", "x", "y", {"axis": 1})], {"x": n(5, 8)}, rows=True)
case("Gelu", [("Gelu", "x", "y", {})], {"x": n(5, 8)}, opset=20, rows=True)
for op in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"):
    more = {} if op == "ReduceSum" else {"axes": [1]}
    case(op, [(op, "x a" if op == "ReduceSum" else "x", "y", more)], {"x": n(5, 8)}, {"a": np.array([1])} if op == "ReduceSum" else {}, rows=True)
case("ArgMax", [("ArgMax", "x", "y", {"axis": 1})], {"x": n(5, 8)}, types={"y": T.INT64}, rows=True)
case("MatMul", [("MatMul", "x w", "y", {})], {"x": n(5, 40)}, {"w": n(40, 24)}, rows=True)
case("MatMul of inputs", [("MatMul", "x w", "y", {})], {"x": n(5, 40), "w": n(40, 24)})
for t in (0, 1):
    case(f"Gemm transB {t}", [("Gemm", "x w c", "y", {"transB": t, "alpha": 0.5})], {"x": n(5, 40)}, {"w": n(24, 40) if t else n(40, 24), "c": n(24)}, rows=True)
case("Conv", [("Conv", "x w c", "y", {"pads": [1, 1, 1, 1]})], {"x": n(3, 4, 9, 9)}, {"w": n(6, 4, 3, 3, scale=.3), "c": n(6)}, rows=True)
case("ConvTranspose", [("ConvTranspose", "x w", "y", {"strides": [2, 2]})], {"x": n(2, 3, 5, 5)}, {"w": n(3, 4, 3, 3)}, rows=True)
for op in ("MaxPool", "AveragePool"):
    case(op, [(op, "x", "y", {"kernel_shape": [2, 2]})], {"x": n(3, 4, 8, 8)}, rows=True)
case("GlobalAveragePool", [("GlobalAveragePool", "x", "y", {})], {"x": n(3, 4, 8, 8)}, rows=True)
case("BatchNormalization", [("BatchNormalization", "x s b m v", "y", {})], {"x": n(3, 4, 5)}, {"s": n(4), "b": n(4), "m": n(4), "v": np.abs(n(4))}, rows=True)
case("InstanceNormalization", [("InstanceNormalization", "x s b", "y", {})], {"x": n(3, 4, 15)}, {"s": n(4), "b": n(4)}, rows=True)
case("LayerNormalization", [("LayerNormalization", "x s b", "y", {})], {"x": n(3, 40)}, {"s": n(40), "b": n(40)}, rows=True)
case("LayerNormalization between", [("Add", "x b", "a", {}), ("LayerNormalization", "a s b", "c", {}), ("Mul", "c s", "y", {})], {"x": n(3, 40)},
     {"s": n(40), "b": n(40)}, rows=True)
case("RMSNormalization", [("RMSNormalization", "x s", "y", {})], {"x": n(3, 40)}, {"s": n(40)}, opset=23)
case("Clip", [("Clip", "x lo hi", "y", {})], {"x": n(5, 8, scale=4)}, {"lo": np.array(0, H), "hi": np.array(2.3, H)})
case("Mod", [("Mod", "x b", "y", {"fmod": 1})], {"x": n(5, 8, scale=40)}, {"b": n(8)})
case("Greater", [("Greater", "x b", "y", {})], {"x": n(5, 8)}, {"b": n(8)}, types={"y": T.BOOL})
case("Equal", [("Equal", "x b", "y", {})], {"x": np.round(n(5, 8))}, {"b": np.round(n(8))}, types={"y": T.BOOL})
case("Sum", [("Sum", "x b x", "y", {})], {"x": n(5, 8)}, {"b": n(8)})
case("Resize", [("Resize", "x  s".replace("  ", " r "), "y", {"mode": "linear"})], {"x": n(1, 2, 4, 4)},
     {"r": np.zeros(0, H), "s": np.array([1, 1, 2, 2], F)})
case("Pad", [("Pad", "x p v", "y", {})], {"x": n(3, 4)}, {"p": np.array([0, 1, 1, 0]), "v": np.array(.25, H)})
case("TopK", [("TopK", "x k", "y i", {})], {"x": n(3, 9)}, {"k": np.array([4])}, outputs=("y", "i"), types={"i": T.INT64})
case("CumSum", [("CumSum", "x a", "y", {})], {"x": n(3, 9)}, {"a": np.array(1)})
case("Einsum", [("Einsum", "x w", "y", {"equation": "ij,jk->ik"})], {"x": n(3, 9)}, {"w": n(9, 5)})
for op, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    case(op, [(op, "x w r b", "y", {"hidden_size": 5})], {"x": n(6, 2, 4)}, {"w": n(1, gates * 5, 4), "r": n(1, gates * 5, 5), "b": n(1, gates * 10)}, tolerance=1e-3)

# What lies between two nodes is rounded or not.
b, w = n(8), n(8, 8)
x = n(6, 8)
keep = {"b": b, "w": w}
case("two", [("Mul", "x b", "a", {}), ("Mul", "a b", "y", {})], {"x": x}, keep, rows=True)
case("two, both given", [("Mul", "x b", "a", {}), ("Mul", "a b", "y", {})], {"x": x}, keep, outputs=("y", "a"), rows=True)
case("a move alone", [("Mul", "x b", "a", {}), ("Transpose", "a", "c", {}), ("Mul", "c c", "y", {})], {"x": x}, keep)
case("two moves", [("Mul", "x b", "a", {}), ("Transpose", "a", "c", {}), ("Reshape", "c s", "d", {}), ("Mul", "d d", "y", {})], {"x": x},
     {**keep, "s": np.array([-1, 8])})
case("a move that is given", [("Mul", "x b", "a", {}), ("Transpose", "a", "y", {}), ("Mul", "y y", "z", {})], {"x": x}, keep, outputs=("y", "z"))
case("joined with an input", [("Mul", "x b", "a", {}), ("Concat", "a x", "c", {"axis": 1}), ("Mul", "c c", "y", {})], {"x": x}, keep, rows=True)
case("joined with a constant", [("Mul", "x b", "a", {}), ("Concat", "a w", "c", {"axis": 0}), ("Mul", "c c", "y", {})], {"x": x}, keep)
case("its shape is asked", [("Mul", "x b", "a", {}), ("Shape", "a", "s", {}), ("Reshape", "a s", "c", {}), ("Mul", "c b", "y", {})], {"x": x}, keep)
case("clipped between", [("Mul", "x b", "a", {}), ("Clip", "a lo hi", "c", {}), ("Mul", "c b", "y", {})], {"x": x},
     {**keep, "lo": np.array(-.3, H), "hi": np.array(.9, H)}, rows=True)
case("chosen", [("Mul", "x b", "a", {}), ("Greater", "a b", "c", {}), ("Where", "c a b", "d", {}), ("Mul", "d d", "y", {})], {"x": x}, keep, rows=True)
case("identity", [("Mul", "x b", "a", {}), ("Identity", "a", "c", {}), ("Mul", "c b", "y", {})], {"x": x}, keep, rows=True)
case("dropout", [("Mul", "x b", "a", {}), ("Dropout", "a", "c", {}), ("Mul", "c b", "y", {})], {"x": x}, keep, rows=True)
wide = n(6, 8, dtype=F)
case("floats outside", [("Cast", "x", "h", {"to": 10}), ("Mul", "h b", "a", {}), ("Cast", "a", "y", {"to": 1})], {"x": wide}, keep, types={"y": T.FLOAT})
case("rounded on purpose", [("Cast", "x", "h", {"to": 10}), ("Cast", "h", "y", {"to": 1})], {"x": wide}, types={"y": T.FLOAT})
case("rounded and moved", [("Cast", "x", "h", {"to": 10}), ("Transpose", "h", "k", {}), ("Cast", "k", "y", {"to": 1})], {"x": wide}, types={"y": T.FLOAT})
case("rounded, and read twice", [("Cast", "x", "h", {"to": 10}), ("Mul", "h b", "a", {}), ("Cast", "h", "k", {"to": 1}), ("Cast", "a", "l", {"to": 1}),
     ("Add", "k l", "y", {})], {"x": wide}, keep, types={"y": T.FLOAT})
case("doubles outside", [("Cast", "x", "h", {"to": 10}), ("Mul", "h b", "y", {})], {"x": n(6, 8, dtype=np.float64)}, keep)
case("to integers", [("Mul", "x b", "a", {}), ("Cast", "a", "y", {"to": 7})], {"x": n(6, 8, scale=100)}, keep, types={"y": T.INT64})
case("through float", [("Mul", "x b", "a", {}), ("Cast", "a", "f", {"to": 1}), ("Cast", "f", "g", {"to": 10}), ("Mul", "g b", "y", {})], {"x": x}, keep)
case("constants among themselves", [("Mul", "b b", "a", {}), ("Mul", "x a", "y", {})], {"x": x}, keep, rows=True)
# Networks.
case("perceptron", [("MatMul", "x w", "a", {}), ("Add", "a b", "c", {}), ("Relu", "c", "d", {}), ("Gemm", "d w b", "e", {}), ("Softmax", "e", "y", {"axis": 1})],
     {"x": x}, keep, rows=True)
# It rounds the weights of a convolution once more when it puts the normalization into them.
case("convolutional", [("Conv", "x v c", "a", {"pads": [1, 1, 1, 1]}), ("BatchNormalization", "a s c m q", "d", {}), ("Relu", "d", "e", {}),
     ("MaxPool", "e", "f", {"kernel_shape": [2, 2], "strides": [2, 2]}), ("Flatten", "f", "g", {}), ("Gemm", "g u", "y", {})], {"x": n(2, 3, 8, 8)},
     {"v": n(4, 3, 3, 3, scale=.4), "c": n(4), "s": n(4), "m": n(4), "q": np.abs(n(4)) + H(.5), "u": n(64, 5, scale=.2)}, rows=True, tolerance=2e-3)
e, k = 16, n(16, 48, scale=.25)
case("attention", [("LayerNormalization", "x s c", "l", {}), ("MatMul", "l k", "q", {}), ("Split", "q", "q1 k1 v1", {"axis": 2}),
     ("Reshape", "q1 h", "q2", {}), ("Transpose", "q2", "q3", {"perm": [0, 2, 1, 3]}), ("Reshape", "k1 h", "k2", {}),
     ("Transpose", "k2", "k3", {"perm": [0, 2, 3, 1]}), ("Reshape", "v1 h", "v2", {}), ("Transpose", "v2", "v3", {"perm": [0, 2, 1, 3]}),
     ("MatMul", "q3 k3", "p", {}), ("Div", "p r", "p2", {}), ("Softmax", "p2", "p3", {"axis": -1}), ("MatMul", "p3 v3", "o", {}),
     ("Transpose", "o", "o2", {"perm": [0, 2, 1, 3]}), ("Reshape", "o2 j", "o3", {}), ("Add", "o3 x", "y", {})], {"x": n(2, 6, e)},
     {"s": n(e), "c": n(e), "k": k, "h": np.array([0, 0, 4, 4]), "j": np.array([0, 0, e]), "r": np.array(2, H)}, rows=True)

# In a branch.
then = h.make_graph([h.make_node("Mul", ["a", "b"], ["t0"]), h.make_node("Mul", ["t0", "b"], ["t"])], "then", [], [h.make_tensor_value_info("t", T.FLOAT16, None)])
other = h.make_graph([h.make_node("Neg", ["a"], ["o"])], "else", [], [h.make_tensor_value_info("o", T.FLOAT16, None)])
case("a branch", [("Mul", "x b", "a", {}), ("If", "c", "y", {"then_branch": then, "else_branch": other})], {"x": x, "c": np.array(True)}, keep)

case("a constant that is cast", [("Mul", "f f", "g", {}), ("Cast", "g", "h", {"to": 10}), ("Mul", "x h", "y", {})], {"x": x},
     {"f": n(8, dtype=F)}, rows=True)

case("like another", [("Mul", "x b", "a", {}), ("Cast", "a", "c", {"to": 10}), ("CastLike", "f c", "d", {}),
     ("Where", "m d c", "e", {}), ("Mul", "e b", "y", {})], {"x": x, "m": n(6, 8) > 0}, {**keep, "f": np.array(0, F)}, opset=19)
case("dropout alone", [("Dropout", "x", "y", {})], {"x": x})
case("dropout of a ratio", [("Dropout", "x r", "y", {})], {"x": x}, {"r": np.array(.5, H)}, opset=13)
case("cast to itself", [("Mul", "x b", "a", {}), ("Cast", "a", "c", {"to": 10}), ("Mul", "c b", "y", {})], {"x": x}, keep, rows=True)

# An operator that takes half floats beside floats: what it gives is as its definition says.
case("a half exponent", [("Pow", "x e", "y", {})], {"x": np.abs(n(5, 8, dtype=F))}, {"e": n(8)}, types={"y": T.FLOAT}, rows=True, tolerance=1e-6)
case("a half base", [("Pow", "x e", "y", {})], {"x": np.abs(n(5, 8))}, {"e": n(8, dtype=F)}, rows=True)
case("half depth", [("OneHot", "x d v", "y", {})], {"x": np.array([0, 2, 1], F)}, {"d": np.array(3, H), "v": np.array([0, 5], F)}, types={"y": T.FLOAT})
case("half values", [("OneHot", "x d v", "y", {})], {"x": np.array([0, 2, 1], F)}, {"d": np.array(3, F), "v": np.array([0, 5], H)})
case("half statistics", [("BatchNormalization", "x s b m v", "y", {})], {"x": n(3, 4, 5, dtype=F)},
     {"s": n(4), "b": n(4), "m": n(4), "v": np.abs(n(4))}, types={"y": T.FLOAT}, tolerance=1e-5)
case("floats of the shape of halves", [("EyeLike", "x", "y", {"dtype": T.FLOAT})], {"x": n(3, 4)}, types={"y": T.FLOAT})
case("halves of the shape of halves", [("EyeLike", "x", "y", {})], {"x": n(3, 4)})

# Scattered as they are.
old, new = np.array([1, 2, np.nan, 4, 5], H), np.array([2, np.nan, 3, np.nan, 1], H)
case("ScatterElements", [("ScatterElements", "x i u", "y", {"axis": 1})], {"x": n(3, 4), "u": n(3, 2)}, {"i": np.array([[0, 3], [1, 2], [-1, 0]])}, rows=False)
case("ScatterND", [("ScatterND", "x i u", "y", {})], {"x": n(3, 4), "u": n(2, 4)}, {"i": np.array([[2], [0]])})
for reduction in ("min", "max"):
    case(f"ScatterElements {reduction}", [("ScatterElements", "x i u", "y", {"reduction": reduction})], {"x": old, "u": new}, {"i": np.arange(5)}, opset=18)
case("scattered between", [("Mul", "x b", "a", {}), ("ScatterND", "a i u", "c", {}), ("Mul", "c b", "y", {})], {"x": n(3, 8), "u": n(2, 8)},
     {**keep, "i": np.array([[2], [0]])}, opset=18)

# Rounded where its kernel rounds: scores, capped scores, scores with the mask, probabilities, the answer.
for mask in (None, n(5, 7), R.rand(5, 7) > .3):
    for more in ({}, {"is_causal": 1}, {"softcap": 1.5}, {"scale": .3}):
        case(f"Attention {'' if mask is None else mask.dtype} {more}", [("Attention", "q k v" + (" m" if mask is not None else ""), "y", more)],
             {"q": n(2, 4, 5, 8), "k": n(2, 2, 7, 8), "v": n(2, 2, 7, 8)}, {} if mask is None else {"m": mask}, opset=23, rows=True, tolerance=5e-4)
    for mode in (0, 1, 2, 3):
        case(f"Attention, its scores {'' if mask is None else mask.dtype} {mode}",
             [("Attention", "q k v" + (" m" if mask is not None else ""), "y pk pv s", {"qk_matmul_output_mode": mode})],
             {"q": n(2, 2, 5, 8), "k": n(2, 2, 7, 8), "v": n(2, 2, 7, 8)}, {} if mask is None else {"m": mask}, opset=23,
             outputs=("y", "pk", "pv", "s"), tolerance=5e-4)
case("Attention of a past", [("Attention", "q k v _ pk pv", "y nk nv", {})],
     {"q": n(2, 2, 3, 8), "k": n(2, 2, 3, 8), "v": n(2, 2, 3, 8), "pk": n(2, 2, 4, 8), "pv": n(2, 2, 4, 8)}, opset=23, outputs=("y", "nk", "nv"), tolerance=5e-4)
case("Attention of three axes", [("Attention", "q k v", "y", {"q_num_heads": 4, "kv_num_heads": 2})],
     {"q": n(2, 5, 32), "k": n(2, 6, 16), "v": n(2, 6, 16)}, opset=24, tolerance=5e-4)
case("Attention of floats with a half mask", [("Attention", "q k v m", "y", {})],
     {"q": n(2, 2, 5, 8, dtype=F), "k": n(2, 2, 7, 8, dtype=F), "v": n(2, 2, 7, 8, dtype=F)}, {"m": n(5, 7)}, opset=23, types={"y": T.FLOAT}, tolerance=1e-6)
case("RotaryEmbedding", [("RotaryEmbedding", "x c s p", "y", {})], {"x": n(2, 2, 3, 8), "p": np.array([[0, 1, 2], [2, 3, 4]])}, {"c": n(5, 4), "s": n(5, 4)}, opset=23)
case("RotaryEmbedding interleaved", [("RotaryEmbedding", "x c s", "y", {"interleaved": 1, "num_heads": 2})], {"x": n(2, 3, 16)}, {"c": n(2, 3, 4), "s": n(2, 3, 4)}, opset=23)

# Floats of 16 and 8 bits that are looked at.
special = np.array([[np.nan, np.inf, -np.inf, 0, -0.0, 1, -2, 1e-40]], F)
for name, small in (("bfloat16", T.BFLOAT16), ("e4m3fn", T.FLOAT8E4M3FN), ("e4m3fnuz", T.FLOAT8E4M3FNUZ), ("e5m2", T.FLOAT8E5M2), ("e5m2fnuz", T.FLOAT8E5M2FNUZ)):
    kept = {} if name == "bfloat16" else {"saturate": 0}
    for op, more in (("IsNaN", {}), ("IsInf", {}), ("IsInf", {"detect_negative": 0})):
        case(f"{op} of {name} {more}", [("Cast", "x", "h", {"to": small, **kept}), (op, "h", "y", more)], {"x": special}, opset=20, types={"y": T.BOOL})
case("Sign of bfloat16", [("Cast", "x", "h", {"to": T.BFLOAT16}), ("Sign", "h", "g", {}), ("Cast", "g", "y", {"to": T.FLOAT})], {"x": special}, opset=20, types={"y": T.FLOAT})
case("ScatterND of bfloat16", [("Cast", "x", "h", {"to": T.BFLOAT16}), ("Cast", "u", "g", {"to": T.BFLOAT16}), ("ScatterND", "h i g", "k", {}), ("Cast", "k", "y", {"to": T.FLOAT})],
     {"x": n(3, 4, dtype=F), "u": n(2, 4, dtype=F)}, {"i": np.array([[2], [0]])}, opset=18, types={"y": T.FLOAT})

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "half.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
print(len(cases), "cases", file=sys.stderr)
for failure in failures:
    print(failure, file=sys.stderr)
