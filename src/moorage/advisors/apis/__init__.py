"""The APIs advisor: what is written, applied or called in versions that are about to go."""
