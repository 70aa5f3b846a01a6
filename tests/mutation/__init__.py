"""Which slips in the kernels would the checks overlook? ``python -m tests.mutation``."""
