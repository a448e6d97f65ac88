"""Editing manifests where they are written: what is not concerned stays as it is, to the byte."""
