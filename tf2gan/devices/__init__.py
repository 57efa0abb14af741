"""On what a run computes: kernels, precision, one device or several, several machines."""
