"""Talking to any API server: connect, read, apply, watch, wait."""
