"""Makes missing.onnx: a model of which three operators are not run. Needs onnx==1.23.2."""
import os

import onnx
from onnx import TensorProto, helper as h

nodes = [
    h.make_node("Relu", ["x"], ["a"]),
    h.make_node("Mystery", ["a"], ["b"], domain="custom.example"),
    h.make_node("Mystery", ["b"], ["c"], domain="custom.example"),
    h.make_node("CastMap", ["c"], ["d"], domain="ai.onnx.ml"),
    h.make_node("StringSplitter", ["d"], ["y"]),
]
graph = h.make_graph(
    nodes, "g", [h.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
    [h.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])])
model = h.make_model(
    graph, producer_name="by-hand", producer_version="1.2", ir_version=8,
    opset_imports=[h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 1), h.make_opsetid("custom.example", 1)])
onnx.save(model, os.path.join(os.path.dirname(os.path.abspath(__file__)), "missing.onnx"))
