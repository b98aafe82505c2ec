// Real schemes by flood fill on the octants: one thread evaluates one sign vector.
//
// The method and all conventions are those of gpu/octants.py, whose codes these are bit for bit.
// The same source compiles as C++ for the host (tests do so), where SCHEMES_HOST is defined.

#ifdef SCHEMES_HOST
#define DEVICE static inline
#define LOWEST_BIT(x) __builtin_ctzll(x)
#define NUM_BITS(x) __builtin_popcountll(x)
#else
#define DEVICE __device__ __forceinline__
#define LOWEST_BIT(x) (__ffsll((long long)(x)) - 1)
#define NUM_BITS(x) __popcll(x)
#endif

typedef unsigned long long word;

#define MAX_REGIONS 32
#define FAILED (~0ull)

struct Grid {
    word quadrant_bits[4];  // bit p of entry e: e.p mod 2
    word left, bottom, slanted, everything;
    int is_odd;
};

DEVICE word plant(word forest) { return (1ull << (2 * NUM_BITS(forest) + 1)) | (forest << 1); }

DEVICE int leading_tree_length(word code, int length) {
    int depth = 0, position = length;
    do {
        --position;
        depth += ((code >> position) & 1) ? 1 : -1;
    } while (depth);
    return length - position;
}

DEVICE word low_bits(word x, int count) { return x & ((1ull << count) - 1); }

// Disjoint union of two forests in canonical order: descending trees.
DEVICE word merge(word a, word b) {
    if (!a) return b;
    if (!b) return a;
    int na = 2 * NUM_BITS(a), nb = 2 * NUM_BITS(b);
    word out = 0;
    while (na && nb) {
        int la = leading_tree_length(a, na), lb = leading_tree_length(b, nb);
        word ta = a >> (na - la), tb = b >> (nb - lb);
        if (ta >= tb) {
            out = (out << la) | ta;
            na -= la;
            a = low_bits(a, na);
        } else {
            out = (out << lb) | tb;
            nb -= lb;
            b = low_bits(b, nb);
        }
    }
    return (((out << na) | a) << nb) | b;
}

// Append `empty` empty ovals, each 10 in binary.
DEVICE word close_forest(word forest, int empty) {
    return (forest << (2 * empty)) | low_bits(0xAAAAAAAAAAAAAAAAull, 2 * empty);
}

DEVICE void add_child(word inside, int parent, word *forest, int *empty) {
    if (inside)
        forest[parent] = merge(forest[parent], plant(inside));
    else
        empty[parent] += 1;
}

// Flood one region from point p0 of quadrant e0; fill reach and cut by octant.
DEVICE void flood(const word *neighbors, const word *colors, const Grid &grid, int e0, int p0,
                  word *reach, word *cut) {
    word fresh[8];
    for (int k = 0; k < 8; ++k) reach[k] = cut[k] = fresh[k] = 0;
    const word positive = (colors[e0] >> p0) & 1;
    fresh[e0] = 1ull << p0;
    unsigned pending = 1u << e0;
    while (pending) {
        const int k = LOWEST_BIT((word)pending);
        pending &= pending - 1;
        const word flip = positive ^ (grid.is_odd ? k >> 2 : 0);
        const word same = flip ? colors[k & 3] : grid.everything & ~colors[k & 3];
        const word before = reach[k];
        word reached = before | fresh[k], stack = fresh[k] & ~before, seen = 0;
        fresh[k] = 0;
        while (stack) {
            const word near = neighbors[LOWEST_BIT(stack)];
            stack &= stack - 1;
            seen |= near;
            const word found = near & same & ~reached;
            reached |= found;
            stack |= found;
        }
        reach[k] = reached;
        cut[k] |= seen & ~same;
        const word added = reached & ~before;
        const int glued[3] = {k ^ 1, k ^ 2, k ^ 7};
        const word edge[3] = {grid.left, grid.bottom, grid.slanted};
        for (int i = 0; i < 3; ++i) {
            const word handed = added & edge[i] & ~reach[glued[i]];
            if (handed) {
                fresh[glued[i]] |= handed;
                pending |= 1u << glued[i];
            }
        }
    }
}

