"""Pages of pictures: one HTML file that needs nothing else, with cards in groups and filters.

No scripts, fonts or pictures come from elsewhere.  Filters are radio buttons with style rules; the
style is ``data/page.css`` and what a field adds.
"""

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files

__all__ = ["filter_style", "filters", "page"]


def page(
    title: str,
    header: Iterable[str],
    main: Iterable[str],
    *,
    between: Iterable[str] = (),
    style: str = "",
    source: str = "",
) -> str:
    """Write a page.

    Parameters
    ----------
    title : str
    header, main : iterable of str
        Lines of HTML: below the title, and of the page's main part.
    between : iterable of str
        Lines between them, for example links to groups of cards.
    style : str
        CSS behind that of all pages.
    source : str
        Where it all comes from, for the foot of the page.
    """
    shared = (files("tasks.records") / "data" / "page.css").read_text("utf-8")
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>\n{shared}{style}</style></head><body>",
            f"<header><h1>{escape(title)}</h1>",
            *header,
            "</header>",
            *between,
            "<main>",
            *main,
            "</main>",
            f"<footer>{escape(source)}</footer>" if source else "",
            "</body></html>\n",
        ]
    )


def filters(options: Sequence[tuple[str, str]]) -> str:
    """Radio buttons with the ids show-NAME, the first one checked, from names and texts."""
    buttons = (
        f'<label><input type="radio" name="show" id="show-{name}"{" checked" * (number == 0)}>'
        f"<span>{text}</span></label>"
        for number, (name, text) in enumerate(options)
    )
    return f'<fieldset class="filters"><legend>Show</legend>{"".join(buttons)}</fieldset>'


def filter_style(names: Iterable[str]) -> str:
    """The rules of filters: those checked hide all cards without the class of their name."""
    return "".join(
        f"body:has(#show-{name}:checked) .card:not(.{name}),\n"
        f"body:has(#show-{name}:checked) section:not(:has(.{name})) {{ display: none; }}\n"
        for name in names
    )
