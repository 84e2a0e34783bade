"""The stream: receiver, log, normalize, sessions, detection, and the same without servers (replay)."""
