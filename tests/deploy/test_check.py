"""Selection of linters and tests for a change."""

import subprocess
from pathlib import Path

import pytest

from deploy import check

TESTS = {
    "tests/dags/test_dags.py",
    "tests/dags/test_song_plays.py",
    "tests/deploy/test_aws.py",
    "tests/deploy/test_lock.py",
    "tests/docs/test_operations.py",
    "tests/include/core/test_storage.py",
    "tests/include/songs/test_job.py",
    "tests/include/songs/test_plays.py",
    "tests/plugins/api/songs/test_routes.py",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("include/core/storage.py", ["tests/include/core/test_storage.py"]),
        ("tests/include/core/test_storage.py", ["tests/include/core/test_storage.py"]),
        ("docs/operations.md", ["tests/docs/test_operations.py"]),
        ("deploy/lock.py", ["tests/deploy/test_lock.py"]),
        # a package that has one test module
        ("deploy/aws/stack.py", ["tests/deploy/test_aws.py"]),
        # all DAGs keep what test_dags.py promises
        ("dags/song_plays.py", ["tests/dags/test_dags.py", "tests/dags/test_song_plays.py"]),
        ("dags/common.py", ["tests/dags/test_dags.py"]),
        # no mirror: the tests of the folder
        ("include/songs/rules.py", ["tests/include/songs/test_job.py", "tests/include/songs/test_plays.py"]),
        ("plugins/quartet/api/songs/app.py", ["tests/plugins/api/songs/test_routes.py"]),
        # fixtures and data of tests
        ("tests/include/songs/conftest.py", ["tests/include/songs/test_job.py", "tests/include/songs/test_plays.py"]),
        ("tests/plugins/conftest.py", ["tests/plugins/api/songs/test_routes.py"]),
        ("tests/conftest.py", sorted(TESTS)),
        ("tests/support/services.py", sorted(TESTS)),
        ("README.md", []),
    ],
)
def test_a_file_has_the_tests_of_its_mirror_or_of_its_folder(path, expected):
    assert check.tests_of(path, TESTS) == expected


def select(*changed: str, deleted: str = "") -> check.Selection:
    return check.select([*changed, *filter(None, [deleted])], {*TESTS, *changed, "tests/e2e/test_songs.py"})


def test_python_is_linted_and_typed_where_pyright_looks():
    assert select("include/songs/job.py", "tests/include/songs/test_job.py").lint == [
        ["ruff", "check", "include/songs/job.py", "tests/include/songs/test_job.py"],
        ["ruff", "format", "--check", "include/songs/job.py", "tests/include/songs/test_job.py"],
        ["lint-imports"],
        ["pyright", "include/songs/job.py"],
        ["python", "-m", "docs.build", "--check"],
    ]


@pytest.mark.parametrize(
    ("path", "module"),
    [("docs/songs.md", "docs.build"), (".env.example", "docs.build"), ("requirements.txt", "deploy.lock")],
)
def test_made_files_are_compared_with_what_they_are_made_from(path, module):
    assert select(path).lint == [["python", "-m", module, "--check"]]


def test_a_deleted_file_is_not_linted_and_its_folder_is_tested():
    selection = select(deleted="include/songs/old.py")
    assert selection.lint == [["python", "-m", "docs.build", "--check"]]
    assert selection.tests == ["tests/include/songs/test_job.py", "tests/include/songs/test_plays.py"]


def test_the_tests_nearest_to_the_change_come_first_and_each_once():
    selection = select("tests/include/songs/conftest.py", "include/songs/plays.py")
    assert selection.tests == ["tests/include/songs/test_plays.py", "tests/include/songs/test_job.py"]


def test_tests_that_need_the_platform_are_named_and_not_run():
    selection = select("tests/e2e/test_songs.py")
    assert (selection.tests, selection.skipped) == ([], ["tests/e2e/test_songs.py"])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose branch has a commit of its own, a change and a new file."""
    root = tmp_path / "repository"
    root.mkdir()
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['e2e', 'compose']\n")
    (root / "kept.txt").write_text("kept\n")
    (root / "gone.txt").write_text("gone\n")
    git(root, "init", "--quiet", "--initial-branch", "main")
    commit(root)
    git(root, "switch", "--quiet", "--create", "branch")
    (root / "gone.txt").unlink()
    commit(root)
    (root / "tests" / "docs").mkdir(parents=True)
    (root / "tests" / "docs" / "test_ä.py").write_text("def test_it():\n    assert True\n")
    return root


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@localhost", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Change it")


def test_what_differs_from_main_has_changed_committed_or_not(repository):
    (repository / "kept.txt").write_text("changed\n")
    assert check.changed_files(repository) == ["gone.txt", "kept.txt", "tests/docs/test_ä.py"]


def test_a_check_passes_with_its_tests_and_prints_its_duration(repository, monkeypatch, capfd):
    lint = [["ruff", "check"]]
    chosen = check.select(check.changed_files(repository), {"tests/docs/test_ä.py"})
    monkeypatch.setattr(check, "select", lambda *_: check.Selection(lint, chosen.tests, chosen.skipped))
    assert check.run(repository)
    printed = capfd.readouterr().out
    assert "1 passed" in printed
    assert "passed: ruff check\n" in printed
    assert "passed after" in printed.splitlines()[-1]
    (repository / "tests" / "docs" / "test_ä.py").write_text("def test_it():\n    assert False\n")
    assert not check.run(repository)
    assert "FAILED after" in capfd.readouterr().out.splitlines()[-1]


def test_when_the_time_is_up_what_has_passed_counts(repository, monkeypatch, capfd):
    monkeypatch.setattr(check, "TEST_SECONDS", 0.001)
    test = repository / "tests" / "docs" / "test_ä.py"
    test.write_text("def test_one():\n    assert True\n\n\ndef test_two():\n    assert False\n")
    assert check._test(repository, ["tests/docs/test_ä.py"])
    assert "make test runs the remaining tests" in capfd.readouterr().out
    test.write_text("def test_one():\n    assert False\n\n\ndef test_two():\n    assert True\n")
    assert not check._test(repository, ["tests/docs/test_ä.py"])
