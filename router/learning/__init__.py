"""The offline side: replays recorded outcomes through the planner and beliefs that serve, and compares policies."""
