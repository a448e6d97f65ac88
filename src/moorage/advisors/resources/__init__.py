"""Requests and limits: what containers ask for, what they use, and what would fit."""
