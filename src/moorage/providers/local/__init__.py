"""The local provider: user clusters as processes of this machine, with nodes that are simulated.

It fulfils Cluster API's contracts for infrastructure, control plane and bootstrap providers (v1beta2):
Cluster API drives it exactly as it drives a provider of real machines.
"""
