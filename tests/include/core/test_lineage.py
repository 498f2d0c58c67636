"""A record in the forms of W3C PROV and OpenLineage."""

from include.core.lineage import as_openlineage, as_prov
from include.core.provenance import Checked, MadeBy, Record, Source, at, equal

LEAF = Record(
    "quartet://w/in/1", {"x": 1}, MadeBy("load", "r1", "get"), [Source("download", "ftp:x", selector=at("row=1"))]
)
RECORD = Record(
    "quartet://w/out/1",
    2.5,
    MadeBy("make", "r2", "sum", "1.0", {"day": "2019-02-08"}),
    [
        Source("row", "w/in", "v1", "aa", equal(x=1, y=None), 0.5, {"x": 1}, LEAF.row, LEAF),
        Source("row", "w/in", "v1", "aa", equal(x=2), 0.5, {"x": 2}),
    ],
    Checked("GOOD", "2026-01-01T00:00:00+00:00"),
)


def test_prov_derives_the_row_from_its_sources_by_its_run():
    found = as_prov(RECORD)
    assert found["entity"]["row:w/out/1"] == {"quartet:value": 2.5}
    derived = {(each["prov:generatedEntity"], each["prov:usedEntity"]) for each in found["wasDerivedFrom"].values()}
    assert ("row:w/out/1", "row:w/in/1") in derived
    assert len(derived) == 3
    runs = {each["quartet:run"]: name for name, each in found["activity"].items()}
    assert {(each["prov:entity"], each["prov:activity"]) for each in found["wasGeneratedBy"].values()} == {
        ("row:w/out/1", runs["r2"]),
        ("row:w/in/1", runs["r1"]),
    }
    assert [each.get("quartet:share") for each in found["used"].values()] == [0.5, 0.5, None]


def test_all_names_of_prov_are_declared():
    found = as_prov(RECORD)
    names = {
        *found["entity"],
        *found["activity"],
        *(name for each in (*found["entity"].values(), *found["activity"].values()) for name in each),
    }
    assert {name.partition(":")[0] for name in names} <= set(found["prefix"])


def test_openlineage_has_an_event_for_each_explained_row():
    first, second = as_openlineage(RECORD, "now")
    assert (first["job"]["name"], first["eventTime"]) == ("make.sum", "2026-01-01T00:00:00+00:00")
    assert (second["job"]["name"], second["eventTime"]) == ("load.get", "now")
    assert first["run"]["runId"] != second["run"]["runId"]
    [one, two] = first["inputs"]
    assert one["inputFacets"]["subset"]["inputCondition"]["operator"] == "AND"
    assert two["inputFacets"]["subset"]["inputCondition"]["comparison"] == "EQUAL"
    assert one["facets"]["version"]["datasetVersion"] == "v1"
    assert first["outputs"][0]["name"] == "w/out"
