"""Advice that the platform follows by itself, where the owner of a workload wants that."""
