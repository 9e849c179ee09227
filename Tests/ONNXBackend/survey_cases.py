"""The models of survey.py: for each operator and version, inputs and attributes of one node.

An input is a template of numbers that survey.py turns into each element type; None is one left out.
"""

import dataclasses

import numpy as np
from onnx import TensorProto, helper

from survey_types import cast, constant, onnx_type

RANDOM = np.random.RandomState(5)


@dataclasses.dataclass
class Recipe:
    label: str
    inputs: list
    attributes: dict
    outputs: int = 1
    #: Inputs that are given as constants.
    constant: tuple = ()
    #: For type parameters that may not take each type they are allowed.
    types: dict = dataclasses.field(default_factory=dict)
    #: Where a definition does not say them.
    output_types: tuple = ()
    #: Relative and absolute, where others than those of the element type hold.
    tolerance: tuple = ()


def case(*inputs, label="", outputs=1, constant=(), types=None, output_types=(), tolerance=(),
         **attributes):
    return Recipe(label, list(inputs), attributes, outputs, constant, types or {}, output_types,
                  tolerance)


def bytes_of(*shape):
    """What 8 bits with a sign hold."""
    return RANDOM.randint(-127, 128, shape)


def numbers(*shape):
    """From −4 to 4 in quarters."""
    return RANDOM.randint(-16, 17, shape) / 4


def whole(*shape):
    return RANDOM.randint(-4, 5, shape)


def positive(*shape):
    return RANDOM.randint(4, 17, shape) / 4


def fractions(*shape):
    """Between −1 and 1."""
    return RANDOM.randint(-15, 16, shape) / 16


def distinct(*shape):
    """Without ties."""
    return (RANDOM.permutation(int(np.prod(shape))).reshape(shape) - np.prod(shape) // 2) / 2


UNARY = {
    "Abs": numbers, "Ceil": numbers, "Cos": numbers, "Cosh": numbers, "Erf": numbers,
    "Exp": numbers, "Floor": numbers, "HardSwish": numbers, "Mish": numbers, "Neg": numbers,
    "Relu": numbers, "Round": numbers, "Sigmoid": numbers, "Sign": numbers, "Sin": numbers,
    "Sinh": numbers, "Softplus": numbers, "Softsign": numbers, "Tan": fractions, "Tanh": numbers,
    "Asin": fractions, "Acos": fractions, "Atan": numbers, "Asinh": numbers, "Acosh": positive,
    "Atanh": fractions, "Log": positive, "Sqrt": positive, "Reciprocal": positive,
    "BitwiseNot": whole, "Not": whole, "Identity": numbers, "NonZero": whole, "Size": numbers,
    "IsNaN": numbers, "GlobalAveragePool": None, "GlobalMaxPool": None,
}
#: An attribute that makes another function of it.
PARAMETERS = {
    "Celu": {"alpha": 0.5}, "Elu": {"alpha": 0.5}, "LeakyRelu": {"alpha": 0.2},
    "Selu": {"alpha": 1.5, "gamma": 1.1}, "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "ThresholdedRelu": {"alpha": 0.5}, "Shrink": {"lambd": 1.5, "bias": 0.5},
    "Swish": {"alpha": 0.5}, "Gelu": {"approximate": "tanh"},
    "IsInf": {"detect_negative": 0},
}
BINARY = {
    "Add": whole, "Sub": whole, "Mul": whole, "Div": positive, "Equal": whole, "Less": whole,
    "Greater": whole, "LessOrEqual": whole, "GreaterOrEqual": whole, "And": whole, "Or": whole,
    "Xor": whole, "BitwiseAnd": whole, "BitwiseOr": whole, "BitwiseXor": whole,
    "StringConcat": whole,
}
VARIADIC = ("Max", "Min", "Mean", "Sum")
REDUCE = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
          "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare")


def recipes(name, version):
    """The recipes of an operator as a version defines it."""
    RANDOM.seed(5)
    if name in UNARY:
        return [case((UNARY[name] or pooled)(*((2, 2, 4, 4) if UNARY[name] is None else (3, 7))))]
    if name in PARAMETERS:
        return [case(numbers(3, 7)), case(numbers(3, 7), label="given", **PARAMETERS[name])]
    if name in BINARY:
        make = BINARY[name]
        found = [case(make(3, 7), make(3, 7)), case(make(3, 7), make(7), label="row")]
        return found
    if name in VARIADIC:
        many = [case(numbers(3, 7), numbers(3, 7), numbers(3, 7))]
        if version >= 8:
            many.append(case(numbers(3, 7), numbers(7), label="row"))
        return many + [case(numbers(3, 7), label="one")]
    if name in REDUCE:
        return reduce(name, version)
    return SPECIAL[name](version)


def pooled(*shape):
    return numbers(*shape)


def reduce(name, version):
    make = positive if name in ("ReduceLogSum", "ReduceProd") else numbers
    takes_input = version >= (13 if name == "ReduceSum" else 18)
    found = []
    for label, axes, more in (
            ("last", [1], {}), ("first", [0], {"keepdims": 0}), ("all", None, {}),
            ("two", [0, 2], {}), ("none", [], {"noop_with_empty_axes": 1})):
        data = make(3, 5) if label != "two" else make(2, 3, 4)
        if takes_input:
            found.append(case(data, None if axes is None else axes, label=label, **more))
        elif label != "none":
            found.append(case(data, label=label, **more, **({"axes": axes} if axes else {})))
    return found


