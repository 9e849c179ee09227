"""Makes missing.onnx, a model of which three operators are not run, mixing.onnx, one whose rows depend on each other, and
split.onnx, one that splits strings.

Needs onnx==1.23.2.
"""
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


# A model whose rows are not independent.
graph = h.make_graph(
    [h.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"], "quantize"),
     h.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], "back")], "g",
    [h.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])], [h.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])])
model = h.make_model(graph, producer_name="by-hand", ir_version=8, opset_imports=[h.make_opsetid("", 17)])
onnx.save(model, os.path.join(os.path.dirname(os.path.abspath(__file__)), "mixing.onnx"))

# One that takes more memory than what it is given.
graph = h.make_graph(
    [h.make_node("StringSplit", ["x"], ["y", "count"], "split")], "g",
    [h.make_tensor_value_info("x", TensorProto.STRING, ["n"])],
    [h.make_tensor_value_info("y", TensorProto.STRING, ["n", None]), h.make_tensor_value_info("count", TensorProto.INT64, ["n"])])
model = h.make_model(graph, producer_name="by-hand", ir_version=9, opset_imports=[h.make_opsetid("", 20)])
onnx.save(model, os.path.join(os.path.dirname(os.path.abspath(__file__)), "split.onnx"))
