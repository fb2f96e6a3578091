"""cortexclip: honest comparisons of decoders that reconstruct seen images from brain activity."""

__version__ = "0.1.0"
