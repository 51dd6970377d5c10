// The floor of one call from Python: what ctypes calls, with plain arguments and the caller's memory for results.
// The programs are those of the same names in programs.py; the derivatives are by hand.

#include "floor.h"

double wave_gradient(double x) { return sin(x) + x * cos(x); }

// The result; its gradient overwrites the n elements of g.
double rosenbrock_value_and_gradient(const double *x, int64_t n, double *g) {
    double total = 0, from_left = 0;
    for (int64_t i = 0; i + 1 < n; i++) {
        double u = x[i + 1] - x[i] * x[i], v = 1 - x[i];
        total += 100 * u * u + v * v;
        g[i] = from_left - 400 * u * x[i] - 2 * v;
        from_left = 200 * u;
    }
    g[n - 1] = from_left;
    return total;
}
