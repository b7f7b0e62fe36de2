"""The recorder of torch programs; the only package that imports torch."""
