"""Manifests as people keep them: files, folders, kustomizations, charts, standard input.

`Reading` finds out what each path is and reads it; what comes out are objects that know where they were
written. Importing this is cheap.
"""