DEVICE bool is_root(const Grid &grid, const word *reach, const word *cut) {
    word hit = 0;
    for (int e = 0; e < 4; ++e)
        hit |= grid.is_odd ? (cut[e] & reach[e + 4]) | (cut[e + 4] & reach[e])
                           : reach[e] & reach[e + 4];
    return hit != 0;
}

// Code of the tree of regions, rooted at `root` instead of region 0.
DEVICE word fold_tree(int count, int root, const int *parent, int *empty, word *forest) {
    unsigned on_path = 0;
    for (int c = root; c >= 0; c = parent[c]) on_path |= 1u << c;
    for (int c = count - 1; c > 0; --c)
        if (!((on_path >> c) & 1))
            add_child(close_forest(forest[c], empty[c]), parent[c], forest, empty);
    int below = 0;
    for (on_path &= ~1u; on_path; on_path &= on_path - 1) {
        const int c = LOWEST_BIT((word)on_path);
        add_child(close_forest(forest[below], empty[below]), c, forest, empty);
        below = c;
    }
    return close_forest(forest[root], empty[root]);
}

DEVICE word scheme_code(const word *neighbors, const Grid &grid, word signs) {
    word colors[4], reach[8], cut[8], visited[4] = {0, 0, 0, 0};
    word seeds[4 * MAX_REGIONS], forest[MAX_REGIONS];
    int parent[MAX_REGIONS], empty[MAX_REGIONS];
    for (int e = 0; e < 4; ++e) colors[e] = signs ^ grid.quadrant_bits[e];
    int root = -1, count = 1, at = 0, e0 = 0, p0 = 0;
    parent[0] = -1;
    for (int current = 0;; current = count++) {
        flood(neighbors, colors, grid, e0, p0, reach, cut);
        if (root < 0 && is_root(grid, reach, cut)) root = current;
        for (int e = 0; e < 4; ++e) {
            visited[e] |= reach[e] | reach[e + 4];
            seeds[4 * current + e] = cut[e] | cut[e + 4];
        }
        forest[current] = 0;
        empty[current] = 0;
        word seed = 0;
        for (; at < count && !seed; at += seed ? 0 : 1)
            for (e0 = 0; e0 < 4; ++e0)
                if ((seed = seeds[4 * at + e0] & ~visited[e0])) break;
        if (!seed) break;
        if (count == MAX_REGIONS) return FAILED;
        p0 = LOWEST_BIT(seed);
        parent[count] = at;
    }
    return root < 0 ? FAILED : fold_tree(count, root, parent, empty, forest);
}

DEVICE void fill_neighbors(const unsigned char *triangles, int num_triangles, word *neighbors) {
    for (int p = 0; p < 64; ++p) neighbors[p] = 0;
    for (int f = 0; f < num_triangles; ++f) {
        const int a = triangles[3 * f], b = triangles[3 * f + 1], c = triangles[3 * f + 2];
        neighbors[a] |= (1ull << b) | (1ull << c);
        neighbors[b] |= (1ull << a) | (1ull << c);
        neighbors[c] |= (1ull << a) | (1ull << b);
    }
}

#ifdef SCHEMES_HOST

extern "C" void codes_each(const unsigned char *triangles, int num_triangles, const Grid *grid,
                           const word *signs, word *codes, long long total) {
    word neighbors[64];
    for (long long i = 0; i < total; ++i) {
        fill_neighbors(triangles + 3ll * num_triangles * i, num_triangles, neighbors);
        codes[i] = scheme_code(neighbors, *grid, signs[i]);
    }
}

extern "C" void codes_fixed(const unsigned char *triangles, int num_triangles, const Grid *grid,
                            const word *signs, word *codes, long long total) {
    word neighbors[64];
    fill_neighbors(triangles, num_triangles, neighbors);
    for (long long i = 0; i < total; ++i) codes[i] = scheme_code(neighbors, *grid, signs[i]);
}

