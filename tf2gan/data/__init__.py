"""From anything on a disk to uint8 images, and to batches of them."""
