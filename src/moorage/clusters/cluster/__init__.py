"""One KubernetesCluster: made through Cluster API, and its state rolled up."""
