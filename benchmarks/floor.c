// The floor: what a good engineer writes by hand in C for each program of programs.py.
// Here the programs whose state is a few scalars; floor_arrays.c has those that walk over arrays.
//
//   NAME(in)              the program itself, returning its result
//   NAME_gradient(in, g)  its reverse-mode adjoint, overwriting g with the gradient
//
// Rules, the same for every program, so that the comparison is fair in both directions:
//   - plain C, one thread, `gcc -O3 -march=native`: fused multiply-add yes, reassociated sums and vector maths no;
//   - the forward sweep tapes whatever makes the backward sweep cheap (sincos once, softmin weights, LU in place),
//     in memory that is kept between calls and, where large, sits on huge pages;
//   - the backward sweep keeps the loop nest of the forward sweep, reversed;
//   - a gradient does not compute the result where its adjoint does not need it.

#include "floor.h"

#include <sys/mman.h>
#include <time.h>

// ---- memory and clock

static double *tape;
static size_t tape_bytes;

double *reserve(size_t doubles) {
    const size_t huge_page = (size_t)1 << 21;
    size_t bytes = (doubles * sizeof(double) + huge_page - 1) / huge_page * huge_page;
    if (bytes > tape_bytes) {
        free(tape);
        tape = aligned_alloc(huge_page, bytes);
        if (!tape) abort();
#ifdef MADV_HUGEPAGE
        madvise(tape, bytes, MADV_HUGEPAGE);
#endif
        tape_bytes = bytes;
    }
    return tape;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Seconds taken by `calls` calls, measured here so that no call from Python is counted. Every gradient goes to
// memory of its own, as it does for a function that returns its gradient.
double seconds_of_primal(double (*f)(const Inputs *), const Inputs *in, int64_t calls) {
    volatile double result;
    double start = now();
    for (int64_t i = 0; i < calls; i++) result = f(in);
    (void)result;
    return now() - start;
}

double seconds_of_gradient(void (*f)(const Inputs *, double *), const Inputs *in, int64_t size, int64_t calls) {
    double start = now();
    for (int64_t i = 0; i < calls; i++) {
        double *g = malloc((size_t)size * sizeof *g);
        if (!g) abort();
        f(in, g);
        free(g);
    }
    return now() - start;
}

// ---- Lorenz, explicit Euler: p = x0, y0, z0, sigma, rho, beta

static const double dt = 1e-4;

double lorenz(const Inputs *in) {
    double x = in->p[0], y = in->p[1], z = in->p[2], sigma = in->p[3], rho = in->p[4], beta = in->p[5];
    for (int64_t i = 0; i < in->n; i++) {
        double u = x + dt * (sigma * (y - x)), v = y + dt * (x * (rho - z) - y), w = z + dt * (x * y - beta * z);
        x = u, y = v, z = w;
    }
    return x;
}

void lorenz_gradient(const Inputs *in, double *g) {
    double x = in->p[0], y = in->p[1], z = in->p[2], sigma = in->p[3], rho = in->p[4], beta = in->p[5];
    double *state = reserve(3 * (size_t)in->n);
    for (int64_t i = 0; i < in->n; i++) {
        state[3 * i] = x, state[3 * i + 1] = y, state[3 * i + 2] = z;
        double u = x + dt * (sigma * (y - x)), v = y + dt * (x * (rho - z) - y), w = z + dt * (x * y - beta * z);
        x = u, y = v, z = w;
    }
    double dx = 1, dy = 0, dz = 0, dsigma = 0, drho = 0, dbeta = 0;
    for (int64_t i = in->n - 1; i >= 0; i--) {
        x = state[3 * i], y = state[3 * i + 1], z = state[3 * i + 2];
        dsigma += dt * dx * (y - x), drho += dt * dy * x, dbeta -= dt * dz * z;
        double u = dx * (1 - dt * sigma) + dy * (dt * (rho - z)) + dz * (dt * y);
        double v = dy * (1 - dt) + dx * (dt * sigma) + dz * (dt * x);
        double w = dz * (1 - dt * beta) - dy * (dt * x);
        dx = u, dy = v, dz = w;  // each a short chain of the last: 0.93x of the time of scaling dx, dy, dz first
    }
    g[0] = dx, g[1] = dy, g[2] = dz, g[3] = dsigma, g[4] = drho, g[5] = dbeta;
}

// ---- Kepler's equation by Newton's method, summed over n values of M: p = e, M

enum { MOST_NEWTON_STEPS = 1000 };

double kepler(const Inputs *in) {
    double e = in->p[0], sum = 0;
    for (int64_t i = 0; i < in->n; i++) {
        double M = in->p[1] + 1e-4 * (double)i, E = M, step = 1;
        while (fabs(step) > 1e-12) {
            step = (E - e * sin(E) - M) / (1 - e * cos(E));
            E -= step;
        }
        sum += E;
    }
    return sum;
}

void kepler_gradient(const Inputs *in, double *g) {
    struct { double s, c, step, slope; } t[MOST_NEWTON_STEPS];
    double e = in->p[0], de = 0, dM = 0;
    for (int64_t i = 0; i < in->n; i++) {
        double M = in->p[1] + 1e-4 * (double)i, E = M, step = 1, dE = 1;
        int k = 0;
        for (; fabs(step) > 1e-12 && k < MOST_NEWTON_STEPS; k++) {
            double s = sin(E), c = cos(E), slope = 1 - e * c;
            step = (E - e * s - M) / slope;
            t[k].s = s, t[k].c = c, t[k].step = step, t[k].slope = slope;
            E -= step;
        }
        while (k-- > 0) {  // E' = E - step, step = N / slope, N = E - e s - M
            double dN = -dE / t[k].slope, dslope = -dN * t[k].step;
            de -= dN * t[k].s + dslope * t[k].c;
            dM -= dN;
            dE += dN * t[k].slope + dslope * e * t[k].s;
        }
        dM += dE;
    }
    g[0] = de, g[1] = dM;
}

// ---- Chain of `masses` masses on springs: p = k, c, p2. `masses` is a constant at each use, so loops unroll.

enum { MOST_MASSES = 16 };
static const double h = 1e-3;

INLINE double stretch(const double *q, int i, int masses) {
    return (i ? q[i - 1] : 0) - 2 * q[i] + (i < masses - 1 ? q[i + 1] : 0);
}

INLINE double chain(const Inputs *in, const int masses) {
    double k = in->p[0], c = in->p[1], q[MOST_MASSES], v[MOST_MASSES], a[MOST_MASSES];
    for (int i = 0; i < masses; i++) q[i] = in->p[2] + 0.1 * i, v[i] = 0;
    for (int64_t step = 0; step < in->n; step++) {
        for (int i = 0; i < masses; i++) a[i] = k * stretch(q, i, masses) - c * v[i] - sin(q[i]);
        for (int i = 0; i < masses; i++) q[i] += h * v[i], v[i] += h * a[i];
    }
    return q[0];
}

INLINE void chain_gradient(const Inputs *in, double *g, const int masses) {
    double k = in->p[0], c = in->p[1], *rows = reserve(3 * (size_t)masses * (size_t)in->n);
    double q[MOST_MASSES], v[MOST_MASSES];
    for (int i = 0; i < masses; i++) q[i] = in->p[2] + 0.1 * i, v[i] = 0;
    for (int64_t step = 0; step < in->n; step++) {
        double *tq = rows + 3 * masses * step, *tv = tq + masses, *cosine = tv + masses;
        for (int i = 0; i < masses; i++) tq[i] = q[i], tv[i] = v[i];
        for (int i = 0; i < masses; i++) {
            double sine = sin(tq[i]);
            cosine[i] = cos(tq[i]);
            double a = k * stretch(tq, i, masses) - c * tv[i] - sine;
            q[i] = tq[i] + h * tv[i], v[i] = tv[i] + h * a;
        }
    }
    double dq[MOST_MASSES] = {1}, dv[MOST_MASSES] = {0}, da[MOST_MASSES + 2] = {0}, dk = 0, dc = 0;
    for (int64_t step = in->n - 1; step >= 0; step--) {
        const double *tq = rows + 3 * masses * step, *tv = tq + masses, *cosine = tv + masses;
        for (int i = 0; i < masses; i++) da[i + 1] = h * dv[i];
        for (int i = 0; i < masses; i++) {
            dk += da[i + 1] * stretch(tq, i, masses);
            dc -= da[i + 1] * tv[i];
        }
        for (int i = 0; i < masses; i++) {
            dv[i] += h * dq[i] - c * da[i + 1];
            dq[i] += k * (da[i] - 2 * da[i + 1] + da[i + 2]) - da[i + 1] * cosine[i];
        }
    }
    g[0] = dk, g[1] = dc, g[2] = 0;
    for (int i = 0; i < masses; i++) g[2] += dq[i];
}

double chain4(const Inputs *in) { return chain(in, 4); }
double chain8(const Inputs *in) { return chain(in, 8); }
double chain16(const Inputs *in) { return chain(in, 16); }
void chain4_gradient(const Inputs *in, double *g) { chain_gradient(in, g, 4); }
void chain8_gradient(const Inputs *in, double *g) { chain_gradient(in, g, 8); }
void chain16_gradient(const Inputs *in, double *g) { chain_gradient(in, g, 16); }

// ---- Recursion over a binary tree, node 0 the root: p = w0, w1, w2, w3; x = leaf values

static double tree_value(const Inputs *in, int64_t node) {
    if (in->left[node] < 0) return tanh(in->x[node] * in->p[3]);
    double l = tree_value(in, in->left[node]), r = tree_value(in, in->right[node]);
    return tanh(in->p[0] * l + in->p[1] * r + in->p[2]);
}

double tree(const Inputs *in) { return tree_value(in, 0); }

static double tree_forward(const Inputs *in, int64_t node, double *value) {
    if (in->left[node] < 0) return value[node] = tanh(in->x[node] * in->p[3]);
    double l = tree_forward(in, in->left[node], value), r = tree_forward(in, in->right[node], value);
    return value[node] = tanh(in->p[0] * l + in->p[1] * r + in->p[2]);
}

static void tree_backward(const Inputs *in, int64_t node, const double *value, double dz, double *g) {
    double d = dz * (1 - value[node] * value[node]);
    int64_t l = in->left[node], r = in->right[node];
    if (l < 0) {
        g[3] += d * in->x[node];
        return;
    }
    g[0] += d * value[l], g[1] += d * value[r], g[2] += d;
    tree_backward(in, l, value, d * in->p[0], g);
    tree_backward(in, r, value, d * in->p[1], g);
}

void tree_gradient(const Inputs *in, double *g) {
    double *value = reserve((size_t)in->n);
    tree_forward(in, 0, value);
    memset(g, 0, 4 * sizeof *g);
    tree_backward(in, 0, value, 1, g);
}

// ---- Determinant by minors: a recursion with a loop; x = the matrix, n x n

static double minors(const double *a, int64_t n, int64_t row, int64_t used) {
    if (row == n) return 1;
    double total = 0, sign = 1;
    for (int64_t j = 0; j < n; j++)
        if (!(used & (int64_t)1 << j)) {
            total += sign * a[row * n + j] * minors(a, n, row + 1, used | (int64_t)1 << j);
            sign = -sign;
        }
    return total;
}

double determinant(const Inputs *in) { return minors(in->x, in->n, 0, 0); }

// Every minor goes to the tape when it is known; the way back takes them off in the other order.
static double minors_forward(const double *a, int64_t n, int64_t row, int64_t used, double **tape) {
    if (row == n) return 1;
    double total = 0, sign = 1;
    for (int64_t j = 0; j < n; j++)
        if (!(used & (int64_t)1 << j)) {
            double m = minors_forward(a, n, row + 1, used | (int64_t)1 << j, tape);
            *(*tape)++ = m;
            total += sign * a[row * n + j] * m;
            sign = -sign;
        }
    return total;
}

static void minors_backward(const double *a, int64_t n, int64_t row, int64_t used, double **tape, double d, double *g) {
    if (row == n) return;
    double sign = (n - row) % 2 ? 1 : -1;
    for (int64_t j = n - 1; j >= 0; j--)
        if (!(used & (int64_t)1 << j)) {
            g[row * n + j] += d * sign * *--*tape;
            minors_backward(a, n, row + 1, used | (int64_t)1 << j, tape, d * sign * a[row * n + j], g);
            sign = -sign;
        }
}

void determinant_gradient(const Inputs *in, double *g) {
    double calls = 1;
    for (int64_t k = 1; k <= in->n; k++) calls = calls * (double)k + 1;
    double *tape = reserve((size_t)calls);
    minors_forward(in->x, in->n, 0, 0, &tape);
    memset(g, 0, (size_t)(in->n * in->n) * sizeof *g);
    minors_backward(in->x, in->n, 0, 0, &tape, 1, g);
}
