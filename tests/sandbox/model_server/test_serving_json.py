"""Tensors and examples in JSON, in TF Serving's words."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from model_server.errors import Code, ServingError
from model_server.examples import format_classifications, format_regressions, parse_examples
from model_server.jsontext import decimal, parse
from model_server.outputs import format_outputs
from model_server.tensors import TensorInfo, fill_inputs, signature_name, to_array

X = {"x": TensorInfo("x", "float32", (-1, 2))}
IMAGES = {"raw": TensorInfo("raw", "string", (-1,))}
TWO = {"a": TensorInfo("a", "int64", (-1,)), "b": TensorInfo("b", "bool", (-1,))}


def inputs(body: Any, infos: Any = X) -> dict[str, np.ndarray]:
    return fill_inputs(parse(json.dumps(body).encode()), infos)[0]


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(ServingError) as caught:
        call(*arguments)
    assert caught.value.code is Code.INVALID_ARGUMENT
    return caught.value.message


def test_rows_and_columns_give_the_same_tensor() -> None:
    rows = inputs({"instances": [[1, 2], [3, 4.5]]})["x"]
    assert rows.dtype == np.float32
    assert rows.tolist() == inputs({"inputs": [[1, 2], [3, 4.5]]})["x"].tolist() == [[1, 2], [3, 4.5]]
    both = inputs({"instances": [{"a": 1, "b": True}, {"a": 2, "b": False}]}, TWO)
    assert (both["a"].tolist(), both["b"].tolist()) == ([1, 2], [True, False])


@pytest.mark.parametrize("text", ["aGk=", "aGk", " aG\nk= "])
def test_bytes_come_in_base64(text: str) -> None:
    assert inputs({"instances": [{"b64": text}]}, IMAGES)["raw"].tolist() == [b"hi"]
    assert inputs({"inputs": {"b64": text}}, IMAGES)["raw"].tolist() == b"hi"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b"  ", "The document is empty. at offset: 2"),
        (b"nonsense", "Invalid value. at offset: 0"),
        ('{"ü": }'.encode(), "Invalid value. at offset: 7"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b"{1: 2}", "Missing a name for object member. at offset: 1"),
        (b'{"a": 1 "b"}', "Missing a comma or } after an object member. at offset: 8"),
        (b'{"a": [1 "]"}', "Missing a comma or ] after an array element. at offset: 9"),
        (b'{"a', "Missing a closing quotation mark in string. at offset: 1"),
        (b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
        (b'{"a": "\\ud800"}', "The surrogate pair in string is invalid. at offset: 7"),
    ],
)
def test_what_is_no_json(body: bytes, message: str) -> None:
    assert refusal(parse, body) == f"JSON Parse error: {message}"


def test_what_is_no_request() -> None:
    assert refusal(parse, b"[1, 2]") == "JSON Value: [\n    1,\n    2\n] Is not object"
    assert refusal(inputs, {}) == "Missing 'inputs' or 'instances' key"
    assert refusal(inputs, {"instances": 1}) == (
        "JSON Value: {\n    \"instances\": 1\n} Excepting 'instances' to be an list/array"
    )
    assert (
        refusal(inputs, {"instances": []})
        == "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"
    )
    assert "expecting only one of 'inputs' or 'instances' keys to exist" in refusal(
        inputs, {"instances": [1], "inputs": [1]}
    )
    assert refusal(signature_name, {"signature_name": 5}).endswith(
        "'signature_name' key must be a string value."
    )


@given(
    st.sampled_from(["float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64"]),
    st.data(),
)
def test_arrays_survive_the_way_in(dtype: str, data: st.DataObject) -> None:
    shape = arrays.array_shapes(min_dims=0, max_dims=3, max_side=3) if dtype != "x" else st.just(())
    elements = (
        st.floats(width=32 if dtype == "float32" else 64)
        if dtype.startswith("float")
        else st.integers(0, 127)
    )
    array = data.draw(arrays.arrays(dtype, data.draw(shape), elements=elements))
    body = json.dumps({"inputs": array.tolist()}).encode()
    taken = fill_inputs(parse(body), {"x": TensorInfo("x", dtype, None)})[0]["x"]
    assert taken.dtype == array.dtype
    np.testing.assert_array_equal(taken, array)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["b64", "x"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(
    JSON_VALUES,
    st.sampled_from(["float32", "int32", "bool", "string"]),
    st.sampled_from(["instances", "inputs"]),
)
def test_any_value_is_taken_or_refused(value: Any, dtype: str, key: str) -> None:
    try:
        taken, _ = fill_inputs({key: value}, {"x": TensorInfo("x", dtype, None)})
    except ServingError as error:
        assert error.code is Code.INVALID_ARGUMENT
    else:
        assert taken["x"].dtype == (np.dtype(object) if dtype == "string" else np.dtype(dtype))


@given(st.floats(width=32))
def test_floats_survive_the_way_there_and_back(value: float) -> None:
    text = decimal(value, single=True)
    assert np.float32(json.loads(text)) == np.float32(value) or math.isnan(value)
    assert set(text) & set(".eNI"), "never to be taken for an integer"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1, "1.0"), (1e6, "1e+06"), (1 / 3, "0.333333343"), (123456, "123456.0"), (-0.0, "-0.0")],
)
def test_decimals_as_tf_serving_writes_them(value: float, text: str) -> None:
    assert decimal(value, single=True) == text


def test_outputs_in_both_formats() -> None:
    outputs = {
        "labels": np.array([[b"a", b"b"]], dtype=object),
        "p": np.array([[0.5, 1.0]], dtype=np.float32),
    }
    assert json.loads(format_outputs(outputs, row_format=True)) == {
        "predictions": [{"labels": ["a", "b"], "p": [0.5, 1.0]}]
    }
    assert json.loads(format_outputs(outputs, row_format=False)) == {
        "outputs": {"labels": [["a", "b"]], "p": [[0.5, 1.0]]}
    }
    raw = {"image_bytes": np.array([b"hi"], dtype=object)}
    assert format_outputs(raw, row_format=True) == (
        '{\n    "predictions": [{\n            "b64": "aGk="\n        }\n    ]\n}'
    )
    assert refusal(lambda: format_outputs({"a": np.array([1]), "b": np.array([1, 2])}, row_format=True)) == (
        "Tensor name: b has inconsistent batch size: 2 expecting: 1"
    )
    assert refusal(lambda: format_outputs({"a": np.array(1)}, row_format=True)) == (
        "Tensor name: a has no shape information "
    )
    assert refusal(lambda: format_outputs({"a": np.array([1j])}, row_format=True)) == (
        "Failed to write JSON value for tensor type: complex128"
    )


@given(
    arrays.arrays(
        st.sampled_from(["float32", "float64", "int64", "bool"]),
        arrays.array_shapes(min_dims=1, max_dims=3, max_side=3),
    ),
    st.booleans(),
)
def test_any_output_is_json(array: np.ndarray, row_format: bool) -> None:
    for outputs in ({"y": array}, {"y": array, "z": array}):
        body = json.loads(format_outputs(outputs, row_format=row_format))
        (value,) = body.values()
        if len(outputs) == 2:
            value = [row["z"] for row in value] if row_format else value["z"]
        taken = np.array(value).astype(array.dtype)
        np.testing.assert_array_equal(taken, array)


def test_numbers_that_are_too_large_or_of_another_type() -> None:
    whole = TensorInfo("x", "int64", None)
    assert refusal(to_array, 2**63, whole) == (
        "JSON Value: 9223372036854775808 Type: Number is not of expected type: int64"
    )
    assert refusal(to_array, [1, 2.5], whole) == "JSON Value: 2.5 Type: Number is not of expected type: int64"
    assert refusal(to_array, 10**400, TensorInfo("x", "float64", None)).endswith("without loss of precision.")
    assert to_array([300], TensorInfo("x", "uint8", None)).tolist() == [44], "as in int_val"
    with pytest.raises(ServingError) as caught:
        to_array(1.0, TensorInfo("x", "float16", None))
    assert caught.value.text == "UNIMPLEMENTED: Conversion of JSON Value: 1.0 to type: half"


def test_examples() -> None:
    request = parse_examples(
        {
            "signature_name": "s",
            "context": {"c": "x"},
            "examples": [{"a": 1, "b": [1.5, 2.5], "c": {"b64": "aGk="}, "d": True, "e": []}],
        }
    )
    assert (request.signature_name, request.context) == ("s", {"c": ("bytes", [b"x"])})
    assert request.examples == [
        {"a": ("int64", [1]), "b": ("float", [1.5, 2.5]), "c": ("bytes", [b"hi"]), "d": ("int64", [1]), "e": ("", [])}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "JSON Value: {} When method is classify, key 'examples' is expected and was not found"),
        ({"examples": 1}, "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
        ({"examples": [1]}, "Example must be JSON object but got JSON Number"),
        ({"examples": [{"a": [1, "x"]}]}, "Unexpected element type in feature: a expecting type: int64"),
        ({"examples": [{"a": None}]}, "Feature: a has element with unexpected JSON type: Null"),
        ({"examples": [{"a": [[1]]}]}, "Feature: a has element with unexpected JSON type: Array"),
        ({"examples": [{"a": 2**63}]}, "Feature: a has uint64 element. Only int64 is supported."),
    ],
)  # fmt: skip
def test_what_are_no_examples(body: Any, message: str) -> None:
    assert refusal(parse_examples, body) == message


def test_results() -> None:
    assert format_classifications([[("a", 0.5), ("b", 1)], []]) == (
        '{\n    "results": [[["a", 0.5], ["b", 1.0]], []\n    ]\n}'
    )
    assert format_regressions([1, math.nan]) == '{\n    "results": [1.0, NaN]\n}'
