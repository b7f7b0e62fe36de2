"""The panels, one file each; each runs alone on the built-in sample."""
