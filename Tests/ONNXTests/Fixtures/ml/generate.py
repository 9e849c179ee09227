"""Makes the ai.onnx.ml fixtures beside this file, with ONNX Runtime's answers on one thread.

NAME.onnx, NAME.in.K and NAME.out.K; a tensor of strings is .json (`shape`, `values`), others are .npy.
NAME begins with `exact_` where every bit must agree. Needs the packages of requirements.txt.

    python generate.py                 the committed fixtures
    python generate.py DIR COUNT SEED  COUNT random cases of every family into DIR
"""
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper as h, numpy_helper

F, D, I, L = np.float32, np.float64, np.int32, np.int64
FOLDER = os.path.dirname(os.path.abspath(__file__)) if len(sys.argv) == 1 else sys.argv[1]
COUNT = 2 if len(sys.argv) == 1 else int(sys.argv[2])
R = np.random.RandomState(3 if len(sys.argv) == 1 else int(sys.argv[3]))
skipped = {}


def element_type(a):
    return onnx.TensorProto.STRING if a.dtype.kind in "OU" else h.np_dtype_to_tensor_dtype(a.dtype)


def save(path, a):
    a = np.asarray(a)
    if a.dtype.kind in "OU":
        with open(path + ".json", "w") as file:
            json.dump({"shape": list(a.shape), "values": [str(s) for s in a.ravel()]}, file)
    else:
        np.save(path + ".npy", a)


def case(name, op, inputs, outputs=1, ml=3, **attributes):
    attributes = {k: numpy_helper.from_array(v) if isinstance(v, np.ndarray) else v for k, v in attributes.items()}
    feeds = {f"i{k}": np.asarray(a) for k, a in enumerate(inputs)}
    node = h.make_node(op, list(feeds), [f"o{k}" for k in range(outputs)], "n", domain="ai.onnx.ml", **attributes)
    ins = [h.make_tensor_value_info(k, element_type(a), [None] * a.ndim) for k, a in feeds.items()]
    graph = h.make_graph([node], "g", ins, [h.make_empty_tensor_value_info(f"o{k}") for k in range(outputs)])
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", ml)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        results = session.run(None, feeds)
    except Exception as error:
        skipped.setdefault(f"{op}: {str(error)[:160]}", []).append(name)
        return
    for k, r in enumerate(results):  # the element type is all a declared output needs
        model.graph.output[k].CopyFrom(h.make_tensor_value_info(f"o{k}", element_type(np.asarray(r)), [None] * np.asarray(r).ndim))
    path = os.path.join(FOLDER, name)
    onnx.save(model, path + ".onnx")
    for k, a in enumerate(feeds.values()):
        save(f"{path}.in.{k}", a)
    for k, r in enumerate(results):
        save(f"{path}.out.{k}", r)


def maybe(chance=0.5):
    return R.rand() < chance


def pick(*choices):
    return choices[R.randint(len(choices))]


# --- Trees -----------------------------------------------------------------------------------------

MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def trees(count, features, modes, tracks, shuffle):
    """The nodes_* attributes of random trees, and the leaves of each."""
    lists = {k: [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids")}
    missing, leaves = [], []
    for tree in range(count):
        nodes = [dict(depth=0)]
        for number in range(10 ** 6):
            if number == len(nodes):
                break
            node = nodes[number]
            if node["depth"] < 4 and (maybe(0.75) or number == 0 and maybe(0.9)):
                node.update(true=len(nodes), false=len(nodes) + 1)
                nodes += [dict(depth=node["depth"] + 1), dict(depth=node["depth"] + 1)]
        order = list(range(len(nodes)))
        if shuffle:
            order = [0] + list(1 + R.permutation(len(nodes) - 1))
        for number in order:
            node = nodes[number]
            branch = "true" in node
            lists["treeids"].append(tree)
            lists["nodeids"].append(number)
            lists["featureids"].append(int(R.randint(features)) if branch else 0)
            lists["modes"].append(pick(*modes) if branch else "LEAF")
            lists["values"].append(float(F(pick(R.randn(), round(R.randn()), 0.5))) if branch else 0.0)
            lists["truenodeids"].append(node.get("true", 0))
            lists["falsenodeids"].append(node.get("false", 0))
            missing.append(int(R.randint(2)))
            if not branch:
                leaves.append((tree, number))
    result = {f"nodes_{k}": v for k, v in lists.items()}
    if tracks:
        result["nodes_missing_value_tracks_true"] = missing
    return result, leaves


def rows(features, dtype=F):
    x = R.randn(12, features).round(R.randint(0, 3))
    x = np.where(R.rand(12, features) < 0.1, pick(np.nan, np.inf, 0.5), x)
    return np.asarray(np.nan_to_num(x, posinf=9) if dtype in (I, L) else x, dtype)


def as_tensors(attributes, names, dtype):
    for name in names:
        if name in attributes:
            attributes[name + "_as_tensor"] = np.array(attributes.pop(name), dtype)


def weights(leaves, prefix, targets, ids, negative):
    """One weight or more a leaf; sometimes several for one target, and none at all."""
    out = {f"{prefix}_{k}": [] for k in ("treeids", "nodeids", "ids", "weights")}
    for tree, node in leaves:
        chosen = [pick(*ids)] if maybe(0.6) else list(R.permutation(ids))
        for target in chosen:
            out[f"{prefix}_treeids"].append(tree)
            out[f"{prefix}_nodeids"].append(node)
            out[f"{prefix}_ids"].append(int(target))
            value = float(F(R.rand() - (0.4 if negative else 0)))
            out[f"{prefix}_weights"].append(value if negative or value > 0 else 0.1)
    return out


def regressor(number):
    double = maybe(0.4)
    ml = 3 if double else pick(1, 3)
    features, targets = R.randint(1, 6), pick(1, 1, 2, 3)
    nodes, leaves = trees(R.randint(1, 9), features, MODES if maybe() else [pick(*MODES)], maybe(), maybe(0.3))
    a = dict(n_targets=targets, aggregate_function=pick("SUM", "SUM", "AVERAGE", "MIN", "MAX"),
             post_transform=pick("NONE", "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"))
    a.update(nodes)
    a.update(weights(leaves, "target", targets, range(targets), True))
    if maybe():
        a["base_values"] = [float(F(v)) for v in R.randn(targets)]
    if double and maybe(0.8):
        as_tensors(a, ["nodes_values", "target_weights", "base_values"], D)
        if "nodes_values_as_tensor" in a:
            a["nodes_values_as_tensor"] = a["nodes_values_as_tensor"] + 1e-9
    case(f"exact_regressor_{number}", "TreeEnsembleRegressor", [rows(features, D if double else F)], ml=ml, **a)


def classifier(number):
    dtype = pick(F, F, D, L, I)
    ml = 3 if dtype == D else pick(1, 3)
    features, classes = R.randint(1, 6), pick(1, 2, 2, 2, 2, 3, 5)
    nodes, leaves = trees(R.randint(1, 9), features, MODES if maybe() else [pick(*MODES)], maybe(), maybe(0.3))
    ids = range(classes)
    if classes == 2:
        ids = pick([0], [0], [1], [0, 1])
    a = dict(post_transform=pick("NONE", "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"))
    a.update(nodes)
    a.update(weights(leaves, "class", classes, ids, maybe()))
    base = pick(0, 0, classes)
    if classes == 2 and len(ids) == 1:
        base = pick(0, 1, 2)
    if base:
        a["base_values"] = [float(F(v)) for v in R.randn(base) / 3]
    if classes == 2 and base < 2 and a["post_transform"] == "PROBIT":
        a["post_transform"] = "NONE"
    if classes > 1 and maybe(0.4):
        a["classlabels_strings"] = [f"c{k}é" for k in range(classes)]
    else:
        a["classlabels_int64s"] = [int(k) * 10 - 10 for k in range(classes)]
    if dtype == D and maybe(0.8):
        as_tensors(a, ["nodes_values", "class_weights", "base_values"], D)
    case(f"exact_classifier_{number}", "TreeEnsembleClassifier", [rows(features, dtype)], 2, ml=ml, **a)


def ensemble(number):
    dtype = pick(F, D)
    features, targets = R.randint(1, 6), pick(1, 1, 2, 3)
    modes = list(range(6)) if maybe() else [pick(0, 1, 2, 3, 4, 5, 6)]
    if maybe(0.4):
        modes.append(6)
    a = {k: [] for k in ("nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids", "nodes_trueleafs", "nodes_falseleafs")}
    splits, kinds, missing, members, roots, targets_of, values = [], [], [], [], [], [], []

    def leaf():
        targets_of.append(int(R.randint(targets)))
        values.append(R.randn())
        return len(values) - 1

    def node(depth):
        place = len(splits)
        a["nodes_featureids"].append(int(R.randint(features)))
        kinds.append(pick(*modes))
        splits.append(pick(R.randn(), round(R.randn()), 0.5))
        missing.append(int(R.randint(2)))
        for k in ("truenodeids", "falsenodeids", "trueleafs", "falseleafs"):
            a["nodes_" + k].append(0)
        if kinds[-1] == 6:
            members.extend([float(v) for v in R.permutation(6)[: R.randint(1, 4)]] + [np.nan])
        for side in ("true", "false"):
            is_leaf = depth == 3 or maybe(0.3)
            a[f"nodes_{side}leafs"][place] = int(is_leaf)
            a[f"nodes_{side}nodeids"][place] = leaf() if is_leaf else node(depth + 1)
        return place

    for _ in range(R.randint(1, 7)):
        roots.append(node(0))
    a.update(nodes_splits=np.array(splits, dtype), nodes_modes=np.array(kinds, np.uint8), tree_roots=roots, n_targets=targets,
             leaf_targetids=targets_of, leaf_weights=np.array(values, dtype), aggregate_function=pick(0, 1, 1, 2, 3), post_transform=pick(0, 0, 1, 2, 3, 4))
    if members:
        a["membership_values"] = np.array(members, dtype)
    if maybe():
        a["nodes_missing_value_tracks_true"] = missing
    case(f"exact_ensemble_{number}", "TreeEnsemble", [rows(features, dtype)], ml=5, **a)


# --- Support vectors ---------------------------------------------------------------------------

def kernel():
    name = pick("LINEAR", "POLY", "RBF", "SIGMOID")
    return dict(kernel_type=name, kernel_params=[float(F(R.rand() + 0.1)), float(F(R.rand())), float(pick(2, 3, 4))])


def svm_regressor(number):
    features, count = R.randint(1, 6), pick(0, 3, 9)
    a = dict(n_supports=count, rho=[float(F(R.randn()))], post_transform=pick("NONE", "LOGISTIC"), one_class=pick(0, 0, 1), **kernel())
    a["coefficients"] = [float(F(v)) for v in R.randn(count or features)]
    if count:
        a["support_vectors"] = [float(F(v)) for v in R.randn(count * features)]
    case(f"svm_regressor_{number}", "SVMRegressor", [np.nan_to_num(rows(features), posinf=3)], ml=1, **a)


def svm_classifier(number):
    dtype = pick(F, F, D, L, I)
    features, classes = R.randint(1, 6), pick(2, 2, 3, 4)
    pairs = classes * (classes - 1) // 2
    a = dict(post_transform=pick("NONE", "NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"), **kernel())
    if maybe(0.25):  # linear
        a["coefficients"] = [float(F(v)) for v in R.randn(classes * features)]
        if maybe(0.3):
            a["coefficients"] = [abs(v) for v in a["coefficients"]]
        a["rho"] = [float(F(R.randn()))]
    else:
        per_class = [int(v) for v in R.randint(1, 4, classes)]
        a.update(vectors_per_class=per_class, rho=[float(F(v)) for v in R.randn(pairs)],
                 support_vectors=[float(F(v)) for v in R.randn(sum(per_class) * features)],
                 coefficients=[float(F(v)) for v in R.randn((classes - 1) * sum(per_class))])
        if maybe():
            a.update(prob_a=[float(F(-v)) for v in R.rand(pairs) * 2], prob_b=[float(F(v)) for v in R.randn(pairs) / 4])
    if maybe(0.4):
        a["classlabels_strings"] = [f"c{k}" for k in range(classes)]
    else:
        a["classlabels_ints"] = [int(k) * 10 - 10 for k in range(classes)]
    case(f"svm_classifier_{number}", "SVMClassifier", [np.nan_to_num(rows(features, dtype), posinf=3)], 2, ml=1, **a)


# --- Linear models -----------------------------------------------------------------------------

def linear_regressor(number):
    features, targets = R.randint(1, 6), pick(1, 2, 3)
    a = dict(targets=targets, coefficients=[float(F(v)) for v in R.randn(targets * features)],
             post_transform=pick("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"))
    if maybe(0.7):
        a["intercepts"] = [float(F(v)) for v in R.randn(targets)]
    case(f"linear_regressor_{number}", "LinearRegressor", [np.nan_to_num(rows(features), posinf=3)], ml=1, **a)


def linear_classifier(number):
    dtype = pick(F, F, D, L, I)
    features, classes = R.randint(1, 6), pick(2, 2, 3, 6)
    count = 1 if classes == 2 and maybe() else classes
    a = dict(coefficients=[float(F(v)) for v in R.randn(count * features)], intercepts=[float(F(v)) for v in R.randn(count)],
             post_transform=pick("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"), multi_class=pick(0, 1))
    if maybe(0.4):
        a["classlabels_strings"] = [f"c{k}" for k in range(classes)]
    else:
        a["classlabels_ints"] = [int(k) * 10 - 10 for k in range(classes)]
    case(f"linear_classifier_{number}", "LinearClassifier", [np.nan_to_num(rows(features, dtype), posinf=3)], 2, ml=1, **a)


# --- Preprocessing -----------------------------------------------------------------------------

def preprocessing(number):
    dtype, features = pick(F, D, L, I), R.randint(1, 5)
    width = pick(1, features)
    if maybe():
        case(f"exact_scaler_{number}", "Scaler", [rows(features, dtype)], ml=1, offset=[float(F(v)) for v in R.randn(width)], scale=[float(F(v)) for v in R.rand(width) * 3])
    else:
        case(f"exact_normalizer_{number}", "Normalizer", [np.nan_to_num(rows(features, dtype), posinf=2)], ml=1, norm=pick("L1", "L2", "MAX"))
    kind = pick("float", "int", "text")
    if kind == "text":
        x = np.array([[pick("a", "b", "c", "é", "")] for _ in range(6)], object)
        case(f"exact_onehot_{number}", "OneHotEncoder", [x if maybe() else x[:, 0]], ml=1, cats_strings=["b", "a", "é"], zeros=1)
    elif kind == "int":
        case(f"exact_onehot_{number}", "OneHotEncoder", [R.randint(-1, 5, (6, pick(1, 2)))], ml=1, cats_int64s=[3, 0, 1, 4], zeros=1)
    else:
        case(f"exact_onehot_{number}", "OneHotEncoder", [np.asarray(R.rand(6, 1) * 5, pick(F, D))], ml=1, cats_int64s=[3, 0, 1, 4])
    if maybe():
        case(f"exact_imputer_{number}", "Imputer", [rows(features)], ml=1, imputed_value_floats=[float(F(v)) for v in R.randn(width)],
             replaced_value_float=pick(float("nan"), 0.0, 1.0))
    else:
        case(f"exact_imputer_{number}", "Imputer", [R.randint(-1, 3, (6, features))], ml=1, imputed_value_int64s=[7] * width, replaced_value_int64=pick(-1, 0))
    x = np.nan_to_num(rows(features), posinf=1)
    case(f"exact_binarizer_{number}", "Binarizer", [x], ml=1, **({"threshold": float(F(R.rand()))} if maybe(0.7) else {}))
    parts = [np.nan_to_num(rows(int(R.randint(1, 4)), dtype), posinf=1) for _ in range(R.randint(1, 4))]
    case(f"exact_vectorizer_{number}", "FeatureVectorizer", parts, ml=1, inputdimensions=[int(p.shape[1] + pick(0, 0, 1, -1)) for p in parts])
    data = pick(rows(5), rows(5, D), R.randint(0, 9, (3, 5)), np.array([["a", "bé", "", "d", "e"]] * 2, object), rows(5)[0])
    case(f"exact_extractor_{number}", "ArrayFeatureExtractor", [data, np.array(pick([0], [4, 1], [[2, 2, 3]]), L)], ml=1)


LISTS = {
    "strings": ["a", "b", "é", "a"], "int64s": [1, -3, 0, 1], "floats": [0.5, float("nan"), -0.0, 0.5],
}
DEFAULTS = {"strings": ("default_string", "none"), "int64s": ("default_int64", 42), "floats": ("default_float", 4.5)}
LOOKED_UP = {
    "strings": np.array(["a", "x", "é", "b", ""], object), "int64s": np.array([1, 7, 0, -3], L),
    "floats": np.array([0.5, np.nan, 0.0, -0.0, 3], F), "doubles": np.array([0.5, np.nan, 0.0, -0.0, 3], D),
}


def encoding(number):
    keys, values = pick(*LISTS), pick(*LISTS)
    version = pick(2, 4, 4)
    a = {"keys_" + keys: LISTS[keys], "values_" + values: LISTS[values]}
    if maybe():
        name, value = DEFAULTS[values]
        a[name] = value
    case(f"exact_encoder_{number}", "LabelEncoder", [LOOKED_UP[keys]], ml=version, **a)
    keys = pick("strings", "int64s", "doubles")
    values = pick("strings", "int64s", "doubles")
    tensor = lambda kind: {"strings": np.array(LISTS["strings"], object), "int64s": np.array(LISTS["int64s"], L),
                           "doubles": np.array(LISTS["floats"], D)}[kind]
    a = dict(keys_tensor=tensor(keys), values_tensor=tensor(values))
    if maybe():
        a["default_tensor"] = {"strings": np.array(["none"], object), "int64s": np.array([42], L), "doubles": np.array([4.5], D)}[values]
    case(f"exact_encoder_tensors_{number}", "LabelEncoder", [LOOKED_UP[keys]], ml=4, **a)
    keys = pick("strings", "int64s")
    case(f"exact_encoder_first_{number}", "LabelEncoder", [LOOKED_UP[keys]], ml=1, classes_strings=["é", "a", "b"], **({"default_int64": 9, "default_string": "no"} if maybe() else {}))
    case(f"exact_mapper_{number}", "CategoryMapper", [LOOKED_UP[keys]], ml=1, cats_strings=["é", "a", "b"], cats_int64s=[0, 1, -3], **({"default_int64": 9, "default_string": "no"} if maybe() else {}))


for number in range(6 * COUNT):
    regressor(number)
    classifier(number)
    ensemble(number)
for number in range(4 * COUNT):
    svm_classifier(number)
for number in range(2 * COUNT):
    svm_regressor(number)
    linear_regressor(number)
    linear_classifier(number)
    preprocessing(number)
    encoding(number)

for reason, names in skipped.items():
    print(len(names), "not run by ONNX Runtime,", reason, names[:3])
