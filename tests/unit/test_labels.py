"""Labels as people and spreadsheets write them are read right, or refused with the line."""

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.ingest.labels import read_labels

EXPECTED = {"lot-0/a.png": "missing ball", "lot-1/b.png": "scratch"}
PLAIN = "file,label\nlot-0/a.png,missing ball\nlot-1/b.png,scratch\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("/", "\\").encode(),
        PLAIN.replace(",", " , ").encode(),
        PLAIN.replace("lot-0", "./lot-0").encode(),
        PLAIN.replace("lot-0/", ".\\lot-0\\.\\").encode(),
        (PLAIN + "lot-2/c.png,\n,\n\nlot-1/b.png,scratch\n").encode(),
        b"sep=;\r\n" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
        ("\ufeffSEP=|\n" + PLAIN.replace(",", "|")).encode("utf-8-sig"),
        b"\r\n\n;\n" + PLAIN.replace(",", ";").encode(),
        PLAIN.replace("file,label", "File,LABEL").encode(),
        PLAIN.replace("\n", "\r").encode(),
        PLAIN.replace("lot-0", "\u200blot-0").replace("missing ball", "missing\u200d ball\ufeff").encode("utf-8-sig"),
        b'label,shift,file\nmissing ball,1,lot-0/a.png\n"scratch",2,"lot-1/b.png"\n',
    ],
)
def test_spreadsheets_write_labels_in_many_ways(content: bytes) -> None:
    assert read_labels(content, "labels.csv") == EXPECTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected the columns file and label, got none"),
        (b"name,kind\na,b\n", "expected the columns file and label, got name, kind"),
        (b"file,label\na.png\n", "line 2: expected 2 cells as in the header, got 1"),
        (b"file,label\na.png,x\nb.png,y,z\n", "line 3: expected 2 cells as in the header, got 3"),
        (b"file,label\n,x\n", "line 2: the name of the file is empty"),
        (b"file,label\na.png,x\nb.png,y\na.png,z\n", "a.png has the label 'x' in line 2, and 'z' in line 4"),
        (b"sep=,\nfile,label\na.png,x\na.png,y\n", "a.png has the label 'x' in line 3, and 'y' in line 4"),
        (b"file,label\na.png,x\na.png,\n", "a.png has the label 'x' in line 2, and '' in line 3"),
        ("file,label\na.png,Lötstelle\n".encode("latin-1"), "neither UTF-8 nor UTF-16"),
        (b'file,label\n"a.png,x\n', "line 2: not CSV"),
        (b"file,label,label\na.png,x,y\n", "expected the columns file and label, got file, label, label"),
        ("file,label\na.png,x\n".encode("utf-16-le"), "it has zero bytes: it is no text, or UTF-16 without a mark"),
    ],
)
def test_wrong_labels_are_refused_with_the_line(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=r"^labels.csv \(ingest.labels_file\): ") as refused:
        read_labels(content, "labels.csv")
    assert message in str(refused.value)


def test_labels_and_names_that_look_alike_are_the_same() -> None:
    """An umlaut is one character on one system, and a letter with a mark on another."""
    assert read_labels("file,label\nfu\u0308r.png,gr\u00fcn\nb.png,gru\u0308n\n".encode(), "labels.csv") == {
        "f\u00fcr.png": "gr\u00fcn",
        "b.png": "gr\u00fcn",
    }


def test_labels_with_other_blanks_are_the_same() -> None:
    rows = ('a.png,"missing  ball"', "b.png,missing\u00a0ball", 'c.png,"missing\nball"', "d.png, missing ball ")
    labels = read_labels("\n".join(("file,label", *rows, "")).encode(), "labels.csv")
    assert labels == dict.fromkeys(("a.png", "b.png", "c.png", "d.png"), "missing ball")
    assert read_labels(b"file,label\na b.png,x\na  b.png,y\n", "labels.csv") == {"a b.png": "x", "a  b.png": "y"}


def test_labels_that_differ_in_capitals_alone_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    read_labels(b"file,label\na.png,Scratch\nb.png,scratch\nc.png,dent\n", "labels.csv")
    assert [record.getMessage() for record in caplog.records] == [
        "labels.csv (ingest.labels_file): Scratch and scratch are different labels; correct them if they mean the same"
    ]
