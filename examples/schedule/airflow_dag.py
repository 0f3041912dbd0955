"""Airflow (2.9 or newer, 3 too): land what is new, build the models, check them. Copy this file to the dags folder.

Workers need the project's folder with its .venv; the password comes from the connection `polyledger_clickhouse`.
"""

import pendulum

try:
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.sdk import DAG
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.operators.bash import BashOperator

with DAG(
    dag_id="polyledger",
    schedule="*/15 * * * *",
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,  # a run lands all that is new, however many were missed
    max_active_runs=1,  # runs never overlap
    default_args={
        "cwd": "/srv/polyledger",
        "env": {
            "POLYLEDGER_TARGET": "server",
            "CLICKHOUSE_HOST": "{{ conn.polyledger_clickhouse.host }}",
            "CLICKHOUSE_PORT": "{{ conn.polyledger_clickhouse.port }}",
            "CLICKHOUSE_USER": "{{ conn.polyledger_clickhouse.login }}",
            "CLICKHOUSE_PASSWORD": "{{ conn.polyledger_clickhouse.password }}",
            "CLICKHOUSE_SECURE": "true",
        },
        "append_env": True,
        "retries": 3,  # every command continues where it stopped
        "retry_delay": pendulum.duration(minutes=1),
    },
) as dag:
    # Exit code 3: done, but rows were kept aside or a window is still open. The next run takes it up.
    sync = BashOperator(
        task_id="sync", bash_command=".venv/bin/polyledger sync --since 2025-01-01 --json || test $? = 3"
    )
    build = BashOperator(task_id="build", bash_command=".venv/bin/dbt build")
    verify = BashOperator(task_id="verify", bash_command=".venv/bin/polyledger verify --json")
    sync >> build >> verify
