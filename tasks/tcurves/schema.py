"""Arrow schemas of the census tables."""

from __future__ import annotations

import pyarrow as pa

from tasks.records import SCIENCE_COLUMNS, column, science_schema

HISTOGRAM_SCHEMA = science_schema(
    column("triangulation", pa.string(), "name of the triangulation"),
    column("scheme", pa.string(), "real scheme in Viro notation"),
    column("count", pa.uint64(), "sign classes with this scheme; null if not counted"),
    column("ovals", pa.int32(), "number of ovals, the pseudo-line not included"),
    column("p", pa.int32(), "even ovals: inside an even number of others"),
    column("n", pa.int32(), "odd ovals"),
    column("depth", pa.int32(), "length of the longest nest"),
    column("is_maximal", pa.bool_(), "M-curve: as many components as Harnack's bound allows"),
    column("witness", pa.uint64(), "signs with this scheme: bit i is the sign of point i"),
)
"""One row per triangulation and scheme."""

SUMMARY_SCHEMA = science_schema(
    column("triangulation", pa.string(), "name of the triangulation"),
    column("degree", pa.int32(), "degree of the curves"),
    column("sign_classes", pa.uint64(), "2^(n-3), the sign vectors up to gauge"),
    column("num_schemes", pa.int32(), "schemes found"),
    column("max_ovals", pa.int32(), "most ovals of a scheme found"),
    column("num_maximal", pa.int32(), "M-schemes found"),
    column("peak_states", pa.int64(), "most states of a layer of the frontier program"),
    column("transitions", pa.int64(), "state transitions, or evaluations of the union-find engine"),
    column("regular", pa.bool_(), "exact regularity certificate; null if undecided"),
    column(
        "triangles",
        pa.list_(pa.list_(pa.int32(), 3)),
        "the triangulation: point indices of its triangles",
    ),
    column(
        "weights",
        pa.list_(pa.int64()),
        "integer weights that prove regularity; null if there are none or they exceed 64 bits",
    ),
    column("content", pa.string(), "SHA-256 of degree, triangles and weights"),
    column("reason", pa.string(), "why there is no result; empty if there is one"),
)
"""One row per triangulation."""

VERIFICATION_SCHEMA = science_schema(
    column("triangulation", pa.string(), "name of the triangulation"),
    column("scheme", pa.string(), "scheme in the histogram"),
    column("witness", pa.uint64(), "its witness"),
    column("derived", pa.string(), "scheme derived from the witness by Euler characteristics"),
    column("violated", pa.string(), "classical restrictions it violates; empty if none"),
    column("agrees", pa.bool_(), "derived equals scheme and no restriction is violated"),
)
"""One row per verified witness."""

SWEEP_SCHEMA = science_schema(
    column("item", pa.string(), "key of the shard"),
    column("shard", pa.int64(), "number of the shard, from 0, within its triangulation"),
    *list(HISTOGRAM_SCHEMA)[len(SCIENCE_COLUMNS) :],
)
"""One row per shard of a sweep and scheme; counts and witnesses are those of the shard."""

SHARD_SCHEMA = science_schema(
    column("item", pa.string(), "key of the shard"),
    column("triangulation", pa.string(), "name of the triangulation"),
    column("degree", pa.int32(), "degree of the curves"),
    column("shard", pa.int64(), "number of the shard, from 0, within its triangulation"),
    column("evaluations", pa.uint64(), "sign vectors evaluated"),
    column("redone", pa.uint64(), "of these, left open by the kernel and done by union-find"),
    column("num_schemes", pa.int32(), "schemes found"),
    column("reason", pa.string(), "why there is no result; empty if there is one"),
)
"""One row per shard of a sweep."""

SWEEP_SUMMARY_SCHEMA = science_schema(
    column("triangulation", pa.string(), "name of the triangulation"),
    column("degree", pa.int32(), "degree of the curves"),
    column("sign_classes", pa.uint64(), "2^(n-3), the sign vectors up to gauge"),
    column("evaluations", pa.uint64(), "sign vectors evaluated"),
    column("redone", pa.uint64(), "of these, left open by the kernel and done by union-find"),
    column("num_schemes", pa.int32(), "schemes found"),
    column("max_ovals", pa.int32(), "most ovals of a scheme found"),
    column("num_maximal", pa.int32(), "M-schemes found"),
    column(
        "unclassified",
        pa.list_(pa.string()),
        "schemes found that no curve of this degree has; null where the classification is open",
    ),
    *(SUMMARY_SCHEMA.field(name) for name in ("regular", "triangles", "weights", "content")),
    column("reason", pa.string(), "why the schemes cannot be right; empty if they can"),
)
"""One row per triangulation all of whose shards are done."""
