"""Following an advice in a cluster, safely: how it was is written down first, and can be had back."""