SPECIAL = {}


def special(*names):
    def keep(function):
        for name in names:
            SPECIAL[name] = function
        return function
    return keep


@special("ArgMax", "ArgMin")
def arg_extreme(version):
    found = [case(numbers(3, 5), label="first"),
             case(whole(3, 9), label="last", axis=1, keepdims=0)]
    if version >= 12:
        found.append(case(whole(3, 9), label="last of equals", axis=1, select_last_index=1))
    return found


# Learned operators.


@special("ArrayFeatureExtractor")
def array_feature_extractor(version):
    return [case(numbers(3, 5), [0, 3, 1])]


@special("Binarizer")
def binarizer(version):
    return [case(numbers(3, 5), threshold=0.5)]


@special("CategoryMapper")
def category_mapper(version):
    pairs = {"cats_int64s": [0, 1, 2], "cats_strings": ["0", "1", "2"]}
    return [case([[0, 1], [2, 5]], label="to text", types={"T1": ["int64"], "T2": ["string"]},
                 default_string="none", **pairs),
            case([[0, 1], [2, 5]], label="to integers", types={"T1": ["string"], "T2": ["int64"]},
                 default_int64=-7, **pairs)]


@special("FeatureVectorizer")
def feature_vectorizer(version):
    return [case(numbers(3, 2), numbers(3, 4), inputdimensions=[2, 4])]


@special("Imputer")
def imputer(version):
    return [case(whole(3, 4), label="floats", types={"T": ["float32", "float64"]},
                 imputed_value_floats=[1.5], replaced_value_float=2.0),
            case(whole(3, 4), label="integers", types={"T": ["int64", "int32"]},
                 imputed_value_int64s=[7], replaced_value_int64=2)]


@special("LabelEncoder")
def label_encoder(version):
    keys = {"int64": [0, 1, 2], "float32": [0.0, 1.0, 2.0], "string": ["0", "1", "2"]}
    values = {"int64": [7, 8, 9], "float32": [0.5, 1.5, 2.5], "string": ["a", "b", "c"]}
    names = {"int64": "int64s", "float32": "floats", "string": "strings"}
    data = [[0, 1, 5], [2, 2, 1]]
    if version == 1:
        return [case(data, types={"T1": [a], "T2": [b]}, classes_strings=["1", "2", "0"],
                     default_int64=-3, default_string="none", label=f"from {a}")
                for a, b in (("string", "int64"), ("int64", "string"))]
    found = [case(data, label="lists", types={"T1": [a], "T2": [b]},
                  **{f"keys_{names[a]}": keys[a], f"values_{names[b]}": values[b]})
             for a in keys for b in keys]
    if version >= 4:
        def tensor(items, kind):
            return helper.make_tensor("t", getattr(TensorProto, {
                "int64": "INT64", "int32": "INT32", "int16": "INT16", "float32": "FLOAT",
                "float64": "DOUBLE", "string": "STRING"}[kind]), [len(items)], items)

        def of(key, items, parameter):
            return lambda made: tensor(items[sort(made.types[parameter])],
                                       made.types[parameter])

        def sort(kind):
            return kind if kind == "string" else "float32" if "float" in kind else "int64"

        found.append(case(
            data, label="tensors", keys_tensor=of("keys", keys, "T1"),
            values_tensor=of("values", values, "T2"),
            default_tensor=lambda made: tensor(
                values[sort(made.types["T2"])][:1], made.types["T2"])))
    return found


@special("LinearClassifier")
def linear_classifier(version):
    weights = {"coefficients": [0.5, -1.0, 0.25, 1.0, 0.5, -0.5, 0.0, 1.5, -1.0],
               "intercepts": [0.5, 0.0, -0.5]}
    return [case(numbers(4, 3), outputs=2, label=f"{kind} {transform}", types={"T2": [kind]},
                 post_transform=transform, **weights,
                 **({"classlabels_ints": [3, 5, 7]} if kind == "int64"
                    else {"classlabels_strings": ["a", "b", "c"]}))
            for kind in ("int64", "string") for transform in ("NONE", "SOFTMAX", "LOGISTIC")]


@special("LinearRegressor")
def linear_regressor(version):
    return [case(numbers(4, 3), targets=2, coefficients=[0.5, -1.0, 0.25, 1.0, 0.5, -0.5],
                 intercepts=[0.5, -0.5])]


@special("Normalizer")
def normalizer(version):
    return [case(positive(4, 3), label=norm, norm=norm) for norm in ("MAX", "L1", "L2")]


@special("OneHotEncoder")
def one_hot_encoder(version):
    return [case([0, 2, 5], label="integers", cats_int64s=[0, 1, 2],
                 types={"T": ["int64", "int32", "float32", "float64"]}),
            case([0, 2, 5], label="text", cats_strings=["0", "1", "2"], types={"T": ["string"]})]


