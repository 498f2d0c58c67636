"""The platform's own PostgreSQL: it is created whole, recovers from kills, and explains why it cannot start."""

import os
import shutil
import subprocess

import psutil
import pytest
from sqlalchemy import create_engine, text

from deploy.embedded.cluster import Cluster, program
from deploy.embedded.errors import EmbeddedError
from include.core.database.server import maintenance_address


def scalar(cluster: Cluster, statement: str):
    engine = create_engine(maintenance_address(cluster.url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            found = connection.execute(text(statement))
            return found.scalar() if found.returns_rows else None
    finally:
        engine.dispose()


def test_a_killed_server_comes_back_with_what_was_committed(cluster):
    with cluster.running():
        scalar(cluster, "CREATE TABLE t AS SELECT 42 AS x")
        server = psutil.Process(int((cluster.data / "postmaster.pid").read_text().split("\n", 1)[0]))
        family = [server, *server.children()]
        for each in family:
            each.kill()
        psutil.wait_procs(family, timeout=10)
    assert (cluster.data / "postmaster.pid").exists()
    with cluster.running():
        assert scalar(cluster, "SELECT x FROM t") == 42


def test_it_listens_on_no_port_and_syncs_what_it_commits(cluster):
    with cluster.running():
        assert scalar(cluster, "SHOW listen_addresses") == ""
        assert scalar(cluster, "SHOW fsync") == "on"
        assert cluster.socket_folder.stat().st_mode & 0o777 == 0o700
    assert not cluster.answers()


def test_files_of_an_interrupted_creation_are_created_again(instance):
    cluster = instance.cluster
    partial = cluster.home / "postgres.partial"
    (partial / "base").mkdir(parents=True)
    cluster.create()
    assert not partial.exists()
    before = (cluster.data / "global" / "pg_control").read_bytes()
    cluster.create()
    assert (cluster.data / "global" / "pg_control").read_bytes() == before


def test_a_home_restored_from_a_copy_starts(cluster, tmp_path):
    with cluster.running():
        scalar(cluster, "CREATE TABLE t AS SELECT 42 AS x")
    copy = Cluster(tmp_path / "copy")
    shutil.copytree(cluster.home, copy.home)  # the owner is whoever copies
    copy.data.chmod(0o755)
    copy.create()
    with copy.running():
        assert scalar(copy, "SELECT x FROM t") == 42


@pytest.mark.parametrize("name", ["with space, comma", "100% @é'\"&?#", "x" * 120])
def test_a_home_may_have_any_name(tmp_path, name):
    home = tmp_path / name
    (home / "logs").mkdir(parents=True)
    cluster = Cluster(home)
    cluster.create()
    with cluster.running():
        assert scalar(cluster, "SELECT current_user") == "quartet"
    cluster.socket_folder.rmdir()


def test_the_lock_of_a_killed_server_whose_process_id_is_another_program_s_now_is_removed(cluster):
    with subprocess.Popen(["sleep", "60"]) as other:
        (cluster.data / "postmaster.pid").write_text(f"{other.pid}\n{cluster.data}\n")
        with cluster.running():
            assert scalar(cluster, "SELECT 1") == 1
        other.kill()


def test_two_homes_run_side_by_side(cluster, tmp_path):
    (tmp_path / "other" / "logs").mkdir(parents=True)
    neighbour = Cluster(tmp_path / "other")
    neighbour.create()
    with cluster.running(), neighbour.running():
        scalar(cluster, "CREATE TABLE t (x int)")
        assert scalar(neighbour, "SELECT to_regclass('t')") is None
    if neighbour.socket_folder.parent != neighbour.home / "run":
        neighbour.socket_folder.rmdir()


def test_files_of_another_version_are_named_with_the_way_out(cluster):
    (cluster.data / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(EmbeddedError, match=r"postgres was written by PostgreSQL 9\.6.*pg_dumpall"):
        cluster.create()


def test_a_full_disk_is_named(cluster, tmp_path):
    log = tmp_path / "log"
    log.write_text('FATAL:  could not write lock file "postmaster.pid": No space left on device\n')
    with pytest.raises(EmbeddedError, match=r"PostgreSQL did not start: the disk of .*home is full\. Free some space"):
        cluster.wait(log, lambda: True)


def test_a_server_that_does_not_start_is_explained_by_the_end_of_its_log(cluster):
    (cluster.data / "postgresql.conf").write_text("shared_buffers = nonsense\n")
    with pytest.raises(EmbeddedError, match=r"(?s)PostgreSQL did not start\. The end of .*nonsense"), cluster.running():
        pass


def test_a_machine_without_the_programs_is_told_the_setting(monkeypatch):
    monkeypatch.setattr("deploy.embedded.cluster.find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match=r"no PostgreSQL for this machine.*QUARTET_DATABASE_URL"):
        program("postgres")


@pytest.mark.skipif(os.getuid() != 0, reason="only root runs the server as another user")
def test_root_without_setpriv_is_told_what_to_do(cluster, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EmbeddedError, match=r"setpriv.*QUARTET_DATABASE_URL"):
        cluster.command()


def test_the_socket_folder_of_another_user_is_refused(cluster, monkeypatch):
    cluster.socket_folder.mkdir(parents=True)
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    monkeypatch.setattr("deploy.embedded.cluster._server_uid", lambda: 4711)
    with pytest.raises(EmbeddedError, match="belongs to another user"):
        cluster.make_ready()
