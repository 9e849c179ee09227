"""Makes the seeds `graph_….onnx` beside this file: control flow, functions, sparse tensors, external data, packed types,
typed fields, and weights too large to be copied.

Needs onnx==1.23.2 numpy==2.4.6. External data is `weights.bin`, 4 KiB, which the fuzzer and the tests lay beside the model.
"""
import os

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx")
R = np.random.RandomState(5)


def value(name, shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, shape)


def floats(name, *shape):
    return numpy_helper.from_array(R.randn(*shape).astype(np.float32), name)


def whole(name, *numbers, kind=np.int64):
    return numpy_helper.from_array(np.array(numbers, kind), name)


def save(name, nodes, inputs, outputs, tensors=(), sparse=(), functions=(), opset=21, more=()):
    graph = h.make_graph(nodes, "g", inputs, outputs, list(tensors), sparse_initializer=list(sparse))
    model = h.make_model(graph, functions=list(functions), ir_version=10, opset_imports=[h.make_opsetid("", opset), *more])
    with open(f"{FOLDER}/graph_{name}.onnx", "wb") as file:
        file.write(model.SerializeToString())


# Control flow.
def branch(name, operation):
    return h.make_graph([h.make_node(operation, ["x", "c"], [f"{name}_y"])], name, [], [value(f"{name}_y", [None, 3])])


save("if", [h.make_node("ReduceSum", ["x"], ["sum"], keepdims=0), h.make_node("Greater", ["sum", "zero"], ["positive"]),
            h.make_node("If", ["positive"], ["y"], then_branch=branch("then", "Add"), else_branch=branch("else", "Mul"))],
     [value("x", [None, 3])], [value("y", [None, 3])], [floats("c", 3), numpy_helper.from_array(np.float32(0), "zero")])
body = h.make_graph([h.make_node("Add", ["state", "c"], ["next"]), h.make_node("Identity", ["go"], ["still"]),
                     h.make_node("Identity", ["next"], ["each"])],
                    "body", [value("i", [], T.INT64), value("go", [], T.BOOL), value("state", [None, 3])],
                    [value("still", [], T.BOOL), value("next", [None, 3]), value("each", [None, 3])])
save("loop", [h.make_node("Loop", ["count", "", "x"], ["last", "all"], body=body)], [value("x", [None, 3])],
     [value("last", [None, 3]), value("all", [None, None, 3])], [floats("c", 3), numpy_helper.from_array(np.int64(4), "count")])
body = h.make_graph([h.make_node("Add", ["state", "row"], ["next"]), h.make_node("Identity", ["next"], ["each"])], "body",
                    [value("state", [3]), value("row", [3])], [value("next", [3]), value("each", [3])])
save("scan", [h.make_node("Scan", ["start", "x"], ["last", "all"], body=body, num_scan_inputs=1, scan_input_directions=[1])],
     [value("x", [None, 3])], [value("last", [3]), value("all", [None, 3])], [floats("start", 3)])

# A function with an attribute and one in it.
inner = h.make_function("own", "Twice", ["a"], ["b"], [h.make_node("Add", ["a", "a"], ["b"])], [h.make_opsetid("", 21)])
node = h.make_node("LeakyRelu", ["t"], ["b"])
node.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope"))
outer = h.make_function("own", "Bent", ["a"], ["b"], [h.make_node("Twice", ["a"], ["t"], domain="own"), node],
                        [h.make_opsetid("", 21), h.make_opsetid("own", 1)], ["slope"])
save("functions", [h.make_node("Bent", ["x"], ["y"], domain="own", slope=0.25)], [value("x", [None, 3])], [value("y", [None, 3])],
     functions=[inner, outer], more=[h.make_opsetid("own", 1)])

