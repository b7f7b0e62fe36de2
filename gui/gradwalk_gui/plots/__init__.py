"""What the Plots panel shows beside the loss: probes and the heat map of gradients, and how their numbers are read."""
