"""Large models of every format, the same bytes at every run, written with the standard library.

Their trees and weights are random: what loads them does not look at their sense.
"""

import array
import json
import random
import struct

FEATURES = 64
DEPTH = 10
NODES = 2 ** (DEPTH + 1) - 1
LEAVES = 2**DEPTH
# So many trees differ; then they come again.
DISTINCT_TREES = 16
WIDTH = 1024


def xgboost_trees():
    source = random.Random(7)
    inner = range(NODES - LEAVES)
    for _ in range(DISTINCT_TREES):
        leaves = [0] * LEAVES
        yield {
            "base_weights": ("d", numbers(source, NODES)),
            "categories": ("l", []),
            "categories_nodes": ("l", []),
            "categories_segments": ("L", []),
            "categories_sizes": ("L", []),
            "default_left": ("U", [source.getrandbits(1) for _ in inner] + leaves),
            "left_children": ("l", [2 * node + 1 for node in inner] + [-1] * LEAVES),
            "loss_changes": ("d", numbers(source, NODES)),
            "parents": ("l", [2147483647] + [(node - 1) // 2 for node in range(1, NODES)]),
            "right_children": ("l", [2 * node + 2 for node in inner] + [-1] * LEAVES),
            "split_conditions": ("d", numbers(source, NODES)),
            "split_indices": ("l", [source.randrange(FEATURES) for _ in inner] + leaves),
            "split_type": ("U", [0] * NODES),
            "sum_hessian": ("d", numbers(source, NODES)),
        }


def numbers(source, count):
    """As float32, with as many digits as XGBoost writes."""
    return [float(f"{source.uniform(-2, 2):.8g}") for _ in range(count)]


PARAMETERS = {
    "num_deleted": "0",
    "num_feature": str(FEATURES),
    "num_nodes": str(NODES),
    "size_leaf_vector": "1",
}


def xgboost_json(path, size):
    bodies = []
    for tree in xgboost_trees():
        members = {name: values for name, (_, values) in tree.items()}
        bodies.append(json.dumps(members | {"tree_param": PARAMETERS}, separators=(",", ":"))[1:])
    count = size // (sum(map(len, bodies)) // len(bodies))
    model = xgboost_model(count)
    text = json.dumps(model, separators=(",", ":"))
    before, after = text.split('"trees":null')
    with open(path, "w") as file:
        file.write(before + '"trees":[')
        for index in range(count):
            file.write("," if index else "")
            file.write(f'{{"id":{index},{bodies[index % len(bodies)]}')
        file.write("]" + after)


def xgboost_ubjson(path, size):
    bodies = []
    for tree in xgboost_trees():
        members = {name: Typed(*entry) for name, entry in tree.items()}
        bodies.append(ubjson(members | {"tree_param": PARAMETERS})[1:])
    count = size // (sum(map(len, bodies)) // len(bodies))
    whole = ubjson(xgboost_model(count))
    name = ubjson_key("trees")
    before, after = whole.split(name + b"Z")
    with open(path, "wb") as file:
        file.write(before + name + b"[#L" + struct.pack(">q", count))
        for index in range(count):
            file.write(b"{" + ubjson_key("id") + b"l" + struct.pack(">i", index))
            file.write(bodies[index % len(bodies)])
        file.write(after)


def xgboost_model(count):
    """The document; its trees are to be put in."""
    model = {
        "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(count)},
        "iteration_indptr": list(range(count + 1)),
        "tree_info": [0] * count,
        "trees": None,
    }
    return {
        "learner": {
            "attributes": {},
            "feature_names": [],
            "feature_types": [],
            "gradient_booster": {"model": model, "name": "gbtree"},
            "learner_model_param": {
                "base_score": "5E-1",
                "boost_from_average": "0",
                "num_class": "0",
                "num_feature": str(FEATURES),
                "num_target": "1",
            },
            "objective": {
                "name": "reg:squarederror",
                "reg_loss_param": {"scale_pos_weight": "1"},
            },
        },
        "version": [3, 0, 0],
    }


class Typed:
    """Numbers of one UBJSON type."""

    def __init__(self, marker, values):
        self.marker, self.values = marker, values

    def bytes(self):
        # XGBoost calls a float32 'd'.
        code = {"d": "f", "l": "i", "L": "q", "U": "B"}[self.marker]
        content = array.array(code, self.values)
        content.byteswap()
        head = f"[${self.marker}#L".encode() + struct.pack(">q", len(self.values))
        return head + content.tobytes()


def ubjson(value):
    if value is None:
        return b"Z"
    if isinstance(value, Typed):
        return value.bytes()
    if isinstance(value, int):
        return b"l" + struct.pack(">i", value)
    if isinstance(value, str):
        return b"S" + ubjson_key(value)
    if isinstance(value, list):
        return b"[#L" + struct.pack(">q", len(value)) + b"".join(map(ubjson, value))
    return b"{" + b"".join(ubjson_key(k) + ubjson(v) for k, v in value.items()) + b"}"


def ubjson_key(name):
    return b"L" + struct.pack(">q", len(name)) + name.encode()


def lightgbm_text(path, size):
    source = random.Random(7)
    inner = LEAVES - 1
    # A full tree: question i has questions, and below them leaves, 2i + 1 and 2i + 2.
    children = [[], []]
    for node in range(inner):
        for side in (0, 1):
            child = 2 * node + 1 + side
            children[side].append(child if child < inner else ~(child - inner))
    blocks = []
    for _ in range(DISTINCT_TREES):
        lines = {
            "num_leaves": [LEAVES],
            "num_cat": [0],
            "split_feature": [source.randrange(FEATURES) for _ in range(inner)],
            "split_gain": [f"{source.uniform(0, 90):.6g}" for _ in range(inner)],
            "threshold": [repr(source.uniform(-2, 2)) for _ in range(inner)],
            "decision_type": [source.choice((8, 10)) for _ in range(inner)],
            "left_child": children[0],
            "right_child": children[1],
            "leaf_value": [repr(source.uniform(-0.1, 0.1)) for _ in range(LEAVES)],
            "leaf_weight": [source.randrange(1, 99) for _ in range(LEAVES)],
            "leaf_count": [source.randrange(1, 99) for _ in range(LEAVES)],
            "internal_value": [f"{source.uniform(-1, 1):.6g}" for _ in range(inner)],
            "internal_weight": [source.randrange(1, 99) for _ in range(inner)],
            "internal_count": [source.randrange(1, 99) for _ in range(inner)],
            "is_linear": [0],
            "shrinkage": [0.1],
        }
        text = "".join(f"{name}={' '.join(map(str, row))}\n" for name, row in lines.items())
        blocks.append(text + "\n\n")
    count = size // (sum(map(len, blocks)) // len(blocks))
    trees = [f"Tree={index}\n{blocks[index % len(blocks)]}" for index in range(count)]
    names = " ".join(f"Column_{index}" for index in range(FEATURES))
    infos = " ".join("[-2:2]" for _ in range(FEATURES))
    with open(path, "w") as file:
        file.write(
            "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
            f"max_feature_idx={FEATURES - 1}\nobjective=regression\nfeature_names={names}\n"
            f"feature_infos={infos}\ntree_sizes={' '.join(str(len(tree)) for tree in trees)}\n\n"
        )
        file.writelines(trees)
        file.write("end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\n")
        file.write("pandas_categorical:null\n")


def onnx_network(path, size, product="MatMul", external=None, width=WIDTH):
    """Layers of `width` × `width` weights, raw. `Gemm` is how PyTorch writes them: transposed.
    `Conv` has windows of 3 × 3.

    With `external`, the weights lie in a file of that name beside the model.
    """
    source = random.Random(7)
    shape = [width, width, 3, 3] if product == "Conv" else [width, width]
    count = width * width * (9 if product == "Conv" else 1)
    deviation = (2 * width / count) ** 0.5
    weights = array.array("f", (source.gauss(0, deviation) for _ in range(count))).tobytes()
    layers = max(1, size // len(weights))
    nodes, tensors, value = [], [], "x"
    for layer in range(layers):
        name = f"w{layer}"
        place = None if external is None else (external, layer * len(weights), len(weights))
        tensors.append(onnx_tensor(name, shape, weights, place))
        bias = f"b{layer}"
        tensors.append(onnx_tensor(bias, [width], bytes(4 * width)))
        if product == "Gemm":
            nodes.append(onnx_node("Gemm", [value, name, bias], f"sum{layer}", transB=1))
        elif product == "Conv":
            pads = {"pads": [1, 1, 1, 1]}
            nodes.append(onnx_node("Conv", [value, name, bias], f"sum{layer}", **pads))
        else:
            nodes.append(onnx_node("MatMul", [value, name], f"product{layer}"))
            nodes.append(onnx_node("Add", [f"product{layer}", bias], f"sum{layer}"))
        value = f"y{layer}"
        nodes.append(onnx_node("Relu", [f"sum{layer}"], value))
    graph = b"".join(field(1, node) for node in nodes) + field(2, b"network")
    dimensions = [None, width, 4, 4] if product == "Conv" else [None, width]
    head = field(11, onnx_value("x", dimensions)) + field(12, onnx_value(value, dimensions))
    size_of_graph = len(graph) + len(head) + sum(map(len, tensors))
    with open(path, "wb") as file:
        file.write(number(1, 8) + field(8, field(1, b"") + number(2, 17)))
        file.write(b"\x3a" + varint(size_of_graph) + graph)
        file.writelines(tensors)
        file.write(head)
    if external is not None:
        with open(path.parent / external, "wb") as file:
            for _ in range(layers):
                file.write(weights)


def dense_network(path, widths):
    """Layers of these widths, as PyTorch exports an MLP but for the weights' transposition."""
    source = random.Random(7)
    nodes, tensors, value = [], [], "x"
    layers = list(zip(widths, widths[1:]))
    for layer, (rows, columns) in enumerate(layers):
        deviation = rows**-0.5
        weights = array.array("f", (source.gauss(0, deviation) for _ in range(rows * columns)))
        tensors.append(onnx_tensor(f"w{layer}", [rows, columns], weights.tobytes()))
        tensors.append(onnx_tensor(f"b{layer}", [columns], bytes(4 * columns)))
        nodes.append(onnx_node("Gemm", [value, f"w{layer}", f"b{layer}"], f"sum{layer}"))
        value = f"sum{layer}"
        if layer < len(layers) - 1:
            nodes.append(onnx_node("Relu", [value], f"y{layer}"))
            value = f"y{layer}"
    graph = b"".join(field(1, node) for node in nodes) + field(2, b"network") + b"".join(tensors)
    graph += field(11, onnx_value("x", [None, widths[0]])) + field(12, onnx_value(value, [None, widths[-1]]))
    with open(path, "wb") as file:
        file.write(number(1, 8) + field(8, field(1, b"") + number(2, 17)) + field(7, graph))


def convolution_network(path, channels, side, layers):
    """Windows of 3 × 3 over an image of one channel, then the mean of each channel. Few weights,
    each used at every pixel: what it takes is a matter of the processor and not of the memory."""
    source = random.Random(7)
    nodes, tensors, value = [], [], "x"
    for layer in range(layers):
        before = 1 if layer == 0 else channels
        count = channels * before * 9
        deviation = (2 / (before * 9)) ** 0.5
        weights = array.array("f", (source.gauss(0, deviation) for _ in range(count)))
        tensors.append(onnx_tensor(f"w{layer}", [channels, before, 3, 3], weights.tobytes()))
        pads = {"pads": [1, 1, 1, 1]}
        nodes.append(onnx_node("Conv", [value, f"w{layer}"], f"sum{layer}", **pads))
        value = f"y{layer}"
        nodes.append(onnx_node("Relu", [f"sum{layer}"], value))
    nodes.append(onnx_node("GlobalAveragePool", [value], "y"))
    graph = b"".join(field(1, node) for node in nodes) + field(2, b"network") + b"".join(tensors)
    graph += field(11, onnx_value("x", [None, 1, side, side]))
    graph += field(12, onnx_value("y", [None, channels, 1, 1]))
    with open(path, "wb") as file:
        file.write(number(1, 8) + field(8, field(1, b"") + number(2, 17)) + field(7, graph))


def varint(value):
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)


def number(index, value):
    return varint(index << 3) + varint(value)


def field(index, content):
    return varint(index << 3 | 2) + varint(len(content)) + content


def onnx_node(name, inputs, output, **attributes):
    node = b"".join(field(1, value.encode()) for value in inputs)
    node += field(2, output.encode()) + field(4, name.encode())
    for key, value in attributes.items():
        if isinstance(value, list):
            content = b"".join(number(8, item) for item in value) + number(20, 7)
        else:
            content = number(3, value) + number(20, 2)
        node += field(5, field(1, key.encode()) + content)
    return node


def onnx_tensor(name, dimensions, content, place=None):
    tensor = b"".join(number(1, size) for size in dimensions) + number(2, 1)
    tensor += field(8, name.encode())
    if place is None:
        tensor += field(9, content)
    else:
        for key, value in zip(("location", "offset", "length"), place):
            tensor += field(13, field(1, key.encode()) + field(2, str(value).encode()))
        tensor += number(14, 1)
    return field(5, tensor)


def onnx_value(name, dimensions):
    """None stands for the rows of a batch."""
    shape = b"".join(
        field(1, field(2, b"rows") if size is None else number(1, size)) for size in dimensions)
    return field(1, name.encode()) + field(2, field(1, number(1, 1) + field(2, shape)))
