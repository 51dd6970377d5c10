"""Random Python programs: the compiled result, gradient and second order against plain Python and finite differences.

`python -m tests.fuzz --programs 5000 --seed 1` is the long run; tests/test_fuzz.py is the short one.
"""
