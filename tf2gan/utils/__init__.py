"""What every other part uses: errors, messages, files, command lines. No TensorFlow."""
