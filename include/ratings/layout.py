"""Every path below the folder of the ratings workflow.

A root is that folder, local or in S3. Below it:

    training/<name>                             landed files of submitted ratings
    streaming/<name>                            landed files of pairs to predict
    refused/<name>.json                         why a file in `training` was refused
    refused_streaming/<name>.json               the same for `streaming`
    changes/<repo>.json                         up to when changes of taken files were looked at
    training_table/                             Delta table of all submitted ratings
    base/base.json                              which base data are current
    base/<sha256>.data                          base data
    models/<version>.json                       card of a model version
    champion.json                               the model version that predicts
    promotions/<time>-<version>.json            a move of the champion
    algorithm.json                              algorithm chosen by a model selection
    selections/<time>.json                      result of a model selection
    predict/<version>/<name>                    predictions of a model version for a file in `streaming`
    predict/<version>/_failed.json              why a model version cannot predict
    predict_made/<version>/<name>.json          how such a prediction file was made
    jobs/train/<run>.json, jobs/predict/<run>.json      report of a DAG run

A name that would be too long with its ending, or that is not UTF-8, is shortened; see `safe_name`.
"""

from typing import Literal
from urllib.parse import quote

from include.core.storage import StoragePath, Store, safe_name

Repo = Literal["training", "streaming"]
"""Folder of landed files."""
Job = Literal["train", "predict"]
"""Kind of a reported run."""

REPOS: dict[Job, Repo] = {"train": "training", "predict": "streaming"}
"""Kind of run → the landed files that it takes."""
_REFUSED: dict[Repo, str] = {"training": "refused", "streaming": "refused_streaming"}
FAILURE = "_failed.json"
"""Name, among the prediction files of a model version, of the record that it cannot predict."""


def record_name(name: str) -> str:
    """Return the name of the record that belongs to the file *name*."""
    return safe_name(name, ".json")


def landed_files(root: StoragePath, repo: Repo) -> StoragePath:
    """Return the folder of the landed files of *repo*."""
    return root / repo


def landed_file(root: StoragePath, repo: Repo, name: str) -> StoragePath:
    """Return a landed file."""
    return root / repo / name


def refusals(root: StoragePath, repo: Repo) -> StoragePath:
    """Return the folder of the refusals of *repo*."""
    return root / _REFUSED[repo]


def refusal_file(root: StoragePath, repo: Repo, name: str) -> StoragePath:
    """Return the record of why a landed file was refused."""
    return refusals(root, repo) / record_name(name)


def last_change_file(root: StoragePath, repo: Repo) -> StoragePath:
    """Return the record of up to when changes of taken files were looked at."""
    return root / "changes" / f"{repo}.json"


def training_table(store: Store) -> Store:
    """Return the Delta table of submitted ratings in the workflow's *store*."""
    return store.below("training_table")


def base_record(root: StoragePath) -> StoragePath:
    """Return the record of the current base data."""
    return root / "base" / "base.json"


def base_file(root: StoragePath, sha256: str) -> StoragePath:
    """Return the base data with this checksum."""
    return root / "base" / f"{sha256}.data"


def cards(root: StoragePath) -> StoragePath:
    """Return the folder of the cards of all model versions."""
    return root / "models"


def card_file(root: StoragePath, version: int) -> StoragePath:
    """Return the card of a model version."""
    return cards(root) / f"{version}.json"


def champion_file(root: StoragePath) -> StoragePath:
    """Return the record of the champion."""
    return root / "champion.json"


def promotions(root: StoragePath) -> StoragePath:
    """Return the folder of the moves of the champion."""
    return root / "promotions"


def promotion_file(root: StoragePath, at: str, version: int) -> StoragePath:
    """Return the record of a move of the champion; *at* is UTC, ISO 8601."""
    return promotions(root) / f"{at}-{version}.json"


def algorithm_file(root: StoragePath) -> StoragePath:
    """Return the algorithm that a model selection has chosen for the trainings after it."""
    return root / "algorithm.json"


def selections(root: StoragePath) -> StoragePath:
    """Return the folder of the results of model selections; their names sort by time."""
    return root / "selections"


def selection_file(root: StoragePath, at: str) -> StoragePath:
    """Return the result of a model selection; *at* is UTC, ISO 8601."""
    return selections(root) / f"{at}.json"


def predictions(root: StoragePath) -> StoragePath:
    """Return the folder of the prediction files of all model versions."""
    return root / "predict"


def predictions_of(root: StoragePath, version: int) -> StoragePath:
    """Return the folder of the prediction files of a model version."""
    return predictions(root) / str(version)


def prediction_file(root: StoragePath, version: int, name: str) -> StoragePath:
    """Return the predictions of a model version for the landed file *name*."""
    return predictions_of(root, version) / name


def failure_file(root: StoragePath, version: int) -> StoragePath:
    """Return the record of why a model version cannot predict."""
    return predictions_of(root, version) / FAILURE


def prediction_records(root: StoragePath) -> StoragePath:
    """Return the folder of the records of all prediction files."""
    return root / "predict_made"


def prediction_record_file(root: StoragePath, version: int, name: str) -> StoragePath:
    """Return the record of how a prediction file was made."""
    return prediction_records(root) / str(version) / record_name(name)


def reports(root: StoragePath, job: Job) -> StoragePath:
    """Return the folder of the reports of runs of this kind."""
    return root / "jobs" / job


def report_file(root: StoragePath, job: Job, dag_run_id: str) -> StoragePath:
    """Return the report of a DAG run."""
    return reports(root, job) / record_name(quote(dag_run_id, safe="+:"))
