"""The recovery example: identification rises with trials and with signal, and its figure shows what was measured."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "examples/recovery/recovery.py"


@pytest.fixture
def example(monkeypatch):
    spec = importlib.util.spec_from_file_location("recovery", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TRIALS", (20, 100))
    monkeypatch.setattr(module, "SETTINGS", module.SETTINGS | {"train_stimuli": 100, "test_stimuli": 30, "voxels": 80})
    return module


def test_identification_rises_with_trials_and_with_signal(example):
    weak, strong = (example.recovery(ratio, 1, 0) for ratio in (0.03, 1.0))
    assert strong[1] > strong[0] + 0.03
    assert (strong > weak + 0.1).all()
    assert strong[1] > 0.85
    np.testing.assert_array_equal(strong, example.recovery(1.0, 1, 0))


def test_no_signal_is_chance(example):
    assert abs(np.mean([example.recovery(1e-4, subject, 0) for subject in (1, 2)]) - 0.5) < 0.06


def test_the_figure_and_the_table_show_the_means(example):
    scores = {0.1: np.array([[0.5, 0.6], [0.6, 0.8]]), 1.0: np.array([[0.8, 0.9], [0.8, 1.0]])}
    axes = example.draw(scores).axes[0]
    drawn = [line.get_ydata().tolist() for line in axes.lines[:2]]
    assert drawn == [pytest.approx([0.55, 0.7]), pytest.approx([0.8, 0.95])]
    assert [line.split() for line in example.table(scores).splitlines()[1:]] == [
        ["0.1", "0.550", "0.700"],
        ["1", "0.800", "0.950"],
    ]
