SELECT processor_name, run_id, alert_type, status, dependency_check_passed, missing_dependencies, started_at
FROM processor_run_history
WHERE run_timestamp >= @now - @hours * 3600000000
  AND alert_sent
ORDER BY run_timestamp DESC, processor_name, run_id, retry_attempt
