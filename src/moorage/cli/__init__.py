"""The command line: it parses and prints, and asks the other packages for everything else."""
