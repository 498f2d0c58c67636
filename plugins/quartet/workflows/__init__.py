"""What a DAG run means to its workflow: from the context of a task to the pipeline and its dependencies."""
