"""Models on disk: copied whole or not at all, told apart by digest, damage found."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobmend.classifier import artifact
from jobmend.classifier.artifact import ArtifactError


def save(directory: Path, content: bytes, **more: bytes) -> Path:
    artifact.write(directory, "toy", 1, {"learned.json": content, **more})
    return directory


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_copy_is_the_same_model_and_takes_the_place_of_another(tmp_path: Path) -> None:
    one, other = save(tmp_path / "one", b"1"), save(tmp_path / "other", b"2", more=b"3")
    target = tmp_path / "deep" / "target"
    artifact.copy(other, target)
    artifact.copy(one, target)
    assert artifact.digest(target) == artifact.digest(one) != artifact.digest(other)
    assert artifact.read(target, "toy", 1) == {"learned.json": b"1"}
    assert names(one) <= names(target)
    assert not [name for name in names(target) if name.startswith(".")]


def test_one_digest_is_one_content(tmp_path: Path) -> None:
    same = [save(tmp_path / name, b"1") for name in ("one", "other")]
    assert artifact.digest(same[0]) == artifact.digest(same[1])
    assert artifact.digest(save(tmp_path / "one", b"2")) != artifact.digest(same[1])


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_reader_finds_the_model_before_until_the_copy_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    one, target = save(tmp_path / "one", b"1", more=b"x"), save(tmp_path / "target", b"2")
    before = artifact.digest(target)
    real = artifact.write_whole
    done: list[Path] = []

    def killed(path: Path, data: bytes) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        real(path, data)

    monkeypatch.setattr(artifact, "write_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        artifact.copy(one, target)
    assert artifact.digest(target) == before
    assert artifact.read(target, "toy", 1) == {"learned.json": b"2"}


@pytest.mark.parametrize("harm", ["changed", "gone", "manifest"])
def test_what_is_damaged_is_neither_copied_nor_called_sound(tmp_path: Path, harm: str) -> None:
    one, target = save(tmp_path / "one", b"1"), tmp_path / "target"
    (data,) = one.glob("*-learned.json")
    if harm == "changed":
        data.write_bytes(b"2")
    elif harm == "gone":
        data.unlink()
    else:
        (one / "manifest.json").write_text("[]")
    with pytest.raises(ArtifactError):
        artifact.copy(one, target)
    with pytest.raises(ArtifactError):
        artifact.check(one)
    assert not (target / "manifest.json").exists()


def test_no_model_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        artifact.digest(tmp_path)


def test_what_could_not_be_read_back_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = save(tmp_path / "target", b"1")
    monkeypatch.setattr(artifact, "MAX_FILE_BYTES", 8)
    with pytest.raises(ArtifactError, match="more would have 9 bytes, at most 8 are read back"):
        save(target, b"2", more=b"x" * 9)
    assert artifact.read(target, "toy", 1) == {"learned.json": b"1"}
    assert len(names(target)) == 2
    assert artifact.read(save(target, b"x" * 8), "toy", 1) == {"learned.json": b"x" * 8}
