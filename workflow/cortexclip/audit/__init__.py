"""What a reader has to know about a dataset and its splits before believing any score, found before any training.

Checks are functions of arrays that return findings; the stage ``audit`` runs them all and the tables show them.
"""
