"""Bundles: a library of policies as one OCI artifact, by digest, signed, and here without a network.

`transfer.pull` is what the rest of Moorage uses; it gives a `transfer.Pulled`, whose ``library`` is what
judges. Importing this is cheap.
"""
