"""Fixtures of the tests of pictures."""

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.snapshot import Pictures


@pytest.fixture
def picture(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """`assert described(figure) == picture` compares with the reviewed file of this case."""
    return snapshot.use_extension(Pictures)
