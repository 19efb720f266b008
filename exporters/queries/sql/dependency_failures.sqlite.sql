SELECT processor_name, run_id, data_date, missing_dependencies, stale_dependencies, started_at
FROM processor_run_history
WHERE run_timestamp >= @now - @days * 86400000000
  AND NOT dependency_check_passed
ORDER BY run_timestamp DESC, processor_name, run_id, retry_attempt