# Sparse: an initializer with flat indices, an attribute with pairs.
flat = h.make_sparse_tensor(floats("w", 4), whole("", 0, 3, 7, 11), [3, 4])
pairs = h.make_sparse_tensor(floats("", 2), numpy_helper.from_array(np.array([[0, 1], [3, 0]], np.int64)), [4, 2])
save("sparse", [h.make_node("MatMul", ["x", "w"], ["a"]), h.make_node("Constant", [], ["v"], sparse_value=pairs),
                h.make_node("MatMul", ["a", "v"], ["y"])], [value("x", [None, 3])], [value("y", [None, 2])], sparse=[flat])

# External data: two places of one file, one of them without a length.
def external(name, kind, shape, **entries):
    tensor = T(name=name, data_type=kind, dims=shape, data_location=T.EXTERNAL)
    for key, entry in {"location": "weights.bin", **entries}.items():
        tensor.external_data.add(key=key, value=str(entry))
    return tensor


save("external", [h.make_node("MatMul", ["x", "w"], ["a"]), h.make_node("Add", ["a", "b"], ["y"])], [value("x", [None, 4])],
     [value("y", [None, 8])], [external("w", T.FLOAT, [4, 8], offset=64, length=128), external("b", T.FLOAT, [8], offset=1)])

# Elements of less than a byte and of one, raw and in typed fields.
for name, kind, size in (("int4", T.INT4, 8), ("uint4", T.UINT4, 8), ("int2", T.INT2, 4), ("float8", T.FLOAT8E4M3FN, 16)):
    raw = T(name="w", data_type=kind, dims=[16], raw_data=bytes(R.randint(0, 120, size).tolist()))
    typed = T(name="v", data_type=kind, dims=[16], int32_data=R.randint(0, 120, size).tolist())
    nodes = [h.make_node("Cast", ["w"], ["a"], to=T.FLOAT), h.make_node("Cast", ["v"], ["b"], to=T.FLOAT),
             h.make_node("Add", ["a", "b"], ["c"]), h.make_node("Add", ["x", "c"], ["y"])]
    save(name, nodes, [value("x", [None, 16])], [value("y", [None, 16])], [raw, typed], opset=25)
typed = [T(name="a", data_type=T.FLOAT, dims=[3], float_data=[1, 2, 3]), T(name="b", data_type=T.INT64, dims=[3], int64_data=[-1, 300, 7]),
         T(name="c", data_type=T.DOUBLE, dims=[3], double_data=[1, 2, 3]), T(name="d", data_type=T.UINT32, dims=[3], uint64_data=[1, 1 << 31, 3]),
         T(name="e", data_type=T.FLOAT16, dims=[3], int32_data=[15360, 16384, 1]), T(name="f", data_type=T.BOOL, dims=[3], int32_data=[1, 0, 2])]
nodes = [h.make_node("Cast", [t.name], [f"{t.name}_f"], to=T.FLOAT) for t in typed]
save("typed", nodes + [h.make_node("Sum", ["x", *[f"{t.name}_f" for t in typed]], ["y"])], [value("x", [None, 3])], [value("y", [None, 3])], typed)

# Weights of more than 4 KiB stay in the file, at any byte.
save("weights", [h.make_node("Gemm", ["x", "w", "b"], ["a"], transB=1), h.make_node("Gather", ["table", "i"], ["t"]),
                 h.make_node("Add", ["a", "t"], ["s"]), h.make_node("Mul", ["s", "wide"], ["y"])], [value("x", [None, 36])],
     [value("y", [32, 32])], [floats("w", 32, 36), floats("b", 32), floats("table", 33, 32), whole("i", 5), floats("wide", 32, 32)])
recurrent = [floats("w", 1, 32, 40), floats("r", 1, 32, 8)]
save("recurrent", [h.make_node("LSTM", ["x", "w", "r"], ["y", "h"], hidden_size=8)], [value("x", [None, None, 40])],
     [value("y", [None, None, None, None])], recurrent)
half = [numpy_helper.from_array(np.float16(0.25), "s"), numpy_helper.from_array(np.uint8(3), "z")]
save("half", [h.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]), h.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])],
     [value("x", [None, 3], T.FLOAT16)], [value("y", [None, 3], T.FLOAT16)], half)
