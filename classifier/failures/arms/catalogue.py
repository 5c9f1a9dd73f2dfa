"""All arms by name."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, Final

from ....jobs.text import printable
from ...artifact import ArtifactError
from .arm import Arm
from .blend import BlendArm
from .boosted import BoostedArm
from .cascade import CascadeArm
from .forest import ForestArm, GradientBoostingArm
from .keeping import KeptArm
from .linear import LogisticArm, SvmArm
from .majority import MajorityArm
from .mixture import MixtureArm
from .network import NetworkArm
from .rules import RULE_ARMS

_ARMS: tuple[type[KeptArm], ...] = (
    MajorityArm,
    *RULE_ARMS.values(),
    LogisticArm,
    SvmArm,
    ForestArm,
    GradientBoostingArm,
    BoostedArm,
    NetworkArm,
    CascadeArm,
    MixtureArm,
    BlendArm,
)
ARMS: Mapping[str, type[Any]] = {arm.name: arm for arm in _ARMS}
COMMON: Final = frozenset({"resampling", "seed", "threads", "progress"})


def make(name: str, **params: Any) -> Arm:
    """A fresh arm; ValueError where no arm has that name or it does not take a parameter.

    What is :data:`COMMON` may be given to all: arms without it take no notice.
    """
    if name not in ARMS:
        raise ValueError(f"no arm is called {printable(name, 80)!r}: use one of {', '.join(ARMS)}")
    taken = signature(ARMS[name]).parameters
    known = {key: value for key, value in params.items() if key in taken or key not in COMMON}
    try:
        arm: Arm = ARMS[name](**known)
    except TypeError as error:
        raise ValueError(f"the arm {name} does not take that: {error}") from error
    return arm


def restore(name: str, params: Mapping[str, Any], files: Mapping[str, bytes]) -> Arm:
    """The arm that was kept under ``name``; ArtifactError where it is none or damaged."""
    if name not in ARMS:
        raise ArtifactError(f"a saved arm called {printable(name, 80)!r}: train the model anew")
    arm: Arm = ARMS[name].restore(params, files)
    return arm
