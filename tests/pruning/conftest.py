"""One thread, and one setup of drawn images for all tests."""

import pytest
import torch
from small_runs import small_config

from tasks.pruning.setups import Setup


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def same_numbers():
    """Numbers of a test do not depend on the tests before it.

    The first parallel kernel of Numba in a process sets the threads of OpenMP, and so PyTorch's.
    """
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def setup():
    return Setup.open(small_config())
