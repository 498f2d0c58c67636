"""The table of tasks of the system before: only the columns of its specification, and no key."""

OLD_STATE = """
CREATE TABLE state (
    task_id VARCHAR(32) NOT NULL, stat VARCHAR(10) NOT NULL, prod_stat VARCHAR(10), model_type VARCHAR(32) NOT NULL,
    predict_type VARCHAR(32) NOT NULL, date_range LONGTEXT, target_table VARCHAR(32) NOT NULL,
    create_time DATETIME NOT NULL, peak_memory FLOAT, length_receive_table INT, length_output_table INT,
    length_prod_table INT, result LONGTEXT, uniq_source_author VARCHAR(10), rate_of_label INT, run_time FLOAT,
    check_point DATETIME{key}
)
"""
OLD_ROW = """
INSERT INTO state (task_id, stat, model_type, predict_type, target_table, create_time, length_prod_table, result)
VALUES ('{id}', 'SUCCESS', 'keyword_model', 'author', 'wh_old', '2019-01-01 00:00:00', 7, 'fbfans')
"""
