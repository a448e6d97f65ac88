"""What is judged on the command line: manifests, kustomizations, charts, and what a live cluster adds.

`gather` finds out what each path is and reads it; what comes out is `Inputs`: objects that know where they
were written, and the namespaces and exceptions among them. Importing this is cheap.
"""
