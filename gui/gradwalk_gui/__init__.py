"""The Gradwalk app: Qt only here; never imports torch."""
