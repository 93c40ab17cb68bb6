"""What setting the program up says while pip works."""

import importlib.util
from pathlib import Path

import pytest

from tests.browsing import ROOT

_SPEC = importlib.util.spec_from_file_location("install", ROOT / ".ci" / "install.py")
assert _SPEC is not None
assert _SPEC.loader is not None
install = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(install)


@pytest.fixture
def account():
    return install.Account()


def test_large_packages_are_named_with_their_size_and_small_ones_counted(account):
    assert account.read("Collecting torch==2.13.0 (from -r requirements.txt (line 2))") is None
    assert account.read("  Downloading torch-2.13.0-cp311-none-any.whl.metadata (29 kB)") is None
    assert account.read("Downloading torch-2.13.0+cpu-cp311-manylinux_2_28.whl (190.4 MB)") == "  torch: 190 MB"
    assert account.read("Using cached idna-3.11-py3-none-any.whl (71 kB)") is None
    assert account.read("  Downloading https://packages.example/a/b/nvidia_cudnn-9.1.tar.gz (1.2 GB)") == (
        "  nvidia_cudnn: 1,200 MB"
    )
    said = account.read("Installing collected packages: idna, torch, nvidia_cudnn")
    assert said == "  3 packages, 1,390 MB; now unpacking them"


def test_a_package_that_lies_on_disk_has_its_files_size(account, tmp_path: Path):
    wheel = tmp_path / "torch-2.13.0-cp311-none-any.whl"
    wheel.write_bytes(bytes(25_000_000))
    assert account.read(f"Processing {wheel}") == "  torch: 25 MB"
    assert account.read(f"Processing {tmp_path / 'gone-1.0.whl'}") is None
    assert account.total == "1 package, 25 MB"


def test_what_pip_cannot_do_ends_with_its_code(tmp_path: Path, capfd):
    assert install.main(str(tmp_path / "no-such-list.txt")) != 0
    said = capfd.readouterr()
    assert "no-such-list.txt" in said.err
    assert "installed" not in said.out