@special("SVMClassifier")
def svm_classifier(version):
    vectors = dict(kernel_type="RBF", kernel_params=[0.5, 0.0, 3.0], vectors_per_class=[2, 1],
                   support_vectors=[0.5, 1.0, -1.0, 0.25, 2.0, -2.0], rho=[0.25],
                   coefficients=[1.0, 0.5, -1.5])
    return [case(numbers(4, 2), outputs=2, label=kind, types={"T2": [kind]}, **vectors,
                 **({"classlabels_ints": [3, 5]} if kind == "int64"
                    else {"classlabels_strings": ["a", "b"]}))
            for kind in ("int64", "string")]


@special("SVMRegressor")
def svm_regressor(version):
    return [case(numbers(4, 2), kernel_type="RBF", kernel_params=[0.5, 0.0, 3.0], n_supports=3,
                 support_vectors=[0.5, 1.0, -1.0, 0.25, 2.0, -2.0], rho=[0.25],
                 coefficients=[1.0, 0.5, -1.5])]


@special("Scaler")
def scaler(version):
    return [case(numbers(4, 3), scale=[0.5, 2.0, 1.5], offset=[1.0, -1.0, 0.5])]


NODES = dict(
    nodes_treeids=[0, 0, 0, 0, 0], nodes_nodeids=[0, 1, 2, 3, 4], nodes_featureids=[0, 1, 0, 0, 0],
    nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF"],
    nodes_truenodeids=[1, 3, 0, 0, 0], nodes_falsenodeids=[2, 4, 0, 0, 0])
VALUES = [0.5, -0.25, 0.0, 0.0, 0.0]


def doubles(values):
    return helper.make_tensor("t", TensorProto.DOUBLE, [len(values)], values)


@special("TreeEnsembleRegressor")
def tree_ensemble_regressor(version):
    leaves = dict(target_treeids=[0, 0, 0], target_nodeids=[2, 3, 4], target_ids=[0, 0, 0],
                  n_targets=1)
    found = [case(numbers(6, 2), nodes_values=VALUES, target_weights=[1.5, -2.0, 0.25], **NODES,
                  **leaves)]
    if version >= 3:
        found.append(case(
            numbers(6, 2), label="doubles", nodes_values_as_tensor=doubles(VALUES),
            target_weights_as_tensor=doubles([1.5, -2.0, 0.1]), types={"T": ["float64"]},
            **NODES, **leaves))
    return found


@special("TreeEnsembleClassifier")
def tree_ensemble_classifier(version):
    leaves = dict(class_treeids=[0, 0, 0], class_nodeids=[2, 3, 4], class_ids=[0, 1, 2])
    weights = [1.0, 0.75, 0.5]
    found = []
    for kind in ("int64", "string"):
        classes = ({"classlabels_int64s": [3, 5, 7]} if kind == "int64"
                   else {"classlabels_strings": ["a", "b", "c"]})
        found.append(case(numbers(6, 2), outputs=2, label=kind, types={"T2": [kind]},
                          nodes_values=VALUES, class_weights=weights, **NODES, **leaves, **classes))
        if version >= 3:
            found.append(case(
                numbers(6, 2), outputs=2, label=f"{kind} doubles",
                types={"T1": ["float64"], "T2": [kind]}, nodes_values_as_tensor=doubles(VALUES),
                class_weights_as_tensor=doubles(weights), **NODES, **leaves, **classes))
    return found


@special("TreeEnsemble")
def tree_ensemble(version):
    def tensor(values):
        kinds = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE,
                 "float16": TensorProto.FLOAT16}
        return lambda made: helper.make_tensor("t", kinds[made.types["T"]], [len(values)], values)

    return [case(
        numbers(6, 2), n_targets=2, tree_roots=[0], aggregate_function=1, post_transform=0,
        nodes_featureids=[0, 1], nodes_splits=tensor([0.5, -0.25]),
        nodes_modes=lambda made: helper.make_tensor("m", TensorProto.UINT8, [2], [0, 0]),
        nodes_truenodeids=[1, 0], nodes_trueleafs=[0, 1], nodes_falsenodeids=[2, 1],
        nodes_falseleafs=[1, 1], leaf_targetids=[0, 1, 0], leaf_weights=tensor([1.5, -2.0, 0.25]))]


@special("ZipMap")
def zip_map(version):
    return [case(numbers(3, 2), label="integers", types={"T": ["int64"]}, output_types=("maps",),
                 classlabels_int64s=[3, 5]),
            case(numbers(3, 2), label="text", types={"T": ["string"]}, output_types=("maps",),
                 classlabels_strings=["a", "b"])]


# Text.


@special("StringNormalizer")
def string_normalizer(version):
    return [case([1, 2, 3], label="stop words", stopwords=["2"]),
            case([1, 2, 3], label="upper", case_change_action="UPPER", locale="C")]


@special("StringSplit")
def string_split(version):
    return [case([1, 2.5, 3], outputs=2, output_types=("string", "int64"), delimiter=".")]


