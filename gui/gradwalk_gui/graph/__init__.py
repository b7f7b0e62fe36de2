"""Building the scene from a Graph, painting it, animating it, finding what is under the pointer."""
