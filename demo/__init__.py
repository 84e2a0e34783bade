"""The demonstration: real agents and a generated service, watched by a real `telltale up`."""
