"""From a predicted embedding to an image: the nearest training image, or a linear map to pixels."""

from __future__ import annotations

import numpy as np


def unit_length(embedding: np.ndarray) -> np.ndarray:
    """Scale rows of shape (n, n_features) to Euclidean length 1; an all-zero row stays zero."""
    return embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)


def nearest_images(embedding: np.ndarray, gallery_embedding: np.ndarray, gallery_images: np.ndarray) -> np.ndarray:
    """For each predicted embedding the gallery image of highest cosine similarity (the first one of equals).

    Embeddings have the shapes (n, n_features) and (n_gallery, n_features), gallery images (n_gallery, height, width).
    """
    similarity = unit_length(embedding) @ unit_length(gallery_embedding).T
    return gallery_images[np.argmax(similarity, axis=1)]
