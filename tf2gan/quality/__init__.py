"""How good images are: the ruler and the classifier whose features it uses."""
