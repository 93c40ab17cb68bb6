"""What all tests share. First of all who listens to `viz.format.number`: before anything imports it by its name."""

from hypothesis import settings

# The same cases each time; `make full` looks for new ones: `--hypothesis-profile=full`.
settings.register_profile("test", derandomize=True, deadline=None)
settings.register_profile("full", max_examples=2_000, deadline=None)
settings.load_profile("test")

pytest_plugins = ("pytester", "tests.measured", "tests.browsing", "tests.second_tries", "tests.portion")
