"""What users declare, made real: projects, their clusters through Cluster API, and access to both."""
