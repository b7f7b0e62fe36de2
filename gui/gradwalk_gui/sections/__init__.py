"""The sections of the inspector, one file each or a few that belong together: each shows a Look."""
