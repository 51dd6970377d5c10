"""Programs in the style of people who have not heard of this library; tests/test_programs.py compiles them as they are."""
