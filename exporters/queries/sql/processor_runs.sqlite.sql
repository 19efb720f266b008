SELECT run_id, data_date, status, trigger_source, dependency_check_passed, duration_seconds, records_processed,
       started_at
FROM processor_run_history
WHERE processor_name = @processor
  AND COALESCE(data_date, date(run_timestamp / 1000000, 'unixepoch')) >= date(@now / 1000000, 'unixepoch', '-' || @days || ' day')
  AND updated_at >= (@now / 86400000000 - @days - @days_ahead) * 86400000000
ORDER BY run_timestamp DESC, run_id, retry_attempt
LIMIT @limit
