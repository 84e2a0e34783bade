"""OTLP export requests to rows of the `otel_*` tables, behind one contract."""

from __future__ import annotations

from pipeline.decode.contract import Decoded, Decoder
from pipeline.decode.otlp_json import request_from_json
from pipeline.decode.reference import decode
from pipeline.decode.replay import decode_json

__all__ = ["Decoded", "Decoder", "decode", "decode_json", "request_from_json"]
