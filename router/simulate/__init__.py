"""Simulated Nemotron and Qwen servers with a known truth behind them, and agent traffic to send them."""
