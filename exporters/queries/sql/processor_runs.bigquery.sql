SELECT run_id, data_date, status, trigger_source, dependency_check_passed, duration_seconds, records_processed,
       started_at
FROM `{dataset}.processor_run_history_between`(
       DATE_SUB(DATE_SUB(DATE(@now), INTERVAL @days DAY), INTERVAL @days_ahead DAY), DATE '9999-12-31')
WHERE processor_name = @processor
  AND COALESCE(data_date, DATE(run_timestamp)) >= DATE_SUB(DATE(@now), INTERVAL @days DAY)
ORDER BY run_timestamp DESC, run_id, retry_attempt
LIMIT @limit
