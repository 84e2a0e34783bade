"""Skills: text that agents load for a task; `query.mcp` serves them as resources."""
