"""The operator: one process that answers admission, and, when it leads, runs all controllers."""
