"""The tests. Folders are test_theory and so on: a tests/theory would shadow the package."""
