"""What a reader dropped reaches the findings with its numbers, and is grave where it is much."""

import json

import numpy as np

from cortexclip.audit.findings import audit_dataset
from cortexclip.audit.reading import check_reading
from cortexclip.data.dataset import labelled

COUNTS = {
    "rows": 200,
    "rows_dropped": {"no digit shown": 30, "not the seven columns of a row": 1},
    "rows_repaired": {"quotation marks removed": 12},
    "events": 100,
    "events_dropped": {"channels missing": 4},
    "events_not_needed": 6,
}


def test_the_finding_says_all_that_was_dropped():
    finding = check_reading(COUNTS)
    assert finding.severity == "info"
    assert finding.message == (
        "200 rows were read; dropped: 30 no digit shown; 1 not the seven columns of a row. 100 events were read; "
        "dropped: 4 channels missing. Repaired: 12 quotation marks removed. 6 usable events were left out, since fewer "
        "are asked for."
    )
    assert finding.numbers == {"rows": 200, "rows_dropped": 31, "events": 100, "events_dropped": 4}


def test_much_dropped_is_notable():
    finding = check_reading(COUNTS | {"events_dropped": {"channels missing": 26}})
    assert finding.severity == "notable"
    finding = check_reading({"events": 10, "events_dropped": {}})
    assert finding.severity == "info"


def test_samples_that_are_not_used_are_notable_whatever_the_words():
    arrays = {"not_used": [("array", "Not used: 'could be' (3), one value for each voxel.")]}
    assert check_reading(arrays).severity == "info"
    finding = check_reading({"not_used": [*arrays["not_used"], ("samples", "Not used: 8 samples.")]})
    assert finding.severity == "notable"
    assert finding.message == "Not used: 'could be' (3), one value for each voxel. Not used: 8 samples."


def test_the_audit_of_a_dataset_holds_it():
    rng = np.random.default_rng(0)
    images = np.repeat(rng.random((4, 8, 8)), 4, axis=0)
    part = np.tile(["train", "train", "train", "test"], 4)
    dataset = labelled(rng.standard_normal((16, 5)), images, part, {"name": "toy"})
    assert "reading" not in {finding.check for finding in audit_dataset(dataset, 0)}
    dataset.attrs["reading"] = json.dumps(COUNTS)
    assert "reading" in {finding.check for finding in audit_dataset(dataset, 0)}
