"""Policies in user clusters: Gatekeeper beside each, kept as the project and the cluster say.

`wanted` says what there is to be in a cluster, `plan` what to do next, `act` does it; `host` runs the engine.
`report` sums up what audits find, `preview` says what a change would refuse. All of it judges by what
`moorage.policies.compiling` has decided, as the terminal does.
"""