@special("TfIdfVectorizer")
def tf_idf_vectorizer(version):
    pool = dict(mode="TF", min_gram_length=1, max_gram_length=2, max_skip_count=0,
                ngram_counts=[0, 2], ngram_indexes=[0, 1, 2])
    return [case([[1, 2, 1, 3]], label="integers", types={"T": ["int32", "int64"]},
                 pool_int64s=[1, 2, 2, 1], **pool),
            case([[1, 2, 1, 3]], label="text", types={"T": ["string"]},
                 pool_strings=["1", "2", "2", "1"], **pool)]


# Products, convolutions, pools.


@special("MatMul")
def matmul(version):
    return [case(numbers(3, 5), numbers(5, 4)),
            case(numbers(2, 3, 5), numbers(2, 5, 4), label="batches"),
            case(numbers(3, 5), numbers(5), label="vector")]


@special("Gemm")
def gemm(version):
    found = [case(numbers(3, 5), numbers(5, 4), numbers(4)),
             case(numbers(5, 3), numbers(4, 5), numbers(3, 4), label="given", transA=1, transB=1,
                  alpha=2.0, beta=3.0)]
    if version >= 11:
        found.append(case(numbers(3, 5), numbers(5, 4), label="without bias"))
    return found


@special("Einsum")
def einsum(version):
    return [case(numbers(3, 5), numbers(5, 4), label="product", equation="ij,jk->ik"),
            case(numbers(3, 4), label="sum", equation="ij->j"),
            case(numbers(3, 3), label="diagonal", equation="ii->i"),
            case(numbers(2, 3, 4), label="moved", equation="ijk->kij")]


@special("Det")
def determinant(version):
    return [case(numbers(2, 3, 3), tolerance=(1e-3, 1e-3))]


@special("Conv")
def conv(version):
    return [case(numbers(2, 3, 6, 6), fractions(4, 3, 3, 3), fractions(4), pads=[1, 1, 1, 1]),
            case(numbers(2, 4, 6, 6), fractions(4, 1, 3, 3), label="depthwise", group=4,
                 strides=[2, 2]),
            case(numbers(2, 3, 9), fractions(4, 3, 3), label="line", dilations=[2])]


@special("ConvTranspose")
def conv_transpose(version):
    return [case(numbers(2, 3, 4, 4), fractions(3, 4, 3, 3), fractions(4), strides=[2, 2])]


@special("ConvInteger")
def conv_integer(version):
    return [case(whole(1, 2, 5, 5), whole(3, 2, 3, 3)),
            case(whole(1, 2, 5, 5), whole(3, 2, 3, 3), np.array(1), np.array(2), label="zeros",
                 constant=(3,))]


@special("MatMulInteger")
def matmul_integer(version):
    return [case(whole(3, 4), whole(4, 5)),
            case(whole(3, 4), whole(4, 5), np.array(1), np.array(2), label="zeros", constant=(3,))]


@special("QLinearConv")
def qlinear_conv(version):
    return [case(whole(1, 2, 5, 5), np.array(0.5), np.array(1), whole(3, 2, 3, 3), np.array(0.25),
                 np.array(0), np.array(0.5), np.array(2), whole(3), constant=(1, 2, 4, 5, 6, 7, 8))]


@special("QLinearMatMul")
def qlinear_matmul(version):
    return [case(whole(3, 4), np.array(0.5), np.array(1), whole(4, 5), np.array(0.25), np.array(0),
                 np.array(0.5), np.array(2), constant=(1, 2, 4, 5, 6, 7))]


@special("QuantizeLinear")
def quantize_linear(version):
    found = [case(numbers(3, 4), np.array(0.5), np.array(1), label="one", constant=(1, 2)),
             case(numbers(3, 4), np.array(0.5), label="without zero", constant=(1,),
                  types={"T3": ["uint8"], "T2": ["uint8"] if version < 19 else
                         ["float32", "float16"]})]
    if version >= 13:
        found.append(case(numbers(3, 4), positive(3), [0, 1, 0], label="by axis", axis=0,
                          constant=(1, 2)))
    if version >= 21:
        found.append(case(numbers(3, 4), positive(3, 2), np.zeros((3, 2)), label="by block",
                          axis=1, block_size=2, constant=(1, 2)))
    return found


@special("DequantizeLinear")
def dequantize_linear(version):
    found = [case(whole(3, 4), np.array(0.5), np.array(0), label="one", constant=(1, 2)),
             case(whole(3, 4), np.array(0.5), label="without zero", constant=(1,))]
    if version >= 13:
        found.append(case(whole(3, 4), positive(3), np.zeros(3), label="by axis", axis=0,
                          constant=(1, 2)))
    if version >= 21:
        found.append(case(whole(3, 4), positive(3, 2), np.zeros((3, 2)), label="by block", axis=1,
                          block_size=2, constant=(1, 2)))
    return found


@special("DynamicQuantizeLinear")
def dynamic_quantize_linear(version):
    return [case(numbers(3, 4), outputs=3)]


def pool(version, places=False):
    found = [case(numbers(2, 2, 6, 6), kernel_shape=[2, 2], strides=[2, 2], outputs=1),
             case(numbers(2, 2, 7), label="line", kernel_shape=[3]),
             case(numbers(2, 2, 6, 6), label="padded", kernel_shape=[3, 3], pads=[1, 1, 1, 1])]
    if places:
        found.append(case(distinct(2, 2, 6, 6), label="places", outputs=2, kernel_shape=[2, 2]))
    return found


