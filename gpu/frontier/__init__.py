"""One layer of the frontier dynamic program that counts real schemes over all sign vectors.

Notation.  T is a unimodular triangulation of d*Delta_2 whose points are added one after the other.
The *frontier* is the set of added points that still have a neighbor to come.  In RP^2 a point has
4, 2 or 1 copies (one per quadrant, up to gluing); a *slot* is a copy of a frontier point.  An edge
{p, q} is monochromatic in quadrant e exactly if s_p + s_q + e.(p + q) = 0 mod 2; monochromatic
edges join copies into *regions*, the others separate two regions by an oval (or by the
pseudo-line J, whose two sides are one region).

State.  What the points still to come can see of the past, and nothing more:

* the signs of the frontier points;
* the partition of the slots into regions, for even d with Z2 potentials (which lift of a slot to
  the sphere lies in which lift of its region) until the one-sided region has been found;
* of every region the forest of ovals that are finished inside it;
* the *root*: the region that will be the non-orientable one (even d: a potential contradiction;
  odd d: a region that meets itself along J);
* regions without slots (*closed*) with two or more neighbors, and the adjacencies that cannot be
  read off the edges between frontier points.

A closed region with a single neighbor is a leaf of the tree of regions and folds into its
neighbor; if it is the root, it folds into a *chain* that is turned around at the end.

Gauge.  Adding an affine function c0 + c1 x + c2 y to the signs flips colors and permutes quadrants
by (c1, c2), hence changes no scheme.  Every state is moved to the representative in which three
chosen frontier points have sign 0; this leaves one state in eight.  Counts are over all 2^n sign
vectors.

Values.  Number of sign vectors that lead to a state, and the smallest of the sign vectors met
(in the state's gauge).

References
----------
The problem: arXiv 2604.09221, Section 2; the gauge group: Viro's patchworking theorem.
"""

from gpu.frontier._advance import DONE, OUT_OF_MEMORY, TOO_WIDE, advance
from gpu.frontier._layout import KEY_WORDS, MAX_FRONTIER, MAX_REGIONS, Layer, Step

__all__ = [
    "DONE",
    "KEY_WORDS",
    "MAX_FRONTIER",
    "MAX_REGIONS",
    "OUT_OF_MEMORY",
    "TOO_WIDE",
    "Layer",
    "Step",
    "advance",
]
