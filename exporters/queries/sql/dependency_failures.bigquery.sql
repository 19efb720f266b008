SELECT processor_name, run_id, data_date, missing_dependencies, stale_dependencies, started_at
FROM `{dataset}.processor_run_history_between`(
       DATE_SUB(DATE(TIMESTAMP_SUB(@now, INTERVAL @days DAY)), INTERVAL 1 DAY), DATE '9999-12-31')
WHERE run_timestamp >= TIMESTAMP_SUB(@now, INTERVAL @days DAY)
  AND NOT dependency_check_passed
ORDER BY run_timestamp DESC, processor_name, run_id, retry_attempt
