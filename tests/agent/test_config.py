from __future__ import annotations

import dataclasses
import re
import sys
from pathlib import Path

import pytest

from jobmend.agent import config as config_module
from jobmend.agent.config import Config, ConfigError, load, render
from jobmend.exporter import compat

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SHIPPED = Path(__file__).parents[2] / "etc" / "agent.toml"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_drop_ins_are_merged_in_the_order_of_their_names(tmp_path: Path) -> None:
    main = write(tmp_path / "agent.toml", 'cluster = "c1"\n[sample]\nperiod_seconds = 2\n')
    write(tmp_path / "agent.conf.d" / "20.toml", '[sample]\nproc_root = "/two"\n')
    write(
        tmp_path / "agent.conf.d" / "10.toml",
        '[sample]\nperiod_seconds = 0.5\nproc_root = "/one"\n[hooks]\ntrusted_uids = [0, 64030]\n',
    )
    config = load(main)
    assert (config.cluster, config.sample.period_seconds) == ("c1", 0.5)
    assert (config.sample.proc_root, config.hooks.trusted_uids) == ("/two", (0, 64030))
    assert config.spool == Config().spool


def test_render_is_toml_that_loads_as_the_same_configuration(tmp_path: Path) -> None:
    config = dataclasses.replace(Config(), cluster='quo"te\\ é', node="n1")
    assert load(write(tmp_path / "agent.toml", render(config))) == config


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("clutser = 'a'", "clutser: no such key; known here: cluster, node, sample"),
        ("[sample]\nperiod = 1", r"\[sample\] period: no such key; known here: period_seconds"),
        (
            "[sample]\nperiod_seconds = '1'",
            r"\[sample\] period_seconds: give a number, such as 1.0",
        ),
        ("[sample]\nperiod_seconds = true", "period_seconds: give a number"),
        ("[sample]\nperiod_seconds = 0.01", "0.01 is out of range; give 0.05 to 60"),
        ("[sample]\nperiod_seconds = nan", "nan is out of range"),
        ("[spool]\nmax_rows = 1.5", r"\[spool\] max_rows: give a whole number, such as 1000000"),
        ("[spool]\nmax_rows = 3", "3 is out of range; give 100 or more"),
        ("sample = 3", r"sample: write it as a table, \[sample\]"),
        ("[hooks]\ntrusted_uids = ['root']", "trusted_uids: give a list of whole numbers"),
        ("[metrics]\nlisten = '9807'", r"\[metrics\] listen: '9807' is no host:port"),
        ("[uplink]\nurl = 'brain:8807'", r"\[uplink\] url: 'brain:8807' must begin with http://"),
        ("[watch]\ncontention_seconds = 999", "needs 999 s of samples and .* keeps 300"),
        ("[scorer]\nenabled = 1", r"\[scorer\] enabled: give true or false, such as false"),
        ("[scorer]\nenabled = true", r"\[scorer\] key_file: is empty; copy the brain's file"),
        ("[scorer]\nalpha = 2", r"\[scorer\] alpha: 2 is out of range; give 0 to 1"),
        ("cluster = 'a/b'", "cluster: 'a/b' is no name"),
        ("cluster = ", "not TOML"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        load(write(tmp_path / "agent.toml", text))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml: cannot be read: No such file"):
        load(tmp_path / "absent.toml")


def test_the_shipped_file_is_all_comments_and_all_defaults() -> None:
    text = SHIPPED.read_text()
    assert tomllib.loads(text) == {name: {} for name in re.findall(r"^\[(\w+)\]", text, re.M)}
    told = tomllib.loads(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.M))
    defaults = tomllib.loads(render(Config()))
    del told["node"], defaults["node"]  # the host's own name
    assert told == defaults


def test_the_peers_of_the_configuration_are_those_there_are() -> None:
    assert tuple(compat.PEERS) == config_module.PEERS
