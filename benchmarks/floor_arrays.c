// The floor, continued: programs that walk over arrays. The rules are at the head of floor.c.

#include "floor.h"

// ---- Loops over arrays: x (and y) of n elements

double squares(const Inputs *in) {
    double sum = 0;
    for (int64_t i = 0; i < in->n; i++) sum += in->x[i] * in->x[i];
    return sum;
}

void squares_gradient(const Inputs *in, double *g) {
    for (int64_t i = 0; i < in->n; i++) g[i] = 2 * in->x[i];
}

double dot(const Inputs *in) {
    double sum = 0;
    for (int64_t i = 0; i < in->n; i++) sum += in->x[i] * in->y[i];
    return sum;
}

void dot_gradient(const Inputs *in, double *g) {
    memcpy(g, in->y, (size_t)in->n * sizeof *g);
    memcpy(g + in->n, in->x, (size_t)in->n * sizeof *g);
}

static double largest(const Inputs *in) {
    double m = in->x[0];
    for (int64_t i = 1; i < in->n; i++)
        if (in->x[i] > m) m = in->x[i];
    return m;
}

double logsumexp(const Inputs *in) {
    double m = largest(in), sum = 0;
    for (int64_t i = 0; i < in->n; i++) sum += exp(in->x[i] - m);
    return m + log(sum);
}

void logsumexp_gradient(const Inputs *in, double *g) {
    double m = largest(in), sum = 0;  // what reaches x through m cancels: 1 - sum / sum
    for (int64_t i = 0; i < in->n; i++) sum += g[i] = exp(in->x[i] - m);
    double scale = 1 / sum;
    for (int64_t i = 0; i < in->n; i++) g[i] *= scale;
}

// ---- Soft-min edit distance of x and y, n elements each: p = gamma

static const double border = 1e6;

static double *distance_table(int64_t n) {
    double *D = reserve((size_t)((n + 1) * (n + 1) + 3 * n * n + (n + 2) * 2));
    D[0] = 0;
    for (int64_t i = 1; i <= n; i++) D[i] = D[i * (n + 1)] = border;
    return D;
}

INLINE double smallest(double a, double b, double c) {
    double m = a;
    if (b < m) m = b;
    if (c < m) m = c;
    return m;
}

double softdtw(const Inputs *in) {
    int64_t n = in->n, w = n + 1;
    double gamma = in->p[0], *D = distance_table(n);
    for (int64_t i = 1; i <= n; i++)
        for (int64_t j = 1; j <= n; j++) {
            double a = D[(i - 1) * w + j - 1], b = D[(i - 1) * w + j], c = D[i * w + j - 1], m = smallest(a, b, c);
            double sum = exp(-(a - m) / gamma) + exp(-(b - m) / gamma) + exp(-(c - m) / gamma);
            double gap = in->x[i - 1] - in->y[j - 1];
            D[i * w + j] = gap * gap + (m - gamma * log(sum));
        }
    return D[n * w + n];
}

static double *softdtw_weights(const Inputs *in) {
    int64_t n = in->n, w = n + 1;
    double gamma = in->p[0], *D = distance_table(n), *weights = D + w * w;
    for (int64_t i = 1; i <= n; i++)
        for (int64_t j = 1; j <= n; j++) {
            double a = D[(i - 1) * w + j - 1], b = D[(i - 1) * w + j], c = D[i * w + j - 1], m = smallest(a, b, c);
            double ea = exp(-(a - m) / gamma), eb = exp(-(b - m) / gamma), ec = exp(-(c - m) / gamma);
            double sum = ea + eb + ec, scale = 1 / sum, *t = weights + 3 * ((i - 1) * n + j - 1);
            double gap = in->x[i - 1] - in->y[j - 1];
            t[0] = ea * scale, t[1] = eb * scale, t[2] = ec * scale;
            D[i * w + j] = gap * gap + (m - gamma * log(sum));
        }
    return weights;
}

void softdtw_gradient(const Inputs *in, double *g) {  // two rows of the adjoint table are enough
    int64_t n = in->n;
    double *weights = softdtw_weights(in), *below = weights + 3 * n * n, *row = below + n + 2;
    memset(g, 0, 2 * (size_t)n * sizeof *g);
    memset(below, 0, 2 * (size_t)(n + 2) * sizeof *below);
    below[n] = 1;
    for (int64_t i = n; i >= 1; i--) {  // below[j]: what row i + 1 gave to D[i, j]
        double dx = 0, from_right = 0;
        memset(row, 0, (size_t)(n + 2) * sizeof *row);
        for (int64_t j = n; j >= 1; j--) {
            const double *t = weights + 3 * ((i - 1) * n + j - 1);
            double d = below[j] + from_right, dgap = 2 * d * (in->x[i - 1] - in->y[j - 1]);
            dx += dgap, g[n + j - 1] -= dgap;
            row[j - 1] += d * t[0], row[j] += d * t[1], from_right = d * t[2];
        }
        g[i - 1] = dx;
        double *swap = below;
        below = row, row = swap;
    }
}

// ---- log |det| of the n x n matrix x by elimination without pivoting

static double *eliminate(const Inputs *in) {  // LU in place: multipliers below, U on and above the diagonal
    int64_t n = in->n;
    double *A = reserve(2 * (size_t)(n * n));
    memcpy(A, in->x, (size_t)(n * n) * sizeof *A);
    for (int64_t k = 0; k < n; k++)
        for (int64_t i = k + 1; i < n; i++) {
            double *restrict row = A + i * n;
            const double *restrict top = A + k * n;
            double factor = row[k] = row[k] / top[k];
            for (int64_t j = k + 1; j < n; j++) row[j] -= factor * top[j];
        }
    return A;
}

double logdet(const Inputs *in) {
    double *A = eliminate(in), sum = 0;
    for (int64_t k = 0; k < in->n; k++) sum += log(fabs(A[k * in->n + k]));
    return sum;
}

void logdet_gradient(const Inputs *in, double *g) {
    int64_t n = in->n;
    double *A = eliminate(in);
    memset(g, 0, (size_t)(n * n) * sizeof *g);
    for (int64_t k = n - 1; k >= 0; k--) {
        double *restrict dtop = g + k * n;
        const double *restrict top = A + k * n;
        dtop[k] += 1 / top[k];
        for (int64_t i = k + 1; i < n; i++) {
            double *restrict drow = g + i * n, factor = A[i * n + k], dfactor = 0;
            for (int64_t j = k + 1; j < n; j++) dfactor -= drow[j] * top[j], dtop[j] -= factor * drow[j];
            drow[k] = dfactor / top[k];
            dtop[k] -= dfactor * factor / top[k];
        }
    }
}
