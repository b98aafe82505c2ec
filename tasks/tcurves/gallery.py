"""The gallery: one page with a picture and a certificate of every real scheme of a degree.

The page is one HTML file that needs nothing else: no scripts, fonts or pictures from elsewhere.
Cards are grouped by number of ovals, pictures are inline SVG that browsers lay out when they come
into view, and the filters are radio buttons with style rules.

>>> from tasks.lattice import honeycomb
>>> from tasks.tcurves import Scheme
>>> page = gallery_page([Witness(Scheme.parse("<1>"), honeycomb(2), 0)], known=["<1>"])
>>> page.count("<article"), "1 of the 1 known real schemes" in page
(1, True)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from urllib.parse import quote

from tasks.records import InputError
from tasks.records.pages import filter_style, filters, page
from tasks.tcurves._charts import natural_key
from tasks.tcurves._drawing import drawing
from tasks.tcurves._gallery_svg import curve_svg, edges_path, frame_paths, tree_svg
from tasks.tcurves.certificates import Certificate
from tasks.tcurves.restrictions import is_maximal
from tasks.tcurves.schemes import Scheme
from tasks.tcurves.twists import dividing_type
from tasks.tcurves.witnesses import Witness

__all__ = ["gallery_page"]

_FILTERS = (
    ("all", "all"),
    ("maximal", "M-curves"),
    ("dividing", "type I"),
    ("nondividing", "type II"),
)


def gallery_page(
    witnesses: Iterable[Witness], *, known: Sequence[str] = (), source: str = ""
) -> str:
    """Write the page.

    Parameters
    ----------
    witnesses : iterable of Witness
        All of one degree, one for each scheme.
    known : sequence of str
        Schemes in Viro notation to compare with, for example all of that degree; may be empty.
    source : str
        Where the witnesses come from, for the foot of the page.

    Raises
    ------
    InputError
        If there are no witnesses, or of several degrees.
    """
    shown = sorted(witnesses, key=lambda witness: natural_key(witness.scheme))
    degrees = sorted({witness.degree for witness in shown})
    if len(degrees) != 1:
        what = f"degrees {', '.join(map(str, degrees))}" if degrees else "no schemes"
        raise InputError(f"a gallery shows the schemes of one degree; given are {what}")
    listed = {Scheme.parse(text) for text in known}
    title = f"Real schemes of degree {degrees[0]}"
    style = (files("tasks.tcurves") / "data" / "gallery.css").read_text("utf-8")
    style += filter_style(name for name, _ in _FILTERS[1:])
    return page(
        title,
        _head(shown, listed),
        _sections(shown, listed),
        between=[_definitions(shown, degrees[0]), _links(shown)],
        style=style,
        source=source,
    )


def notation(scheme: Scheme) -> str:
    """Write Viro notation with the characters of mathematics: ⟨9 ⊔ 1⟨1⟩⟩."""
    return str(scheme).replace("<", "⟨").replace(">", "⟩").replace("v", " ⊔ ")


def _ovals(number: int) -> str:
    return f"{number or 'no'} oval{'' if number == 1 else 's'}"


def _definitions(shown: Sequence[Witness], degree: int) -> str:
    """Define what pictures share: the frame, and the edges of each triangulation."""
    boundary, axes = frame_paths(degree)
    edges = {
        _edges_id(witness): edges_path(
            witness.triangulation, drawing(witness.triangulation, witness.signs)
        )
        for witness in shown
    }
    paths = "".join(f'<path id="{name}" class="e" d="{data}"/>' for name, data in edges.items())
    frame = f'<g id="frame"><path class="x" d="{axes}"/><path class="b" d="{boundary}"/></g>'
    return f'<svg class="shared" aria-hidden="true"><defs>{frame}{paths}</defs></svg>'


def _edges_id(witness: Witness) -> str:
    return f"t{witness.triangulation.with_weights(None).content_hash()[:12]}"


# --- head ---------------------------------------------------------------------------------------


def _head(shown: Sequence[Witness], listed: set[Scheme]) -> Iterable[str]:
    """Say what there is to see, and what the pictures mean."""
    depth = max(witness.scheme.depth for witness in shown)
    yield f"<p>{_summary(shown, listed)}</p>"
    yield _explanation(shown)
    yield _legend(depth, pseudo_line=shown[0].scheme.pseudo_line)
    yield filters(_FILTERS)


def _links(shown: Sequence[Witness]) -> str:
    """Link to each group."""
    counts = groupby(shown, key=lambda witness: witness.scheme.ovals)
    links = (
        f'<a href="#ovals-{ovals}" aria-label="{_ovals(ovals)}">{ovals}'
        f"<small>{len(list(group))}</small></a>"
        for ovals, group in counts
    )
    return f'<nav aria-label="number of ovals"><span>ovals</span>{"".join(links)}</nav>'


def _summary(shown: Sequence[Witness], listed: set[Scheme]) -> str:
    """Count schemes, M-curves and certificates."""
    found = {witness.scheme for witness in shown}
    if listed:
        number = f"{len(found & listed)} of the {len(listed)} known real schemes"
        others = len(found - listed)
        number += f", and {others} other{'' if others == 1 else 's'}" if others else ""
    else:
        number = f"{len(found)} real scheme{'' if len(found) == 1 else 's'}"
    maximal = sum(is_maximal(witness.scheme, witness.degree) for witness in shown)
    certified = sum(witness.is_certified for witness in shown)
    return f"{number}; {maximal} of them of M-curves; {certified} with a certificate."


def _explanation(shown: Sequence[Witness]) -> str:
    """Explain pictures and numbers."""
    root = "the pseudo-line J and its complement" if shown[0].scheme.pseudo_line else "the root"
    return (
        '<p class="why">Every picture is a T-curve: the square is the projective plane, opposite '
        "points of its dashed boundary being one, with a triangulation and a sign at each point, "
        "and the curve separates the signs. If the triangulation is regular, as its certificate "
        "proves, a smooth real algebraic curve of this degree lies in the same way (Viro). "
        f"The tree has a node for each region, {root} on top, and an edge for each oval; p and n "
        "count the ovals inside an even and an odd number of others. The type is that of the "
        "pictured curve: I if its real points divide the complex ones.</p>"
    )


def _legend(depth: int, *, pseudo_line: bool) -> str:
    """Explain the colors."""
    entries = [("J", "pseudo-line J")] if pseudo_line else []
    entries += [
        (
            f"o{(level - 1) % 4 + 1}",
            f"oval of depth {level} ({'odd' if level % 2 == 0 else 'even'})",
        )
        for level in range(1, depth + 1)
    ]
    lines = "".join(
        f'<li><svg viewBox="0 0 26 12" aria-hidden="true"><path class="k {name}" d="M3 6h20"/>'
        f"</svg>{text}</li>"
        for name, text in entries
    )
    signs = "".join(
        f'<li><svg viewBox="0 0 12 12" aria-hidden="true">{dots}</svg>{text}</li>'
        for dots, text in (
            ('<path class="s" d="M6 6h0"/>', "sign +"),
            ('<path class="s" d="M6 6h0"/><path class="m" d="M6 6h0"/>', "sign −"),
        )
    )
    return f'<ul class="legend">{lines}{signs}</ul>'


# --- cards --------------------------------------------------------------------------------------


def _sections(shown: Sequence[Witness], listed: set[Scheme]) -> Iterable[str]:
    """Write a section for each number of ovals, of schemes found or only known."""
    found = {witness.scheme: witness for witness in shown}
    schemes = sorted(found.keys() | listed, key=natural_key)
    for ovals, group in groupby(schemes, key=lambda scheme: scheme.ovals):
        members = list(group)
        missing = [scheme for scheme in members if scheme not in found]
        here = [found[scheme] for scheme in members if scheme in found]
        maximal = " · M-curves" if is_maximal(members[0], shown[0].degree) else ""
        count = f"{len(here)} of {len(members)} schemes" if missing else _schemes(len(here))
        yield f'<section aria-labelledby="ovals-{ovals}">'
        yield f'<h2 id="ovals-{ovals}">{_ovals(ovals)}{maximal} <small>{count}</small></h2>'
        yield '<div class="cards">'
        yield from (_card(w, is_new=bool(listed) and w.scheme not in listed) for w in here)
        yield "</div>"
        if missing:
            yield f'<p class="missing">Not found: {", ".join(map(notation, missing))}</p>'
        yield "</section>"


def _schemes(number: int) -> str:
    return f"{number} scheme{'' if number == 1 else 's'}"


def _card(witness: Witness, *, is_new: bool) -> str:
    """Show one scheme."""
    scheme, degree = witness.scheme, witness.degree
    picture = drawing(witness.triangulation, witness.signs)
    kind = dividing_type(witness.triangulation, witness.signs)
    maximal = is_maximal(scheme, degree)
    classes = ["card", "dividing" if kind == "I" else "nondividing", *["maximal"] * maximal]
    label = escape(f"T-curve of degree {degree} with the real scheme {scheme}")
    marks = ["M-curve"] * maximal + ["not on the list"] * is_new
    numbers = (("p", scheme.p), ("n", scheme.n), ("depth", scheme.depth), ("type", kind.value))
    return "\n".join(
        [
            f'<article class="{" ".join(classes)}" id="{escape(witness.file_stem)}">',
            f'<h3 title="{escape(str(scheme))}">{notation(scheme)}</h3>',
            curve_svg(picture, degree, label=label, edges=_edges_id(witness)),
            '<div class="facts"><dl>'
            + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in numbers)
            + "</dl>"
            + "".join(f'<span class="mark">{mark}</span>' for mark in marks)
            + f"</div>{tree_svg(scheme)}",
            _certificate(witness),
            "</article>",
        ]
    )


def _certificate(witness: Witness) -> str:
    """Show the certificate, and offer it as a file."""
    name = escape(witness.triangulation.name)
    if not witness.is_certified:
        return f'<p class="none">{name}: not certified regular, hence no certificate</p>'
    certificate = witness.certificate(provenance={"triangulation": witness.triangulation.name})
    text = certificate.to_json()
    return (
        f"<details><summary>certificate <small>{name}</small></summary>"
        f'<a download="{escape(witness.file_stem)}.json"'
        f' href="data:application/json,{quote(text)}">save {escape(witness.file_stem)}.json</a>'
        f'<pre tabindex="0">{escape(_digest(certificate))}</pre></details>'
    )


def _digest(certificate: Certificate) -> str:
    """Write signs, weights and triangles as people read them."""
    triangles = json.dumps(certificate.triangles, separators=(",", ":"))
    weights = ",".join(map(str, certificate.weights))
    return f"signs {certificate.signs}\nweights {weights}\ntriangles {triangles}"
