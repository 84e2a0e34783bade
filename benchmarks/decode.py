"""CPU time of decoding, in microseconds a span: GenAI spans of 8 attributes in messages of 512.

    python -m benchmarks.decode [--messages 40] [--rounds 5]

Prints the best round of each way in, with Python's own garbage collector settings and with the calmer ones: much of
what decoding costs is the collector looking through objects that are all still needed. Numbers of a shared machine
vary by a third.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Callable

import orjson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from benchmarks.spans import SPANS_PER_MESSAGE, json_lines, messages
from pipeline.decode import decode, decode_json, request_from_json
from pipeline.message import Message

CALM = (50_000, 20, 50)


def best(run: Callable[[], object], spans: int, rounds: int) -> float:
    """CPU-microseconds a span of the best round."""
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        run()
        seconds.append(time.process_time() - begun)
    return min(seconds) / spans * 1e6


def ways(bodies: list[bytes], lines: list[bytes]) -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    wire = [Message("otlp_spans", 0, at, 0, body) for at, body in enumerate(bodies)]
    documents = [Message("replay", 0, at, 0, line) for at, line in enumerate(lines)]
    parse = ExportTraceServiceRequest.FromString

    def through_protobuf() -> None:
        parts = [part for line in lines for _, part in request_from_json("traces", line)]
        decode("traces", [Message("replay", 0, at, 0, part) for at, part in enumerate(parts)])

    return {
        "protobuf: parse only": lambda: [parse(body) and None for body in bodies],
        "protobuf to Arrow": lambda: decode("traces", wire),
        "JSON: parse only (orjson)": lambda: [orjson.loads(line) and None for line in lines],
        "JSON straight to Arrow": lambda: decode_json(documents),
        "JSON to protobuf": lambda: [request_from_json("traces", line) for line in lines],
        "JSON to protobuf to Arrow": through_protobuf,
    }


def main() -> None:
    """Print a line for each way in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    bodies = list(messages(options.messages))
    lines = [line.encode() for line in json_lines(options.messages)]
    spans = options.messages * SPANS_PER_MESSAGE
    size = sum(map(len, bodies)) // spans
    print(f"{spans} spans of {size} bytes, best of {options.rounds}, CPU-us a span")
    print(f"  {'':<28} {'default':>8} {'calm':>8}   garbage collector")
    usual = gc.get_threshold()
    for name, run in ways(bodies, lines).items():
        gc.set_threshold(*usual)
        default = best(run, spans, options.rounds)
        gc.set_threshold(*CALM)
        print(f"  {name:<28} {default:8.2f} {best(run, spans, options.rounds):8.2f}")


if __name__ == "__main__":
    main()
