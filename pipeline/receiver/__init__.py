"""The door: OTLP over gRPC and HTTP, answered only after the log has the bytes.

`Intake` decides (validate, append, count), `otlp_http` and `otlp_grpc` speak the protocols, `servers` listens.
"""
