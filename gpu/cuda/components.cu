// Components of T-curves by rank over F2: one thread counts those of one instance.
//
// The method and all conventions are those of gpu/component_matrix.py; gpu/components.py counts the same.  The same
// source compiles as C++ for the host (tests do so), where COMPONENTS_HOST is defined.

#ifdef COMPONENTS_HOST
#define DEVICE static inline
#define KERNEL extern "C"
#define INSTANCES(i, total) for (long long i = 0; i < total; ++i)
#else
#define DEVICE __device__ __forceinline__
#define KERNEL extern "C" __global__
#define INSTANCES(i, total)                                                                  \
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < total; \
         i += (long long)gridDim.x * blockDim.x)
#endif

typedef unsigned long long word;

#define MAX_ROWS 28
#define DIGIT_BITS 6

struct Layout {
    unsigned char row[64];     // row of each interior point, num_rows for the others
    unsigned char parity[64];  // point mod 2 as x + 2 y
    int num_rows;
};

// Reduce a row by the rows of a basis and append the rest; return the new size.
DEVICE int extend(unsigned *basis, int size, unsigned row) {
    for (int i = 0; i < size; ++i) row = row < (row ^ basis[i]) ? row : row ^ basis[i];
    if (row) basis[size++] = row;
    return size;
}

DEVICE void add_edge(int a, int b, int c, const Layout &layout, word signs, unsigned *rows) {
    const int delta = layout.parity[a] ^ layout.parity[b];
    unsigned h = (signs >> c) & 1;
    if (layout.parity[c] & delta & -delta) h ^= 1 ^ ((signs >> a) & 1) ^ ((signs >> b) & 1);
    const int i = layout.row[a], j = layout.row[b];
    const unsigned inside = (1u << layout.num_rows) - 1;
    const unsigned change = (0u - h) & inside & ((1u << i) | (1u << j));
    rows[i] ^= change;
    rows[j] ^= change;
}

// One triangulation for all instances, as tables (num_rows, num_digits, 2^DIGIT_BITS).
KERNEL void components_fixed(const unsigned *tables, int num_rows, int num_digits,
                             const word *signs, long long *counts, long long total) {
    INSTANCES(k, total) {
        unsigned basis[MAX_ROWS];
        int rank = 0;
        for (int i = 0; i < num_rows; ++i) {
            unsigned row = 0;
            word rest = signs[k];
            for (int digit = 0; digit < num_digits; ++digit, rest >>= DIGIT_BITS)
                row ^= tables[((i * num_digits + digit) << DIGIT_BITS) +
                              (int)(rest & ((1 << DIGIT_BITS) - 1))];
            rank = extend(basis, rank, row);
        }
        counts[k] = num_rows + 1 - rank;
    }
}

// One triangulation per instance.
KERNEL void components_each(const unsigned char *triangles, int num_triangles,
#ifdef COMPONENTS_HOST
                            const Layout &layout,
#else
                            Layout layout,
#endif
                            const word *signs, long long *counts, long long total) {
    INSTANCES(k, total) {
        unsigned rows[MAX_ROWS + 1], basis[MAX_ROWS];
        for (int i = 0; i <= MAX_ROWS; ++i) rows[i] = 0;
        const unsigned char *corner = triangles + 3ll * num_triangles * k;
        for (int f = 0; f < num_triangles; ++f, corner += 3) {
            add_edge(corner[0], corner[1], corner[2], layout, signs[k], rows);
            add_edge(corner[1], corner[2], corner[0], layout, signs[k], rows);
            add_edge(corner[2], corner[0], corner[1], layout, signs[k], rows);
        }
        int rank = 0;
        for (int i = 0; i < layout.num_rows; ++i) rank = extend(basis, rank, rows[i]);
        counts[k] = layout.num_rows + 1 - rank;
    }
}
