"""LocalControlPlane: a cluster's control plane as processes of this machine."""
