"""What TensorBoard gets."""
