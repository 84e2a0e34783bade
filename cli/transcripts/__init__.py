"""What agents wrote down of their past sessions, as the telemetry they would have sent."""
