"""How long the threads of a matrix product wait for one another in a loop: said before torch is imported."""

import os
import subprocess
import sys

import pytest

PROGRAM = "import sys, models, os; print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules)"


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "5000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "None")],
    ids=["nothing said", "its own number", "a policy"],
)
def test_threads_are_less_patient_unless_somebody_said_how_patient(given, expected):
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=kept | given, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == [expected, "False"]
