"""The literature that results rest on; runs carry their citations, so a result can cite itself."""

from dataclasses import dataclass
from types import MappingProxyType

from tasks.records.errors import InputError


@dataclass(frozen=True)
class Citation:
    """One source.

    Attributes
    ----------
    key
        Short name used in docstrings, e.g. ``FIC``.
    authors
        Full names; a last entry ``others`` stands for authors not listed here.
    arxiv
        arXiv number, or "" if there is none.
    venue
        Journal, book or institution, or "" for a preprint.
    """

    key: str
    authors: tuple[str, ...]
    title: str
    year: int
    arxiv: str = ""
    venue: str = ""

    def __str__(self) -> str:
        where = f"arXiv:{self.arxiv}" if self.arxiv else self.venue
        return f"{', '.join(self.authors)}: {self.title}. {where} ({self.year})"

    def bibtex(self) -> str:
        """BibTeX entry, ready to paste."""
        fields = {
            "author": " and ".join(self.authors),
            "title": "{" + self.title + "}",
            "year": str(self.year),
            "note": self.venue,
            "eprint": self.arxiv,
            "archiveprefix": "arXiv" if self.arxiv else "",
        }
        lines = [f"  {name} = {{{value}}}" for name, value in fields.items() if value]
        return "\n".join([f"@misc{{{self.key},", ",\n".join(lines), "}"])


CITATIONS = MappingProxyType(
    {
        citation.key: citation
        for citation in (
            Citation(
                key="FIC",
                authors=("Zoe Geiselmann", "Michael Joswig", "Lars Kastner", "others"),
                title="Fast Isotopy Computation for T-Curves",
                year=2026,
                arxiv="2604.09221",
            ),
            Citation(
                key="LCP",
                authors=(
                    "Zoe Geiselmann",
                    "Michael Joswig",
                    "Lars Kastner",
                    "Konrad Mundinger",
                    "Sebastian Pokutta",
                    "Christoph Spiegel",
                    "Marcel Wack",
                    "Max Zimmer",
                ),
                title="121 Patchworked Curves of Degree Seven",
                year=2026,
                arxiv="2602.06888",
            ),
            Citation(
                key="Viro84",
                authors=("Oleg Ya. Viro",),
                title=(
                    "Gluing of plane real algebraic curves and constructions of curves "
                    "of degrees 6 and 7"
                ),
                year=1984,
                venue="Topology (Leningrad, 1982), Lecture Notes in Mathematics 1060, Springer",
            ),
            Citation(
                key="IV96",
                authors=("Ilia Itenberg", "Oleg Ya. Viro"),
                title="Patchworking algebraic curves disproves the Ragsdale conjecture",
                year=1996,
                venue="The Mathematical Intelligencer 18(4)",
            ),
            Citation(
                key="Haas97",
                authors=("Bertrand Haas",),
                title="Real algebraic curves and combinatorial constructions",
                year=1997,
                venue="Thesis, Université de Strasbourg",
            ),
            Citation(
                key="Viro06",
                authors=("Oleg Ya. Viro",),
                title="Patchworking real algebraic varieties",
                year=2006,
                arxiv="math/0611382",
            ),
            Citation(
                key="BBR16",
                authors=("Benoît Bertrand", "Erwan Brugallé", "Arthur Renaudineau"),
                title="Haas' theorem revisited",
                year=2016,
                arxiv="1609.01979",
            ),
            Citation(
                key="RS23",
                authors=("Arthur Renaudineau", "Kristin Shaw"),
                title="Bounding the Betti numbers of real hypersurfaces near the tropical limit",
                year=2023,
                venue="Annales scientifiques de l'École normale supérieure",
            ),
            Citation(
                key="Rokhlin78",
                authors=("Vladimir A. Rokhlin",),
                title="Complex topological characteristics of real algebraic curves",
                year=1978,
                venue="Russian Mathematical Surveys 33(5)",
            ),
            Citation(
                key="Viro86",
                authors=("Oleg Ya. Viro",),
                title=(
                    "Progress in the topology of real algebraic varieties over the last six years"
                ),
                year=1986,
                venue="Russian Mathematical Surveys 41(3)",
            ),
            Citation(
                key="Viro88",
                authors=("Oleg Ya. Viro",),
                title="Some integral calculus based on Euler characteristic",
                year=1988,
                venue="Topology and Geometry, Lecture Notes in Mathematics 1346, Springer",
            ),
            Citation(
                key="NSOS",
                authors=(
                    "Nico Pelleriti",
                    "Christoph Spiegel",
                    "Shiwei Liu",
                    "David Martínez-Rubio",
                    "Max Zimmer",
                    "Sebastian Pokutta",
                ),
                title=(
                    "Neural Sum-of-Squares: Certifying the Nonnegativity of Polynomials with "
                    "Transformers"
                ),
                year=2025,
                arxiv="2510.13444",
            ),
            Citation(
                key="PP08",
                authors=("Helfried Peyrl", "Pablo A. Parrilo"),
                title="Computing sum of squares decompositions with rational coefficients",
                year=2008,
                venue="Theoretical Computer Science 409(2)",
            ),
            Citation(
                key="Reznick78",
                authors=("Bruce Reznick",),
                title="Extremal psd forms with few terms",
                year=1978,
                venue="Duke Mathematical Journal 45(2)",
            ),
            Citation(
                key="TSSOS",
                authors=("Jie Wang", "Victor Magron", "Jean-Bernard Lasserre"),
                title="TSSOS: a moment-SOS hierarchy that exploits term sparsity",
                year=2021,
                arxiv="1912.08899",
            ),
            Citation(
                key="BIMP",
                authors=("Max Zimmer", "Christoph Spiegel", "Sebastian Pokutta"),
                title="How I Learned To Stop Worrying And Love Retraining",
                year=2023,
                arxiv="2111.00843",
            ),
            Citation(
                key="SMS",
                authors=("Max Zimmer", "Christoph Spiegel", "Sebastian Pokutta"),
                title="Sparse Model Soups: A Recipe for Improved Pruning via Model Averaging",
                year=2024,
                arxiv="2306.16788",
            ),
        )
    }
)


def cite(key: str) -> Citation:
    """Citation named `key`.

    Raises
    ------
    InputError
        If there is none; the message lists the known keys.
    """
    if key not in CITATIONS:
        raise InputError(f"no citation is named {key!r}; known are {', '.join(CITATIONS)}")
    return CITATIONS[key]
