"""Gradwalk: a debugger and visualizer of backprop. This package is the recorder and everything else without Qt."""

__version__ = "0.1.0"
