"""What outlives a run: a model's file that is lost or damaged, a registry that is emptied or another one."""

from pathlib import Path

import pytest

from include.core.errors import BadDataError, DamagedObjectError
from include.core.storage import read_bytes
from include.ratings import layout
from include.ratings.data import landing
from include.ratings.models import cards
from include.ratings.models.champion import read_champion
from include.ratings.predictions import files
from include.ratings.settings import RatingsSettings
from tests.support.ratings import RatingsPlatform


@pytest.fixture(params=["lost", "cut off", "changed", "empty"])
def spoil(request):
    """Return a function that spoils a model's file."""

    def spoil(path: Path) -> None:
        whole = path.read_bytes()
        if request.param == "lost":
            path.unlink()
        else:
            path.write_bytes({"cut off": whole[:-1], "changed": b"\0" + whole[1:], "empty": b""}[request.param])

    return spoil


def file_of(platform: RatingsPlatform, version: int) -> Path:
    return platform.registry.root / cards.read_card(platform.store.path, version).artefact


def is_whole(platform: RatingsPlatform, version: int) -> bool:
    card = cards.read_card(platform.store.path, version)
    return bool(read_bytes(file_of(platform, version), sha256=card.sha256))


@pytest.mark.parametrize("algorithm", ["BaselineOnly", "SVD", "KNNBaseline"])
def test_a_model_whose_file_is_spoiled_is_fitted_again_and_not_reused(platform, spoil, algorithm):
    platform.settings = RatingsSettings(algorithm=algorithm)
    platform.run()
    spoil(file_of(platform, 1))
    report = platform.run(reprocess=True)
    assert (report.output, report.made) == ([1], "computed")
    assert is_whole(platform, 1)


def test_a_run_with_nothing_new_makes_the_champion_s_file_again(platform, spoil):
    platform.run()
    platform.drop("p.txt", "1 1\n", "streaming")
    spoil(file_of(platform, 1))
    with pytest.raises(DamagedObjectError, match="a run of ratings_train makes the model again"):
        platform.predict()
    assert "makes the model again" in files.failure(platform.store.path, 1)
    report = platform.run()
    assert (report.output, report.made) == ([1], "computed")
    assert report.reason == "the file of model 1 was lost or damaged; its file was made again"
    assert platform.predict().counts == {"files_computed": 1}
    assert platform.run() is None


def test_a_rollback_makes_an_old_model_s_file_again(platform, spoil):
    platform.run()
    platform.drop("a.txt", "1 1 1 1\n")
    platform.run()
    spoil(file_of(platform, 1))
    report = platform.run(model=1)
    assert (report.output, report.made) == ([1], "computed")
    assert report.reason == "back to model 1; its file was made again"
    assert is_whole(platform, 1)
    assert read_champion(platform.store.path).version == 1


def test_a_model_that_does_not_come_out_the_same_becomes_a_new_version(platform, spoil, monkeypatch):
    platform.run()
    spoil(file_of(platform, 1))
    monkeypatch.setattr("include.ratings.models.training.pickle.HIGHEST_PROTOCOL", 4)
    report = platform.run(model=1)
    assert report.output == [2]
    assert report.reason == "back to model 1; it was made again as model 2"
    assert read_champion(platform.store.path).version == 2
    assert platform.run(reprocess=True).made == "reused"


def three_models(platform: RatingsPlatform) -> None:
    for number in range(3):
        if number:
            platform.drop(f"{number}.txt", f"1 1 {number} {number}\n")
        platform.run()


def card_files(platform: RatingsPlatform) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(layout.cards(platform.store.path)).iterdir()}


def test_an_emptied_registry_gets_its_versions_back_and_numbers_never_repeat(platform):
    three_models(platform)
    before = card_files(platform)
    platform.registry.versions.clear()
    platform.registry.champion = None
    platform.drop("9.txt", "1 1 5 9\n")
    assert platform.run().output == [4]
    assert [each.version for each in platform.registry.versions] == [1, 2, 3, 4]
    assert platform.registry.champion == 4
    assert {name: content for name, content in card_files(platform).items() if name != "4.json"} == before


def test_after_the_registry_was_emptied_a_model_is_reused(platform):
    three_models(platform)
    platform.registry.versions.clear()
    report = platform.run(reprocess=True)
    assert (report.output, report.made) == ([3], "reused")
    assert platform.registry.champion == 3
    platform.registry.versions.clear()
    assert platform.run(model=1).output == [1]


def test_a_card_is_never_overwritten_by_another_model(platform):
    platform.run()
    before = card_files(platform)
    card = cards.read_card(platform.store.path, 1)
    other = type(card)(**{**vars(card), "tags": {**card.tags, "sha256": "0" * 64}})
    with pytest.raises(BadDataError, match="the registry is that of another storage"):
        cards.write_card(platform.store.path, other)
    assert card_files(platform) == before


def test_a_registry_of_another_storage_is_not_believed(platform):
    platform.run()
    (version,) = platform.registry.versions
    platform.registry.versions = [type(version)(**{**vars(version), "tags": {**version.tags, "sha256": "0" * 64}})]
    report = platform.run(reprocess=True)
    assert (report.output, report.made) == ([2], "computed")


def test_pairs_wait_for_the_model_to_be_made_again(platform):
    platform.run()
    file_of(platform, 1).unlink()
    platform.drop("p.txt", "1 1\n", "streaming")
    with pytest.raises(DamagedObjectError):
        platform.predict()
    assert landing.refusals(platform.store.path, "streaming") == {}
