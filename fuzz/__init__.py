"""Coverage-guided fuzzing of what stands between telemetry and detection: `python -m fuzz.run`."""
