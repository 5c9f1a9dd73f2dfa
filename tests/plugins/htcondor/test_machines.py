"""Nodes and outages out of machine ads."""

from __future__ import annotations

from jobmend.plugins.htcondor.machines import Machines, site_attributes
from jobmend.plugins.scheduler import Outage

NODE: dict[str, object] = {
    "Name": "slot1@n1",
    "Machine": "n1",
    "State": "Unclaimed",
    "EnteredCurrentState": 50,
}


def test_sites_are_named_after_what_jobs_see_of_their_machine() -> None:
    names = ("MATCH_GLIDEIN_Site", "MATCH_EXP_JOB_Site", "MachineAttrRack0", "RemoteHost", "Zone")
    assert site_attributes(names) == ("GLIDEIN_Site", "Site", "Rack", "Machine", "Zone")


def test_nodes_by_site() -> None:
    machines = Machines(("MATCH_GLIDEIN_Site", "RemoteHost"))
    ads: list[dict[str, object]] = [
        NODE,
        {**NODE, "Name": "slot2@n1"},
        {"Machine": "n2", "GLIDEIN_Site": "T2"},
        {},
    ]
    nodes = machines.nodes(ads, now=100)
    assert nodes.sites == {"T2": ("n2",), "n1": ("n1",)} and nodes.outages == ()


def test_what_a_node_is_unfit_for() -> None:
    ads = [
        {**NODE, "Machine": "a", "State": "Drained", "DrainReason": "disk\x1b"},
        {**NODE, "Machine": "b", "Offline": True, "LastHeardFrom": 70},
        {**NODE, "Machine": "c", "Absent": True, "LastHeardFrom": 60},
        {**NODE, "Machine": "d", "JobmendNodeHealthy": False, "JobmendNodeReason": "stalls"},
        {**NODE, "Machine": "e", "JobmendNodeHealthy": True},
        {**NODE, "Machine": "f", "JobmendNodeHealthy": "no"},
    ]
    found = Machines(("RemoteHost",)).nodes(ads, now=100).outages
    assert found == (
        Outage("a", 50, None, "DRAINED", "disk\ufffd"),
        Outage("b", 100, None, "OFFLINE", "it sleeps, or was taken offline"),
        Outage("c", 60, None, "ABSENT", "its startd reports no more"),
        Outage("d", 100, None, "UNHEALTHY", "stalls"),
    )


def test_an_outage_keeps_its_beginning_and_ends() -> None:
    machines = Machines(("RemoteHost",))
    ill = {**NODE, "JobmendNodeHealthy": False}
    assert [outage.since for outage in machines.nodes([ill], now=100).outages] == [100]
    assert [outage.since for outage in machines.nodes([ill], now=200).outages] == [100]
    assert machines.nodes([NODE], now=300).outages == ()
    assert [outage.since for outage in machines.nodes([ill], now=400).outages] == [400]
