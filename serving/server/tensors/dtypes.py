"""TensorFlow's dtypes as numbers, names and numpy types, without importing TensorFlow.

The numbers are those of tensorflow/core/framework/types.proto, the names those of `DataTypeString`.
"""

from __future__ import annotations

import numpy as np

FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING, COMPLEX64, INT64, BOOL = range(1, 11)
BFLOAT16, UINT16, COMPLEX128, HALF, RESOURCE, VARIANT, UINT32, UINT64 = 14, 17, 18, 19, 20, 21, 22, 23

NAMES: dict[int, str] = {
    0: "INVALID",
    FLOAT: "float",
    DOUBLE: "double",
    INT32: "int32",
    UINT8: "uint8",
    INT16: "int16",
    INT8: "int8",
    STRING: "string",
    COMPLEX64: "complex64",
    INT64: "int64",
    BOOL: "bool",
    11: "qint8",
    12: "quint8",
    13: "qint32",
    BFLOAT16: "bfloat16",
    15: "qint16",
    16: "quint16",
    UINT16: "uint16",
    COMPLEX128: "complex128",
    HALF: "half",
    RESOURCE: "resource",
    VARIANT: "variant",
    UINT32: "uint32",
    UINT64: "uint64",
}

NUMPY: dict[int, np.dtype] = {
    FLOAT: np.dtype(np.float32),
    DOUBLE: np.dtype(np.float64),
    INT32: np.dtype(np.int32),
    UINT8: np.dtype(np.uint8),
    INT16: np.dtype(np.int16),
    INT8: np.dtype(np.int8),
    STRING: np.dtype(object),
    COMPLEX64: np.dtype(np.complex64),
    INT64: np.dtype(np.int64),
    BOOL: np.dtype(np.bool_),
    UINT16: np.dtype(np.uint16),
    COMPLEX128: np.dtype(np.complex128),
    HALF: np.dtype(np.float16),
    UINT32: np.dtype(np.uint32),
    UINT64: np.dtype(np.uint64),
}
_NUMBER = {dtype: number for number, dtype in NUMPY.items()}

# JSON integers go through a 32-bit literal for these, as in json_tensor.cc's AddValueToTensor.
SMALL_INTS = frozenset((INT32, INT16, INT8, UINT8))


def name(dtype: int) -> str:
    """`DataTypeString` of a dtype number."""
    return NAMES.get(dtype, f"unknown dtype enum ({dtype})")


def number_of(array: np.ndarray) -> int:
    """The dtype number of a numpy array; objects and fixed-length strings are DT_STRING."""
    number = _NUMBER.get(array.dtype)
    if number is not None:
        return number
    if array.dtype.kind in "SU":
        return STRING
    return BFLOAT16 if array.dtype.name == "bfloat16" else 0
