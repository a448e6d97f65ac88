"""What users declare: one module a kind.

Nothing is imported here, so that a command pays only for what it uses.
"""