@special("AveragePool", "LpPool")
def average_pool(version):
    return pool(version)


@special("MaxPool")
def max_pool(version):
    return pool(version, places=version >= 8)


@special("GlobalLpPool")
def global_lp_pool(version):
    return [case(numbers(2, 2, 4, 4)), case(numbers(2, 2, 4, 4), label="p 1", p=1)]


# Activations and normalizations with more inputs.


@special("PRelu")
def prelu(version):
    return [case(numbers(2, 3, 4), positive(3, 1)), case(numbers(2, 3), positive(1), label="one")]


@special("Clip")
def clip(version):
    if version < 11:
        return [case(numbers(3, 7), min=-1.0, max=2.0)]
    return [case(whole(3, 7), np.array(1), np.array(3)),
            case(whole(3, 7), None, np.array(2), label="above"),
            case(whole(3, 7), np.array(1), label="below")]


@special("BatchNormalization")
def batch_normalization(version):
    return [case(numbers(2, 3, 4), positive(3), numbers(3), numbers(3), positive(3))]


@special("InstanceNormalization")
def instance_normalization(version):
    return [case(numbers(2, 3, 8), positive(3), numbers(3))]


@special("GroupNormalization")
def group_normalization(version):
    count = 2 if version < 21 else 4
    # From version 21 on in float by definition.
    return [case(numbers(2, 4, 6), positive(count), numbers(count), num_groups=2,
                 tolerance=(2e-3, 1e-3) if version < 21 else (1e-5, 1e-5))]


@special("LayerNormalization")
def layer_normalization(version):
    return [case(numbers(3, 8), positive(8), numbers(8), types={"U": ["float32"]}),
            case(numbers(3, 8), positive(8), label="moments", outputs=3, types={"U": ["float32"]})]


@special("RMSNormalization")
def rms_normalization(version):
    return [case(numbers(3, 8), positive(8))]


@special("LRN")
def lrn(version):
    return [case(numbers(2, 5, 3, 3), size=3)]


@special("LpNormalization")
def lp_normalization(version):
    return [case(positive(3, 5), label=f"p {p}", p=p, axis=1) for p in (1, 2)]


@special("MeanVarianceNormalization")
def mean_variance_normalization(version):
    return [case(numbers(2, 3, 4, 4)), case(numbers(3, 8), label="axis", axes=[1])]


@special("Softmax", "LogSoftmax", "Hardmax")
def softmax(version):
    return [case(numbers(3, 7), label="default"), case(numbers(2, 3, 4), label="axis", axis=1)]


@special("Dropout")
def dropout(version):
    found = [case(numbers(3, 7))]
    if version >= 10:
        found.append(case(numbers(3, 7), label="mask", outputs=2,
                          output_types=() if version >= 12 else ()))
    if version >= 12:
        found.append(case(numbers(3, 7), np.array(0.5), np.array(-1.0), label="not training"))
    return found


@special("Pow")
def power(version):
    return [case(positive(3, 5), whole(5) % 4, label="row"),
            case(positive(3, 5), np.array(2), label="square"),
            case(positive(3, 5), np.array(3), label="cube", constant=(1,))]


@special("Mod")
def remainder(version):
    floats = ["float32", "float64", "float16", "bfloat16"]
    integers = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
    return [case(whole(3, 7), positive(7), label="of C", fmod=1),
            case(whole(3, 7), positive(7), label="of Python", types={"T": integers}),
            case(numbers(3, 7), positive(7), label="of Python, floats", types={"T": floats})]


@special("BitShift")
def bit_shift(version):
    return [case(whole(3, 7), whole(7) % 4, label=direction, direction=direction)
            for direction in ("LEFT", "RIGHT")]


@special("CumSum", "CumProd")
def cumulate(version):
    return [case(whole(3, 5), np.array(1)),
            case(whole(3, 5), np.array(0), label="given", reverse=1, exclusive=1)]


# Shapes.


@special("Cast")
def casts(version):
    def to(made):
        return onnx_type(made.types["T2"])

    plain = ["bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64",
             "float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e4m3fnuz",
             "float8_e5m2", "float8_e5m2fnuz", "int4", "uint4", "int2", "uint2",
             "float8_e8m0fnu", "float4_e2m1fn"]
    # ONNX Runtime makes no bytes of text with a point or a sign.
    return [case(numbers(3, 5), types={"T1": plain}, to=to),
            case(np.abs(whole(3, 5)), label="text", types={"T1": ["string"]}, to=to)]


@special("CastLike")
def cast_like(version):
    plain = [kind for kind in casts(version)[0].types["T1"]]
    return [case(numbers(3, 5), numbers(1), types={"T1": plain}, constant=(1,)),
            case(np.abs(whole(3, 5)), numbers(1), label="text", types={"T1": ["string"]},
                 constant=(1,))]


