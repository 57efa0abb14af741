"""From latents to images, and back."""
