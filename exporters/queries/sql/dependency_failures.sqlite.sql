SELECT processor_name, run_id, data_date, missing_dependencies, stale_dependencies, started_at
FROM processor_run_history
WHERE started_at >= @now - @days * 86400000000
  AND NOT dependency_check_passed
ORDER BY started_at DESC, processor_name, run_id, retry_attempt
