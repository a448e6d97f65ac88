"""LocalMachine: a machine whose Node is simulated in the cluster's real API server."""
