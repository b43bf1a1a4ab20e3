"""Kinds of defects that a layout cannot hold are refused before anything is made."""

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.defects.layouts import check_layout


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("good", "the kind 'good' has the name of the folder of images without defects; call it otherwise, or use"),
        ("Good", "the kind 'Good' has the name of the folder of images without defects"),
        ("../scratch", "the kind '../scratch' cannot be the name of a folder; use another layout than mvtec"),
    ],
)
def test_a_kind_that_cannot_be_a_folder_of_mvtec_is_refused(kind: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_layout("mvtec", ["scratch", kind])
    check_layout("coco", ["scratch", kind])
