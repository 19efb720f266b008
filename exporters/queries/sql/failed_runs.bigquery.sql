SELECT processor_name, run_id, status, dependency_check_passed, missing_dependencies, errors, started_at
FROM `{dataset}.processor_run_history_between`(DATE_SUB(@date, INTERVAL @days_ahead DAY), DATE '9999-12-31')
WHERE data_date = @date
  AND status = 'failed'
ORDER BY started_at DESC, processor_name, run_id, retry_attempt
