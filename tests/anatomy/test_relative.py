"""Buckets of distances: those that the library's T5 computes, and the spans of a text that share one."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from transformers.models.t5.modeling_t5 import T5Attention

from anatomy.relative import buckets, spans
from anatomy.spec import RelativeBias

PUBLISHED = RelativeBias(32, 128, bidirectional=True)  # T5, every size


@pytest.mark.parametrize("count", [8, 12, 32, 64])
@pytest.mark.parametrize("farthest", [40, 128, 256])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_every_distance_has_the_bucket_that_the_library_gives_it(count, farthest, bidirectional):
    distances = np.arange(-600, 601)
    expected = T5Attention._relative_position_bucket(torch.from_numpy(distances), bidirectional, count, farthest)
    np.testing.assert_array_equal(buckets(distances, RelativeBias(count, farthest, bidirectional)), expected)


def test_near_distances_have_a_bucket_each_and_the_farthest_share_one():
    found = buckets(np.array([0, -1, -7, -8, -11, -12, -91, -128, -5000, 1, 7, 8, 5000]), PUBLISHED)
    assert found.tolist() == [0, 1, 7, 8, 8, 9, 15, 15, 15, 17, 23, 24, 31]


def test_spans_cover_a_text_without_gaps_and_each_is_one_bucket():
    found = spans(200, PUBLISHED)
    assert (found[0].first, found[-1].last) == (-199, 199)
    assert all(one.last + 1 == other.first for one, other in pairwise(found))
    assert all(set(buckets(np.arange(s.first, s.last + 1), PUBLISHED)) == {s.bucket} for s in found)
    assert len({span.bucket for span in found}) == len(found) == 31  # no distance has bucket 16


def test_a_text_of_one_token_has_one_distance():
    assert spans(1, PUBLISHED) == ((0, 0, 0),)