@special("Constant")
def constants(version):
    def value(made):
        kind = made.types["T"]
        return constant(cast([[0, 1, 2], [3, 4, 5]], kind), "value")

    found = [case(value=value)]
    if version >= 12:
        for label, kind, given in (
                ("float", "float32", {"value_float": 1.5}), ("int", "int64", {"value_int": 7}),
                ("floats", "float32", {"value_floats": [1.5, 2.5]}),
                ("ints", "int64", {"value_ints": [7, 8]}),
                ("text", "string", {"value_string": "a"}),
                ("texts", "string", {"value_strings": ["a", "b"]})):
            found.append(case(label=label, types={"T": [kind]}, **given))
    return found


@special("ConstantOfShape")
def constant_of_shape(version):
    def value(made):
        return constant(cast([3], made.types["T2"]), "value")

    return [case([2, 3], label="value", value=value),
            case([2, 3], label="zero", types={"T2": ["float32"]})]


@special("Shape")
def shape(version):
    found = [case(numbers(2, 3, 4))]
    return found if version < 15 else found + [case(numbers(2, 3, 4), label="part", start=1)]


@special("Reshape")
def reshape(version):
    return [case(numbers(2, 6), [3, -1])]


@special("Flatten")
def flatten(version):
    return [case(numbers(2, 3, 4))]


@special("Squeeze")
def squeeze(version):
    if version < 13:
        return [case(numbers(2, 1, 4), axes=[1])]
    return [case(numbers(2, 1, 4), [1]), case(numbers(2, 1, 4), label="all")]


@special("Unsqueeze")
def unsqueeze(version):
    if version < 13:
        return [case(numbers(2, 4), axes=[1])]
    return [case(numbers(2, 4), [1])]


@special("Transpose")
def transpose(version):
    return [case(numbers(2, 3, 4), perm=[2, 0, 1])]


@special("Concat")
def concat(version):
    return [case(numbers(2, 3), numbers(2, 4), axis=1)]


@special("Split")
def split(version):
    more = {"num_outputs": 2} if version >= 18 else {}
    found = [case(numbers(2, 6), label="even", outputs=2, axis=1, **more)]
    if version < 13:
        found.append(case(numbers(2, 6), label="sizes", outputs=2, axis=1, split=[2, 4]))
    else:
        found.append(case(numbers(2, 6), [2, 4], label="sizes", outputs=2, axis=1))
    return found


@special("Slice")
def slices(version):
    if version < 10:
        return [case(numbers(4, 5), starts=[1, 0], ends=[3, 4], axes=[0, 1])]
    return [case(numbers(4, 5), [1, 0], [3, 5], [0, 1], [1, 2])]


@special("Expand")
def expand(version):
    return [case(numbers(3, 1), [2, 3, 4])]


@special("Tile")
def tile(version):
    return [case(numbers(2, 3), [2, 2])]


@special("Pad")
def pad(version):
    found = []
    for mode in ("constant", "reflect", "edge") + (("wrap",) if version >= 19 else ()):
        if version < 11:
            found.append(case(numbers(3, 4), label=mode, mode=mode, pads=[1, 1, 0, 2]))
        else:
            found.append(case(numbers(3, 4), [1, 1, 0, 2], label=mode, mode=mode))
    if version >= 11:
        found.append(case(numbers(3, 4), [1, 1, 0, 2], np.array(3), label="value"))
    if version >= 18:
        found.append(case(numbers(3, 4), [1, 2], None, [1], label="axes"))
    return found


@special("DepthToSpace")
def depth_to_space(version):
    found = [case(numbers(1, 8, 2, 3), blocksize=2)]
    if version >= 11:
        found.append(case(numbers(1, 8, 2, 3), label="CRD", blocksize=2, mode="CRD"))
    return found


@special("SpaceToDepth")
def space_to_depth(version):
    return [case(numbers(1, 2, 4, 6), blocksize=2)]


@special("EyeLike")
def eye_like(version):
    def to(made):
        return onnx_type(made.types["T2"])

    return [case(numbers(3, 4), dtype=to)]


@special("Range")
def ranges(version):
    return [case(np.array(1), np.array(9), np.array(2))]


@special("Trilu")
def trilu(version):
    return [case(numbers(3, 4)), case(numbers(3, 4), np.array(1), label="lower", upper=0)]


@special("OneHot")
def one_hot(version):
    return [case([0, 2, 1], np.array(3), [0, 5])]


# Picking and placing.


@special("Gather")
def gather(version):
    return [case(numbers(3, 4), [[0, 2], [1, 1]], axis=1)]


@special("GatherElements")
def gather_elements(version):
    return [case(numbers(3, 4), [[0, 2], [1, 1]], axis=1)]


@special("GatherND")
def gather_nd(version):
    found = [case(numbers(3, 4), [[0, 2], [1, 1]])]
    if version >= 12:
        found.append(case(numbers(2, 3, 4), [[1], [0]], label="batches", batch_dims=1))
    return found


def reductions(version):
    return [] if version < 16 else ["add", "mul"] + ([] if version < 18 else ["min", "max"])


@special("Scatter", "ScatterElements")
def scatter_elements(version):
    found = [case(whole(3, 4), [[0, 2], [1, 3]], whole(2, 2), axis=1)]
    for reduction in reductions(version) if version not in (9, 11) else []:
        found.append(case(whole(3, 4), [[0, 0], [1, 3]], whole(2, 2), axis=1, label=reduction,
                          reduction=reduction))
    return found


