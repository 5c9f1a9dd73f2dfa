from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest

from jobmend.exporter.web import users as web_users
from jobmend.exporter.web.errors import Busy, WebConfigError
from jobmend.exporter.web.users import Passwords, Users
from tests.exporter.serving import HASH, PASSWORD, basic

pytest.importorskip("bcrypt")
LONG = "$2b$04$.u0Fz/wzSH76wCabcbSRnujz7pQx7uakPkgo0HDmtMcp9gTqEHvYK"  # of 72 times "x"
LIBRARIES = ["bcrypt", "crypt"] if sys.version_info < (3, 13) else ["bcrypt"]


@pytest.fixture(params=LIBRARIES)
def passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Passwords:
    if request.param == "crypt":
        monkeypatch.setitem(sys.modules, "bcrypt", None)
    made = Passwords(2)
    assert made.library == request.param
    return made


def says(users: Users, name: str, password: str) -> bool:
    return users.admit(basic(name, password)["Authorization"])


def test_right_and_wrong_passwords(passwords: Passwords) -> None:
    users = Users({"a": HASH, "b": HASH.replace("$2y", "$2b")}, passwords)
    assert says(users, "a", PASSWORD)
    assert says(users, "b", PASSWORD)
    assert not says(users, "a", PASSWORD + "x")
    assert not says(users, "a", "")
    assert not says(users, "c", PASSWORD)
    assert not says(users, "", PASSWORD)
    assert not says(users, "a", "é")


def test_what_is_no_basic_header(passwords: Passwords) -> None:
    users = Users({"a": HASH}, passwords)
    right = basic("a", PASSWORD)["Authorization"]
    for header in (
        "",
        "Basic",
        "Basic ====",
        "Basic \xff",
        "Bearer" + right[5:],
        right[:-8],
        "Basic /////w==",
        basic("a", PASSWORD + "\0")["Authorization"],
    ):
        assert not users.admit(header)
    assert users.admit(right.replace("Basic ", "bASIC   "))


def test_bcrypt_looks_at_72_bytes(passwords: Passwords) -> None:
    users = Users({"a": LONG}, passwords)
    assert says(users, "a", "x" * 80)
    assert not says(users, "a", "x" * 71)


class Counted:
    """Stands for bcrypt: counts, and takes as long as it is told to."""

    def __init__(self) -> None:
        self.checks: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, password: bytes, stored: str) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.go_on.wait(10)
        self.checks.append(stored)
        self.at_once -= 1
        return password.decode() == stored[-3:]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    counted = Counted()
    monkeypatch.setattr(web_users, "_library", lambda: ("bcrypt", counted))
    yield counted
    counted.go_on.set()


def stored(password: str) -> str:
    return HASH[:-3] + password


def test_a_right_password_is_checked_once(counted: Counted) -> None:
    passwords = Passwords(2)
    users = Users({"a": stored("aaa"), "b": stored("bbb")}, passwords)
    for _ in range(3):
        assert says(users, "a", "aaa")
        assert says(users, "b", "bbb")
    assert len(counted.checks) == 2
    again = Users({"a": stored("new"), "b": stored("bbb")}, passwords)
    assert says(again, "b", "bbb")
    assert len(counted.checks) == 2
    assert not says(again, "a", "aaa")
    assert says(again, "a", "new")


def test_a_wrong_password_is_checked_each_time_and_as_often_for_nobody(counted: Counted) -> None:
    users = Users({"a": stored("aaa")}, Passwords(2))
    assert says(users, "a", "aaa")
    before = len(counted.checks)
    for name in ("a", "nobody"):
        for _ in range(2):
            assert not says(users, name, "xxx")
    # That of a user there is does not open the door to nobody.
    assert not says(users, "nobody", "aaa")
    assert len(counted.checks) == before + 5


def test_one_is_checked_at_a_time_and_few_wait(counted: Counted) -> None:
    users = Users({"a": stored("aaa"), "b": stored("bbb")}, Passwords(2))
    assert says(users, "b", "bbb")
    counted.go_on.clear()
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(says(users, "a", "aaa"))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    while not counted.at_once or users._passwords._queue._value:
        time.sleep(0.001)
    with pytest.raises(Busy):
        says(users, "a", "xxx")
    assert says(users, "b", "bbb")  # who is remembered does not wait
    counted.go_on.set()
    for thread in threads:
        thread.join()
    assert answers == [True, True]
    assert counted.most_at_once == 1
    assert len(counted.checks) == 2  # the second of them found it remembered


def test_a_wrong_password_is_followed_by_a_rest(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    clock = iter([0.0, 0.1, 0.0, 60.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(time, "sleep", rests.append)
    users = Users({"a": stored("aaa")}, Passwords(2))
    says(users, "a", "xxx")
    says(users, "a", "xxx")
    assert rests == [pytest.approx(0.3), 1.0]


def test_hashes_that_take_too_long_are_refused(passwords: Passwords) -> None:
    with pytest.raises(WebConfigError, match="a: a hash of cost 17 takes too long here"):
        Users({"a": HASH.replace("$04", "$17")}, passwords)


def test_without_a_library_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    monkeypatch.setitem(sys.modules, "crypt", None)
    with pytest.raises(WebConfigError, match="install python3-bcrypt"):
        Passwords(2)
