"""What a reader has to know about a dataset and its splits before believing any score, found before any training.

Checks are functions of arrays, each of which gives a finding; the stage ``audit`` runs them all and the tables show
them. In all of them ``brain`` has the shape (n_samples, n_voxels), ``images`` (n_samples, y, x) in 0..1, ``stimulus``
(n_samples,), the identity of each sample's image, ``label`` (n_samples,), the class of the image or -1, ``session``
(n_samples,), and the boolean ``test`` (n_samples,): whether a sample belongs to the test part. ``seed`` is that of the
permutations.
"""
