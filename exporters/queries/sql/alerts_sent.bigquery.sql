SELECT processor_name, run_id, alert_type, status, dependency_check_passed, missing_dependencies, started_at
FROM `{dataset}.processor_run_history_between`(
       DATE_SUB(DATE(TIMESTAMP_SUB(@now, INTERVAL @hours HOUR)), INTERVAL 1 DAY), DATE '9999-12-31')
WHERE run_timestamp >= TIMESTAMP_SUB(@now, INTERVAL @hours HOUR)
  AND alert_sent
ORDER BY run_timestamp DESC, processor_name, run_id, retry_attempt
