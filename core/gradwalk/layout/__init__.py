"""From sizes and links to positions."""
