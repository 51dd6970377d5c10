// What the C programs share: their inputs and their tape.

#ifndef FLOOR_H
#define FLOOR_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef struct {
    double p[8];           // scalar parameters, in the order of the Python arguments
    const double *x, *y;   // float arrays, in the order of the Python arguments
    const int64_t *left, *right;
    int64_t n;             // steps, solves or array length
} Inputs;

// Uninitialised room for this many doubles, kept between calls; a second call may give the same memory.
double *reserve(size_t doubles);

#endif
