"""Turnout: sends each step of an agent to the model that finishes it cheapest."""

__version__ = "0.1.0"
