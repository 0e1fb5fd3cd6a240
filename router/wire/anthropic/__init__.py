"""Anthropic's messages dialect: requests read as chat completions, answers and errors told as messages."""
