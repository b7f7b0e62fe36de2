"""The NumPy reference: forward and VJP formulas, written by hand."""
