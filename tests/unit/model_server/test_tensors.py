"""Nested lists to tensors and back, and the messages that carry them."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.errors import BadAnswer
from ansible_collections.mlops.tfserving.plugins.module_utils.model_server.tensors import (
    columns,
    fill,
    nested,
    outputs,
)
from ansible_collections.mlops.tfserving.plugins.module_utils.protos import message
from hypothesis import given
from hypothesis import strategies as st

FLOAT, DOUBLE, INT32, UINT8, STRING, INT64, BOOL, HALF = 1, 2, 3, 4, 7, 9, 10, 19

# Written by tensorflow-serving-api 2.21.0 and tensorflow 2.21.0 (tf.make_tensor_proto).
REQUEST = "0a180a016d120208031a0f73657276696e675f64656661756c74121b0a017812160801120812020801120208022a080000c03f000000c0"  # pragma: allowlist secret
RESPONSE = (
    "0a170a0168121208131208120208011202080222040038003c0a1b0a056c6162656c12120807120812020801120208024201614201620a1b0a01"
    "70121608011208120208011202080222080000803e0000403f0a170a0473616d65120f08091208120208011202080252010712030a016d"
)
STATUS = "0a040803101e0a0e080210321a0808051204676f6e65"  # pragma: allowlist secret
METADATA = (
    "0a030a016d1294010a0d7369676e61747572655f6465661282010a36747970652e676f6f676c65617069732e636f6d2f74656e736f72666c6f77"  # pragma: allowlist secret
    "2e73657276696e672e5369676e61747572654465664d617012480a460a0f73657276696e675f64656661756c7412330a0c0a017812070a03783a"  # pragma: allowlist secret
    "30100112070a0170120210011a1a74656e736f72666c6f772f73657276696e672f70726564696374"  # pragma: allowlist secret
)


def tensor(value: Any, dtype: int) -> Any:
    found = message("TensorProto")
    fill(found, "x", value, dtype)
    return found


def test_a_request_is_what_tensorflow_servings_own_stubs_write() -> None:
    request = message("PredictRequest")
    request.model_spec.name, request.model_spec.signature_name = "m", "serving_default"
    request.model_spec.version.value = 3
    fill(request.inputs["x"], "x", [[1.5, -2]], FLOAT)
    assert request.SerializeToString(deterministic=True).hex() == REQUEST


def test_answers_of_tensorflow_servings_own_stubs_are_read() -> None:
    answer = message("PredictResponse")
    answer.ParseFromString(bytes.fromhex(RESPONSE))
    found = {name: nested(answer.outputs[name], name) for name in answer.outputs}
    assert found == {"p": [[0.25, 0.75]], "label": [["a", "b"]], "same": [[7, 7]], "h": [[0.5, 1.0]]}
    status = message("GetModelStatusResponse")
    status.ParseFromString(bytes.fromhex(STATUS))
    assert [(v.version, v.state, v.status.error_message) for v in status.model_version_status] == [
        (3, 30, ""),
        (2, 50, "gone"),
    ]
    metadata, signatures = message("GetModelMetadataResponse"), message("SignatureDefMap")
    metadata.ParseFromString(bytes.fromhex(METADATA))
    signatures.ParseFromString(metadata.metadata["signature_def"].value)
    assert signatures.signature_def["serving_default"].inputs["x"].dtype == FLOAT


def shaped(elements: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nested lists of one shape, up to three dimensions deep."""
    return st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(
        lambda sizes: (
            elements
            | st.lists(elements, min_size=sizes[0], max_size=sizes[0])
            | st.lists(
                st.lists(elements, min_size=sizes[1], max_size=sizes[1]), min_size=sizes[0], max_size=sizes[0]
            )
        )
    )


