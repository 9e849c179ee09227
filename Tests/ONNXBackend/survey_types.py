"""Element types by each of their names, and the numbers of a template in each of them."""

import re

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper, numpy_helper

# Element types by the names that definitions have for them, and those of numpy.
DTYPES = {
    "float": "float32", "double": "float64", "float8e4m3fn": "float8_e4m3fn",
    "float8e4m3fnuz": "float8_e4m3fnuz", "float8e5m2": "float8_e5m2",
    "float8e5m2fnuz": "float8_e5m2fnuz", "float8e8m0": "float8_e8m0fnu",
    "float4e2m1": "float4_e2m1fn", "float6e2m3": "float6_e2m3fn", "float6e3m2": "float6_e3m2fn",
}
ONNX_TYPES = {
    "float32": "FLOAT", "float64": "DOUBLE", "float8_e4m3fn": "FLOAT8E4M3FN",
    "float8_e4m3fnuz": "FLOAT8E4M3FNUZ", "float8_e5m2": "FLOAT8E5M2",
    "float8_e5m2fnuz": "FLOAT8E5M2FNUZ", "float8_e8m0fnu": "FLOAT8E8M0",
    "float4_e2m1fn": "FLOAT4E2M1", "float6_e2m3fn": "FLOAT6E2M3", "float6_e3m2fn": "FLOAT6E3M2",
}
# Types that have less than a byte an element: bits and whether they have a sign.
BITS = {"int4": 4, "uint4": 4, "int2": 2, "uint2": 2, "float4_e2m1fn": 4}


def onnx_type(name):
    return getattr(TensorProto, ONNX_TYPES.get(name, name.upper()))


def dtype(name):
    return np.dtype(object) if name == "string" else np.dtype(getattr(ml_dtypes, name, name))


def element_types(allowed):
    """The element types of a type parameter; sequences and optionals are not run here."""
    found = [re.fullmatch(r"tensor\((\w+)\)", text) for text in allowed]
    names = [match[1] for match in found if match]
    return [DTYPES.get(name, name) for name in names if not name.startswith("complex")]


def cast(template, name):
    """The numbers of a template in a type: rounded, without a sign, true where positive."""
    template = np.asarray(template, np.float64)
    if name == "string":
        items = np.empty(template.shape, object)
        for place, value in np.ndenumerate(template):
            items[place] = f"{value:g}"
        return items
    if name == "bool":
        return template > 0
    if name in BITS and "int" in name:
        top = 2 ** (BITS[name] - (not name.startswith("u")))
        low = 0 if name.startswith("u") else -top
        return np.clip(np.rint(template), low, top - 1).astype(dtype(name))
    if name.startswith("uint"):
        template = np.abs(template)
    if "int" in name and "fn" not in name:
        template = np.rint(template)
    return template.astype(np.float32 if name.startswith(("float8", "float6", "float4")) else np.float64
                           ).astype(dtype(name))


def name_of(array):
    return "string" if array.dtype == object else array.dtype.name


def constant(array, name):
    if array.dtype == object:
        return helper.make_tensor(
            name, TensorProto.STRING, array.shape, [text.encode() for text in array.reshape(-1)])
    return numpy_helper.from_array(array, name)
