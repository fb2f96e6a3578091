"""cortexclip: honest comparisons of decoders that reconstruct seen images from brain activity."""

__version__ = "0.1.0"


def __getattr__(name: str):
    """``cortexclip.Decoder``, imported when it is first requested, so that the package itself imports nothing heavy."""
    if name == "Decoder":
        import importlib

        return importlib.import_module("cortexclip.estimator").Decoder
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
