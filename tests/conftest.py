"""What all tests share. First of all who listens to `viz.format.number`: before anything imports it by its name."""

pytest_plugins = ("pytester", "tests.measured", "tests.browsing", "tests.second_tries")
