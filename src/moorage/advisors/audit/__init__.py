"""The audit events of user clusters: received, kept until they are counted, read back as what was used."""
