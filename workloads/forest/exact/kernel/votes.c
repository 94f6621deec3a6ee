/* Sums of votes, and codes of columns. */
#include <stdint.h>

#define COMMIT(NAME, TYPE)                                                                  \
    void NAME(double *sums, const TYPE *rows, const double *table, int64_t n,               \
              int32_t n_classes) {                                                          \
        for (int64_t i = 0; i < n; i++) {                                                   \
            const double *vote = table + (int64_t)rows[i] * n_classes;                      \
            double *sum = sums + i * n_classes;                                             \
            for (int32_t k = 0; k < n_classes; k++) sum[k] += vote[k];                      \
        }                                                                                   \
    }

/* Add the votes of one tree: row i votes table[rows[i]]. */
COMMIT(tandem_commit_u8, uint8_t)
COMMIT(tandem_commit_u16, uint16_t)
COMMIT(tandem_commit_u32, uint32_t)

/* How many rows have their own class first in sums / divisor, the first of equals winning. */
int64_t tandem_correct(const double *sums, const int32_t *truth, int64_t n, int32_t n_classes,
                       double divisor) {
    int64_t correct = 0;
    for (int64_t i = 0; i < n; i++) {
        const double *sum = sums + i * n_classes;
        double most = sum[0] / divisor;
        int32_t winner = 0;
        for (int32_t k = 1; k < n_classes; k++) {
            double mean = sum[k] / divisor;
            if (mean > most) {
                most = mean;
                winner = k;
            }
        }
        correct += winner == truth[i];
    }
    return correct;
}

/* Rank codes of a column: the position of each value among the sorted distinct ones. */
#define RANK(NAME, TYPE)                                                                    \
    void NAME(const float *column, int64_t n, const float *values, int64_t n_values,        \
              TYPE *codes) {                                                                \
        for (int64_t i = 0; i < n; i++) {                                                   \
            const float *base = values;                                                     \
            int64_t length = n_values;                                                      \
            while (length > 1) {                                                            \
                int64_t half = length / 2;                                                  \
                base += base[half] <= column[i] ? half : 0;                                 \
                length -= half;                                                             \
            }                                                                               \
            codes[i] = (TYPE)(base - values);                                               \
        }                                                                                   \
    }

RANK(tandem_rank_u8, uint8_t)
RANK(tandem_rank_u16, uint16_t)
