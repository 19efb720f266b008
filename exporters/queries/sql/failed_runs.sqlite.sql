SELECT processor_name, run_id, status, dependency_check_passed, missing_dependencies, errors, started_at
FROM processor_run_history
WHERE data_date = @date
  AND status = 'failed'
  AND updated_at >= (unixepoch(@date) / 86400 - @days_ahead) * 86400000000
ORDER BY started_at DESC, processor_name, run_id, retry_attempt
