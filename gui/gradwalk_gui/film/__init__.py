"""Animated export: a step that plays, as GIF, APNG, WebP or MP4."""
