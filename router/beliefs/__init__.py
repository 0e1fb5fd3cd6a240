"""What is believed now of every arm: ability, output length, speed, and how long an input is in tokens."""

from router.beliefs.state import Beliefs

__all__ = ["Beliefs"]
