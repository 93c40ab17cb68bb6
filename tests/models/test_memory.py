"""What counts as a lack of memory, whoever says so and however it is written."""

import pytest

from models.memory import short_of_memory


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA out of memory"),
        RuntimeError("Unable to mmap 9 bytes from file <model.safetensors>"),
    ],
)
def test_a_lack_of_memory_is_known_by_its_kind_or_its_words(error: Exception) -> None:
    assert short_of_memory(error)


@pytest.mark.parametrize("error", [ValueError("the memory of a model"), OSError(28, "No space left on device")])
def test_other_errors_are_none(error: Exception) -> None:
    assert not short_of_memory(error)
