/* The whole-array programs of arrays.py in C: what a careful programmer writes by hand. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* 1/2 sum_i (s_i - sum_j x_j t_i^j)^2, powers by repeated multiplication */
double least_squares(const double *x, const double *t, const double *s, int64_t n, int64_t m) {
    double total = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double y = 0.0, p = 1.0;
        for (int64_t j = 0; j < m; j++) {
            y += x[j] * p;
            p *= t[i];
        }
        total += (s[i] - y) * (s[i] - y);
    }
    return 0.5 * total;
}

/* the same with the powers by pow() */
double least_squares_powers(const double *x, const double *t, const double *s, int64_t n, int64_t m) {
    double total = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double y = 0.0;
        for (int64_t j = 0; j < m; j++)
            y += x[j] * pow(t[i], (double)j);
        total += (s[i] - y) * (s[i] - y);
    }
    return 0.5 * total;
}

static void rates(const double *restrict x, const double *restrict y, double *restrict d, int64_t n) {
    d[0] = x[0];
    for (int64_t i = 1; i < n; i++)
        d[i] = x[i] * y[i - 1];
}

/* the sum of squares after so many steps of RK4 of y_0' = x_0, y_i' = x_i y_{i-1} */
double rk4(const double *x, const double *start, int64_t n, int64_t steps) {
    const double h = 0.01;
    double *all = malloc(6 * n * sizeof(double));
    double *y = all, *k1 = y + n, *k2 = k1 + n, *k3 = k2 + n, *k4 = k3 + n, *w = k4 + n;
    memcpy(y, start, n * sizeof(double));
    for (int64_t s = 0; s < steps; s++) {
        rates(x, y, k1, n);
        for (int64_t i = 0; i < n; i++) w[i] = y[i] + h / 2 * k1[i];
        rates(x, w, k2, n);
        for (int64_t i = 0; i < n; i++) w[i] = y[i] + h / 2 * k2[i];
        rates(x, w, k3, n);
        for (int64_t i = 0; i < n; i++) w[i] = y[i] + h * k3[i];
        rates(x, w, k4, n);
        for (int64_t i = 0; i < n; i++) y[i] += h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    }
    double total = 0.0;
    for (int64_t i = 0; i < n; i++) total += y[i] * y[i];
    free(all);
    return total;
}

/* The log posterior of a Gaussian mixture and its gradient: alphas (K), means (K, d), icf (K, d + d(d-1)/2): the logarithms
   of the diagonals of lower triangular Q_k, then what stands below them by rows. The gradient is the adjoint, written by hand. */
double mixture_gradient(const double *alphas, const double *means, const double *icf, const double *x, int64_t n, int64_t d, int64_t K,
                        double *d_alphas, double *d_means, double *d_icf) {
    int64_t width = d + d * (d - 1) / 2;
    double *q = malloc(K * d * d * sizeof(double)), *dq = calloc(K * d * d, sizeof(double));
    double *z = malloc(K * d * sizeof(double)), *c = malloc(K * d * sizeof(double));
    double *sums = calloc(K, sizeof(double)), *main_term = malloc(K * sizeof(double)), *weights = calloc(K, sizeof(double));
    memset(d_means, 0, K * d * sizeof(double));
    memset(d_icf, 0, K * width * sizeof(double));
    for (int64_t k = 0; k < K; k++) {
        const double *row = icf + k * width;
        int64_t at = d;
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j < i; j++) q[(k * d + i) * d + j] = row[at++];
            q[(k * d + i) * d + i] = exp(row[i]);
            sums[k] += row[i];
        }
    }
    double total = 0.0;
    for (int64_t p = 0; p < n; p++) {
        double top = -INFINITY;
        for (int64_t k = 0; k < K; k++) {
            double square = 0.0;
            for (int64_t i = 0; i < d; i++) c[k * d + i] = x[p * d + i] - means[k * d + i];
            for (int64_t i = 0; i < d; i++) {
                double v = 0.0;
                for (int64_t j = 0; j <= i; j++) v += q[(k * d + i) * d + j] * c[k * d + j];
                z[k * d + i] = v;
                square += v * v;
            }
            main_term[k] = alphas[k] + sums[k] - 0.5 * square;
            if (main_term[k] > top) top = main_term[k];
        }
        double whole = 0.0;
        for (int64_t k = 0; k < K; k++) whole += main_term[k] = exp(main_term[k] - top);
        total += top + log(whole);
        for (int64_t k = 0; k < K; k++) {
            double w = main_term[k] / whole;
            weights[k] += w;
            for (int64_t i = 0; i < d; i++) {
                double dz = -w * z[k * d + i];
                for (int64_t j = 0; j <= i; j++) {
                    dq[(k * d + i) * d + j] += dz * c[k * d + j];
                    d_means[k * d + j] -= dz * q[(k * d + i) * d + j];
                }
            }
        }
    }
    double top = -INFINITY, whole = 0.0;
    for (int64_t k = 0; k < K; k++)
        if (alphas[k] > top) top = alphas[k];
    for (int64_t k = 0; k < K; k++) whole += exp(alphas[k] - top);
    total -= n * (top + log(whole));
    for (int64_t k = 0; k < K; k++) {
        const double *row = icf + k * width;
        d_alphas[k] = weights[k] - n * exp(alphas[k] - top) / whole;
        int64_t at = d;
        for (int64_t i = 0; i < d; i++) {
            double e = exp(row[i]);
            total += 0.5 * e * e - row[i];
            d_icf[k * width + i] = dq[(k * d + i) * d + i] * e + weights[k] + e * e - 1.0;
            for (int64_t j = 0; j < i; j++, at++) {
                total += 0.5 * row[at] * row[at];
                d_icf[k * width + at] = dq[(k * d + i) * d + j] + row[at];
            }
        }
    }
    free(q), free(dq), free(z), free(c), free(sums), free(main_term), free(weights);
    return total;
}