@special("ScatterND")
def scatter_nd(version):
    found = [case(whole(3, 4), [[0], [2]], whole(2, 4))]
    for reduction in reductions(version):
        found.append(case(whole(3, 4), [[0], [0]], whole(2, 4), label=reduction,
                          reduction=reduction))
    return found


@special("Compress")
def compress(version):
    return [case(numbers(3, 4), [1, -1, 1], axis=0), case(numbers(3, 4), [1, -1, 1], label="flat")]


@special("Where")
def where(version):
    return [case(whole(3, 4), numbers(3, 4), numbers(4))]


@special("TopK")
def top_k(version):
    if version < 10:
        return [case(distinct(3, 7), outputs=2, k=3)]
    found = [case(distinct(3, 7), [3], outputs=2)]
    if version >= 11:
        found.append(case(distinct(3, 7), [3], label="smallest", outputs=2, largest=0, axis=0))
    return found


@special("Unique")
def unique(version):
    return [case(whole(9), outputs=4), case(whole(9), label="unsorted", outputs=4, sorted=0),
            case(whole(4, 2) % 2, label="axis", outputs=4, axis=0)]


@special("NonMaxSuppression")
def non_max_suppression(version):
    boxes = [[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, 2, 1, 3]]]
    return [case(boxes, [[[0.9, 0.75, 0.6]]], [3], [0.5], [0.0])]


@special("ReverseSequence")
def reverse_sequence(version):
    return [case(numbers(4, 2, 3), [2, 4])]


