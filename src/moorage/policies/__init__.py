"""Policies: a library, what it means for a cluster, and one verdict everywhere.

`model` says what a policy is, `load` reads libraries, `compiling` decides what judges, and `engine` lets
Gatekeeper judge. The terminal and the controller share all four, so what a pull request is told is what the
cluster does.
Importing this is cheap.
"""
