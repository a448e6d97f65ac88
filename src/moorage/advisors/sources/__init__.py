"""Advice as a patch to the files that people edit: manifests, kustomizations and charts."""
