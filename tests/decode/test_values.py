"""Text of attribute values, as the Collector writes it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList

from pipeline.decode.values import double_text, text


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (123456789.123, "123456789.123"),
        (1e15, "1000000000000000"),
        (1e16, "10000000000000000"),
        (1.5e20, "150000000000000000000"),
        (9.99e20, "999000000000000000000"),
        (1e21, "1e+21"),
        (-1.25e21, "-1.25e+21"),
        (1e300, "1e+300"),
        (0.0001, "0.0001"),
        (0.00001, "0.00001"),
        (-0.0000123, "-0.0000123"),
        (1e-6, "0.000001"),
        (9.9e-7, "9.9e-7"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_doubles_are_written_as_go_writes_them(value: float, written: str) -> None:
    assert double_text(value) == written


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_double_reads_back_as_the_same_double(value: float) -> None:
    written = double_text(value)
    assert float(written) == value
    assert math.copysign(1, float(written)) == math.copysign(1, value)
    assert ("e" in written) == (value != 0 and not 1e-6 <= abs(value) < 1e21)


def array(*values: AnyValue) -> AnyValue:
    return AnyValue(array_value=ArrayValue(values=values))


def mapping(**values: AnyValue) -> AnyValue:
    return AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key=k, value=v) for k, v in values.items()]))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (AnyValue(), ""),
        (AnyValue(string_value="a<b>"), "a<b>"),
        (AnyValue(bool_value=False), "false"),
        (AnyValue(int_value=-(2**63)), "-9223372036854775808"),
        (AnyValue(bytes_value=b"\xff\x00"), "/wA="),
        (AnyValue(bytes_value=b""), ""),
        (array(), "[]"),
        (mapping(), "{}"),
        (array(AnyValue(), AnyValue(bytes_value=b""), AnyValue(bytes_value=b"x")), '[null,null,"eA=="]'),
        (array(AnyValue(double_value=1.0), AnyValue(double_value=-0.0)), "[1,-0]"),
        (array(AnyValue(double_value=math.nan)), ""),
        (mapping(a=array(AnyValue(double_value=math.inf))), ""),
        (mapping(b=AnyValue(int_value=1), a=AnyValue(bool_value=True)), '{"a":true,"b":1}'),
        (array(AnyValue(string_value='<&>"\\\n\x01\u2028é\U0001f642')), '["<&>\\"\\\\\\n\\u0001\\u2028é\U0001f642"]'),
    ],
)
def test_values_are_written_as_the_collector_writes_them(value: AnyValue, written: str) -> None:
    assert text(value) == written


def test_the_last_of_equal_keys_in_a_map_value_counts() -> None:
    twice = KeyValueList(values=[KeyValue(key="a", value=AnyValue(int_value=n)) for n in (1, 2)])
    assert text(AnyValue(kvlist_value=twice)) == '{"a":2}'