@pytest.mark.parametrize(
    ("dtype", "elements"),
    [
        (FLOAT, st.floats(width=32, allow_nan=False)), (DOUBLE, st.floats(allow_nan=False)),
        (HALF, st.floats(width=16, allow_nan=False)), (INT32, st.integers(-(2**31), 2**31 - 1)),
        (UINT8, st.integers(0, 255)), (INT64, st.integers(-(2**63), 2**63 - 1)), (BOOL, st.booleans()),
        (STRING, st.text()), (23, st.integers(0, 2**64 - 1)),
    ],
)  # fmt: skip
def test_what_goes_into_a_tensor_comes_out_again(dtype: int, elements: Any) -> None:
    @given(shaped(elements))
    def check(value: Any) -> None:
        assert nested(tensor(value, dtype), "x") == value

    check()


def test_bytes_are_written_and_told_as_base64() -> None:
    picture = base64.b64encode(b"\xff\xd8\xff").decode()
    found = tensor([{"b64": picture}], STRING)
    assert list(found.string_val) == [b"\xff\xd8\xff"]
    assert nested(found, "x") == [{"b64": picture}]
    assert nested(tensor(["a"], STRING), "image_bytes") == [{"b64": "YQ=="}]


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        ([[1], [2, 3]], FLOAT, "rows of different lengths"),
        (["one"], FLOAT, "does not hold values of type float"),
        ([1.5], INT32, "does not hold values of type int32"),
        ([2**31], INT32, "does not hold values of type int32"),
        ([1], STRING, "is no text"),
        ([True], FLOAT, "of another type"),
        ([1], BOOL, "of another type"),
        ([{"b64": "%"}], STRING, "does not hold values of type string"),
        ([1], 8, "a type that JSON cannot write"),
    ],
)
def test_what_a_type_cannot_hold_is_refused_by_name(value: Any, dtype: int, words: str) -> None:
    with pytest.raises(BadAnswer) as raised:
        tensor(value, dtype)
    assert words in str(raised.value)
    assert "input x" in str(raised.value)


@pytest.mark.parametrize(
    ("request_body", "inputs", "expected"),
    [
        ({"instances": [[1], [2]]}, ["x"], {"x": [[1], [2]]}),
        ({"instances": [{"b64": "YQ=="}]}, ["x"], {"x": [{"b64": "YQ=="}]}),
        ({"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}, ["b", "a"], {"a": [1, 3], "b": [2, 4]}),
        ({"inputs": [[1]]}, ["x"], {"x": [[1]]}),
        ({"inputs": {"a": [1], "b": [2]}}, ["a", "b"], {"a": [1], "b": [2]}),
        ({"inputs": {"b64": "YQ=="}}, ["x"], {"x": {"b64": "YQ=="}}),
    ],
)
def test_rows_and_columns_become_tensors_by_name(request_body: Any, inputs: list[str], expected: Any) -> None:
    assert columns(request_body, inputs) == expected


@pytest.mark.parametrize(
    ("request_body", "inputs", "words"),
    [
        ({"instances": [{"a": 1}, {"b": 2}]}, ["a"], "do not have the same inputs"),
        ({"instances": [1]}, ["a", "b"], "2 inputs (a, b): name each"),
        ({"inputs": {"a": 1}}, ["b"], "inputs are b, given are a"),
    ],
)
def test_inputs_that_do_not_fit_the_signature_are_told(
    request_body: Any, inputs: list[str], words: str
) -> None:
    with pytest.raises(BadAnswer) as raised:
        columns(request_body, inputs)
    assert words in str(raised.value)


def test_outputs_are_shaped_as_rest_shapes_them() -> None:
    one, two = {"p": [[1], [2]]}, {"p": [[1], [2]], "label": ["a", "b"]}
    assert outputs(one, by_rows=True) == outputs(one, by_rows=False) == [[1], [2]]
    assert outputs(two, by_rows=False) == two
    assert outputs(two, by_rows=True) == [{"p": [1], "label": "a"}, {"p": [2], "label": "b"}]
    with pytest.raises(BadAnswer, match="ask by columns"):
        outputs({"p": [1, 2], "mean": 0.5}, by_rows=True)