@special("Resize")
def resize(version):
    found = []
    square = bytes_of(1, 2, 4, 4)
    double, half, odd = [1, 1, 2, 2], [1, 1, 0.5, 0.5], [1, 1, 1.7, 2.3]
    if version == 10:
        return [case(bytes_of(1, 2, 4, 4), scales, label=f"{mode} {scales[3]}", mode=mode)
                for mode in ("nearest", "linear") for scales in (double, half)]

    def add(label, *inputs, **attributes):
        # Of numbers up to 127, and some sums are near 0.
        found.append(case(*inputs, label=label, constant=(1, 2, 3), types={"T2": ["float32"]},
                          tolerance=(1e-5, 1e-4), **attributes))

    for mode in ("nearest", "linear", "cubic"):
        for scales in (double, half, odd):
            add(f"{mode} {scales[3]}", square, np.zeros(0), scales, mode=mode)
        transforms = ["align_corners", "asymmetric", "pytorch_half_pixel"]
        if version >= 19:
            transforms.append("half_pixel_symmetric")
        for transform in transforms:
            add(f"{mode} {transform}", square, np.zeros(0), np.zeros(0), [1, 2, 7, 5], mode=mode,
                coordinate_transformation_mode=transform)
    crop = {"coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 3.0}
    for mode in ("nearest", "linear", "cubic"):
        roi = [0, 0, 0.2, 0.2, 1, 1, 0.8, 1.2]
        add(f"{mode} crop", square, roi, np.zeros(0), [1, 2, 5, 5], mode=mode, **crop)
        add(f"{mode} crop of one axis", square, roi, np.zeros(0), [1, 2, 4, 5], mode=mode, **crop)
        add(f"{mode} crop without a scale", square, roi, np.zeros(0), [1, 2, 4, 4], mode=mode,
            **crop)
        add(f"{mode} corners of a fraction", square, np.zeros(0), odd, mode=mode,
            coordinate_transformation_mode="align_corners")
    for mode in ("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"):
        for label, shape, scales in (
                ("images", (2, 5, 7, 3), [1, 1.7, 2.3, 1]), ("channels", (2, 3, 5, 7), odd),
                ("one image", (5, 7), [1.7, 2.3]), ("a stack", (3, 5, 7), [1.5, 1.7, 2.3]),
                ("volumes", (1, 2, 3, 4, 5), [1, 1, 1.5, 1.7, 2.3])):
            add(f"linear {label} {mode}", bytes_of(*shape), np.zeros(0), scales, mode="linear",
                coordinate_transformation_mode=mode)
    add("linear 4 axes", numbers(2, 3, 4, 4), np.zeros(0), [2, 2, 2, 2], mode="linear")
    if version >= 18:
        for mode in ("linear", "cubic"):
            add(f"{mode} antialias", square, np.zeros(0), half, mode=mode, antialias=1)
            add(f"{mode} antialias of channels last", bytes_of(2, 9, 7, 3), np.zeros(0),
                [1, 0.6, 0.4, 1], mode=mode, antialias=1)
            add(f"{mode} antialias of an image", bytes_of(9, 7), np.zeros(0), [0.6, 1.5], mode=mode,
                antialias=1, coordinate_transformation_mode="align_corners")
            add(f"{mode} antialias without the outside", bytes_of(1, 2, 9, 7), np.zeros(0),
                np.zeros(0), [1, 2, 4, 7], mode=mode, antialias=1, exclude_outside=1)
            for transform in transforms:
                add(f"{mode} antialias {transform}", bytes_of(1, 2, 9, 7), np.zeros(0),
                    np.zeros(0), [1, 2, 4, 8], mode=mode, antialias=1,
                    coordinate_transformation_mode=transform)
    return found


@special("Upsample")
def upsample(version):
    square = numbers(1, 2, 4, 4)
    if version < 9:
        return [case(square, label=mode, mode=mode, scales=[1.0, 1.0, 2.0, 2.0])
                for mode in ("nearest", "linear")]
    return [case(square, [1, 1, 2, 2], label=mode, mode=mode, constant=(1,))
            for mode in ("nearest", "linear")]


@special("GridSample")
def grid_sample(version):
    modes = ("bilinear", "nearest", "bicubic") if version < 20 else ("linear", "nearest", "cubic")
    found = [case(numbers(2, 2, 4, 4), fractions(2, 3, 3, 2), label=f"{mode} {padding}", mode=mode,
                  padding_mode=padding)
             for mode in modes for padding in ("zeros", "border", "reflection")]
    if version >= 20:
        found.append(case(numbers(1, 2, 3, 4, 4), fractions(1, 2, 3, 3, 3), label="volume"))
    return found


# Recurrent networks and attention.


def recurrent(gates, states):
    def make(version):
        weights = [fractions(1, gates * 4, 3), fractions(1, gates * 4, 4), fractions(1, gates * 8)]
        return [case(fractions(5, 2, 3), *weights, outputs=2 + (states == 2), hidden_size=4,
                     tolerance=(2e-3, 1e-3)),
                case(fractions(5, 2, 3), *weights, [5, 3], *[fractions(1, 2, 4)] * states,
                     label="states", outputs=2 + (states == 2), hidden_size=4,
                     tolerance=(2e-3, 1e-3))]
    return make


SPECIAL["LSTM"] = recurrent(4, 2)
SPECIAL["GRU"] = recurrent(3, 1)
SPECIAL["RNN"] = recurrent(1, 1)


@special("Attention")
def attention(version):
    query, key, value = fractions(2, 2, 3, 8), fractions(2, 2, 4, 8), fractions(2, 2, 4, 8)
    near = (2e-3, 1e-3)
    return [case(query, key, value, tolerance=near),
            case(query, key, value, label="causal", is_causal=1, tolerance=near),
            case(query, key, value, label="softmax in float", softmax_precision=1, tolerance=near),
            case(query, key, value, numbers(3, 4), label="mask", tolerance=near,
                 types={"U": ["float32", "float16", "bfloat16", "float64", "bool"]}),
            case(query, key, value, None, fractions(2, 2, 5, 8), fractions(2, 2, 5, 8),
                 label="past", outputs=3, tolerance=near),
            case(fractions(2, 3, 16), fractions(2, 4, 8), fractions(2, 4, 8), label="grouped",
                 q_num_heads=4, kv_num_heads=2, outputs=4, softcap=2.0, tolerance=near)]


@special("RotaryEmbedding")
def rotary_embedding(version):
    return [case(fractions(2, 2, 3, 8), fractions(5, 4), fractions(5, 4), [[0, 1, 2], [2, 3, 4]]),
            case(fractions(2, 3, 16), fractions(2, 3, 4), fractions(2, 3, 4), label="flat",
                 num_heads=2, interleaved=1)]


# Branches and loops.


def branch(name):
    def make(made):
        kind = made.types["V"]
        value = constant(cast(whole(2, 3), kind), name)
        return helper.make_graph(
            [helper.make_node("Constant", [], [name], value=value)], name, [],
            [helper.make_tensor_value_info(name, value.data_type, [2, 3])])
    return make


@special("If")
def branches(version):
    return [case(np.array(1), then_branch=branch("a"), else_branch=branch("b"))]


def loop_body(made):
    kind = onnx_type(made.types["V"])
    return helper.make_graph(
        [helper.make_node("Identity", ["condition"], ["goes_on"]),
         helper.make_node("Identity", ["state"], ["next"]),
         helper.make_node("Identity", ["state"], ["kept"])], "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []),
         helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
         helper.make_tensor_value_info("state", kind, [3])],
        [helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("next", kind, [3]),
         helper.make_tensor_value_info("kept", kind, [3])])


@special("Loop")
def loop(version):
    return [case(np.array(3), np.array(1), numbers(3), outputs=2, body=loop_body),
            case(np.array(0), np.array(1), numbers(3), label="no turn", outputs=2, body=loop_body)]


def scan_body(made):
    kind = onnx_type(made.types["V"])
    return helper.make_graph(
        [helper.make_node("Identity", ["element"], ["next"]),
         helper.make_node("Identity", ["state"], ["kept"])], "body",
        [helper.make_tensor_value_info("state", kind, [3]),
         helper.make_tensor_value_info("element", kind, [3])],
        [helper.make_tensor_value_info("next", kind, [3]),
         helper.make_tensor_value_info("kept", kind, [3])])


@special("Scan")
def scan(version):
    if version < 9:
        return [case(None, numbers(1, 3), numbers(1, 4, 3), outputs=2, num_scan_inputs=1,
                     body=scan_body)]
    return [case(numbers(3), numbers(4, 3), outputs=2, num_scan_inputs=1, body=scan_body)]
