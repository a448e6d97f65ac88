"""Cluster API providers: what makes the infrastructure, control planes and machines of user clusters."""
