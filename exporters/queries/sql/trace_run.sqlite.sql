SELECT processor_name, run_id, retry_attempt, phase, status, trigger_source, trigger_message_id, parent_processor,
       dependency_check_passed, missing_dependencies, stale_dependencies, alert_sent, alert_type, errors, started_at,
       duration_seconds
FROM processor_run_history
WHERE instr(run_id, @run_id) > 0
  AND updated_at >= (@now / 86400000000 - @days) * 86400000000
ORDER BY started_at DESC, processor_name, run_id, retry_attempt
