"""A valid call of each route, for the tests that walk all routes."""

from tests.support.example import Example

TASK = {"task_id": "8fec5762412c11ec836d04ea56825baa"}
PREVIEW = {"preview_id": "8fec5762412c11ec836d04ea56825baa"}
FBFANS = {"table_name": "wh_panel_mapping_fbfans"}

EXAMPLES = {
    "POST /audience/api/tasks/": Example({}),
    "POST /audience/api/tasks": Example({}),
    "GET /audience/api/tasks/": Example(),
    "GET /audience/api/tasks": Example(),
    "GET /audience/api/tasks/{task_id}": Example(path=TASK),
    "GET /audience/api/tasks/{task_id}/": Example(path=TASK),
    "GET /audience/api/tasks/{task_id}/sample/": Example(path=TASK, query=FBFANS),
    "GET /audience/api/tasks/{task_id}/sample": Example(path=TASK, query=FBFANS),
    "POST /audience/api/tasks/{task_id}/abort": Example(path=TASK),
    "POST /audience/api/tasks/{task_id}/abort/": Example(path=TASK),
    "DELETE /audience/api/tasks/{task_id}": Example(path=TASK),
    "DELETE /audience/api/tasks/{task_id}/": Example(path=TASK),
    "POST /audience/api/rules/preview": Example({}),
    "POST /audience/api/rules/preview/": Example({}),
    "GET /audience/api/rules/preview/{preview_id}": Example(path=PREVIEW),
    "GET /audience/api/rules/preview/{preview_id}/": Example(path=PREVIEW),
    "GET /quartet/audience/": Example(),
    "POST /quartet/audience/": Example(
        form={
            "model_type": "keyword_model",
            "predict_type": "author_name",
            "start_time": "2020-01-01",
            "end_time": "2020-01-02",
        }
    ),
    "GET /quartet/audience/{task_id}": Example(path=TASK),
    "GET /quartet/audience/{task_id}/progress": Example(path=TASK),
    "GET /quartet/audience/{task_id}/sample": Example(path=TASK, query=FBFANS),
    "POST /quartet/audience/{task_id}/abort": Example(path=TASK, form={}),
    "GET /audience/api/tasks/{task_id}/coverage": Example(path=TASK),
    "GET /audience/api/tasks/{task_id}/coverage/": Example(path=TASK),
}
