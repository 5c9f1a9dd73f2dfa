"""A sealed model is used as its maker left it, or not at all."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobmend.jobs import sealing
from jobmend.jobs.sealing import FORMAT, SealError, check_key, read_seal, seal, unseal, version_of

KEY = b"a key of the site"


def archive(content: bytes = b"numbers") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("one.npy", content)
    return buffer.getvalue()


def test_a_sealed_archive_is_still_one() -> None:
    sealed = seal(archive(), KEY)
    assert unseal(sealed, KEY) == (FORMAT, version_of(archive()))
    with zipfile.ZipFile(io.BytesIO(sealed)) as file:
        assert file.read("one.npy") == b"numbers"
        assert file.comment.startswith(b"jobmend-traces/2 ")


def test_other_content_is_another_version() -> None:
    versions = {read_seal(seal(archive(content), KEY)).version for content in (b"a", b"b", b"a")}
    assert len(versions) == 2


@given(st.data())
def test_no_changed_byte_goes_unnoticed(data: st.DataObject) -> None:
    sealed = bytearray(seal(archive(), KEY))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        unseal(bytes(sealed), KEY)


@given(st.binary(max_size=200))
def test_what_is_no_model_is_refused(data: bytes) -> None:
    for tried in (data, archive() + data, seal(archive(), KEY) + data + b"."):
        with pytest.raises(SealError, match="no seal or is cut short"):
            unseal(tried, KEY)


@given(st.integers(0, 2**12))
def test_a_part_of_one_is_refused(size: int) -> None:
    sealed = seal(archive(), KEY)
    with pytest.raises(SealError):
        unseal(sealed[: size % len(sealed)], KEY)


def test_another_key_format_or_size_is_said() -> None:
    with pytest.raises(SealError, match="signed with another key; copy the brain's file"):
        unseal(seal(archive(), b"of somebody else."), KEY)
    with pytest.raises(SealError, match="format 3, this version reads 2; upgrade"):
        unseal(seal(archive(), KEY, format=3), KEY)
    with pytest.raises(SealError, match="at most 16777216 are read"):
        read_seal(bytes(sealing.MAX_MODEL_BYTES + 1))
    with pytest.raises(SealError, match="the key has 5 bytes, at least 16"):
        check_key(b" short\n"[1:])
    assert check_key(KEY + b"\n") == KEY


@pytest.mark.parametrize("data", [b"", b"PK", archive() + b"x", seal(archive(), KEY)])
def test_only_an_archive_without_a_comment_is_sealed(data: bytes) -> None:
    with pytest.raises(ValueError, match="no zip file without a comment"):
        seal(data, KEY)