#else

// One triangulation per instance.
extern "C" __global__ void codes_each(const unsigned char *triangles, int num_triangles, Grid grid,
                                      const word *signs, word *codes, long long total) {
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < total;
         i += (long long)gridDim.x * blockDim.x) {
        word neighbors[64];
        fill_neighbors(triangles + 3ll * num_triangles * i, num_triangles, neighbors);
        codes[i] = scheme_code(neighbors, grid, signs[i]);
    }
}

// One triangulation for all instances: its neighbor words lie in shared memory.
extern "C" __global__ void codes_fixed(const unsigned char *triangles, int num_triangles, Grid grid,
                                       const word *signs, word *codes, long long total) {
    __shared__ word neighbors[64];
    if (threadIdx.x == 0) fill_neighbors(triangles, num_triangles, neighbors);
    __syncthreads();
    for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < total;
         i += (long long)gridDim.x * blockDim.x)
        codes[i] = scheme_code(neighbors, grid, signs[i]);
}

// Histogram of a range of sign vectors; bit i of k is the sign of the i-th free point.  Each block
// counts in a table of its own; what finds no room there goes to the global table directly.
#define LOCAL_SLOTS 1024

__device__ void count_globally(word code, word count, word witness, word *table_codes,
                               word *table_counts, word *table_witnesses, unsigned slots,
                               word *failures) {
    unsigned at = (unsigned)((code * 0x9E3779B97F4A7C15ull) >> 40) & (slots - 1);
    for (unsigned i = 0; i < slots; ++i, at = (at + 1) & (slots - 1)) {
        const word old = atomicCAS(&table_codes[at], FAILED, code);
        if (old == FAILED || old == code) {
            atomicAdd(&table_counts[at], count);
            atomicMin(&table_witnesses[at], witness);
            return;
        }
    }
    atomicAdd(failures, count);
}

extern "C" __global__ void sweep(const unsigned char *triangles, int num_triangles, Grid grid,
                                 const unsigned char *free_points, int num_free, word begin,
                                 word end, word *table_codes, word *table_counts,
                                 word *table_witnesses, unsigned slots, word *failures) {
    __shared__ word neighbors[64], codes[LOCAL_SLOTS], witnesses[LOCAL_SLOTS];
    __shared__ unsigned counts[LOCAL_SLOTS];
    for (unsigned j = threadIdx.x; j < LOCAL_SLOTS; j += blockDim.x) {
        codes[j] = FAILED;
        witnesses[j] = FAILED;
        counts[j] = 0;
    }
    if (threadIdx.x == 0) fill_neighbors(triangles, num_triangles, neighbors);
    __syncthreads();
    for (word k = begin + blockIdx.x * (word)blockDim.x + threadIdx.x; k < end;
         k += (word)gridDim.x * blockDim.x) {
        word signs = 0;
        for (int i = 0; i < num_free; ++i) signs |= ((k >> i) & 1) << free_points[i];
        const word code = scheme_code(neighbors, grid, signs);
        if (code == FAILED) {
            atomicAdd(failures, 1ull);
            continue;
        }
        unsigned at = (unsigned)((code * 0x9E3779B97F4A7C15ull) >> 40) & (LOCAL_SLOTS - 1);
        bool counted = false;
        for (int tries = 0; tries < 64 && !counted; ++tries, at = (at + 1) & (LOCAL_SLOTS - 1)) {
            const word old = atomicCAS(&codes[at], FAILED, code);
            if (old == FAILED || old == code) {
                atomicAdd(&counts[at], 1u);
                atomicMin(&witnesses[at], signs);
                counted = true;
            }
        }
        if (!counted)
            count_globally(code, 1, signs, table_codes, table_counts, table_witnesses, slots,
                           failures);
    }
    __syncthreads();
    for (unsigned j = threadIdx.x; j < LOCAL_SLOTS; j += blockDim.x)
        if (counts[j])
            count_globally(codes[j], counts[j], witnesses[j], table_codes, table_counts,
                           table_witnesses, slots, failures);
}

#endif
